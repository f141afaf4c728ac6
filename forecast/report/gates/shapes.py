"""The weights of a layer as distributions: a square picture that is read in MLflow's grid."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.gates.names import tap_offset
from forecast.gates.shapes import Cell, Row, outline
from forecast.report.canvas import FRAME, INK, LONG_NAMES, escape_mathtext

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 768
"""Pixels of a side: twice what MLflow's grid shows."""

TEXT, LARGE = 27, 34
"""Pixels of letters and of figures; shown on 256 pixels, a letter still has 9."""

COLOURS = {
    "i": "#0072b2",
    "z": "#0072b2",
    "f": "#d55e00",
    "r": "#d55e00",
    "c": "#009e73",
    "h": "#009e73",
    "o": "#b0578d",
}
"""Of the gates, after Okabe & Ito; that of the output gate is darker, so that its figures read."""

TAP = "#0072b2"
START = "#c9c9c9"

HEADINGS = {"kernel": "from inputs", "recurrent": "from own state", "bias": "bias"}

FEW = 24
"""Weights that are drawn as dots, since so few have no shape."""

_LEFT, _TOP, _BOTTOM = 86, 88, 44


def distributions(rows: Sequence[Row], title: str, subtitle: str) -> "Figure":
    """Draw how weights are spread: a column for each gate or tap, a row for each part or layer.

    Args:
        rows: From `gate_rows` or `tap_rows`.
        title: The layer, and which weights these are.
        subtitle: The epoch.

    Returns:
        A matplotlib figure of 768 x 768 pixels. Large figures are root mean squares; the grey
        shape behind is the start of the training; a small triangle marks weights beyond the scale.

    >>> from forecast.gates.shapes import Cell, Row
    >>> row = Row("kernel", 0.5, [Cell("f", np.linspace(-0.2, 0.2, 99))])
    >>> figure = distributions([row], "lstm_1 · kept weights", "epoch 9 of 15")
    >>> [text.get_text() for text in figure.axes[0].texts][:2]
    ['lstm_1 · kept weights', 'epoch 9 of 15']
    """
    figure = square()
    axes: Any = figure.axes[0]
    write(axes, 14, 26, title, LARGE, anchor="left", weight="bold")
    write(axes, 14, 64, subtitle, TEXT, anchor="left")
    taps = all(tap_offset(cell.name) is not None for row in rows for cell in row.cells)
    legend = "figures: RMS per weight · grey: start"
    write(axes, SIDE / 2, SIDE - 20, legend, TEXT - 1, colour="#555555")
    draw = _side if taps and len(rows) > 3 else _above
    bottom = SIDE - _BOTTOM - (0 if taps else 40)
    heights = np.cumsum([0.0, *(0.72 if row.part == "bias" else 1.0 for row in rows)])
    edges = _TOP + heights / (heights[-1] or 1.0) * (bottom - _TOP)
    for row, top, end in zip(rows, edges[:-1], edges[1:], strict=True):
        draw(axes, row, float(top), float(end))
    if not taps and rows:
        for cell, middle in zip(rows[0].cells, _middles(len(rows[0].cells)), strict=True):
            name = gate_name(cell.name, alone=len(rows[0].cells) == 1)
            write(axes, middle, bottom + 18, name, TEXT)
    return figure


