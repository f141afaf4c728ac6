"""A picture of the numbers of a layer's gates over the epochs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from forecast.gates.pictures.canvas import INK, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What is drawn, and what its panel is called; the bias is told by the weights' picture.
_PANELS = {
    "kernel_rms": "kernel, RMS per weight",
    "recurrent_rms": "recurrent kernel, RMS per weight",
    "update": "update ratio",
    "mean": "mean activation",
    "shut": "share shut",
    "open": "share open",
    "scale_50": "median time scale, steps",
    "radius": "spectral radius",
}
_SHARES = ("mean", "shut", "open")
_LOGARITHMIC = ("update", "scale_50")
_COLOURS = {
    "i": "#0072B2",
    "z": "#0072B2",
    "f": "#D55E00",
    "r": "#D55E00",
    "c": "#009E73",
    "h": "#009E73",
    "o": "#CC79A7",
}


def history_lines(history: Mapping[int, Mapping[str, float]], layer: str) -> "Figure":
    """Draw a layer's statistics against the epoch: a panel a statistic, a line a gate.

    Args:
        history: `{epoch: metrics}` of `GateSnapshots`, or of its snapshots.
        layer: Which layer.

    Returns:
        A matplotlib figure of 1000 x 800 pixels.

    >>> history = {1: {"gates.lstm_1/f_shut": 0.1}, 2: {"gates.lstm_1/f_shut": 0.2}}
    >>> [axes.get_title() for axes in history_lines(history, "lstm_1").axes]
    ['share shut']
    """
    lines, ends = _lines(history, layer), sorted({min(history), max(history)})
    panels = [statistic for statistic in _PANELS if statistic in lines]
    figure = new_figure(f"{layer} · gates over the epochs", None)
    columns = 2 if len(panels) > 1 else 1
    rows = max(1, -(-len(panels) // columns))
    grid = figure.add_gridspec(
        rows, columns, left=0.09, right=0.97, top=0.87, bottom=0.09, hspace=0.55, wspace=0.2
    )
    for number, statistic in enumerate(panels):
        axes = figure.add_subplot(grid[divmod(number, columns)])
        style(axes, boxed=False)
        axes.set_title(_PANELS[statistic], fontsize=16, color=INK)
        for gate, points in lines[statistic].items():
            axes.plot(
                list(points), list(points.values()), color=_COLOURS.get(gate, INK), lw=2, label=gate
            )
        values = [value for points in lines[statistic].values() for value in points.values()]
        low, high = min(values), max(values)
        if statistic in _LOGARITHMIC and low > 0:
            axes.set_yscale("log")
            axes.minorticks_off()
        if statistic in _SHARES:
            low, high = 0.0, 1.0
            axes.set_ylim(-0.04, 1.04)
        # A round scale says less than both ends, and a narrow logarithmic one has no tick at all.
        axes.set_yticks(sorted({low, high}), [f"{end:.2g}" for end in sorted({low, high})])
        axes.set_xticks(ends, [str(epoch) for epoch in ends])
        axes.tick_params(labelsize=13, labelcolor=INK)
    gates = {
        label: handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        gates.values(), gates, loc="lower center", ncols=len(gates) or 1, fontsize=15,
        frameon=False, labelcolor=INK,
    )  # fmt: skip
    return figure


def _lines(
    history: Mapping[int, Mapping[str, float]], layer: str
) -> dict[str, dict[str, dict[int, float]]]:
    """Return `{statistic: {gate: {epoch: value}}}`."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    prefix = f"gates.{layer}/"
    for epoch, metrics in sorted(history.items()):
        for key, value in metrics.items():
            if key.startswith(prefix):
                gate, _, statistic = key.removeprefix(prefix).partition("_")
                found.setdefault(statistic, {}).setdefault(gate, {})[epoch] = value
    return found
