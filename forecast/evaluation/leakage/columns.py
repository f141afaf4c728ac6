"""Input columns that tell the future: shifted copies of what is to be predicted."""

from dataclasses import dataclass

import numpy as np

from forecast.data import clock
from forecast.data.table import Table
from forecast.data.windows import Window

LEAST = 0.999
"""Correlation of the changes from row to row that counts as a copy."""

ROUGHLY = 0.95
"""Correlation of all changes that a copy has at least, before `LEFT_OUT` of them are left out."""

LEFT_OUT = 0.05
"""Share of the changes, those that fit least, in which a copy may be none."""

PAIRS = 10
"""Changes that both columns must have, so that a few steps in common are no copy."""

SAMPLE = 2048
"""Rows that are looked at first; what is suspicious there is measured on all."""

WORK = 2e10
"""Multiplications of the first look: very wide tables have smaller samples."""

SEASONS = 8
"""How far back a copy of the past is looked for: a week of hours, among others."""


@dataclass(frozen=True)
class Copy:
    """A column that is a shifted copy of a target.

    Attributes:
        column: Of the inputs.
        target: What it copies, up to a factor and an offset.
        shift: Rows from the copy to the value copied; above 0 the copy comes first.
        correlation: Of their changes from row to row.
        known: Whether the column is declared known ahead.
    """

    column: str
    target: str
    shift: int
    correlation: float
    known: bool = False

    def __str__(self) -> str:
        """Say it as one sentence.

        >>> print(Copy("tomorrow", "load", 24, 1.0))
        input 'tomorrow' is a copy of target 'load' 24 rows later (r = 1.0000)
        """
        moved = f"{abs(self.shift)} row{'s' if abs(self.shift) > 1 else ''}"
        when = "" if not self.shift else f" {moved} {'later' if self.shift > 0 else 'earlier'}"
        kind = "known-ahead input" if self.known else "input"
        return (
            f"{kind} {self.column!r} is a copy of target {self.target!r}{when} "
            f"(r = {self.correlation:.4f})"
        )


def canary(table: Table, window: Window) -> tuple[Copy, ...]:
    """Find input columns that copy what a target will be, within the reach of a window.

    Changes from row to row are compared and not levels, since levels of a slow series are alike
    for hours. A factor and an offset are allowed. A column that copies the past equally well (a
    target of exact period, an hour of the day) tells nothing new and is not named. A column that
    is known ahead is read up to the last predicted row, so one that copies the target of its own
    row is named too.

    >>> load = np.random.default_rng(0).normal(size=200)
    >>> rows, tick = np.stack([load, np.roll(load, -3) * 2 + 5], axis=1), np.arange(200)
    >>> made = Table(rows, load[:, None], ("load", "x"), ("load",), tick * 0, tick, tick)
    >>> print(*canary(made, Window(8, 4)))
    input 'x' is a copy of target 'load' 3 rows later (r = 1.0000)
    """
    reach = window.lead + window.horizon
    compared = [c for c in range(len(table.features) - table.indicators) if c not in table.static]
    x, y = _changes(table.inputs[:, compared], table), _changes(table.outputs, table)
    first = np.array([1 - reach if c in table.known else 1 for c in compared])  # shift that tells
    best: dict[tuple[int, int], tuple[float, int]] = {}
    for shift in range(int(first.min()), window.span) if compared else ():
        for place, target in _alike(x, y, table, shift, window.span + reach):
            if shift < first[place]:
                continue
            r = _correlation(x[:, place], y[:, target], table, shift)
            if r >= LEAST and r > best.get((place, target), (0.0, 0))[0]:
                best[place, target] = r, shift
    back = max(window.span, SEASONS * clock.season(table.frequency))
    found = []
    for (place, target), (r, shift) in sorted(best.items()):
        past = range(first[place] - 1, first[place] - 1 - back, -1)
        if any(_correlation(x[:, place], y[:, target], table, k) >= LEAST for k in past):
            continue
        name, known = table.features[compared[place]], compared[place] in table.known
        found.append(Copy(name, table.targets[target], shift, r, known))
    return tuple(found)


def _changes(values: np.ndarray, table: Table) -> np.ndarray:
    """Subtract from each row its neighbour before it, (rows, columns), NaN where there is none."""
    found = np.full(values.shape, np.nan)
    if len(values) > 1:
        joined = (np.diff(table.series) == 0) & (np.diff(table.tick) == 1)
        found[1:] = np.where(joined[:, None], np.diff(values, axis=0), np.nan)
    return found


def _pairs(table: Table, rows: np.ndarray, shift: int) -> np.ndarray:
    """Keep those rows that have a row of their series so many ticks later."""
    rows = rows[(rows + shift >= 0) & (rows + shift < len(table))]
    same = table.series[rows] == table.series[rows + shift]
    return rows[same & (table.tick[rows + shift] - table.tick[rows] == shift)]


def _alike(
    x: np.ndarray, y: np.ndarray, table: Table, shift: int, shifts: int
) -> list[tuple[int, int]]:
    """List the pairs of columns that look alike on a sample of rows."""
    most = max(256, int(WORK / (6 * x.shape[1] * y.shape[1] * shifts)))
    every = np.arange(len(table))
    if len(every) > min(most, SAMPLE):
        every = np.random.default_rng(0).choice(every, min(most, SAMPLE), replace=False)
    rows = _pairs(table, every, shift)
    one, two = x[rows], y[rows + shift]
    seen, known = np.isfinite(one), np.isfinite(two)
    one, two = np.where(seen, one, 0.0), np.where(known, two, 0.0)
    both = np.sqrt(((one**2).T @ known) * (seen.T.astype(float) @ two**2))
    near = np.abs(one.T @ two) > 0.9 * both
    return [(int(place), int(target)) for place, target in np.argwhere(near & (both > 0))]


def _correlation(x: np.ndarray, y: np.ndarray, table: Table, shift: int) -> float:
    """Correlate a column with another some rows later, 0 where too few changes are known.

    Of columns that are alike throughout, the rows that fit least are left out: who shifts rows of a
    file, and not hours, errs at each absent hour.
    """
    rows = _pairs(table, np.arange(len(table)), shift)
    one, two = x[rows], y[rows + shift]
    good = np.isfinite(one) & np.isfinite(two)
    one, two = one[good], two[good]
    found = _pearson(one, two)
    if found < ROUGHLY:
        return 0.0
    rest = np.abs(two - one * (one @ two) / (one @ one))
    fits = rest <= np.quantile(rest, 1 - LEFT_OUT)
    return max(found, _pearson(one[fits], two[fits]))


def _pearson(one: np.ndarray, two: np.ndarray) -> float:
    """Return the absolute correlation, 0 where too little moves."""
    if min(np.count_nonzero(one), np.count_nonzero(two)) < PAIRS or not one.std() * two.std():
        return 0.0
    return float(abs(np.corrcoef(one, two)[0, 1]))
