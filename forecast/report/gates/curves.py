"""What the memory of a network is worth, as a figure."""

from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.gates.memory import Memory
from forecast.gates.resampling import Change
from forecast.report.canvas import FRAME, INK, escape_mathtext, gate_title, new_figure, style

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
