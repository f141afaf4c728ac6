"""Mean, deviation and range of columns: of every series, or of all rows."""

from typing import NamedTuple

import numpy as np

from forecast.data.table import Table


class Moments(NamedTuple):
    """What is known of each column in each series, every part (series, columns).

    Attributes:
        mean: Of the finite values; 0 where there is none.
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

    Args:
        values: (rows, columns), NaN where missing.
        series: How many there are.

    Returns:
        The moments.
    """
    mean, std, least, most = (np.repeat(part, series, axis=0) for part in _moments(values, None))
    return Moments(mean, std, least, most, np.ones(mean.shape, bool))


def of_series(values: np.ndarray, table: Table) -> Moments:
    """Describe columns in every series.

    Args:
        values: (rows, columns) of the table's rows, NaN where missing.
        table: Says which series each row is of; rows of a series stand together.

    Returns:
        The moments; a column without a value in a series takes those of all rows.
    """
    found = of_all(values, len(table.names))
    first = np.flatnonzero(np.diff(table.series, prepend=-1))
    code = table.series[first]
    own = np.add.reduceat(np.isfinite(values), first, axis=0, dtype=np.intp) > 0
    for part, of_own in zip(found[:4], _moments(values, first), strict=True):
        part[code] = np.where(own, of_own, part[code])
    found.own[:] = False
    found.own[code] = own
    return found


def _moments(values: np.ndarray, first: np.ndarray | None) -> tuple[np.ndarray, ...]:
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
    # a column of one repeated value has no spread, whatever the rounding of its mean leaves
    alike = least >= most
    mean[alike] = np.where(np.isfinite(least), least, 0.0)[alike]
    std[alike | (std <= 1e-12 * np.abs(mean))] = 0
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
