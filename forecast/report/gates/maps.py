"""Heat maps of the weights of gates, and of inputs against gates."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.errors import InputError
from forecast.gates.shapes import rung
from forecast.gates.snapshots import is_convolution, unpack
from forecast.gates.split import Gates
from forecast.report.canvas import (
    FRAME,
    INK,
    check_limit,
    escape_mathtext,
    gate_title,
    new_figure,
    style,
)
from forecast.report.gates.shapes import LARGE, SIDE, TEXT, gate_name, square, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# What a part is called and how high its row is; a kernel is as high as its features need.
_PARTS = {
    "kernel": ("kernel", 2.2),
    "recurrent_kernel": ("recurrent", 4.0),
    "bias": ("bias", 1.0),
    "recurrent_bias": ("rec. bias", 1.0),
}
_MOST_NAMED_FEATURES = 16
# Blue for negative, red for positive, white for zero: distinct for every common colour vision.
_COLOURS = "RdBu_r"
_DOT = "#2166ac"
# From one gate to the next, in widths of a gate.
_PITCH = 1.07


def colour_limit(snapshots: Iterable[Mapping[str, np.ndarray]]) -> float:
    """Choose one end of the colour scale for all pictures of a run.

    Args:
        snapshots: The snapshots that will be drawn.

    Returns:
        The lowest of 0.1, 0.2, 0.5, 1, 2, 5 … that holds 99.5 % of the absolute weights of the
        kernels of every recurrent layer of each of them, so that most runs share a scale; 1 when
        there are none. Biases have an axis of their own.

    >>> colour_limit([{"rnn_1/kernel/h": np.array([[-0.3]]), "rnn_1/bias/h": np.array([9.0])}])
    0.5
    """
    largest = 0.0
    for weights in snapshots:
        for gates in unpack(weights).values():
            if is_convolution(gates):
                continue
            kernels = [
                array.ravel()
                for parts in gates.values()
                for part, array in parts.items()
                if not part.endswith("bias")
            ]
            sizes = np.abs(np.concatenate(kernels)) if kernels else np.zeros(0)
            sizes = sizes[np.isfinite(sizes)]
            if sizes.size:
                largest = max(largest, float(np.quantile(sizes, 0.995)))
    return rung(largest) if largest else 1.0


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
        A matplotlib figure of 1000 x 800 pixels; biases are dots, one a unit, on an axis of their
        own, and below each gate is their mean.

    Raises:
        InputError: `limit` is not a positive number, there are no gates, or `feature_names` does
            not fit the kernel.

    >>> gates = {gate: {"kernel": np.ones((3, 4)), "recurrent_kernel": np.eye(4),
    ...                 "bias": np.zeros(4)} for gate in "ifco"}
    >>> figure = heat_map(gates, "lstm_1", 1.0, feature_names=["temp", "dewp", "humid"], epoch=7)
    >>> figure.get_suptitle()
    'lstm_1 · weights by gate · epoch 7'
    """
    check_limit(limit)
    features = _count_features(gates, feature_names)
    named = feature_names is not None and features <= _MOST_NAMED_FEATURES
    parts = [part for part in _PARTS if part in next(iter(gates.values()))]
    rows_of_features = 0.12 * min(features, _MOST_NAMED_FEATURES)
    figure = new_figure(f"{layer_name} · weights by gate", epoch)
    grid = figure.add_gridspec(
        len(parts),
        1,
        height_ratios=[_PARTS[part][1] + rows_of_features * (part == "kernel") for part in parts],
        left=0.2 if named else 0.165,
        right=0.875,
        top=0.85,
        bottom=0.075,
        hspace=0.09,
    )
    for row, part in enumerate(parts):
        axes = figure.add_subplot(grid[row])
        held = [arrays[part] for arrays in gates.values()]
        end = _largest(held)
        for column, array in enumerate(held):
            if array.ndim == 1:
                _dots(axes, column, array / end)
            else:
                _panel(axes, column, array, limit)
        axes.set_xlim(0, _PITCH * len(gates) - _PITCH + 1)
        _label_row(axes, part, held[0], feature_names if named else None)
        if held[0].ndim == 1:
            axes.set_ylim(-1.15, 1.15)
            axes.yaxis.label.set_text(f"{_PARTS[part][0]}\n±{end:g}")
    for column, (gate, arrays) in enumerate(gates.items()):
        middle = _PITCH * column + 0.5
        size = 18 if len(gates) > 3 else 21
        _write(figure.axes[0], middle, 8, gate_title(gate, alone=len(gates) == 1), size)
        _write(figure.axes[-1], middle, -8, _mean_of_biases(arrays), 16)
    _add_scale(figure, limit)
    return figure


