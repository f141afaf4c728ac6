"""Columns of a table on every tick of every series, so that going back in time is a subtraction."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from forecast.data.table import Table


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

        Args:
            table: Says where its rows lie.
            columns: (rows, columns).

        Returns:
            The same values with a cell for every tick.
        """
        codes, begin, count = np.unique(table.series, return_index=True, return_counts=True)
        length = table.tick[begin + count - 1] - table.tick[begin] + 1
        first = np.cumsum(length) - length  # of each series
        cell = np.repeat(first - table.tick[begin], count) + table.tick
        values = np.full((int(length.sum()), columns.shape[1]), np.nan)
        values[cell] = columns
        return cls(values, cell, np.repeat(codes, length), np.repeat(first, length))

    def before(self, cells: np.ndarray, back: np.ndarray | int, column: int) -> np.ndarray:
        """Read a column some ticks before cells.

        Args:
            cells: (pairs,).
            back: Ticks, 0 or more.
            column: Its number.

        Returns:
            (pairs,), NaN before the first tick of a series.
        """
        found = cells - back
        inside = found >= self.first[cells]
        return np.where(inside, self.values[np.where(inside, found, cells), column], np.nan)

    def means(self, cells: np.ndarray, length: int) -> np.ndarray:
        """Average what is known of the ticks up to cells.

        Args:
            cells: (pairs,).
            length: How many ticks.

        Returns:
            (pairs, columns), NaN where nothing is known.
        """
        before = cells - length
        inside = (before >= self.first[cells])[:, None]
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
