"""Classical models of statsmodels as baselines: chosen and fitted once, then read at every origin.

Each series and target has a model of its own, learned from its newest training rows. Its parameters
stay; its state is filtered through all rows, so that the forecast from an origin knows what came
before it and nothing later. Holes are what a Kalman filter takes for granted.
"""

import warnings
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.table import Table
from forecast.data.windows import Window

SEASONS, ROWS = 14, 300
"""Training rows that a model learns from: the newest of so many seasons, and at least so many."""

LONGEST = 60
"""Rows of the longest season that a state space holds; beyond it models have none."""

LEAST = 10
"""Known training values of a series, below which nothing is fitted."""

STEPS = 25
"""Iterations of one fit: a baseline need not have converged to be one."""


def classical(
    name: str, table: Table, learned: np.ndarray, window: Window, starts: np.ndarray, season: int
) -> np.ndarray:
    """Let a classical model forecast some windows, each series and target alone.

    Shapes: `learned` (rows,), `starts` (windows,); returns (windows, horizon, targets).
    """
    import statsmodels.tools.sm_exceptions  # noqa: F401  sets filters, so it comes before ours

    fit = CLASSICAL[name]
    season = season if 1 < season <= LONGEST else 1
    steps = window.lead + window.horizon
    values = np.full((len(starts), window.horizon, len(table.targets)), np.nan)
    order = np.argsort(table.series[starts], kind="stable")
    new = np.flatnonzero(np.diff(table.series[starts[order]])) + 1
    for own in np.split(order, new) if len(starts) else ():
        code = table.series[starts[own[0]]]
        begin, end = np.searchsorted(table.series, (code, code + 1))
        rows = np.arange(begin, end)
        tick = table.tick[rows] - table.tick[rows[0]]
        known = tick[learned[rows]]
        if not len(known):
            continue
        last = int(known.max())
        first = max(0, last + 1 - max(ROWS, SEASONS * season))
        origins = table.tick[starts[own] + window.timesteps - 1] - table.tick[rows[0]] - first
        for target in range(len(table.targets)):
            line = np.full(int(tick[-1]) + 1, np.nan)  # on every tick
            line[tick] = table.outputs[rows, target]
            given = line[first : last + 1][np.isfinite(line[first : last + 1])]
            if len(given) < LEAST or not np.ptp(given):
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of convergence: see STEPS
                predicted = fit(line[first:], last + 1 - first, season, origins, steps)
            values[own, :, target] = predicted[:, window.lead :]
    return values


def _auto_ets(
    line: np.ndarray, learned: int, season: int, origins: np.ndarray, steps: int
) -> np.ndarray:
    """Exponential smoothing; trend, damping and season by AICc (Hyndman et al. 2002, additive)."""
    from statsmodels.tsa.statespace.exponential_smoothing import ExponentialSmoothing

    seasons = {None, season if season > 1 else None}
    forms = product(((False, False), (True, False), (True, True)), sorted(seasons, key=str))
    best = _least(
        ExponentialSmoothing(line[:learned], trend=trend, damped_trend=damped, seasonal=period)
        for (trend, damped), period in forms
    )
    return _from_states(best.model, best.params, line, origins, steps)


def _auto_arima(
    line: np.ndarray, learned: int, season: int, origins: np.ndarray, steps: int
) -> np.ndarray:
    """ARIMA with orders by the stepwise search of Hyndman & Khandakar 2008, of small orders."""
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    train = line[:learned]
    seasonal = int(season > 1 and _strength(train, season) > 0.64)
    once = int(_wanders(train[season:] - train[:-season] if seasonal else train))

    def made(p: int, q: int, P: int, Q: int, *, differenced: bool = True) -> Any:
        period = (P, seasonal, Q, season) if season > 1 else (0, 0, 0, 0)
        return SARIMAX(
            train,
            order=(p, once, q),
            seasonal_order=period,
            trend="c" if once + seasonal == 0 else "n",
            simple_differencing=differenced,  # far fewer states to fit with
        )

    many = int(season > 1)
    tried: dict[tuple[int, ...], tuple[float, Any]] = {}

    def score(order: tuple[int, ...]) -> float:
        if order not in tried:
            tried[order] = _fitted(made(*order))
        return tried[order][0]

    best = min([(2, 2, many, many), (0, 0, 0, 0), (1, 0, many, 0), (0, 1, 0, many)], key=score)
    while True:
        near = [
            tuple(np.add(best, change).tolist())
            for place in range(4 if many else 2)
            for change in (np.eye(4, dtype=int)[place], -np.eye(4, dtype=int)[place])
        ]
        inside = [o for o in near if min(o) >= 0 and max(o[:2]) <= 3 and max(o[2:]) <= 1]
        better = min(inside, key=score)
        if score(better) >= score(best):
            break
        best = better
    whole, params = made(*best, differenced=False), tried[best][1].params
    return _from_states(whole, params, line, origins, steps)


