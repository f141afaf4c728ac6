"""Gradient boosted trees as one model of all series and steps, on lags, clock and known columns."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from forecast.data import clock, windows
from forecast.data.scale import Scaled, Scaler
from forecast.data.stamps import calendar
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation.baselines import rules
from forecast.evaluation.baselines.nodes import Nodes
from forecast.evaluation.baselines.rules import Past, Ticks
from forecast.evaluation.parts import Asked

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
        past: Rows, and the values known at each.
        window: Shape of a sample.
        target: Number of the target.
        scaler: What standardises, learned on training rows.
        seasons: Rows of each season, shortest first.
        years: Whether the training rows hold every season of the year. Where they do not, what
            tells the time of the year is left out: of months that were never seen trees would say
            what they have learned of the last ones.
        order: Place of each series of the table by content, (series,).
    """

    past: Past
    window: Window
    target: int
    scaler: Scaler
    seasons: tuple[int, ...]
    years: bool
    order: np.ndarray

    @property
    def table(self) -> Table:
        """Rows."""
        return self.past.table

    def known(self, origins: np.ndarray) -> np.ndarray:
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
        places = [place for place in self.table.known if place not in self._of_clock]
        known = self.table.inputs[rows[:, None], places]
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
        known = self.scaler.kind(self.target).forward(self.past.known[:, [self.target]])[:, 0]
        mean = self.scaler.output_mean[self.table.series, self.target]
        return np.where(np.isnan(known), mean, known)

    @cached_property
    def scale(self) -> np.ndarray:
        """Deviation of the target, once transformed, in the series of each row, (rows,)."""
        return self.scaler.output_std[self.table.series, self.target]

    @cached_property
    def _ticks(self) -> Ticks:
        """The target, and other columns that move, on every tick, (cells, 1 + columns)."""
        table = self.table
        still = {*table.static, *range(len(table.features) - table.indicators, len(table.features))}
        moving = [place for place in self._others if place not in still]
        own = self.scaler.kind(self.target).forward(table.outputs[:, [self.target]])
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
    def _of_clock(self) -> set[int]:
        """Input columns that a schema has made of the clock."""
        names = self.table.features if self.table.time.dtype.kind == "M" else ()
        return {place for place, name in enumerate(names) if name in calendar.COLUMNS}

    @cached_property
    def _clock(self) -> np.ndarray:
        """What the clock shows at each row, where it tells, (rows, columns)."""
        if self.table.time.dtype.kind != "M":
            return np.zeros((len(self.table), 0))
        days = clock.days(self.table.frequency)
        return clock_of(self.table)[:, [days < 1, days < rules.WEEK, self.years]]


def clock_of(table: Table) -> np.ndarray:
    """Return hour, weekday and day of the year of each row by the clocks there, (rows, 3)."""
    index = calendar.local(table.time, table.zone)
    hour = index.hour + index.minute / 60
    return np.column_stack([hour, index.day_of_week, index.day_of_year]).astype(float)


def _mean(columns: list[np.ndarray]) -> np.ndarray:
    """Average what is known of some columns in each place, NaN where nothing is, (pairs,)."""
    values = np.stack(columns)
    count = np.isfinite(values).sum(axis=0)
    return np.where(count > 0, np.nan_to_num(values).sum(axis=0) / np.maximum(count, 1), np.nan)


NAMES = ("boosted_trees",)
"""What `evaluation.baselines` calls them."""

SETTINGS: dict[str, Any] = {
    "loss": "absolute_error",
    "learning_rate": 0.1,
    "max_iter": 150,
    "max_leaf_nodes": 31,
    "min_samples_leaf": 50,
    "early_stopping": False,  # which would hold out rows at random, neighbours of those that train
    "random_state": 0,
}
"""Of the regressor; chosen on the validation spans of two public panels, see docs/evaluation.md."""

PER_ORIGIN = 1.5
"""Pairs that are learned from, a window: steps of one window tell almost the same."""

FEWEST, MOST = 5_000, 100_000
"""Bounds of their number."""

