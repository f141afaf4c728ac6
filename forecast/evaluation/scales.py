"""What errors of each series are divided by, learned block by block of its training rows."""

from dataclasses import dataclass

import numpy as np

from forecast.data.scale import Scaler
from forecast.data.table import Table


@dataclass(frozen=True)
class Scale:
    """What errors of each series are divided by, learned from training rows.

    Attributes:
        std: Deviation of each target, (series, targets).
        absolute: Mean absolute error of the seasonal naive forecast, (series, targets).
        square: Its mean squared error, (series, targets).
    """

    std: np.ndarray
    absolute: np.ndarray
    square: np.ndarray

    @classmethod
    def of(cls, train: Table, scaler: Scaler, season: int) -> "Scale":
        """Learn the scales, those of `metrics.naive_scale` for all series at once."""
        steps = Steps(len(train.names), len(train.targets), season)
        steps.add(train)
        return steps.scale(scaler.spread)


class Steps:
    """Sums of what series move by from one season to the next, block by block of training rows."""

    def __init__(self, series: int, targets: int, season: int):
        self._season = season
        self._pairs, self._absolute, self._square = np.zeros((3, series, targets))

    def add(self, train: Table, shared: int = 0) -> None:
        """Take in the training rows of a block, of which the first ones were in the block before.

        Those must be a season at least.
        """
        later, earlier = _apart(train, self._season)
        later, earlier = later[later >= shared], earlier[later >= shared]
        step = train.outputs[later] - train.outputs[earlier]  # (pairs, targets)
        known, series = ~np.isnan(step), train.series[later] + train.first_series
        for total, each in (
            (self._pairs, known.astype(float)),
            (self._absolute, np.where(known, np.abs(step), 0.0)),
            (self._square, np.where(known, step**2, 0.0)),
        ):
            _add(total, series, each)

    def scale(self, std: np.ndarray) -> Scale:
        """Return what errors are divided by.

        Shapes: `std` (series, targets).
        """
        means = [
            np.where(total > 0, total, np.nan) / np.maximum(self._pairs, 1)
            for total in (self._absolute, self._square)
        ]
        return Scale(std, *means)


def _apart(table: Table, ticks: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a series that lie so many ticks after another, and those others."""
    if not len(table):
        return np.zeros(0, int), np.zeros(0, int)
    span = int(np.ptp(table.tick)) + ticks + 1
    place = table.tick - table.tick.min() + table.series.astype(np.int64) * span  # ascending
    found = np.searchsorted(place, place - ticks)
    there = place[found] == place - ticks
    return np.flatnonzero(there), found[there]


def _add(sums: np.ndarray, series: np.ndarray, values: np.ndarray) -> None:
    """Add the rows of each series to its sums; rows are sorted by series.

    Shapes: `sums` (series, columns), `series` (rows,), `values` (rows, columns).
    """
    first = np.flatnonzero(np.diff(series, prepend=-1))
    if len(first):
        sums[series[first]] += np.add.reduceat(values, first, axis=0)
