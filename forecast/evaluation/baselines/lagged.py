"""What is known at an origin about a predicted row, as features: index arithmetic only."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from forecast.data import clock
from forecast.data.scale import Scaler
from forecast.data.schema import CALENDAR
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation.baselines import rules
from forecast.evaluation.baselines.rules import Ticks

NEAR = (1, 2, 3, 5, 8, 11, 17, 22)
"""Rows before the origin at which the target is read."""

SHORT = (3, 6)
"""Rows of the short means that end at the origin; the other columns have the last of them."""

WEEKS = 4
"""Weeks whose values at one time of the week are averaged."""

OTHERS = 40
"""Columns beside the target that are read, the first ones: each is read twice."""


@dataclass(frozen=True)
class Lagged:
    """Features of (origin, predicted row) pairs for one target, from rows up to the origin.

    Of later rows only time stamps and the columns known ahead are read, at the predicted row. What
    is read of the target is relative to its level, the last value known at the origin, in
    deviations of its series; what is not known is NaN.

    Attributes:
        table: Rows.
        window: Shape of a sample.
        target: Number of the target.
        scaler: What standardises, learned on training rows.
        seasons: Rows of each season, shortest first.
        years: Whether the training rows hold every season of the year. Where they do not, what
            tells the time of the year is left out: of months that were never seen trees would say
            what they have learned of the last ones.
    """

    table: Table
    window: Window
    target: int
    scaler: Scaler
    seasons: tuple[int, ...]
    years: bool
    order: np.ndarray

    def past(self, origins: np.ndarray) -> np.ndarray:
        """Describe what is known at some origins, whatever is predicted.

        Shapes: `origins` (origins,); returns (origins, features).
        """
        table, cells = self.table, self._ticks.cell[origins]
        level, scale = self.level[origins], self.scale[origins]
        read = [self._ticks.before(cells, lag, 0) for lag in self._lags]
        read += [self._ticks.means(cells, length)[:, 0] for length in self._lengths]
        columns = [level / scale, *((values - level) / scale for values in read)]
        columns += [table.inputs[origins][:, self._others]]
        columns += [self._ticks.means(cells, SHORT[-1])[:, 1:], self.order[table.series[origins]]]
        return np.column_stack(columns)

    def ahead(self, origins: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Describe some predicted rows as far as they are known at their origins.

        Shapes: `origins` (pairs,), `steps` (pairs,); returns (pairs, features).
        """
        level, scale = self.level[origins], self.scale[origins]
        columns = [self.before(origins, steps, season, 0) for season in self.seasons]
        columns += [self.before(origins, steps, season, 1) for season in self.seasons[:1]]
        if self.years and len(self.seasons) > 1:
            weeks = [self.before(origins, steps, self.seasons[1], n) for n in range(WEEKS)]
            columns += [weeks[1], _mean(weeks)]
        columns = [steps, *((values - level) / scale for values in columns)]
        rows = origins + self.window.lead + 1 + steps
        known = self.table.inputs[rows[:, None], self._known]
        return np.column_stack([*columns, self._clock[rows], known])

    def before(
        self, origins: np.ndarray, steps: np.ndarray, season: int, more: int = 0
    ) -> np.ndarray:
        """Read the target whole seasons before some predicted rows, (pairs,)."""
        distance = self.window.lead + 1 + steps
        back = season * (-(-distance // season) + more)
        return self._ticks.before(self._ticks.cell[origins], back - distance, 0)

    @cached_property
    def level(self) -> np.ndarray:
        """The last value known at each row, the mean of the series before the first, (rows,)."""
        known = rules.known_targets(self.table)[:, self.target]
        mean = self.scaler.output_mean[self.table.series, self.target]
        return np.where(np.isnan(known), mean, known)

    @cached_property
    def scale(self) -> np.ndarray:
        """Deviation of the target in the series of each row, (rows,)."""
        return self.scaler.output_std[self.table.series, self.target]

    @cached_property
    def _ticks(self) -> Ticks:
        """The target, and other columns that move, on every tick, (cells, 1 + columns)."""
        table = self.table
        still = {*table.static, *range(len(table.features) - table.indicators, len(table.features))}
        moving = [place for place in self._others if place not in still]
        own = table.outputs[:, [self.target]]
        return Ticks.of(table, np.concatenate([own, table.inputs[:, moving]], axis=1))

    @cached_property
    def _lags(self) -> list[int]:
        """Rows before the origin: near ones, and about each season."""
        found = set(NEAR)
        for season in self.seasons[:1]:
            found |= {season - 1, season, season + 1, 2 * season - 1, 3 * season - 1}
        found |= {season - 1 for season in self.seasons[1:]}
        return sorted(found - {0})

    @cached_property
    def _lengths(self) -> list[int]:
        """Rows of the means that end at the origin."""
        return sorted({*SHORT, *self.seasons, *(3 * season for season in self.seasons[:1])} - {1})

    @cached_property
    def _others(self) -> list[int]:
        """Input columns but for the target itself and the clock, which is read as it is."""
        own = {self.table.target_positions[self.target], *self._of_clock}
        places = [place for place in range(len(self.table.features)) if place not in own]
        return places[:OTHERS]

    @cached_property
    def _known(self) -> list[int]:
        """Columns known ahead but for the clock."""
        return [place for place in self.table.known if place not in self._of_clock]

    @cached_property
    def _of_clock(self) -> set[int]:
        """Input columns that a schema has made of the clock."""
        stamps = self.table.time[:1] if self.table.time.dtype.kind == "M" else None
        names = () if stamps is None else clock.describe(stamps, CALENDAR)[1]
        return {n for n, name in enumerate(self.table.features) if name in names}

    @cached_property
    def _clock(self) -> np.ndarray:
        """Hour, weekday and day of the year of each row, where they tell, (rows, columns)."""
        if self.table.time.dtype.kind != "M":
            return np.zeros((len(self.table), 0))
        index, days = pd.DatetimeIndex(self.table.time), rules.days(self.table.frequency)
        hour = index.hour + index.minute / 60
        calendar = np.column_stack([hour, index.day_of_week, index.day_of_year]).astype(float)
        return calendar[:, [days < 1, days < rules.WEEK, self.years]]


def _mean(columns: list[np.ndarray]) -> np.ndarray:
    """Average what is known of some columns in each place, NaN where nothing is, (pairs,)."""
    values = np.stack(columns)
    count = np.isfinite(values).sum(axis=0)
    return np.where(count > 0, np.nan_to_num(values).sum(axis=0) / np.maximum(count, 1), np.nan)