def _panel(axes: Any, column: int, array: np.ndarray, limit: float) -> None:
    """Draw one part of one gate; all gates share the axes because axes are slow to make."""
    left, height = _PITCH * column, len(array)
    axes.imshow(
        array,
        cmap=_COLOURS,
        vmin=-limit,
        vmax=limit,
        extent=(left, left + 1, height - 0.5, -0.5),
        aspect="auto",
        interpolation="nearest",
    )
    corners = ((left, left + 1, left + 1, left, left), np.array((0, 0, 1, 1, 0)) * height - 0.5)
    axes.plot(*corners, color=FRAME, linewidth=0.8, clip_on=False)


def _dots(axes: Any, column: int, shares: np.ndarray) -> None:
    """Draw a dot for each unit at its share of the scale, with lines at zero and at both ends."""
    left = _PITCH * column
    for height in (-1, 0, 1):
        axes.plot([left, left + 1], [height, height], color=FRAME, lw=0.8 if height else 1.2)
    places = left + (np.arange(len(shares)) + 0.5) / len(shares)
    axes.plot(places, shares, "o", color=_DOT, markersize=5, markeredgewidth=0, alpha=0.8)


def _largest(arrays: Sequence[np.ndarray]) -> float:
    """Return the end of a scale that holds all numbers."""
    sizes = np.abs(np.concatenate([array.ravel() for array in arrays]))
    return rung(float(sizes[np.isfinite(sizes)].max(initial=0)))


def _write(axes: Any, x: float, points_above: float, text: str, size: float) -> None:
    """Write centred at x, so many points above the top of the axes or below its bottom."""
    axes.annotate(
        text,
        (x, 1.0 if points_above > 0 else 0.0),
        (0, points_above),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        ha="center",
        va="bottom" if points_above > 0 else "top",
        fontsize=size,
        color=INK,
    )


def _count_features(gates: Gates, feature_names: Sequence[str] | None) -> int:
    if not gates:
        raise InputError(
            "gates: must hold at least one gate, received none; pass split(layer) of a "
            "recurrent layer"
        )
    features = len(next(iter(gates.values()))["kernel"])
    if feature_names is not None and len(feature_names) != features:
        raise InputError(
            f"feature_names: must have one name per kernel row, received {len(feature_names)} "
            f"names for {features} rows; leave them out for layers that read another layer"
        )
    return features


def _label_row(
    axes: Any, part: str, array: np.ndarray, feature_names: Sequence[str] | None
) -> None:
    style(axes)
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    if part == "kernel" and feature_names is not None:
        size = 17 if len(feature_names) <= 8 else 13
        names = [text if len(text) <= 14 else f"{text[:13]}…" for text in feature_names]
        axes.set_yticks(range(len(names)), [*map(escape_mathtext, names)], fontsize=size, color=INK)
        return
    label = _PARTS[part][0]
    if array.ndim == 2:
        label += f"\n{len(array)} {'features' if part == 'kernel' else 'units'}"
    axes.set_ylabel(label, fontsize=16, color=INK, rotation=0, ha="right", va="center", labelpad=8)


