"""Pictures of the weights: a heat map per recurrent layer, tap norms by lag for convolutions.

Figures are made without pyplot, so no window opens and no global state is touched.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import InputError
from forecast.gates.snapshots import is_convolution, unpack
from forecast.gates.split import Gates

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONG_NAMES = {"i": "input", "f": "forget", "c": "candidate", "o": "output", "z": "update"}
_LONG_NAMES |= {"r": "reset", "h": "candidate"}
_PARTS = {
    "kernel": ("kernel", "features"),
    "recurrent_kernel": ("recurrent", "units"),
    "bias": ("bias", ""),
    "recurrent_bias": ("rec. bias", ""),
}
_MOST_NAMED_FEATURES = 16
_INK = "#222222"
_BAR = "#2166ac"
# Blue for negative, red for positive, white for zero: told apart by every common colour vision.
_COLOURS = "RdBu_r"


def colour_limit(snapshots: Iterable[Mapping[str, np.ndarray]]) -> float:
    """Choose one end of the colour scale for all pictures of a run.

    Args:
        snapshots: The snapshots that will be drawn.

    Returns:
        The largest 99.5 % quantile of the absolute weights of any recurrent layer of any of
        them, so that a single large weight does not make all others pale; 1 when there are none.

    >>> colour_limit([{"rnn_1/bias/h": np.array([-0.5])}, {"rnn_1/bias/h": np.array([0.25])}])
    0.5
    """
    largest = 0.0
    for weights in snapshots:
        for gates in unpack(weights).values():
            if is_convolution(gates):
                continue
            sizes = np.abs(np.concatenate([a.ravel() for p in gates.values() for a in p.values()]))
            sizes = sizes[np.isfinite(sizes)]
            if sizes.size:
                largest = max(largest, float(np.quantile(sizes, 0.995)))
    return largest or 1.0


def bar_limit(snapshots: Iterable[Mapping[str, np.ndarray]]) -> float:
    """Choose one height of the axis for all bar pictures of a run.

    Args:
        snapshots: The snapshots that will be drawn.

    Returns:
        The largest tap norm in any of them; 1 when there are none.

    >>> bar_limit([{"conv_1/kernel/lag_00": np.array([[3.0, 4.0]])}])
    5.0
    """
    norms = [
        norm
        for weights in snapshots
        for lags in _tap_norms(weights).values()
        for norm in lags.values()
        if np.isfinite(norm)
    ]
    return max(norms, default=0.0) or 1.0


def heat_map(
    gates: Gates,
    layer_name: str,
    limit: float,
    *,
    feature_names: Sequence[str] | None = None,
    epoch: int | None = None,
) -> "Figure":
    """Draw the weights of one recurrent layer: gates side by side, parts one below the other.

    Args:
        gates: `{gate: {part: array}}` of one layer, from `split(layer)` or `unpack(snapshot)`.
        layer_name: What the title calls the layer.
        limit: Both ends of the colour scale, symmetric about zero; weights beyond it get the
            colour of the end. Use one limit for all epochs of a run.
        feature_names: One name per row of the kernel; written when there are at most 16.
        epoch: The epoch for the title.

    Returns:
        A matplotlib figure of 1000 x 800 pixels.

    Raises:
        InputError: `limit` is not a positive number, there are no gates, or `feature_names` does
            not fit the kernel.

    >>> gates = {gate: {"kernel": np.ones((3, 4)), "recurrent_kernel": np.eye(4),
    ...                 "bias": np.zeros(4)} for gate in "ifco"}
    >>> figure = heat_map(gates, "lstm_1", 1.0, feature_names=["temp", "dewp", "humid"], epoch=7)
    >>> figure.get_suptitle()
    'lstm_1 · weights by gate · epoch 7'
    """
    _check_limit(limit)
    if not gates:
        raise InputError(
            "gates: must hold at least one gate, received none; pass split(layer) of a "
            "recurrent layer"
        )
    parts = [part for part in _PARTS if part in next(iter(gates.values()))]
    features = next(iter(gates.values()))["kernel"].shape[0]
    if feature_names is not None and len(feature_names) != features:
        raise InputError(
            f"feature_names: must have one name per kernel row, received {len(feature_names)} "
            f"names for {features} rows; leave them out for layers that read another layer"
        )
    figure = _figure(f"{layer_name} · weights by gate", epoch)
    heights = {"kernel": 2.2 + 0.12 * min(features, _MOST_NAMED_FEATURES), "recurrent_kernel": 4.0}
    # Four columns share the width that one column would fill, so one gate is drawn narrower.
    columns = len(gates)
    named = feature_names is not None and features <= _MOST_NAMED_FEATURES
    grid = figure.add_gridspec(
        len(parts),
        columns,
        height_ratios=[heights.get(part, 0.45) for part in parts],
        left=0.2 if named else 0.145,
        right=0.875,
        top=0.83,
        bottom=0.075,
        wspace=0.07,
        hspace=0.09,
    )
    image = None
    for row, part in enumerate(parts):
        for column, (gate, arrays) in enumerate(gates.items()):
            axes = figure.add_subplot(grid[row, column])
            image = axes.imshow(
                np.atleast_2d(arrays[part]),
                cmap=_COLOURS,
                vmin=-limit,
                vmax=limit,
                aspect="auto",
                interpolation="nearest",
            )
            _style(axes)
            axes.set_xticks([])
            axes.set_yticks([])
            if row == 0:
                axes.set_title(_gate_title(gate, columns), fontsize=21, color=_INK, pad=9)
            if column == 0:
                _label_rows(axes, part, arrays[part], feature_names if named else None)
            if row == len(parts) - 1:
                _label_units(axes, arrays[part].shape[-1])
    bar = figure.colorbar(
        image, cax=figure.add_axes((0.9, 0.075, 0.022, 0.755)), extend="both", extendfrac=0.03
    )
    bar.ax.tick_params(labelsize=15, colors=_INK)
    bar.set_ticks([-limit, -limit / 2, 0.0, limit / 2, limit])
    bar.ax.set_yticklabels([f"{value:+.2g}" if value else "0" for value in bar.get_ticks()])
    return figure


def tap_bars(
    weights: Mapping[str, np.ndarray], limit: float, *, epoch: int | None = None
) -> "Figure":
    """Draw how much each convolution listens to each lag: a panel a layer, a bar a tap.

    Args:
        weights: A snapshot; its recurrent layers are passed over.
        limit: The top of every panel's axis. Use one limit for all epochs of a run.
        epoch: The epoch for the title.

    Returns:
        A matplotlib figure of 1000 x 800 pixels; the newest step is at the right, as in a window.

    Raises:
        InputError: `limit` is not a positive number or the snapshot has no convolution.

    >>> weights = {"conv_1/kernel/lag_02": np.ones((1, 4)), "conv_1/kernel/lag_00": np.ones((1, 4))}
    >>> [axes.get_title() for axes in tap_bars(weights, 2.0).axes]
    ['conv_1']
    """
    _check_limit(limit)
    layers = _tap_norms(weights)
    if not layers:
        raise InputError(
            "weights: must hold at least one convolution, received none; "
            "draw recurrent layers with heat_map"
        )
    figure = _figure("norm of each tap by lag", epoch)
    columns = min(len(layers), 1 if len(layers) == 1 else 2 if len(layers) <= 4 else 3)
    columns = max(columns, 4 if len(layers) > 12 else 1)
    rows = -(-len(layers) // columns)
    grid = figure.add_gridspec(
        rows, columns, left=0.1, right=0.97, top=0.83, bottom=0.12, wspace=0.12, hspace=0.62
    )
    for number, (layer, lags) in enumerate(layers.items()):
        row, column = divmod(number, columns)
        axes = figure.add_subplot(grid[row, column])
        _style(axes)
        axes.spines[["top", "right"]].set_visible(False)
        ordered = sorted(lags, reverse=True)
        heights = [lags[lag] if np.isfinite(lags[lag]) else 0.0 for lag in ordered]
        axes.bar(range(len(ordered)), heights, color=_BAR, width=0.8)
        axes.set_xlim(-0.6, len(ordered) - 0.4)
        axes.set_ylim(0, limit * 1.05)
        axes.set_title(layer, fontsize=19 if columns < 4 else 15, color=_INK, pad=6)
        # At most eight labels in a row, counted from the newest step, which is always labelled.
        step = -(-len(ordered) * columns // 12)
        ticks = list(range(len(ordered) - 1, -1, -max(step, 1)))
        axes.set_xticks(ticks, [str(ordered[tick]) for tick in ticks], fontsize=15, color=_INK)
        axes.set_yticks([0.0, limit], ["0", f"{limit:.2g}"], fontsize=15, color=_INK)
        if column:
            axes.set_yticklabels([])
    figure.supxlabel("lag: steps before the newest step", fontsize=18, color=_INK, y=0.015)
    return figure


def to_image(figure: "Figure") -> np.ndarray:
    """Render a figure on an opaque white ground.

    Args:
        figure: Any matplotlib figure; it may have been made without pyplot.

    Returns:
        Pixels (height, width, 3), uint8.

    >>> from matplotlib.figure import Figure
    >>> image = to_image(Figure(figsize=(2, 1), dpi=100))
    >>> image.shape, image.dtype.name, int(image.min())
    ((100, 200, 3), 'uint8', 255)
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    colours, opacity = pixels[..., :3], pixels[..., 3:]
    if opacity.min() == 255:
        return colours.copy()
    share = opacity / 255.0
    return np.round(colours * share + 255.0 * (1.0 - share)).astype(np.uint8)


