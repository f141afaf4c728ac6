"""Gradient boosted trees as one model of all series and steps, on lags, clock and known columns."""

from collections import OrderedDict
from hashlib import blake2b
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from forecast.data import windows
from forecast.data.scale import Scaler
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation.baselines.lagged import Lagged

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


def sample(table: Table, window: Window, starts: np.ndarray) -> tuple[np.ndarray, str]:
    """Draw the windows that are forecast: all, or where they are many all of some time stamps.

    Shapes: `starts` (windows,).
    """
    cost = len(starts) * window.horizon * len(table.targets)
    if cost <= SCORED:
        return starts, ""
    time = table.time[starts + window.timesteps - 1]
    stamps = np.unique(time)
    count = max(1, len(stamps) * SCORED // cost)
    edges = np.linspace(0, len(stamps), count + 1).astype(int)
    drawn = stamps[np.random.default_rng(0).integers(edges[:-1], edges[1:])]
    return starts[np.isin(time, drawn)], f"scored from {count:,} of {len(stamps):,} time stamps"


def boosted_trees(
    table: Table,
    window: Window,
    learned: np.ndarray,
    starts: np.ndarray,
    *,
    scaler: Scaler,
    seasons: tuple[int, ...],
) -> np.ndarray:
    """Let gradient boosted trees forecast windows from what is known at their origins.

    Every target has one model of all series and steps. It predicts the distance from the value at
    the origin, or from that a season before the predicted row where this is nearer to what came
    true in training.

    Shapes: `learned` (rows,), `starts` (windows,); returns (windows, horizon, targets).
    """
    train = windows.by_content(table, windows.starts(table, window, within=learned), learned)
    order = windows.series_order(table, learned)
    times = table.time[learned]
    years = times.dtype.kind == "M" and np.ptp(times) >= YEAR
    every = [
        Lagged(table, window, target, scaler, seasons, bool(years), order)
        for target in range(len(table.targets))
    ]
    # several threads wait for one another longer than they work, and round sums by their number
    with threadpool_limits(1, user_api="openmp"):
        return np.stack([_one(lagged, train, starts) for lagged in every], axis=-1)


def _one(lagged: Lagged, train: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Learn one target and forecast it, (windows, horizon)."""
    window, table = lagged.window, lagged.table
    origins, steps = _pairs(train + window.timesteps - 1, window.horizon)
    features = np.concatenate([lagged.past(origins), lagged.ahead(origins, steps)], axis=1)
    usable = np.isfinite(features).any(axis=0)  # lags may reach behind a short series' beginning
    most = max(FEWEST, CELLS // features.shape[1])
    if len(features) > most:
        kept = np.linspace(0, len(features) - 1, most).astype(int)
        origins, steps, features = origins[kept], steps[kept], features[kept]
    true = table.outputs[origins + window.lead + 1 + steps, lagged.target]
    away = [
        (true - _base(lagged, origins, steps, seasonal=seasonal)) / lagged.scale[origins]
        for seasonal in (False, True)
    ]
    seasonal = bool(np.abs(away[1]).mean() < np.abs(away[0]).mean())
    model = _fit(features[:, usable], away[seasonal])
    ahead = np.arange(window.horizon)
    found = [np.zeros((0, window.horizon))]
    for part in windows.batches(starts + window.timesteps - 1, max(1, CHUNK // window.horizon)):
        each, step = np.repeat(part, window.horizon), np.tile(ahead, len(part))
        past = np.repeat(lagged.past(part), window.horizon, axis=0)
        predicted = model.predict(
            np.concatenate([past, lagged.ahead(each, step)], axis=1)[:, usable]
        )
        values = predicted * lagged.scale[each] + _base(lagged, each, step, seasonal=seasonal)
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