CELLS = 4_000_000
"""Features of all of them together: a wide table leaves room for fewer."""

SCORED = 1_500_000
"""Predicted values beyond which a sample of the origins is forecast, ten seconds of one core."""

TARGETS = 8
"""Most targets; each has trees of its own."""

CHUNK = 100_000
"""Pairs whose features are made together."""

KEPT = 8
"""Fitted trees that the process remembers."""

YEAR = np.timedelta64(365, "D")

_fitted: OrderedDict[bytes, HistGradientBoostingRegressor] = OrderedDict()


def takes(table: Table) -> bool:
    """Tell whether trees forecast the targets of a table: values, and few enough."""
    return table.task == "regression" and len(table.targets) <= TARGETS


def look_back(seasons: Sequence[int], window: Window) -> int:
    """Return how many rows before a window trees may read."""
    return (WEEKS + 1) * max(seasons) + window.lead + window.horizon + max(*NEAR, *SHORT)


def sample(asked: Asked, values: int) -> tuple[np.ndarray | None, str]:
    """Draw the time stamps whose windows are forecast: None for all, where these are not too many.

    `values` are those of one window. Returns (time stamps,).
    """
    cost, stamps, some = asked.windows * values, asked.stamps, ""
    if asked.series is not None:
        some = f"scored on {asked.series.sum():,} of {len(asked.series):,} series"
    if cost <= SCORED:
        return None, some
    count = max(1, len(stamps) * SCORED // cost)
    edges = np.linspace(0, len(stamps), count + 1).astype(int)
    drawn = stamps[np.random.default_rng(0).integers(edges[:-1], edges[1:])]
    text = f"scored from {count:,} of {len(stamps):,} time stamps"
    return drawn, f"{some}, {text.removeprefix('scored ')}" if some else text


@dataclass(frozen=True)
class Grown:
    """Trees of one target.

    Attributes:
        model: Fitted, or what was kept of it.
        usable: Mask of the features that it reads.
        seasonal: Whether it predicts the distance from a season before.
    """

    model: HistGradientBoostingRegressor | Nodes
    usable: np.ndarray
    seasonal: bool


@dataclass(frozen=True, eq=False)
class Trees:
    """Boosted trees of every target, learned from training rows.

    Every target has one model of all series and steps. It predicts the distance from the value at
    the origin, or from that a season before the predicted row where this is nearer to what came
    true in training.

    Attributes:
        window: Shape of a sample.
        seasons: As for `Lagged`.
        years: As for `Lagged`.
        order: Place of each series that was learned from by content, (series,).
        grown: Of each target.
    """

    window: Window
    seasons: tuple[int, ...]
    years: bool
    order: np.ndarray
    grown: list[Grown] = field(default_factory=list)

    def lagged(self, past: Past, scaler: Scaler, numbers: np.ndarray) -> list[Lagged]:
        """Read the rows of a table, one target after the other.

        Shapes: `numbers` (series of the table,), their numbers among those learned from.
        """
        order = self.order[numbers]
        return [
            Lagged(past, self.window, target, scaler, self.seasons, self.years, order)
            for target in range(len(past.table.targets))
        ]

    def forecast(self, every: Sequence[Lagged], starts: np.ndarray) -> np.ndarray:
        """Forecast windows from what is known at their origins.

        Shapes: `starts` (windows,); returns (windows, horizon, targets).
        """
        values = np.empty((len(starts), self.window.horizon, len(every)))
        with threadpool_limits(1, user_api="openmp"):
            for target, (lagged, grown) in enumerate(zip(every, self.grown, strict=True)):
                values[..., target] = _forecast(lagged, grown, starts)
        return values


def learn(
    rows: Scaled,
    past: Past,
    window: Window,
    learned: np.ndarray,
    *,
    train: np.ndarray,
    seasons: tuple[int, ...],
) -> Trees:
    """Grow the trees.

    Shapes: `learned` (rows,), `train` (train windows,), those of learned rows by series and time.
    """
    table, times = rows.table, rows.table.time[learned]
    years = times.dtype.kind == "M" and np.ptp(times) >= YEAR
    order = windows.series_order(table, learned).astype(float)
    order[np.bincount(table.series, minlength=len(order)) == 0] = np.nan  # of a series not here
    found = Trees(window, seasons, bool(years), order)
    # several threads wait for one another longer than they work, and round sums by their number
    with threadpool_limits(1, user_api="openmp"):
        for lagged in found.lagged(past, rows.scaler, np.arange(len(table.names))):
            found.grown.append(_grow(lagged, train))
    return found


def _grow(lagged: Lagged, train: np.ndarray) -> Grown:
    """Learn one target."""
    window, table = lagged.window, lagged.table
    origins, steps = _pairs(train + window.timesteps - 1, window.horizon)
    features = np.concatenate([lagged.known(origins), lagged.ahead(origins, steps)], axis=1)
    usable = np.isfinite(features).any(axis=0)  # lags may reach behind a short series' beginning
    most = max(FEWEST, CELLS // features.shape[1])
    if len(features) > most:
        kept = np.linspace(0, len(features) - 1, most).astype(int)
        origins, steps, features = origins[kept], steps[kept], features[kept]
    true = table.outputs[origins + window.lead + 1 + steps, lagged.target, None]
    true = lagged.scaler.kind(lagged.target).forward(true)[:, 0]
    away = [
        (true - _base(lagged, origins, steps, seasonal=seasonal)) / lagged.scale[origins]
        for seasonal in (False, True)
    ]
    seasonal = bool(np.abs(away[1]).mean() < np.abs(away[0]).mean())
    return Grown(_fit(features[:, usable], away[seasonal]), usable, seasonal)


def _forecast(lagged: Lagged, grown: Grown, starts: np.ndarray) -> np.ndarray:
    """Forecast one target, (windows, horizon)."""
    window = lagged.window
    ahead = np.arange(window.horizon)
    found = [np.zeros((0, window.horizon))]
    for part in windows.batches(starts + window.timesteps - 1, max(1, CHUNK // window.horizon)):
        each, step = np.repeat(part, window.horizon), np.tile(ahead, len(part))
        known = np.repeat(lagged.known(part), window.horizon, axis=0)
        features = np.concatenate([known, lagged.ahead(each, step)], axis=1)
        predicted = grown.model.predict(features[:, grown.usable])
        base = _base(lagged, each, step, seasonal=grown.seasonal)
        values = (predicted * lagged.scale[each] + base)[:, None]
        values = lagged.scaler.kind(lagged.target).inverse(values)
        found.append(values.reshape(-1, window.horizon))
    return np.concatenate(found)


def _pairs(origins: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw (origin, predicted row) pairs to learn from, (pairs,) each."""
    every = len(origins) * horizon
    count = min(every, MOST, max(FEWEST, int(PER_ORIGIN * len(origins))))
    drawn = np.sort(np.random.default_rng(0).choice(every, count, replace=False))
    return origins[drawn // horizon], drawn % horizon


def _base(lagged: Lagged, origins: np.ndarray, steps: np.ndarray, *, seasonal: bool) -> np.ndarray:
    """Return the value at the origin, or a season before the predicted row if known, (pairs,)."""
    level = lagged.level[origins]
    if not seasonal:
        return level
    before = lagged.before(origins, steps, lagged.seasons[0])
    return np.where(np.isnan(before), level, before)


def _fit(features: np.ndarray, away: np.ndarray) -> HistGradientBoostingRegressor:
    """Fit trees, or take those that the same numbers have given before.

    A leak proof forecasts the same windows again and again from tables that differ only where
    nothing may be learned from, and fits anew as soon as one bit of what is learned has changed.
    """
    digest = blake2b(repr(features.shape).encode())
    for part in (features, away):
        digest.update(np.ascontiguousarray(part).view(np.uint8).data)
    key = digest.digest()
    if key not in _fitted:
        _fitted[key] = HistGradientBoostingRegressor(**SETTINGS).fit(features, away)
        while len(_fitted) > KEPT:
            _fitted.popitem(last=False)
    return _fitted[key]
