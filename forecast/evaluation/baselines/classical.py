"""Classical models of statsmodels as baselines: chosen and fitted once, then read at every origin.

Each series and target has a model of its own, learned from its newest training rows. Its parameters
stay; its state is filtered through all rows, so that the forecast from an origin knows what came
before it and nothing later. Holes are what a Kalman filter takes for granted.
"""

import warnings
from collections.abc import Callable
from functools import partial
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


ORIGINS = 64
"""Origins that are forecast together, always as many, since products round by their shape."""

Follow = Callable[[np.ndarray], Callable[[np.ndarray, int], np.ndarray]]
"""A fitted model: from a line, (ticks,), to what forecasts it from some ticks, (windows,), so many
steps ahead: (windows, steps)."""


class Classical:
    """One classical model of each series and target, fitted when it is first asked for.

    Attributes:
        fit: Of `CLASSICAL`.
        table: Rows that are learned from, and others.
        learned: Mask of the former, (rows,).
        window: Shape of a sample.
        season: Rows of a season, 1 for none.
    """

    def __init__(self, name: str, table: Table, learned: np.ndarray, window: Window, season: int):
        self.fit, self.table, self.learned, self.window = CLASSICAL[name], table, learned, window
        self.season = season if 1 < season <= LONGEST else 1
        self._found: dict[int, tuple[int, dict[int, Follow]]] = {}

    def fitted(self, code: int) -> tuple[int, dict[int, Follow]]:
        """Fit the targets of a series that can be fitted, from its newest training rows.

        Returns the ticks of the series before those rows, and target to fitted model.
        """
        if code not in self._found:
            self._found[code] = self._fitted(code)
        return self._found[code]

    def _fitted(self, code: int) -> tuple[int, dict[int, Follow]]:
        import statsmodels.tools.sm_exceptions  # noqa: F401  sets filters, so it comes before ours

        rows = _rows(self.table, code)
        known = rows[self.learned[rows]]
        if not len(known):
            return 0, {}
        last = int(self.table.tick[known[-1]] - self.table.tick[rows[0]])
        first = max(0, last + 1 - max(ROWS, SEASONS * self.season))
        found: dict[int, Follow] = {}
        for target in range(len(self.table.targets)):
            line = _line(self.table, rows, target)[first : last + 1]
            given = line[np.isfinite(line)]
            if len(given) < LEAST or not np.ptp(given):
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of convergence: see STEPS
                found[target] = self.fit(line, self.season)
        return first, found


class Lines:
    """The series of a table as fitted models follow them.

    What was filtered of the last series is kept, since parts of windows may divide a series.

    Attributes:
        models: Fitted, or fitted when asked for.
        table: Rows, those of whole series.
        numbers: Number of each series of the table among those of the models, (series,).
    """

    def __init__(self, models: Classical, table: Table, numbers: np.ndarray):
        self.models, self.table, self.numbers = models, table, numbers
        self._last: tuple[int, int, dict[int, Callable[..., np.ndarray]]] = -1, 0, {}

    def forecast(self, starts: np.ndarray) -> np.ndarray:
        """Forecast some windows, each series and target alone.

        Shapes: `starts` (windows,); returns (windows, horizon, targets).
        """
        window, table = self.models.window, self.table
        steps, series = window.lead + window.horizon, table.series[starts]
        values = np.full((len(starts), window.horizon, len(table.targets)), np.nan)
        order = np.argsort(series, kind="stable")
        codes, begin = np.unique(series[order], return_index=True)
        parts = np.split(order, begin[1:]) if len(codes) else []
        for code, own in zip(codes.tolist(), parts, strict=True):
            first, lines = self._followed(code)
            origins = table.tick[starts[own] + window.timesteps - 1] - first
            for target, ahead in lines.items():
                values[own, :, target] = ahead(origins, steps)[:, window.lead :]
        return values

    def _followed(self, code: int) -> tuple[int, dict[int, Callable[..., np.ndarray]]]:
        """Let the models of a series follow it, from which tick on."""
        if self._last[0] != code:
            rows = _rows(self.table, code)
            first, models = self.models.fitted(int(self.numbers[code]))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                lines = {
                    target: follow(_line(self.table, rows, target)[first:])
                    for target, follow in models.items()
                }
            self._last = code, first + int(self.table.tick[rows[0]]), lines
        return self._last[1:]


def _rows(table: Table, code: int) -> np.ndarray:
    """List the rows of a series."""
    return np.arange(*np.searchsorted(table.series, [code, code + 1]))


def _line(table: Table, rows: np.ndarray, target: int) -> np.ndarray:
    """Lay a target of a series out by tick, NaN where it is missing, (ticks,)."""
    tick = table.tick[rows] - table.tick[rows[0]]
    line = np.full(int(tick[-1]) + 1, np.nan)
    line[tick] = table.outputs[rows, target]
    return line


