"""How open the gates of each unit are, and how long a unit keeps its state."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import InputError
from forecast.gates.activity import CAP, steps_read, time_scales
from forecast.gates.names import KEEPING
from forecast.report.canvas import FRAME, INK
from forecast.report.gates.shapes import (
    COLOURS,
    LARGE,
    SIDE,
    TAP,
    TEXT,
    figure_of,
    gate_name,
    square,
    write,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 20
"""Bars of a histogram between shut and open."""


def openness(
    weights: Mapping[str, np.ndarray], layer: str, timesteps: int, title: str, subtitle: str = ""
) -> "Figure":
    """Draw a histogram of the units' mean openness for each gate, and their time scales.

    Args:
        weights: A snapshot with activity.
        layer: Which of its recurrent layers.
        timesteps: Look-back, a line in the panel of time scales.
        title: Of the picture.
        subtitle: Below it.

    Returns:
        A matplotlib figure of 768 x 768 pixels: large figures are means; for the gate that keeps
        the state the units' time scales follow, sorted.

    Raises:
        InputError: The snapshot has no activity of that layer's gates.

    >>> units = {f"lstm_1/{part}/f": np.full(3, 0.4) for part in ("mean", "shut", "open")}
    >>> figure = openness(units, "lstm_1", 72, "lstm_1 · how open")
    >>> [text.get_text() for text in figure.axes[0].texts if "forget" in text.get_text()]
    ['forget', 'time scale of forget']
    """
    gates = measured(weights, layer)
    if not gates:
        raise InputError(
            f"weights: must hold the activity of {layer!r}'s gates, received none; "
            "give GateSnapshots a probe"
        )
    figure = square()
    axes: Any = figure.axes[0]
    write(axes, 14, 26, title, LARGE, anchor="left", weight="bold")
    write(axes, 14, 64, subtitle, TEXT, anchor="left")
    panels = [*gates, *(gate for gate in gates if gate.rsplit(".", 1)[-1] in KEEPING)]
    columns = 1 if len(panels) == 1 else 2
    rows = -(-len(panels) // columns)
    wide, high = SIDE / columns, (SIDE - 90) / rows
    for number, gate in enumerate(panels):
        row, column = divmod(number, columns)
        box = (wide * column + 24, 90 + high * row, wide - 44, high - 8)
        if number < len(gates):
            _histogram(axes, gate, weights[f"{layer}/mean/{gate}"], box)
        else:
            scales = time_scales(weights[f"{layer}/mean/{gate}"])
            _scales(axes, gate, scales, steps_read(weights, layer, timesteps), box)
    return figure


def measured(weights: Mapping[str, np.ndarray], layer: str) -> list[str]:
    """List the gates of a layer whose activity a snapshot holds.

    >>> measured({"gru_1/mean/z": np.zeros(1), "gru_1/range/hidden": np.zeros(1)}, "gru_1")
    ['z']
    """
    return [name.split("/")[2] for name in weights if name.startswith(f"{layer}/mean/")]


Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels."""


def _histogram(axes: Any, gate: str, mean: np.ndarray, box: Box) -> None:
    """Draw how many units are how open, from shut at the left to open at the right."""
    left, top, wide, high = box
    colour = COLOURS.get(gate.rsplit(".", 1)[-1], TAP)
    write(axes, left, top + 18, gate_name(gate), TEXT, anchor="left", weight="bold")
    known = mean[np.isfinite(mean)]
    text = figure_of(float(known.mean())) if known.size else "–"
    write(axes, left + wide, top + 18, text, LARGE, anchor="right", colour=colour, weight="bold")
    counts, edges = np.histogram(np.clip(known, 0, 1), BINS, (0, 1))
    floor, room = top + high - 42, high - 90
    heights = room * counts / max(1, counts.max())
    places = left + wide * edges[:-1]
    axes.bar(places, -heights, wide / BINS * 0.9, floor, align="edge", color=colour)
    axes.plot([left, left + wide], [floor, floor], color=FRAME, linewidth=1)
    for share, anchor, text in ((0, "left", "0 shut"), (1, "right", "open 1")):
        write(axes, left + wide * share, floor + 22, text, TEXT, anchor=anchor)


def _scales(axes: Any, gate: str, scales: np.ndarray, steps: int, box: Box) -> None:
    """Draw the units' time scales, sorted, on a logarithmic axis with the look-back as a line."""
    left, top, wide, high = box
    write(
        axes, left, top + 18, f"time scale of {gate_name(gate)}", TEXT, anchor="left", weight="bold"
    )
    most, floor, room = float(CAP * steps), top + high - 42, high - 90
    low, end = np.log10(0.1), np.log10(most)

    def place(values: np.ndarray) -> np.ndarray:
        return floor - room * (np.log10(np.clip(values, 0.1, most)) - low) / (end - low)

    ordered = np.sort(scales)
    across = left + 74 + (wide - 80) * (np.arange(len(ordered)) + 0.5) / max(1, len(ordered))
    for value in (v for v in (0.1, 1.0, 10.0, 100.0, 1000.0) if v <= most):
        y = float(place(np.array(value)))
        axes.plot([left + 70, left + wide], [y, y], color="#dddddd", linewidth=1)
        write(axes, left + 62, y, f"{value:g}", TEXT, anchor="right")
    back = float(place(np.array(float(steps))))
    axes.plot([left + 70, left + wide], [back, back], color="#b2182b", linewidth=2)
    write(
        axes, left + wide, back - 18, f"look-back {steps}", TEXT, anchor="right", colour="#b2182b"
    )
    axes.plot(across, place(ordered), "o", color=INK, markersize=5)
    write(axes, left + 70, floor + 22, "units, sorted", TEXT, anchor="left")
