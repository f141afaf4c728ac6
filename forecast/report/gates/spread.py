"""How the weights of gates are spread, for one run or for several in one scale."""

from collections.abc import Sequence

import numpy as np

from forecast.gates.shapes import Cell, Row, Scales, gate_rows, outline, scales, tap_rows
from forecast.gates.snapshots import Snapshot
from forecast.report.gates.shapes import FEW, HEADINGS, figure_of, gate_name, signed, tap_name
from forecast.report.gates.subject import Subject
from forecast.report.gates.svg import gate_look, letter, path, run_look, svg, text

TAPS = "taps"
"""What all convolutions of a network are called together."""

MANY = 6
"""Runs beside each other in a cell; of more each cell is as wide as the page allows."""

NUMBERED = 3
"""Runs whose numbers stand above their shapes."""

POINTS = 3
"""Every third point of an outline is drawn on a page."""


def layers_of(subjects: Sequence[Subject]) -> list[str]:
    """List the layers of any network, the convolutions of each as one."""
    found: dict[str, None] = {}
    for subject in subjects:
        found |= dict.fromkeys(subject.recurrent())
        if tap_rows(subject.kept, Scales()):
            found[TAPS] = None
    return list(found)


def scales_of(subjects: Sequence[Subject]) -> Scales:
    """Choose one scale for all runs and all that is drawn of them."""
    return scales(
        weights
        for subject in subjects
        for weights in (subject.kept, *(subject.shown[e] for e in subject.slides().values()))
    )


def spread(
    subjects: Sequence[Subject],
    layer: str,
    found: Scales,
    drawn: Sequence[Snapshot | None] | None = None,
) -> list[str]:
    """Draw a layer of one run or of several, a picture for each part.

    Args:
        subjects: The runs.
        layer: Of any of them, or `TAPS`.
        found: One scale for all.
        drawn: What to draw of each run instead of the kept weights.

    Returns:
        Pictures as markup.
    """
    held = drawn if drawn is not None else [subject.kept for subject in subjects]
    rows: list[dict[str, Row]] = []
    for subject, weights in zip(subjects, held, strict=True):
        rows.append({row.part: row for row in _rows(weights, layer, found, subject.start)})
    parts = dict.fromkeys(part for own in rows for part in own)
    return [_picture(part, [own.get(part) for own in rows], layer) for part in parts]


def _rows(weights: Snapshot | None, layer: str, found: Scales, start: Snapshot) -> list[Row]:
    if not weights:
        return []
    if layer == TAPS:
        return tap_rows(weights, found, start)
    known = any(name.startswith(f"{layer}/kernel/") for name in weights)
    return gate_rows(weights, layer, found, start) if known else []


def _picture(part: str, rows: Sequence[Row | None], layer: str) -> str:
    """Draw one part: a column for each gate or tap, in it a shape for each run."""
    known = [row for row in rows if row is not None]
    limit, several = known[0].limit, len(rows) > 1
    names = list(dict.fromkeys(cell.name for row in known for cell in row.cells))
    width = 400 if len(rows) <= MANY else 1150
    height, left = 190.0, 46.0
    told = len(rows) if len(rows) <= NUMBERED else 0
    height += 17 * told
    top, floor = 34.0 + 17 * told, height - (38.0 if several else 24.0)
    wide = (width - left - 4) / len(names)
    taps = layer == TAPS
    parts = [
        path([(left, y), (width - 4, y)], "grid" if value else "rule")
        + text(left - 6, y + (4.5 if not value else 9 if value > 0 else -1), signed(value), "end")
        for value, y in ((limit, top), (0.0, (top + floor) / 2), (-limit, floor))
    ]
    parts.append(text(4, 16, HEADINGS.get(part, part), "start", "head"))
    for column, name in enumerate(names):
        middle = left + wide * (column + 0.5)
        title = tap_name(name) if taps else gate_name(name, alone=len(names) == 1)
        parts.append(text(middle, height - 5, title))
        apart = wide * 0.94 / len(rows)
        for number, row in enumerate(rows):
            cell = next((c for c in row.cells if c.name == name), None) if row else None
            if cell is None:
                continue
            x = middle + apart * (number - (len(rows) - 1) / 2)
            look = run_look(number).split()[0] if several else gate_look(name)
            parts.append(_shape(cell, limit, (x, 0.44 * apart), (top, floor), look))
            if told:
                y = top - 9 - 17 * (told - 1 - number)
                parts.append(text(middle, y, figure_of(cell.size), kind=f"figure {look}"))
            if several and len(rows) <= MANY:
                parts.append(text(x, floor + 14, letter(number), kind=look))
    return svg(width, height, parts, _told(part, rows, layer))


def _shape(
    cell: Cell, limit: float, across: tuple[float, float], along: tuple[float, float], look: str
) -> str:
    (middle, half), (top, floor) = across, along

    def above(height: float) -> float:
        return (top + floor) / 2 - height / limit * (floor - top) / 2

    def body(values: np.ndarray, kind: str) -> str:
        heights, widths = outline(values, limit)
        shown = [*range(0, len(heights), POINTS)]
        shown += [len(heights) - 1] if shown[-1] != len(heights) - 1 else []
        sides = [(middle + half * widths[n], above(heights[n])) for n in shown]
        sides += [(middle - half * widths[n], above(heights[n])) for n in shown[::-1]]
        return path(sides, kind, closed=True)

    drawn = "" if cell.start is None else body(cell.start, "start")
    if cell.values.size > FEW:
        drawn += body(cell.values, f"body {look}")
    else:
        known = np.sort(cell.values[np.isfinite(cell.values)])
        places = middle + half * 0.8 * np.linspace(-1, 1, max(2, known.size))[: known.size]
        dots = zip(places, np.clip(known, -limit, limit), strict=True)
        drawn += "".join(
            f'<circle class="body {look}" cx="{x:.1f}" cy="{above(v):.1f}" r="2.5"/>'
            for x, v in dots
        )
    if cell.beyond > limit * (1 + 1e-6):
        ends = [(1.0, "m-4 7h8l-4-7z", top), (-1.0, "m-4-7h8l-4 7z", floor)]
        for sign, shape, y in ends:
            if (sign * cell.values > limit * (1 + 1e-6)).any():
                drawn += f'<path class="body {look}" d="M{middle:.1f} {y:.1f}{shape}"/>'
    return drawn


def _told(part: str, rows: Sequence[Row | None], layer: str) -> str:
    """Say in words how large the weights are, and how they have changed."""
    head = f"{layer}, {HEADINGS.get(part, part)}: RMS per weight "
    texts = []
    for number, row in enumerate(rows):
        if row is None:
            continue
        sizes = ", ".join(
            f"{tap_name(cell.name) if layer == TAPS else gate_name(cell.name)} "
            f"{figure_of(cell.size)}{_since(cell)}"
            for cell in row.cells
        )
        texts.append(f"{letter(number)} {sizes}" if len(rows) > 1 else sizes)
    shown = texts if len(texts) <= MANY else [*texts[:MANY], f"and {len(texts) - MANY} more runs"]
    return f"{head}{'; '.join(shown)}; scale ±{next(r.limit for r in rows if r):g}."


def _since(cell: Cell) -> str:
    if cell.start is None:
        return ""
    before = Cell(cell.name, cell.start).size
    return f" (start {figure_of(before)})"