def _auto_ets(train: np.ndarray, season: int) -> Follow:
    """Exponential smoothing; trend, damping and season by AICc (Hyndman et al. 2002, additive)."""
    from statsmodels.tsa.statespace.exponential_smoothing import ExponentialSmoothing

    seasons = {None, season if season > 1 else None}
    forms = product(((False, False), (True, False), (True, True)), sorted(seasons, key=str))
    every = [
        partial(ExponentialSmoothing, trend=trend, damped_trend=damped, seasonal=period)
        for (trend, damped), period in forms
    ]
    found = [_fitted(made(train)) for made in every]
    best = min(range(len(every)), key=lambda number: found[number][0])
    return partial(_filtered, every[best], found[best][1].params)


def _auto_arima(train: np.ndarray, season: int) -> Follow:
    """ARIMA with orders by the stepwise search of Hyndman & Khandakar 2008, of small orders."""
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    seasonal = int(season > 1 and _strength(train, season) > 0.64)
    once = int(_wanders(train[season:] - train[:-season] if seasonal else train))

    def made(p: int, q: int, P: int, Q: int, *, differenced: bool = True) -> Callable[..., Any]:
        period = (P, seasonal, Q, season) if season > 1 else (0, 0, 0, 0)
        return partial(
            SARIMAX,
            order=(p, once, q),
            seasonal_order=period,
            trend="c" if once + seasonal == 0 else "n",
            simple_differencing=differenced,  # far fewer states to fit with
        )

    many = int(season > 1)
    tried: dict[tuple[int, ...], tuple[float, Any]] = {}

    def score(order: tuple[int, ...]) -> float:
        if order not in tried:
            tried[order] = _fitted(made(*order)(train))
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
    return partial(_filtered, made(*best, differenced=False), tried[best][1].params)


def _theta(train: np.ndarray, season: int) -> Follow:
    """Smooth with half the drift, seasonally adjusted (Assimakopoulos & Nikolopoulos 2000).

    Simple exponential smoothing plus drift, as Hyndman & Billah 2003 have shown.
    """
    from statsmodels.tsa.forecasting.theta import ThetaModel
    from statsmodels.tsa.seasonal import seasonal_decompose

    whole = pd.Series(train).interpolate(limit_direction="both").to_numpy()
    factor = np.zeros(season)
    if season > 1 and len(train) >= 2 * season:
        factor = seasonal_decompose(whole, period=season).seasonal[:season]
    ticks = np.arange(len(train))
    fitted = ThetaModel(whole - factor[ticks % season], deseasonalize=False).fit()
    return partial(_smoothed, factor, fitted.params["b0"], fitted.params["alpha"])


def _smoothed(
    factor: np.ndarray, slope: float, alpha: float, line: np.ndarray
) -> Callable[[np.ndarray, int], np.ndarray]:
    """Smooth a line, and forecast with half the drift."""
    adjusted = pd.Series(line - factor[np.arange(len(line)) % len(factor)])
    level = adjusted.ewm(alpha=alpha, adjust=False, ignore_na=True).mean().ffill().to_numpy()

    def ahead(origins: np.ndarray, steps: int) -> np.ndarray:
        far = np.arange(1, steps + 1)
        drift = slope / 2 * (far - 1 + 1 / alpha)
        return level[origins, None] + drift + factor[(origins[:, None] + far) % len(factor)]

    return ahead


CLASSICAL: dict[str, Callable[[np.ndarray, int], Follow]] = {
    "auto_ets": _auto_ets,
    "auto_arima": _auto_arima,
    "theta": _theta,
}
"""Name to what fits one series: its training ticks, NaN where missing, and rows of a season, 1 for
none."""


def _fitted(model: Any) -> tuple[float, Any]:
    """Fit a state-space model; one that cannot be fitted is never the best."""
    try:
        found = model.fit(disp=False, maxiter=STEPS, low_memory=True)
    except (ValueError, np.linalg.LinAlgError):
        return np.inf, None
    return (found.aicc if np.isfinite(found.aicc) else np.inf), found


def _filtered(
    made: Callable[[np.ndarray], Any], params: np.ndarray, line: np.ndarray
) -> Callable[[np.ndarray, int], np.ndarray]:
    """Filter a line, and forecast from the filtered state at every origin: Z·Tʰ·state."""
    found = made(line).filter(params).filter_results
    states = found.predicted_state
    design, transition = found.design[..., -1], found.transition[..., -1]
    above, drift = found.obs_intercept[..., -1:], found.state_intercept[..., -1:]

    def ahead(origins: np.ndarray, steps: int) -> np.ndarray:
        values = np.empty((len(origins), steps))
        for first in range(0, len(origins), ORIGINS):
            part = origins[first : first + ORIGINS]
            full = np.concatenate([part, np.repeat(part[-1:], ORIGINS - len(part))])
            state = states[:, full + 1]  # of the tick after the origin, known at it
            for step in range(steps):
                values[first : first + len(part), step] = (design @ state + above)[0, : len(part)]
                state = transition @ state + drift
        return values

    return ahead


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
