"""A picture of how much each convolution weighs each step that it reads."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import InputError
from forecast.gates.names import tap_offset
from forecast.gates.pictures.canvas import INK, check_limit, new_figure, style
from forecast.gates.snapshots import is_convolution, unpack
from forecast.gates.statistics import rms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
