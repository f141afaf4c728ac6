"""How often units are saturated, and the taps of convolutions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import InputError
from forecast.gates.activity import CAP, OPEN, SHUT, steps_read, time_scales
from forecast.gates.names import KEEPING
from forecast.report.canvas import FRAME, INK, gate_title, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure
from collections.abc import Iterable
from typing import TYPE_CHECKING

from forecast.gates.names import tap_offset
from forecast.gates.snapshots import is_convolution, unpack
from forecast.gates.statistics import rms
from forecast.report.canvas import check_limit

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_DOT = "#2166ac"
_LINE = "#b2182b"


def saturation(
    weights: Mapping[str, np.ndarray], layer: str, timesteps: int, *, epoch: int | None = None
) -> "Figure":
    """Draw a panel a gate with a dot a unit, and a panel of the units' time scales.

    A dot's place is the share of its values below 0.1 against the share above 0.9, so a dot in
    the corner at the left is never saturated, and a dot on the diagonal always is (Karpathy et
    al. 2015, figure 3).

    Args:
        weights: A snapshot with activity.
        layer: Which of its recurrent layers.
        timesteps: Look-back, a line in the panel of time scales.
        epoch: The epoch for the title.

    Returns:
        A matplotlib figure of 1000 x 800 pixels.

    Raises:
        InputError: The snapshot has no activity of that layer's gates.

    >>> units = {f"lstm_1/{part}/f": np.full(3, 0.4) for part in ("mean", "shut", "open")}
    >>> [axes.get_title() for axes in saturation(units, "lstm_1", 72).axes]
    ['f  forget', 'time scale of f']
    """
    gates = measured(weights, layer)
    if not gates:
        raise InputError(
            f"weights: must hold the activity of {layer!r}'s gates, received none; "
            "give GateSnapshots a probe"
        )
    figure = new_figure(f"{layer} · how open the gates are", epoch)
    panels = [*gates, *(gate for gate in gates if gate in KEEPING)]
    rows, columns = (1, len(panels)) if len(panels) < 3 else (2, 2)
    grid = figure.add_gridspec(
        rows, columns, left=0.11, right=0.97, top=0.84, bottom=0.1, wspace=0.28, hspace=0.5
    )
    for number, gate in enumerate(panels):
        axes = figure.add_subplot(grid[divmod(number, columns)])
        style(axes, boxed=False)
        axes.tick_params(labelsize=14, labelcolor=INK)
        if number < len(gates):
            _dots(axes, gate, *(weights[f"{layer}/{p}/{gate}"] for p in ("shut", "open", "mean")))
        else:
            scales = time_scales(weights[f"{layer}/mean/{gate}"])
            _scales(axes, gate, scales, steps_read(weights, layer, timesteps))
    return figure


def measured(weights: Mapping[str, np.ndarray], layer: str) -> list[str]:
    """List the gates of a layer whose activity a snapshot holds.

    >>> measured({"gru_1/mean/z": np.zeros(1), "gru_1/range/hidden": np.zeros(1)}, "gru_1")
    ['z']
    """
    return [name.split("/")[2] for name in weights if name.startswith(f"{layer}/mean/")]


def _dots(axes: Any, gate: str, shut: np.ndarray, opened: np.ndarray, mean: np.ndarray) -> None:
    axes.set_title(gate_title(gate), fontsize=19, color=INK, pad=8)
    axes.plot([0, 1], [1, 0], color=FRAME, linewidth=1)
    # Half see-through, so that many dots at one place are darker than one.
    axes.plot(shut, opened, "o", color=_DOT, alpha=0.45, markersize=11, markeredgewidth=0)
    text = f"{len(mean)} units\nmean {mean.mean():.2f}"
    axes.text(1, 1, text, ha="right", va="top", fontsize=15, color=INK)
    axes.set_xlim(-0.04, 1.04)
    axes.set_ylim(-0.04, 1.04)
    axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    axes.set_yticks([0, 0.5, 1], ["0", "½", "1"])
    axes.set_xlabel(f"share shut (below {SHUT})", fontsize=14, color=INK)
    axes.set_ylabel(f"share open (above {OPEN})", fontsize=14, color=INK)


def _scales(axes: Any, gate: str, scales: np.ndarray, steps: int) -> None:
    most = CAP * steps
    axes.set_title(f"time scale of {gate}", fontsize=19, color=INK, pad=8)
    ordered = np.sort(np.clip(scales, 0.1, most))
    axes.plot(np.arange(1, len(ordered) + 1), ordered, "o-", color=_DOT, markersize=5, lw=1)
    axes.axhline(steps, color=_LINE, linewidth=1.5)
    axes.text(1, steps * 1.1, f"look-back {steps}", fontsize=14, color=_LINE, va="bottom")
    axes.set_yscale("log")
    axes.set_ylim(0.09, most * 1.2)
    ticks = [tick for tick in (0.1, 1, 10, 100, 1000, 10_000) if tick <= most]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.yaxis.minorticks_off()
    axes.set_xlim(0.5, len(ordered) + 0.5)
    caveat = " · valid while input gate ≈ 0" if gate == "f" else ""
    axes.set_xlabel(f"units, sorted{caveat}", fontsize=14, color=INK)
    axes.set_ylabel("steps to 1/e", fontsize=14, color=INK)


_BAR = "#2166ac"


def bar_limit(snapshots: Iterable[Mapping[str, np.ndarray]]) -> float:
    """Choose one height of the axis for all bar pictures of a run.

    Args:
        snapshots: The snapshots that will be drawn.

    Returns:
        The largest root mean square of a tap in any of them; 1 when there are none.

    >>> bar_limit([{"conv_1/kernel/lag_00": np.array([[1.0, 7.0]])}])
    5.0
    """
    sizes = [
        size
        for weights in snapshots
        for taps in _sizes(weights).values()
        for size in taps.values()
        if np.isfinite(size)
    ]
    return max(sizes, default=0.0) or 1.0


def tap_bars(
    weights: Mapping[str, np.ndarray], limit: float, *, epoch: int | None = None
) -> "Figure":
    """Draw the weight of every tap of every convolution: a panel a layer, a bar a tap.

    A bar is the root mean square of the tap's weights, so layers of different widths compare.

    Args:
        weights: A snapshot; its recurrent layers are passed over.
        limit: The top of every panel's axis. Use one limit for all epochs of a run.
        epoch: The epoch for the title.

    Returns:
        A matplotlib figure of 1000 x 800 pixels; the newest step is at the right, as in a window.
        Layers that look ahead have signed offsets from the step of their output.

    Raises:
        InputError: `limit` is not a positive number or the snapshot has no convolution.

    >>> weights = {"conv_1/kernel/lag_02": np.ones((1, 4)), "conv_1/kernel/lag_00": np.ones((1, 4))}
    >>> [axes.get_title() for axes in tap_bars(weights, 2.0).axes]
    ['conv_1']
    """
    check_limit(limit)
    layers = _sizes(weights)
    if not layers:
        raise InputError(
            "weights: must hold at least one convolution, received none; "
            "draw recurrent layers with heat_map"
        )
    figure = new_figure("taps of the convolutions, RMS per weight", epoch)
    columns = next(n for n, most in ((1, 1), (2, 4), (3, 12), (4, 10**9)) if len(layers) <= most)
    rows = -(-len(layers) // columns)
    grid = figure.add_gridspec(
        rows, columns, left=0.1, right=0.97, top=0.85, bottom=0.12, wspace=0.12, hspace=0.5
    )
    lags = all(offset <= 0 for taps in layers.values() for offset in taps)
    write = _lag if lags else _signed
    for number, (layer, taps) in enumerate(layers.items()):
        axes = figure.add_subplot(grid[divmod(number, columns)])
        axes.set_title(layer, fontsize=19 if columns < 4 else 14, color=INK, pad=6)
        _panel(axes, taps, limit)
        ticks = _ticks(len(taps), 12 // columns)
        offsets = sorted(taps)
        axes.set_xticks(ticks, [write(offsets[n]) for n in ticks], fontsize=15, color=INK)
        if number % columns:
            axes.set_yticklabels([])
    caption = "lag: steps before the newest step" if lags else "offset in steps, + is ahead"
    figure.supxlabel(caption, fontsize=18, color=INK, y=0.02)
    return figure


def _panel(axes: Any, taps: dict[int, float], limit: float) -> None:
    """Draw a bar for each tap, the oldest at the left."""
    style(axes, boxed=False)
    ordered = sorted(taps)
    heights = [taps[offset] if np.isfinite(taps[offset]) else 0.0 for offset in ordered]
    axes.bar(range(len(ordered)), heights, color=_BAR, width=0.8)
    axes.set_xlim(-0.6, len(ordered) - 0.4)
    axes.set_ylim(0, limit * 1.05)
    axes.set_yticks([0.0, limit], ["0", f"{limit:.2g}"], fontsize=15, color=INK)


def _ticks(taps: int, most: int) -> list[int]:
    """Pick the places that have a label, counted from the newest step, so that it has one."""
    return list(range(taps - 1, -1, -max(1, -(-taps // most))))


def _lag(offset: int) -> str:
    """Write how many steps back a tap reads."""
    return str(-offset)


def _signed(offset: int) -> str:
    """Write an offset with its sign."""
    return f"{offset:+d}".replace("-", "−") if offset else "0"


def _sizes(weights: Mapping[str, np.ndarray]) -> dict[str, dict[int, float]]:
    """Return `{layer: {offset: root mean square}}`, offsets below 0 for older steps."""
    return {
        layer: {tap_offset(tap) or 0: rms([parts["kernel"]]) for tap, parts in taps.items()}
        for layer, taps in unpack(weights).items()
        if is_convolution(taps)
    }