def _theta(
    line: np.ndarray, learned: int, season: int, origins: np.ndarray, steps: int
) -> np.ndarray:
    """Smooth with half the drift, seasonally adjusted (Assimakopoulos & Nikolopoulos 2000).

    Simple exponential smoothing plus drift, as Hyndman & Billah 2003 have shown.
    """
    from statsmodels.tsa.forecasting.theta import ThetaModel
    from statsmodels.tsa.seasonal import seasonal_decompose

    whole = pd.Series(line[:learned]).interpolate(limit_direction="both").to_numpy()
    factor = np.zeros(season)
    if season > 1 and learned >= 2 * season:
        factor = seasonal_decompose(whole, period=season).seasonal[:season]
    ticks = np.arange(len(line))
    fitted = ThetaModel(whole - factor[ticks[:learned] % season], deseasonalize=False).fit()
    slope, alpha = fitted.params["b0"], fitted.params["alpha"]
    adjusted = pd.Series(line - factor[ticks % season])
    level = adjusted.ewm(alpha=alpha, adjust=False, ignore_na=True).mean().ffill().to_numpy()
    ahead = np.arange(1, steps + 1)
    drift = slope / 2 * (ahead - 1 + 1 / alpha)
    return level[origins, None] + drift + factor[(origins[:, None] + ahead) % season]


CLASSICAL: dict[str, Callable[..., np.ndarray]] = {
    "auto_ets": _auto_ets,
    "auto_arima": _auto_arima,
    "theta": _theta,
}
"""Name to what fits one series and forecasts it.

It takes the line, (ticks,), NaN where missing; how many of its first ticks are training rows; rows
of a season, 1 for none; ticks to forecast from, (windows,); steps ahead. It returns
(windows, steps).
"""


def _least(models: Iterator[Any]) -> Any:
    """Return the fitted model with the least AICc."""
    return min((_fitted(model) for model in models), key=lambda found: found[0])[1]


def _fitted(model: Any) -> tuple[float, Any]:
    """Fit a state-space model; one that cannot be fitted is never the best."""
    try:
        found = model.fit(disp=False, maxiter=STEPS, low_memory=True)
    except (ValueError, np.linalg.LinAlgError):
        return np.inf, None
    return (found.aicc if np.isfinite(found.aicc) else np.inf), found


def _from_states(
    model: Any, params: np.ndarray, line: np.ndarray, origins: np.ndarray, steps: int
) -> np.ndarray:
    """Forecast from the filtered state at every origin: Z·Tʰ·state, (windows, steps)."""
    found = model.clone(line).filter(params).filter_results
    state = found.predicted_state[:, origins + 1]  # of the tick after the origin, known at it
    predicted = []
    for _ in range(steps):
        predicted.append(found.design[..., -1] @ state + found.obs_intercept[..., -1:])
        state = found.transition[..., -1] @ state + found.state_intercept[..., -1:]
    return np.concatenate(predicted).T


def _strength(line: np.ndarray, season: int) -> float:
    """How much of a detrended series its season explains, 0 to 1 (Wang, Smith & Hyndman 2006)."""
    from statsmodels.tsa.seasonal import STL

    if len(line) < 2 * season + 1:
        return 0.0
    parts = STL(pd.Series(line).interpolate(limit_direction="both"), period=season).fit()
    return 1 - float(np.var(parts.resid) / np.var(parts.seasonal + parts.resid))


def _wanders(line: np.ndarray) -> bool:
    """Tell whether a series must be differenced: KPSS refuses that its level is fixed."""
    from statsmodels.tsa.stattools import kpss

    known = line[np.isfinite(line)]
    return bool(len(known) > 10 and np.ptp(known) > 0 and kpss(known, nlags="auto")[1] < 0.05)
