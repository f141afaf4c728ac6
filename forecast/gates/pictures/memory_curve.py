"""A picture of what older steps, recurrence and each gate are worth."""

from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.evaluation.literal import literal
from forecast.gates.memory import Memory
from forecast.gates.pictures.canvas import FRAME, INK, gate_title, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CURVE = "#2166ac"
_MARK = "#b2182b"


def memory_curve(found: Memory, unit: str = "") -> "Figure":
    """Draw the error against the newest steps that are real, and the errors without each part.

    Args:
        found: From `forecast.gates.memory`.
        unit: Of the error, such as " (°F)".

    Returns:
        A matplotlib figure of 1000 x 800 pixels.

    >>> memory_curve(Memory({1: 3.0, 2: 2.01, 4: 2.0}, 2.5, {"lstm_1/f": 2.2})).get_suptitle()
    'newest 2 of 4 steps suffice'
    """
    longest = max(found.curve)
    figure = new_figure(f"newest {found.used} of {longest} steps suffice", None)
    parts = _parts(found)
    right = 0.97 if not parts else 0.6
    axes = figure.add_axes((0.11, 0.12, right - 0.11, 0.74))
    style(axes, boxed=False)
    steps = sorted(found.curve)
    axes.axhline(found.whole * (1 + found.within), color=FRAME, linewidth=1)
    axes.plot(steps, [found.curve[k] for k in steps], "o-", color=_CURVE, markersize=7, lw=2)
    axes.plot(found.used, found.curve[found.used], "o", color=_MARK, markersize=14, mfc="none")
    axes.set_xscale("log", base=2)
    ticks = [k for k in steps if k & (k - 1) == 0 or k == longest]
    if len(ticks) > 1 and ticks[-1] < 1.3 * ticks[-2]:
        ticks.pop(-2)
    axes.set_xticks(ticks, [str(k) for k in ticks])
    axes.minorticks_off()
    axes.set_ylim(bottom=0, top=1.05 * max([*found.curve.values(), *parts.values()]))
    axes.tick_params(labelsize=15, labelcolor=INK)
    axes.set_xlabel("newest steps kept, older ones of another window", fontsize=15, color=INK)
    axes.set_ylabel(literal(f"validation MAE{unit}"), fontsize=16, color=INK)
    if parts:
        _bars(figure, parts, found, axes.get_ylim()[1])
    return figure


def _parts(found: Memory) -> dict[str, float]:
    """List the errors without each part of the network."""
    parts = {}
    if found.without_recurrence is not None:
        parts["no recurrence"] = found.without_recurrence
    for name, error in found.frozen.items():
        layer, gate = name.split("/")
        parts[f"{layer} {gate_title(gate).split(' ')[0]} frozen"] = error
    return parts


def _bars(figure: "Figure", parts: dict[str, float], found: Memory, top: float) -> None:
    """Draw a bar for each part, with the whole network's error as a line."""
    axes: Any = figure.add_axes((0.8, 0.12, 0.17, 0.74))
    style(axes, boxed=False)
    places = np.arange(len(parts))[::-1]
    axes.barh(places, list(parts.values()), color=_CURVE, height=0.7)
    axes.axvline(found.whole, color=_MARK, linewidth=2)
    axes.set_yticks(places, list(parts))
    axes.set_xlim(0, top)
    axes.set_xticks([0, found.whole], ["0", f"{found.whole:.3g}"])
    axes.tick_params(labelsize=15 if len(parts) <= 10 else 11, labelcolor=INK)
    axes.set_xlabel("MAE without", fontsize=15, color=INK)
