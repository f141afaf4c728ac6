"""The picture that a strip shows where there is no script."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from forecast.evaluation.significance.wording import number
from forecast.report.charts import outward, ticks

WIDTH, HEIGHT = 1120, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 1110, 10, 272
"""The ground of the picture within its drawing."""

POINTS = 600
"""Most points of a line: more are closer than it is wide."""

_MINUTE = 60 * 10**9
_FIXED = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080, 20160)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200)
"""Distances of round moments, in minutes and in months."""

MARKS = 8
"""Most moments that are written below the picture."""

Lines = tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]
"""Times and truth (places,), the place of each row, and of each lead its lines."""


def draw(lines: Lines) -> str:
    """Draw truth, one lead and its bands over the whole span, as markup within an `svg`."""
    time, true, _, [found] = lines
    clock = time.dtype.kind == "M"
    x = (
        time.astype("datetime64[ns]").astype(np.int64).astype(float)
        if clock
        else time.astype(float)
    )
    values = np.concatenate([true, found.ravel()])
    values = values[np.isfinite(values)]
    bottom, top = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if bottom == top:
        bottom, top = bottom - (abs(bottom) / 10 or 1), top + (abs(top) / 10 or 1)
    bottom, top = outward(bottom, top, 8)
    first, last = x[0], x[-1] if x[-1] > x[0] else x[0] + 1
    across = LEFT + (x - first) / (last - first) * (RIGHT - LEFT)

    def above(value: Any) -> Any:
        return BOTTOM - (value - bottom) / (top - bottom) * (BOTTOM - TOP)

    parts = [
        f'<path class="grid" d="M{LEFT} {above(v):.0f}H{RIGHT}"/>'
        f'<text x="{LEFT - 8}" y="{above(v) + 4.5:.0f}" text-anchor="end">{number(v)}</text>'
        for v in ticks(bottom, top, 6)
    ]
    for at, text in _marks(time):
        place = LEFT + (at - first) / (last - first) * (RIGHT - LEFT)
        parts.append(f'<text x="{place:.0f}" y="{BOTTOM + 20}" text-anchor="middle">{text}</text>')
    thin = slice(None, None, max(1, -(-len(x) // POINTS)))
    for low, high, look in zip(found[1::2], found[2::2], ("band", "band inner"), strict=False):
        ends = above(low[thin]), above(high[thin])
        parts.append(f'<path class="{look}" d="{_band(across[thin], *ends)}"/>')
    for line, look in ((true, "true"), (found[0], "model")):
        parts.append(f'<path class="line {look}" d="{_path(across[thin], above(line[thin]))}"/>')
    return "".join(parts)


def _path(x: np.ndarray, y: np.ndarray) -> str:
    """Join known points."""
    text, pen = "", "M"
    for a, b in zip(x, y, strict=True):
        if not math.isfinite(b):
            pen = "M"
            continue
        text += f"{pen}{a:.0f} {b:.0f}" + ("h0" if pen == "M" else "")  # a value alone is a dot
        pen = "L"
    return text


def _band(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    """Fill what lies between two lines, piece by piece where something is missing."""
    text = ""
    for piece in _pieces(np.isfinite(low + high)):
        over = [f"{a:.0f} {b:.0f}" for a, b in zip(x[piece], high[piece], strict=True)]
        under = [f"{a:.0f} {b:.0f}" for a, b in zip(x[piece], low[piece], strict=True)]
        text += f"M{'L'.join(over + under[::-1])}z"
    return text


def _pieces(known: np.ndarray) -> list[slice]:
    """Return the unbroken pieces."""
    edges = np.flatnonzero(np.diff(np.r_[False, known, False].astype(int)))
    return [slice(*ends) for ends in edges.reshape(-1, 2)]


def _marks(time: np.ndarray) -> Iterator[tuple[float, str]]:
    """Choose round moments, and what is written at them; of rows without a clock, numbers."""
    if time.dtype.kind != "M":
        for value in ticks(float(time[0]), float(time[-1]), MARKS, 1):
            yield value, f"{value:,.0f}"
        return
    first, last = time[0].astype("datetime64[ns]"), time[-1].astype("datetime64[ns]")
    found, form = moments(first, last)
    for n, moment in enumerate(found):
        at = pd.Timestamp(moment)
        text = at.strftime(form).lstrip("0")
        if "%Y" not in form and n == 0:
            text += at.strftime(" %Y")
        if "%d" in form and (at.hour or at.minute):
            text = at.strftime("%H:%M")
        yield float(moment.astype("datetime64[ns]").astype(np.int64)), text


def moments(first: np.datetime64, last: np.datetime64) -> tuple[np.ndarray, str]:
    """Choose few round moments between two, and how they are written.

    >>> found, form = moments(np.datetime64("2013-10-19T05"), np.datetime64("2013-12-30T23"))
    >>> found.astype("datetime64[D]").tolist()[0].isoformat(), len(found), form
    ('2013-10-24', 5, '%d %b')
    """
    ends = [int(end.astype("datetime64[ns]").astype(np.int64)) for end in (first, last)]
    for minutes in _FIXED:
        step = minutes * _MINUTE
        begin, end = -(-ends[0] // step), ends[1] // step
        if end - begin < MARKS:
            found = np.arange(begin, end + 1, dtype=np.int64) * step
            return found.view("datetime64[ns]"), "%d %b"
    months = [
        int(end.astype("datetime64[M]").astype(np.int64)) + 1970 * 12 for end in (first, last)
    ]
    months[0] += first > first.astype("datetime64[M]")
    fits = (n for n in _MONTHS if months[1] // n + -months[0] // n < MARKS)
    step = next(fits, _MONTHS[-1])
    found = np.arange(-(-months[0] // step), months[1] // step + 1) * step - 1970 * 12
    return found.astype("datetime64[M]"), "%Y" if step >= 12 else "%b %Y"
