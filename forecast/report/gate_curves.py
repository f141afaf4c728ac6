"""Curves of the memory of a network, and of its statistics over the epochs."""

from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.gates.memory import Memory
from forecast.gates.resampling import Change
from forecast.report.canvas import FRAME, INK, escape_mathtext, gate_title, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_CURVE = "#2166ac"
_MARK = "#b2182b"
# Colour and shape: what is used is a dot, what is not a diamond, what hurts a square.
_LOOKS = {"used": (_CURVE, "o"), "unused": ("#6b7280", "D"), "hurts": (_MARK, "s")}
_LEGEND = "● used  ◆ not used  ■ hurts"


def memory_curve(found: Memory, unit: str = "") -> "Figure":
    """Draw the error against the newest steps that are real, and its change without each part.

    Where intervals are known they are drawn as lines through the points.

    Args:
        found: From `forecast.gates.memory`.
        unit: Of the error, such as " (°F)".

    Returns:
        A matplotlib figure of 1000 x 800 pixels.

    >>> memory_curve(Memory({1: 3.0, 2: 2.01, 4: 2.0}, 2.5, {"lstm_1/f": 2.2})).get_suptitle()
    'newest 2 of 4 steps suffice'
    """
    longest = max(found.curve)
    title = f"newest {found.used} of {longest} steps suffice"
    if found.used == longest > 1:
        title = f"no fewer than all {longest} steps suffice"
    figure = new_figure(title, None)
    parts = _parts(found)
    right = 0.97 if not parts else 0.6
    axes = figure.add_axes((0.11, 0.12, right - 0.11, 0.74))
    style(axes, boxed=False)
    steps = sorted(found.curve)
    known = [k for k in steps if k in found.intervals]
    ends = np.array([found.intervals[k] for k in known]).reshape(-1, 2).T + 1  # (ends, steps)
    axes.vlines(known, *(found.whole * ends), color=_CURVE, lw=1.5, alpha=0.6)
    axes.axhline(found.whole * (1 + found.within), color=FRAME, linewidth=1)
    axes.plot(steps, [found.curve[k] for k in steps], "o-", color=_CURVE, markersize=7, lw=2)
    axes.plot(found.used, found.curve[found.used], "o", color=_MARK, markersize=14, mfc="none")
    axes.set_xscale("log", base=2)
    ticks = [k for k in steps if k & (k - 1) == 0 or k == longest]
    if len(ticks) > 1 and ticks[-1] < 1.3 * ticks[-2]:
        ticks.pop(-2)
    axes.set_xticks(ticks, [str(k) for k in ticks])
    axes.minorticks_off()
    axes.set_ylim(bottom=0, top=1.05 * max([*found.curve.values(), *(found.whole * ends).flat]))
    axes.tick_params(labelsize=15, labelcolor=INK)
    axes.set_xlabel("newest steps kept, older ones of another window", fontsize=15, color=INK)
    axes.set_ylabel(escape_mathtext(f"validation {found.name}{unit}"), fontsize=16, color=INK)
    if parts:
        _dots(figure, parts, found.name)
    return figure


def _parts(found: Memory) -> dict[str, Change]:
    """List what the error does without each part of the network."""
    parts = {}
    for part, change in found.changes().items():
        layer, _, gate = part.rpartition("/")
        name = f"{layer} {gate_title(gate).split(' ')[0]} frozen" if layer else f"no {part}"
        parts[name] = change
    return parts


def _dots(figure: "Figure", parts: dict[str, Change], error: str) -> None:
    """Draw a dot for each part at the change of the error, and its interval through it."""
    axes: Any = figure.add_axes((0.8, 0.12, 0.17, 0.74))
    style(axes, boxed=False)
    places = np.arange(len(parts))[::-1]
    axes.axvline(0, color=FRAME, linewidth=1.5)
    for place, change in zip(places, parts.values(), strict=True):
        colour, marker = _LOOKS[change.verdict]
        low, high = (100 * end for end in change.interval or (change.share, change.share))
        axes.hlines(place, low, high, color=colour, lw=3)
        axes.plot(100 * change.share, place, marker, color=colour, markersize=10)
    axes.set_yticks(places, list(parts))
    axes.set_ylim(-0.6, len(parts) - 0.4)
    left, right = axes.get_xlim()
    ends = sorted({round(left), 0, round(right)}) if right - left > 4 else [0, round(right, 1)]
    axes.set_xticks(ends, [f"{end:+g}".replace("-", "−") if end else "0" for end in ends])
    axes.get_xticklabels()[-1].set_horizontalalignment("right")  # which stays in the picture
    axes.tick_params(labelsize=15 if len(parts) <= 10 else 11, labelcolor=INK)
    figure.text(0.97, 0.02, _LEGEND, fontsize=13, color=INK, ha="right")
    axes.set_xlabel(escape_mathtext(f"change of {error}, %"), fontsize=15, color=INK)


# What is drawn, and what its panel is called; the weights' picture shows the bias.
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
