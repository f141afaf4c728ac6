"""Baselines that read the newest rows, or count the training rows."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from forecast.data import clock
from forecast.data.table import Table
from forecast.data.windows import Window

GAPS = 8
"""Ticks from the first row of a series to its last, for each row: of more, values lie by row."""


@dataclass(frozen=True)
class Ticks:
    """Values on every tick, series behind series, each from its first row to its last.

    Attributes:
        values: (cells, columns), NaN where a tick is absent or a value missing.
        cell: Where each row of the table lies, (rows,).
        series: Series of each cell, (cells,).
        first: First cell of each cell's series, (cells,).
    """

    values: np.ndarray
    cell: np.ndarray
    series: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, table: Table, columns: np.ndarray) -> "Ticks":
        """Lay columns out by tick.

        Shapes: `columns` (rows, columns).
        """
        codes, begin, count = np.unique(table.series, return_index=True, return_counts=True)
        length = table.tick[begin + count - 1] - table.tick[begin] + 1
        if length.sum() > GAPS * len(table):
            return Sparse.of_rows(table, columns)
        first = np.cumsum(length) - length  # of each series
        cell = np.repeat(first - table.tick[begin], count) + table.tick
        values = np.full((int(length.sum()), columns.shape[1]), np.nan)
        values[cell] = columns
        return cls(values, cell, np.repeat(codes, length), np.repeat(first, length))

    def before(self, cells: np.ndarray, back: np.ndarray | int, column: int) -> np.ndarray:
        """Read a column some ticks before cells.

        Shapes: `cells` (pairs,); returns (pairs,).
        """
        found = cells - back
        inside = found >= self.first[cells]
        return np.where(inside, self.values[np.where(inside, found, cells), column], np.nan)

    def means(self, cells: np.ndarray, length: int) -> np.ndarray:
        """Average what is known of the ticks up to cells.

        Shapes: `cells` (pairs,); returns (pairs, columns).
        """
        before = cells - length
        inside = (before >= self.first[cells])[:, None]
        return self._mean(cells, before, inside)

    def _mean(self, cells: np.ndarray, before: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """Average what is known behind one cell up to another, (pairs, columns)."""
        sums, counts = self._sums
        total, count = (
            part[cells] - np.where(inside, part[before.clip(0)], 0) for part in (sums, counts)
        )
        start = self._start[self.series[cells]]
        return np.where(count > 0, start + total / np.maximum(count, 1), np.nan)

    @cached_property
    def _start(self) -> np.ndarray:
        """The first known value of each column in each series, (series, columns).

        Sums are taken of the distances from it, so that rounding goes with the spread of a series
        and not with its level.
        """
        known = pd.DataFrame(self.values).groupby(self.series).first()
        return known.reindex(range(int(self.series.max(initial=-1)) + 1)).to_numpy(float)

    @cached_property
    def _sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Sums and counts of what is known up to each cell in its own series, (cells, columns).

        They begin anew with each series: a running sum over all of them would let the rounding of
        one depend on the values of another.
        """
        apart = self.values - self._start[self.series]
        known = np.isfinite(apart)
        sums, counts = (
            pd.DataFrame(part).groupby(self.series).cumsum().to_numpy()
            for part in (np.where(known, apart, 0.0), known.astype(float))
        )
        return sums, counts


@dataclass(frozen=True)
class Sparse(Ticks):
    """The same by row, where most ticks have none.

    Attributes:
        place: Tick of each row, those of each series behind all of the series before, (rows,).
    """

    place: np.ndarray

    @classmethod
    def of_rows(cls, table: Table, columns: np.ndarray) -> "Sparse":
        """Lay columns out by row.

        Shapes: `columns` (rows, columns).
        """
        rows, reach = np.arange(len(table)), int(np.ptp(table.tick)) + 1
        place = table.tick - table.tick.min() + table.series.astype(np.int64) * reach
        first = np.searchsorted(table.series, table.series)
        return cls(columns, rows, table.series, first, place)

    def before(self, cells: np.ndarray, back: np.ndarray | int, column: int) -> np.ndarray:
        """Read a column some ticks before cells, (pairs,)."""
        wanted = self.place[cells] - back
        found = np.searchsorted(self.place, wanted).clip(max=len(self.place) - 1)
        there = (self.place[found] == wanted) & (found >= self.first[cells])
        return np.where(there, self.values[found, column], np.nan)

    def means(self, cells: np.ndarray, length: int) -> np.ndarray:
        """Average what is known of the ticks up to cells, (pairs, columns)."""
        before = np.searchsorted(self.place, self.place[cells] - length, side="right") - 1
        inside = (before >= self.first[cells])[:, None]
        return self._mean(cells, before, inside)


