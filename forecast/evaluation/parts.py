"""The windows of an evaluation in parts of bounded size, and which of them are shown."""

import math
from dataclasses import dataclass

import numpy as np

from forecast.data import clock, windows
from forecast.data.table import Table
from forecast.data.windows import Window

VALUES = 1_000_000
"""Forecast values of one part, of each forecaster. An array of them is 8 MB, and some sixty are
held at once."""

SHOWN = 1_000_000
"""Forecast values of the windows that pictures and tables of a report are made of."""

KEPT = 20_000_000
"""Most forecast values of a baseline that are kept beside its scores."""

FEWEST = 64
"""Windows of a part, however many values each has."""

SERIES = 8
"""Series that are shown at least, before origins are left out instead."""


@dataclass(frozen=True)
class Part:
    """Windows that are forecast together.

    Attributes:
        held: First rows of held-out windows, on which intervals are calibrated, (windows,).
        test: First rows of scored windows behind them, (windows,).
        goes_on: Whether they follow on those of the part before, of the same series.
        more: Whether later windows of these series follow in the next part.
    """

    held: np.ndarray
    test: np.ndarray
    goes_on: bool = False
    more: bool = False


@dataclass(frozen=True)
class Asked:
    """All windows that may be asked for, of whatever table.

    Attributes:
        windows: How many.
        stamps: Time stamps of their origins, ascending, (time stamps,).
        series: Of a table larger than memory, which series were drawn, and are counted here,
            (series,); None where all are.
    """

    windows: int
    stamps: np.ndarray
    series: np.ndarray | None = None

    @classmethod
    def of(cls, table: Table, window: Window, starts: np.ndarray) -> "Asked":
        """Count the windows of one table, (windows,)."""
        return cls(len(starts), np.unique(table.time[starts + window.timesteps - 1]))


def cut(table: Table, window: Window, held: np.ndarray, test: np.ndarray) -> list[Part]:
    """Cut windows into parts: some whole series, or stretches in time of one that is too long.

    Shapes: `held` (held windows,), `test` (test windows,), both ascending.
    """
    most = max(FEWEST, VALUES // (window.horizon * len(table.targets)))
    if len(held) + len(test) <= most:
        return [Part(held, test)]
    count = len(table.names)
    codes = np.arange(count + 1)  # where each series begins, and ends
    begin, end = (np.searchsorted(table.series[starts], codes) for starts in (held, test))
    total = begin + end
    found: list[Part] = []
    first = 0
    while first < count:
        last = max(first + 1, int(np.searchsorted(total, total[first] + most, "right")) - 1)
        own = held[begin[first] : begin[last]], test[end[first] : end[last]]
        if total[last] - total[first] > most:  # one series alone is too long
            found += _stretches(*own, most)
        elif total[last] > total[first]:
            found.append(Part(*own))
        first = last
    return found


def _stretches(held: np.ndarray, test: np.ndarray, most: int) -> list[Part]:
    """Cut the windows of one series in the order of time, held-out ones first."""
    both, border = np.concatenate([held, test]), len(held)
    parts = []
    for begin in range(0, len(both), most):
        end = min(begin + most, len(both))
        middle = min(max(border, begin), end)
        parts.append(Part(both[begin:middle], both[middle:end], begin > 0, end < len(both)))
    return parts


def shown(
    table: Table, window: Window, test: np.ndarray, learned: np.ndarray | None = None
) -> np.ndarray:
    """Draw the windows that are shown: all, or those of some series, or of some origins.

    Series are drawn by the shape of their training values and not by their names. Of origins every
    n-th is shown, the same for all series; n has no divisor in common with the season, so that each
    of its phases is seen.

    Shapes: `test` (windows,), `learned` (rows,); returns (shown windows,).
    """
    most = max(FEWEST, SHOWN // (window.horizon * len(table.targets)))
    if len(test) <= most:
        return test
    series = table.series[test]
    present = np.unique(series)
    several = min(len(present), max(SERIES, len(present) * most // len(test)))
    if several < len(present):
        order = windows.series_order(table, learned)[present]
        kept = present[np.argsort(order, kind="stable")[:several]]
        test = test[np.isin(series, kept)]
    if len(test) <= most:
        return test
    apart, season = -(-len(test) // most), clock.season(table.frequency)
    while math.gcd(apart, season) > 1:
        apart += 1
    tick = table.tick[test + window.timesteps - 1]
    return test[(tick.max() - tick) % apart == 0]