def _figure(title: str, epoch: int | None) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 8), dpi=100, facecolor="white")
    text = title if epoch is None else f"{title} · epoch {epoch}"
    size = min(25.0, 25.0 * 46 / len(text))
    figure.suptitle(text, fontsize=size, color=_INK, y=0.965)
    return figure


def _style(axes: Any) -> None:
    """Set every colour by hand: a reader's dark style must not write white on white."""
    axes.set_facecolor("white")
    axes.grid(visible=False)
    axes.tick_params(length=0, colors=_INK)
    for spine in axes.spines.values():
        spine.set_color("#9a9a9a")
        spine.set_linewidth(0.8)


def _gate_title(gate: str, columns: int) -> str:
    short = gate.rsplit(".", 1)[-1]
    # The one gate of a SimpleRNN is its state, not a candidate for it.
    long = "state" if columns == 1 and short == "h" else _LONG_NAMES.get(short, "")
    return f"{gate}  {long}".rstrip()


def _label_rows(
    axes: Any, part: str, array: np.ndarray, feature_names: Sequence[str] | None
) -> None:
    name, counted = _PARTS[part]
    if part == "kernel" and feature_names is not None:
        size = 17 if len(feature_names) <= 8 else 13
        names = [text if len(text) <= 14 else f"{text[:13]}…" for text in feature_names]
        axes.set_yticks(range(len(names)), names, fontsize=size, color=_INK)
        return
    label = f"{name}\n{len(array)} {counted}" if counted else name
    horizontal = not counted
    axes.set_ylabel(
        label,
        fontsize=18,
        color=_INK,
        rotation=0 if horizontal else 90,
        ha="right" if horizontal else "center",
        va="center",
        labelpad=6,
    )


def _label_units(axes: Any, units: int) -> None:
    axes.set_xlabel(f"{units} units", fontsize=16, color=_INK, labelpad=6)


def _tap_norms(weights: Mapping[str, np.ndarray]) -> dict[str, dict[int, float]]:
    """Return `{layer: {lag: norm}}`."""
    return {
        layer: {
            int(lag.removeprefix("lag_")): float(np.linalg.norm(parts["kernel"]))
            for lag, parts in lags.items()
        }
        for layer, lags in unpack(weights).items()
        if is_convolution(lags)
    }


def _check_limit(limit: float) -> None:
    if not (np.isfinite(limit) and limit > 0):
        raise InputError(
            f"limit: must be a positive number, received {limit}; "
            "use forecast.gates.colour_limit(snapshots)"
        )