def square() -> "Figure":
    """Make a figure whose only axes count pixels from the upper left corner.

    >>> [float(end) for end in square().axes[0].get_ylim()]
    [768.0, 0.0]
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(SIDE / 100, SIDE / 100), dpi=100, facecolor="white")
    axes: Any = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, SIDE)
    axes.set_ylim(SIDE, 0)
    return figure


def gate_name(gate: str, *, alone: bool = False) -> str:
    """Write a gate's name in one word.

    >>> gate_name("f"), gate_name("h", alone=True)
    ('forget', 'state')
    """
    short = gate.rsplit(".", 1)[-1]
    return "state" if alone and short == "h" else LONG_NAMES.get(short, gate)


def tap_name(tap: str) -> str:
    """Write which step a tap reads.

    >>> tap_name("lag_04"), tap_name("tap_1")
    ('lag 4', '+1')
    """
    offset = tap_offset(tap) or 0
    return f"lag {-offset}" if tap.startswith("lag") else f"{offset:+d}".replace("-", "−")


def figure_of(value: float) -> str:
    """Write a root mean square with two digits.

    >>> figure_of(0.1034), figure_of(0.0534), figure_of(12.3)
    ('0.10', '0.053', '12')
    """
    return f"{value:#.2g}".rstrip(".") if 1e-3 <= value < 100 or value == 0 else f"{value:.0e}"


def signed(value: float) -> str:
    """Write the end of a scale.

    >>> signed(0.5), signed(-0.5), signed(0.0)
    ('+0.5', '−0.5', '0')
    """
    return f"{value:+g}".replace("-", "−") if value else "0"


def _middles(count: int) -> np.ndarray:
    wide = (SIDE - _LEFT - 8) / count
    return _LEFT + wide * (np.arange(count) + 0.5)


def _above(axes: Any, row: Row, top: float, bottom: float) -> None:
    """Draw a row whose figures stand above its shapes."""
    taps = tap_offset(row.cells[0].name) is not None
    write(axes, 14, top + 13, HEADINGS.get(row.part, row.part), TEXT, anchor="left", weight="bold")
    count = len(row.cells)
    figures, low = top + 50, bottom - (42 if taps else 6)
    high = figures + 21
    _scale(axes, row.limit, high, low)
    half = 0.42 * (SIDE - _LEFT) / count
    size = LARGE if count <= 5 else TEXT
    for cell, middle in zip(row.cells, _middles(count), strict=True):
        _shape(axes, cell, row.limit, (middle, half), (high, low))
        write(
            axes, middle, figures, figure_of(cell.size), size, colour=_colour(cell), weight="bold"
        )
        if taps:
            name = tap_name(cell.name)
            write(axes, middle, bottom - 22, name if count <= 5 else name[4:] or name, TEXT)


def _side(axes: Any, row: Row, top: float, bottom: float) -> None:
    """Draw a row of many: its figures stand at the right of its shapes."""
    cells = (
        row.cells if len(row.cells) <= 3 else [row.cells[n] for n in (0, len(row.cells) // 2, -1)]
    )
    name = row.part if len(row.part) <= 7 else f"…{row.part[-6:]}"
    write(axes, 14, (top + bottom) / 2 - 16, name, TEXT, anchor="left", weight="bold")
    write(
        axes, 14, (top + bottom) / 2 + 18, f"±{row.limit:g}", TEXT, anchor="left", colour="#555555"
    )
    left = 132
    wide = (SIDE - left - 8) / len(cells)
    for number, cell in enumerate(cells):
        middle = left + wide * number + 40
        axes.plot([middle - 40, middle + 40], [(top + bottom) / 2] * 2, color=FRAME, linewidth=0.8)
        _shape(axes, cell, row.limit, (middle, 38.0), (top + 5, bottom - 5))
        beside = middle + 50
        figure = figure_of(cell.size)
        write(
            axes,
            beside,
            (top + bottom) / 2 - 16,
            figure,
            LARGE,
            anchor="left",
            colour=TAP,
            weight="bold",
        )
        write(axes, beside, (top + bottom) / 2 + 18, tap_name(cell.name), TEXT, anchor="left")


def _scale(axes: Any, limit: float, high: float, low: float) -> None:
    """Write both ends of the scale and zero, with a line at each."""
    for value, y in ((limit, high), (0.0, (high + low) / 2), (-limit, low)):
        axes.plot([_LEFT, SIDE - 8], [y, y], color=FRAME if not value else "#dddddd", linewidth=1)
        inside = y + (10 if y == high else -8 if y == low else 0)
        write(axes, _LEFT - 8, inside, signed(value), TEXT, anchor="right")


def _shape(
    axes: Any, cell: Cell, limit: float, across: tuple[float, float], along: tuple[float, float]
) -> None:
    """Draw the start in grey, and in front of it the weights as a shape or as dots."""
    (middle, half), (high, low) = across, along

    def place(heights: np.ndarray) -> np.ndarray:
        return (high + low) / 2 - heights / limit * (low - high) / 2

    if cell.start is not None:
        heights, widths = outline(cell.start, limit)
        axes.fill_betweenx(
            place(heights), middle - half * widths, middle + half * widths, color=START, linewidth=0
        )
    colour = _colour(cell)
    if cell.values.size <= FEW:
        known = np.sort(cell.values[np.isfinite(cell.values)])
        apart = half * 0.8 * np.linspace(-1, 1, max(2, known.size))[: known.size]
        axes.plot(
            middle + apart, place(np.clip(known, -limit, limit)), "o", color=colour, markersize=6
        )
    else:
        heights, widths = outline(cell.values, limit)
        axes.fill_betweenx(
            place(heights),
            middle - half * widths,
            middle + half * widths,
            color=colour,
            alpha=0.85,
            linewidth=0,
        )
    for end, marker, y in ((1, "^", high), (-1, "v", low)):
        if (end * cell.values > limit * (1 + 1e-6)).any():
            axes.plot([middle], [y], marker, color=colour, markersize=6, clip_on=False)


def _colour(cell: Cell) -> str:
    return COLOURS.get(cell.name.rsplit(".", 1)[-1], TAP)


def write(
    axes: Any,
    x: float,
    y: float,
    text: str,
    size: float,
    *,
    anchor: str = "center",
    colour: str = INK,
    weight: str = "normal",
) -> None:
    """Write a text of so many pixels, smaller where it would leave the picture.

    >>> write(square().axes[0], 14, 26, "lstm_1", TEXT, anchor="left")
    """
    letters = 0.62 if weight == "normal" else 0.7
    room = {"left": SIDE - x - 8, "right": x, "center": 2 * min(x, SIDE - x)}[anchor]
    size = min(size, max(1.0, room / (letters * max(1, len(text)))))
    axes.text(
        x,
        y,
        escape_mathtext(text),
        fontsize=size * 0.72,
        ha=anchor,
        va="center_baseline",
        color=colour,
        fontweight=weight,
    )
