"""Rows put together on a regular clock: readings of loggers, trades, visits."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.data import clock
from forecast.errors import InputError, nearest, shown
from forecast.vocabulary import HOW

NEAREST = "nearest"
"""Keeps the row that is nearest to each tick, of stamps that are a little early or late."""


@dataclass(frozen=True)
class Resample:
    """How rows are put together.

    Attributes:
        rule: Distance of two ticks, as `data.frequency` has it; a tick stands for the time up to
            the next one, that of a frequency that ends months or weeks for the time before it.
        how: What of the values of a tick is kept; of angles the mean is that of their directions,
            and of labels the last is always kept.
    """

    rule: str
    how: str = "mean"

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if self.how not in HOW:
            raise InputError(
                f"data.resample must put rows together by {', '.join(HOW)}, got {shown(self.how)}: "
                f"{nearest(str(self.how), HOW)}"
            )
        if self.rule == clock.ROWS:
            raise InputError(
                "data.resample.rule must be a distance in time, got 'rows': write "
                "'data.resample={rule: h, how: mean}'"
            )
        clock.length(self.rule)

    def ticks(self, time: np.ndarray) -> np.ndarray:
        """Return the time stamp of the tick that each row belongs to, (rows,).

        >>> stamps = np.array(["2024-01-31T10:40", "2024-02-01T00:00"], "datetime64[ns]")
        >>> Resample("h").ticks(stamps).astype("datetime64[m]").tolist()[0].hour
        10
        >>> [str(day)[:10] for day in Resample("ME").ticks(stamps)]
        ['2024-01-31', '2024-02-29']
        """
        return clock.tick_of(time, self.rule, near=self.how == NEAREST)

    def together(
        self,
        time: np.ndarray,
        series: np.ndarray,
        values: Mapping[str, np.ndarray],
        *,
        circular: Mapping[str, float],
        labelled: frozenset[str],
    ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Put rows together.

        Args:
            time: (rows,), ascending within a series.
            series: (rows,), ascending.
            values: Column to its values, (rows,), NaN where missing.
            circular: Column to period.
            labelled: Columns of labels' positions.

        Returns:
            Time stamps, series and values of the ticks that have a row, (ticks,) each.

        >>> hours = np.array([0, 0, 1], "datetime64[h]").astype("datetime64[ns]")
        >>> load = {"load": np.array([1.0, 3.0, 7.0])}
        >>> found = Resample("h").together(
        ...     hours, np.zeros(3, int), load, circular={}, labelled=frozenset()
        ... )
        >>> found[2]["load"].tolist()
        [2.0, 7.0]
        """
        tick = self.ticks(time)
        if self.how == NEAREST:
            away = np.abs((time - tick).astype(np.int64))
            order = np.lexsort((away, tick, series))
            first = _begins(tick[order], series[order])
            kept = order[first]
            own = {name: column[kept] for name, column in values.items()}
            return tick[kept], series[kept], own
        first = _begins(tick, series)
        group = np.repeat(np.arange(len(first)), np.diff(first, append=len(tick)))
        found = {}
        for name, column in values.items():
            if name in circular and self.how in ("mean", "median"):
                found[name] = _mean_direction(column, group, circular[name])
            else:
                how = "last" if name in labelled else self.how
                found[name] = _aggregated(column, group, how)
        return tick[first], series[first], found


def _begins(tick: np.ndarray, series: np.ndarray) -> np.ndarray:
    """Return the first row of every tick of every series."""
    new = (tick[1:] != tick[:-1]) | (series[1:] != series[:-1])
    return np.flatnonzero(np.append(True, new))


def _aggregated(values: np.ndarray, group: np.ndarray, how: str) -> np.ndarray:
    """Keep one of the values of each group, or what they come to; nothing of none."""
    grouped = pd.Series(values).groupby(group)
    found = grouped.sum(min_count=1) if how == "sum" else grouped.agg(how)
    return found.to_numpy(float)


def _mean_direction(values: np.ndarray, group: np.ndarray, period: float) -> np.ndarray:
    """Average angles as directions: of 350 and 10 degrees it is 0, and not 180."""
    turns = 2 * np.pi * values / period
    across, along = (_aggregated(part, group, "mean") for part in (np.sin(turns), np.cos(turns)))
    return np.arctan2(across, along) / (2 * np.pi) * period % period
