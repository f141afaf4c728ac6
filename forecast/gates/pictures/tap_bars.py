"""A picture of how much each convolution listens to each lag."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import InputError
from forecast.gates.pictures.canvas import INK, check_limit, new_figure, style
from forecast.gates.snapshots import is_convolution, unpack

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BAR = "#2166ac"


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
        for lags in _norms(weights).values()
        for norm in lags.values()
        if np.isfinite(norm)
    ]
    return max(norms, default=0.0) or 1.0


def tap_bars(
    weights: Mapping[str, np.ndarray], limit: float, *, epoch: int | None = None
) -> "Figure":
    """Draw the norm of every tap of every convolution: a panel a layer, a bar a tap.

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
    check_limit(limit)
    layers = _norms(weights)
    if not layers:
        raise InputError(
            "weights: must hold at least one convolution, received none; "
            "draw recurrent layers with heat_map"
        )
    figure = new_figure("norm of each tap by lag", epoch)
    columns = next(n for n, most in ((1, 1), (2, 4), (3, 12), (4, 10**9)) if len(layers) <= most)
    rows = -(-len(layers) // columns)
    grid = figure.add_gridspec(
        rows, columns, left=0.1, right=0.97, top=0.85, bottom=0.12, wspace=0.12, hspace=0.5
    )
    for number, (layer, lags) in enumerate(layers.items()):
        axes = figure.add_subplot(grid[divmod(number, columns)])
        axes.set_title(layer, fontsize=19 if columns < 4 else 14, color=INK, pad=6)
        _panel(axes, lags, limit, most_labels=12 // columns)
        if number % columns:
            axes.set_yticklabels([])
    figure.supxlabel("lag: steps before the newest step", fontsize=18, color=INK, y=0.02)
    return figure


def _panel(axes: Any, lags: dict[int, float], limit: float, *, most_labels: int) -> None:
    style(axes, boxed=False)
    ordered = sorted(lags, reverse=True)
    heights = [lags[lag] if np.isfinite(lags[lag]) else 0.0 for lag in ordered]
    axes.bar(range(len(ordered)), heights, color=_BAR, width=0.8)
    axes.set_xlim(-0.6, len(ordered) - 0.4)
    axes.set_ylim(0, limit * 1.05)
    # Counted from the newest step, so that lag 0 always has its label.
    ticks = list(range(len(ordered) - 1, -1, -max(1, -(-len(ordered) // most_labels))))
    axes.set_xticks(ticks, [str(ordered[tick]) for tick in ticks], fontsize=15, color=INK)
    axes.set_yticks([0.0, limit], ["0", f"{limit:.2g}"], fontsize=15, color=INK)


def _norms(weights: Mapping[str, np.ndarray]) -> dict[str, dict[int, float]]:
    """Return `{layer: {lag: norm}}`."""
    return {
        layer: {
            int(lag.removeprefix("lag_")): float(np.linalg.norm(parts["kernel"]))
            for lag, parts in lags.items()
        }
        for layer, lags in unpack(weights).items()
        if is_convolution(lags)
    }