@dataclass(frozen=True, eq=False)
class Past:
    """What rules read of a table, each part made once, whatever windows are asked for.

    Attributes:
        table: Rows.
    """

    table: Table

    @cached_property
    def known(self) -> np.ndarray:
        """The last value of every target that was known at each row, (rows, targets)."""
        return known_targets(self.table)

    @cached_property
    def ticks(self) -> Ticks:
        """The targets on every tick, (cells, targets)."""
        return Ticks.of(self.table, self.table.outputs)

    def earlier(self, rows: np.ndarray, ticks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the rows that lie some ticks before others, or the last ones before that.

        By tick, not by row: before its own unbroken rows a window may follow an absent stretch.
        """
        (place, reach), code = self._places, self.table.series[rows]
        wanted = place[rows] - ticks
        found = np.searchsorted(place, wanted, side="right") - 1
        return found, (wanted >= code * reach) & (self.table.series[found] == code)

    @cached_property
    def _places(self) -> tuple[np.ndarray, int]:
        """Place of each row, ascending over all series, and how far two series are apart."""
        tick, reach = self.table.tick, int(np.ptp(self.table.tick)) + 1
        return tick - tick.min() + self.table.series.astype(np.int64) * reach, reach


def persistence(past: Past, window: Window, starts: np.ndarray, season: int = 1) -> np.ndarray:
    """Repeat the last value known at the origin.

    Shapes: `starts` (windows,); returns (windows, horizon, targets).
    """
    del season
    last = past.known[starts + window.timesteps - 1]
    return np.repeat(last[:, None], window.horizon, axis=1)


def seasonal_naive(past: Past, window: Window, starts: np.ndarray, season: int) -> np.ndarray:
    """Repeat the last season known at the origin.

    Shapes: `starts` (windows,); returns (windows, horizon, targets).
    """
    origin = (starts + window.timesteps - 1)[:, None]
    steps = window.lead + 1 + np.arange(window.horizon)
    back = season * -(-steps // season)  # whole seasons, the fewest that reach the past
    row, there = past.earlier(origin, back - steps)
    found, last = past.known[row], past.known[origin]
    return np.where(there[..., None] & ~np.isnan(found), found, last)


def drift(past: Past, window: Window, starts: np.ndarray, season: int = 1) -> np.ndarray:
    """Draw the line from the first through the last value of the look-back on into the future.

    Source: Hyndman & Athanasopoulos, Forecasting: Principles and Practice, section 5.2.

    Shapes: `starts` (windows,); returns (windows, horizon, targets).
    """
    del season
    first, last = past.known[starts], past.known[starts + window.timesteps - 1]
    slope = np.nan_to_num((last - first) / max(1, window.timesteps - 1))  # (windows, targets)
    steps = window.lead + 1 + np.arange(window.horizon)
    return last[:, None] + slope[:, None] * steps[:, None]


def moving_average(past: Past, window: Window, starts: np.ndarray, season: int) -> np.ndarray:
    """Repeat the mean of the last season before the origin.

    Shapes: `starts` (windows,); returns (windows, horizon, targets).
    """
    origin, ticks = starts + window.timesteps - 1, past.ticks
    mean = ticks.means(ticks.cell[origin], season)  # (windows, targets)
    level = np.where(np.isnan(mean), past.known[origin], mean)
    return np.repeat(level[:, None], window.horizon, axis=1)


RULES = {
    rule.__name__: rule
    for rule in (
        persistence,
        seasonal_naive,
        drift,
        moving_average,
    )
}
"""Baselines that read the newest rows alone; others depend on the rows that they learn from."""


@dataclass(frozen=True)
class Rule:
    """One of them with its season, which is all that there is to keep of it.

    Attributes:
        name: Of the rule.
        season: Rows that it repeats or averages.
    """

    name: str
    season: int

    def forecast(self, past: Past, window: Window, starts: np.ndarray) -> np.ndarray:
        """Forecast windows.

        Shapes: `starts` (windows,); returns (windows, horizon, targets).
        """
        return RULES[self.name](past, window, starts, self.season)


WEEK = 6
"""Days from which on a tick is at least a working week: no weekday tells anything."""

ALWAYS = ("persistence", "seasonal_naive")
"""Of these, the ones that nobody need ask for."""


def seasons(frequency: str | None) -> tuple[int, ...]:
    """List the seasons that rows of a frequency may repeat, the natural one first.

    >>> seasons("h"), seasons("D"), seasons(None)
    ((24, 168), (7,), (1,))
    """
    natural = clock.season(frequency)
    return (natural, 7 * natural) if clock.days(frequency) < 1 else (natural,)


def shares(table: Table, learned: np.ndarray) -> np.ndarray:
    """Count how often each event or class was there in the training rows of each series.

    Shapes: `learned` (rows,); returns (series, targets).
    """
    found = Shares(len(table.names), len(table.targets))
    found.add(table.take(learned))
    return found.found()


class Shares:
    """How often each event or class was there in each series, block by block of training rows."""

    def __init__(self, series: int, targets: int):
        self._there, self._known = np.zeros((2, series, targets))

    def add(self, train: Table) -> None:
        """Count the rows of a block."""
        number, good = train.series + train.first_series, np.isfinite(train.outputs)
        for sums, each in ((self._there, np.where(good, train.outputs, 0)), (self._known, good)):
            for target, column in enumerate(each.T):
                sums[:, target] += np.bincount(number, column, len(sums))

    def found(self) -> np.ndarray:
        """Return the shares, of a series without a value those of all, (series, targets)."""
        every = self._there.sum(axis=0) / np.maximum(self._known.sum(axis=0), 1)
        return np.where(self._known > 0, self._there / np.maximum(self._known, 1), every)


def climatology(past: Past, window: Window, starts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Repeat those shares.

    Shapes: `starts` (windows,), `shares` (series of the table, targets); returns (windows, horizon,
    targets).
    """
    return np.repeat(shares[past.table.series[starts]][:, None], window.horizon, axis=1)


def known_targets(table: Table) -> np.ndarray:
    """Return the last value of every target that was known at each row, (rows, targets).

    Where nothing is missing these are the table's own outputs.
    """
    if not np.isnan(table.outputs).any():
        return table.outputs
    return pd.DataFrame(table.outputs).groupby(table.series).ffill().to_numpy()