def _mean_of_biases(arrays: dict[str, np.ndarray]) -> str:
    """Say in numbers what the colour of a bias beyond the scale cannot."""
    means = [float(np.mean(arrays[part])) for part in arrays if part.endswith("bias")]
    if not means:
        return ""
    return ("mean " if len(means) == 1 else "means ") + ", ".join(_signed(m, ".2f") for m in means)


def _signed(value: float, form: str) -> str:
    text = f"{value:+{form}}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def _add_scale(figure: "Figure", limit: float) -> None:
    image = figure.axes[0].images[0]
    axes = figure.add_axes((0.9, 0.075, 0.022, 0.775))
    bar = figure.colorbar(image, cax=axes, extend="both", extendfrac=0.03)
    ticks = {tick: _signed(tick, ".2g") for tick in (-limit, 0.0, limit)}
    bar.set_ticks(list(ticks), labels=list(ticks.values()))
    size = 15 * min(1.0, 5 / max(map(len, ticks.values())))
    axes.tick_params(labelsize=size, colors=INK, labelcolor=INK)
    bar.outline.set_edgecolor(FRAME)


_MOST_ROWS = 16


def influence_map(norms: pd.DataFrame, layer: str, limit: float, *, subtitle: str = "") -> "Figure":
    """Draw the weight of each feature in each gate's kernel.

    Args:
        norms: (features, gates) from `forecast.gates.statistics`, root mean squares.
        layer: What the title calls the layer.
        limit: The end of the colour scale. Use one limit for all epochs of a run.
        subtitle: Below the title, such as the epoch.

    Returns:
        A matplotlib figure of 768 x 768 pixels, with the 16 strongest features at most, in the
        order of the table where all of them are shown.

    Raises:
        InputError: `limit` is not a positive number.

    >>> norms = pd.DataFrame({"f": [5.0, 1.0]}, index=["temp", "wind"])
    >>> figure = influence_map(norms, "lstm_1", 5.0)
    >>> figure.axes[0].texts[0].get_text()
    'lstm_1 · weight of each input'
    """
    check_limit(limit)
    left_out = len(norms) - _MOST_ROWS
    if left_out > 0:
        norms = norms.loc[norms.sum(axis=1).nlargest(_MOST_ROWS).index]
    figure = square()
    axes: Any = figure.axes[0]
    write(axes, 14, 26, f"{layer} · weight of each input", LARGE, anchor="left", weight="bold")
    write(axes, 14, 64, subtitle, TEXT, anchor="left")
    more = f" · {left_out} weaker ones left out" if left_out > 0 else ""
    write(axes, SIDE / 2, SIDE - 20, f"RMS per weight, darkest {limit:g}{more}", TEXT - 1)
    left, top, right, bottom = 250.0, 130.0, SIDE - 10.0, SIDE - 48.0
    rows, columns = norms.shape
    high, wide = (bottom - top) / max(1, rows), (right - left) / max(1, columns)
    for column, gate in enumerate(norms.columns):
        name = gate_name(gate, alone=columns == 1)
        write(axes, left + wide * (column + 0.5), top - 20, name, TEXT if columns < 4 else TEXT - 2)
    size = min(TEXT, 0.8 * high)
    values = np.nan_to_num(norms.to_numpy(), posinf=limit)
    axes.imshow(
        values,
        cmap="Blues",
        vmin=0,
        vmax=limit,
        aspect="auto",
        interpolation="nearest",
        extent=(left, right, bottom, top),
    )
    axes.set_xlim(0, SIDE)
    axes.set_ylim(SIDE, 0)
    for row, name in enumerate(map(str, norms.index)):
        text = name if len(name) <= 14 else f"{name[:13]}…"
        write(axes, left - 12, top + high * (row + 0.5), text, size, anchor="right")
    for (row, column), value in np.ndenumerate(values):
        ink = "white" if value > 0.6 * limit else INK
        place = left + wide * (column + 0.5), top + high * (row + 0.5)
        write(axes, *place, f"{value:.2f}", size, colour=ink)
    return figure
