"""A picture of what the gates do on real windows: the series above, the gates below."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.gates.names import CANDIDATES, KEEPING, STATES
from forecast.gates.trace import Activations
from forecast.report.canvas import INK, escape_mathtext, gate_title, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINES = ("#222222", "#0072B2", "#E69F00", "#009E73")
"""Of the palette of Okabe & Ito."""


def trace_map(
    gates: Activations,
    series: np.ndarray,
    layer: str,
    *,
    names: Sequence[str],
    titles: Sequence[str] = (),
) -> "Figure":
    """Draw windows side by side, each with the gates of all units below it on the same time axis.

    Args:
        gates: `{gate: (windows, steps, units)}` of one layer, from `trace`; where it reads patches,
            each of its steps is drawn as wide as several of the series.
        series: (windows, timesteps, lines): what is drawn above, four lines at most.
        layer: What the title calls the layer.
        names: One for each line.
        titles: One for each window, such as its origin.

    Returns:
        A matplotlib figure of 1000 x 800 pixels. Units are sorted by their mean forget (or update)
        gate, those that keep longest on top; gates run from 0 to 1, states from blue through
        white to red, each row in a scale of its own.

    >>> gates = {"f": np.full((2, 6, 3), 0.5), "hidden": np.zeros((2, 6, 3))}
    >>> trace_map(gates, np.zeros((2, 6, 1)), "lstm_1", names=["temp"]).get_suptitle()
    'lstm_1 · gates on real windows'
    """
    windows, timesteps = series.shape[:2]
    figure = new_figure(f"{layer} · gates on real windows", None)
    grid = figure.add_gridspec(
        len(gates) + 1,
        windows,
        height_ratios=[1.7, *(1.0 for _ in gates)],
        left=0.16,
        right=0.9,
        top=0.86,
        bottom=0.09,
        hspace=0.12,
        wspace=0.06,
    )
    order = _order(gates)
    for column in range(windows):
        axes = figure.add_subplot(grid[0, column])
        _series(axes, series, column, names)
        if titles:
            axes.set_title(escape_mathtext(titles[column]), fontsize=14, color=INK)
        for row, (gate, values) in enumerate(gates.items(), start=1):
            below = figure.add_subplot(grid[row, column])
            image = _panel(below, gate, values[column][:, order], timesteps)
            image.set_clim(*_limits(gate, values))
            if column == 0:
                _label(below, gate)
            if column == windows - 1:
                _scale(figure, below, image)
        _steps(below, timesteps)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="lower right",
        bbox_to_anchor=(0.92, -0.005),
        ncols=len(labels),
        fontsize=13,
        frameon=False,
        labelcolor=INK,
    )
    figure.supxlabel("steps before the newest", fontsize=14, color=INK, y=0.015, x=0.3)
    return figure


def _series(axes: Any, series: np.ndarray, column: int, names: Sequence[str]) -> None:
    """Draw the lines of one window in the scale of all."""
    style(axes)
    low, high = float(np.nanmin(series)), float(np.nanmax(series))
    room = 0.05 * (high - low or 1.0)
    for name, values, colour in zip(names, series[column].T, _LINES, strict=False):
        axes.plot(values, color=colour, linewidth=2, label=escape_mathtext(name))
    axes.set_xlim(-0.5, series.shape[1] - 0.5)
    axes.set_ylim(low - room, high + room)
    axes.set_xticks([])
    axes.tick_params(labelsize=13, labelcolor=INK)
    if column:
        axes.set_yticklabels([])


def _steps(axes: Any, timesteps: int) -> None:
    """Count steps from the newest, as everywhere in these pictures."""
    ticks = [0, timesteps // 2, timesteps - 1]
    axes.set_xticks(ticks, [str(timesteps - 1 - tick) for tick in ticks])
    first, _, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    axes.tick_params(labelsize=13, labelcolor=INK)


def _order(gates: Activations) -> np.ndarray:
    """Sort the units by how much they keep; those of a SimpleRNN stay."""
    keeping = next((gates[gate] for gate in KEEPING if gate in gates), None)
    if keeping is None:
        return np.arange(next(iter(gates.values())).shape[-1])
    return np.argsort(-np.nanmean(keeping, axis=(0, 1)), kind="stable")


def _limits(gate: str, values: np.ndarray) -> tuple[float, float]:
    """Return both ends of a gate's scale in all windows."""
    if gate not in (*STATES, *CANDIDATES):
        return 0.0, 1.0
    most = float(np.nanmax(np.abs(values))) or 1.0
    return -most, most


def _label(axes: Any, gate: str) -> None:
    """Write beside the first panel of a row what it shows."""
    label = f"{gate}\nstate" if gate in STATES else gate_title(gate).replace("  ", "\n")
    axes.set_ylabel(label, fontsize=14, color=INK, rotation=0, ha="right", va="center")


def _panel(axes: Any, gate: str, values: np.ndarray, timesteps: int) -> Any:
    """Draw all units of a gate over one window, (steps, units)."""
    style(axes)
    axes.set_xticks([])
    axes.set_yticks([])
    signed = gate in (*STATES, *CANDIDATES)
    return axes.imshow(
        values.T,
        cmap="RdBu_r" if signed else "Blues",
        aspect="auto",
        interpolation="nearest",
        extent=(-0.5, timesteps - 0.5, values.shape[1] - 0.5, -0.5),
    )


def _scale(figure: "Figure", axes: Any, image: Any) -> None:
    """Put a colour bar at the right of a row."""
    place = axes.get_position()
    bar = figure.colorbar(image, cax=figure.add_axes((0.912, place.y0, 0.013, place.height)))
    low, high = image.get_clim()
    bar.set_ticks([low, high], labels=[f"{low:.2g}".replace("-", "−"), f"{high:.2g}"])
    bar.ax.tick_params(labelsize=11, length=0, labelcolor=INK)
    bottom, top = bar.ax.get_yticklabels()
    bottom.set_verticalalignment("bottom")
    top.set_verticalalignment("top")
    bar.outline.set_visible(False)
