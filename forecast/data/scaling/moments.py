"""Moments of columns by series: of rows in memory, or of blocks of them."""

from typing import NamedTuple

import numpy as np

from forecast.data.table import Table


class Moments(NamedTuple):
    """What is known of each column in each series, every part (series, columns).

    Attributes:
        mean: Of the finite values; 0 if none.
        std: Their deviation; 0 where they are alike.
        least: Of them.
        most: Of them.
        own: Whether the series has values of its own; where not, the rest is that of all rows.
    """

    mean: np.ndarray
    std: np.ndarray
    least: np.ndarray
    most: np.ndarray
    own: np.ndarray


def of_all(values: np.ndarray, series: int) -> Moments:
    """Describe columns over all rows, and say the same of every series.

    Shapes: `values` (rows, columns).
    """
    sums = Sums(series, values.shape[1])
    sums.add(values, np.zeros(len(values), np.intp))
    return sums.moments("global")


def of_series(values: np.ndarray, table: Table) -> Moments:
    """Describe columns in every series.

    Shapes: `values` (rows, columns).
    """
    sums = Sums(len(table.names), values.shape[1])
    sums.add(values, table.series)
    return sums.moments("series")


class Sums:
    """Moments of columns whose rows come block by block.

    Those of a series do not depend, to the bit, on what else its block holds.

    Attributes:
        count: Finite values in each series, (series, columns).
        of_each: Their mean, deviation, least and most, likewise.
    """

    def __init__(self, series: int, columns: int):
        self.count, self.of_each = _nothing(series, columns)
        self._all = _nothing(1, columns)

    def add(self, values: np.ndarray, series: np.ndarray) -> None:
        """Take in the rows of a block.

        Shapes: `values` (rows, columns), `series` (rows,), ascending.
        """
        if not len(values):
            return
        good = np.isfinite(values)
        _merge(*self._all, slice(1), good.sum(axis=0, keepdims=True), _columns(values, None))
        first = np.flatnonzero(np.diff(series, prepend=-1))
        count = np.add.reduceat(good, first, axis=0, dtype=np.intp)
        _merge(self.count, self.of_each, series[first], count, _columns(values, first))

    def moments(self, per: str) -> Moments:
        """Describe every column in every series, or over all."""
        own = (self.count > 0) & (per == "series")
        mean, std, least, most = (
            np.where(own, part, whole)
            for part, whole in zip(self.of_each, self._all[1], strict=True)
        )
        return Moments(mean, std, least, most, own | (per == "global"))

    @property
    def seen(self) -> np.ndarray:
        """Whether a column holds any value, (columns,)."""
        return self._all[0][0] > 0


def _nothing(series: int, columns: int) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Return count and moments of no rows."""
    fill = (0.0, 0.0, np.inf, -np.inf)
    return np.zeros((series, columns), np.intp), tuple(np.full((series, columns), x) for x in fill)


def _merge(
    count: np.ndarray,
    before: tuple[np.ndarray, ...],
    where: np.ndarray | slice,
    new: np.ndarray,
    moments: tuple[np.ndarray, ...],
) -> None:
    """Add rows to those before; what had none takes the new moments as they are (Chan 1979)."""
    old, (mean, std, least, most) = count[where], (part[where] for part in before)
    total = np.maximum(old + new, 1)
    apart = moments[0] - mean
    square = std**2 * old + moments[1] ** 2 * new + apart**2 * (old * (new / total))
    both = [
        mean + apart * (new / total),
        np.sqrt(square / total),
        np.minimum(least, moments[2]),
        np.maximum(most, moments[3]),
    ]
    _settle(*both)
    for part, own, joined, kept in zip(
        before, moments, both, (mean, std, least, most), strict=True
    ):
        part[where] = np.where(new == 0, kept, np.where(old == 0, own, joined))
    count[where] = old + new


def _settle(mean: np.ndarray, std: np.ndarray, least: np.ndarray, most: np.ndarray) -> None:
    """Take rounding out of a column of one repeated value, which has no spread."""
    alike = least >= most
    mean[alike] = np.where(np.isfinite(least), least, 0.0)[alike]
    std[alike | (std <= 1e-12 * np.abs(mean))] = 0


def _columns(values: np.ndarray, first: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """Return mean, deviation, least and most of stretches of rows, each (stretches, columns)."""
    good = np.isfinite(values)
    count = np.maximum(_total(good, first), 1)
    mean = _total(np.where(good, values, 0.0), first) / count
    centre = mean
    if first is not None:
        centre = np.repeat(mean, np.diff(first, append=len(values)), axis=0)
    std = np.sqrt(_total(np.where(good, values - centre, 0.0) ** 2, first) / count)
    least = _over(np.minimum, np.where(good, values, np.inf), first)
    most = _over(np.maximum, np.where(good, values, -np.inf), first)
    _settle(mean, std, least, most)
    return mean, std, least, most


def _total(values: np.ndarray, first: np.ndarray | None) -> np.ndarray:
    """Sum stretches of rows that begin at `first`, or all rows; (stretches, columns)."""
    if first is None:
        return values.sum(axis=0, keepdims=True)
    # behind a zero each stretch is summed pairwise, to the same bits as by itself
    behind_zeros = np.insert(values, first, 0, axis=0)
    kind = np.intp if values.dtype == bool else None
    return np.add.reduceat(behind_zeros, first + np.arange(len(first)), axis=0, dtype=kind)


def _over(how: np.ufunc, values: np.ndarray, first: np.ndarray | None) -> np.ndarray:
    """Return the least or greatest of stretches of rows, or of all; (stretches, columns)."""
    if first is None:
        start = np.inf if how is np.minimum else -np.inf
        return how.reduce(values, axis=0, keepdims=True, initial=start)
    return how.reduceat(values, first, axis=0)
