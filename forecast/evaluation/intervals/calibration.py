"""Prediction intervals around any forecasts, calibrated on windows whose outcome is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from forecast import metrics
from forecast.data import windows
from forecast.data.scale import Scaler
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals import conformal
from forecast.evaluation.intervals.reach import Pair, Reach, base, pair, widened

CENTRAL = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))
"""Levels whose ends, with the forecast between them, are nineteen quantiles, for the CRPS."""

QUANTILES = tuple(round(0.05 * place, 2) for place in range(1, 20))
"""Theirs."""

CELLS = 20_000_000
"""Thresholds held at once: of many targets some are calibrated after the others."""


@dataclass(frozen=True)
class Intervals:
    """Intervals of the test windows, and what was seen of them.

    Attributes:
        level: Share that is to be covered.
        method: "split", "cqr" or "adaptive".
        lower: (windows, horizon, targets), original units; NaN where too little was known yet.
        upper: Of the same shape; the forecast lies between both.
        reach: What a forecast behind the last known outcome needs.
        observed: Level to the share of the truth that was covered, by the same method.
        crps: Of the quantiles that the levels' ends are.
    """

    level: float
    method: str
    lower: np.ndarray
    upper: np.ndarray
    reach: Reach
    observed: Mapping[float, float] = field(default_factory=dict)
    crps: float = float("nan")


def calibrate(
    test: Forecasts, held: Forecasts | None, scaler: Scaler, level: float, method: str
) -> Intervals | None:
    """Put an interval around every test forecast.

    Each step and target has its own, and so has each series with enough held-out windows; one of
    few learns from those of all series, each by its own scale.

    Args:
        test: Forecasts of the test windows.
        held: Those of windows that were not trained on, before the test span; None where there are
            none. Then only `adaptive` says something, once enough test outcomes are known.
        scaler: Scale of every series.
        level: Share that is to be covered.
        method: "split", "cqr" or "adaptive".

    Returns:
        The intervals; None where nothing can be said.
    """
    if held is None and method != "adaptive":
        return None
    between = None if method == "split" else pair(level, test.levels)
    every = tuple(sorted({*CENTRAL, 0.95, level}))
    chosen = every.index(level)
    names, (_, horizon, targets) = test.table.names, test.values.shape
    lower, upper = np.full((2, *test.values.shape), np.nan)
    reach = np.full((len(names), horizon, targets), np.nan)
    tally = _Tally(every)
    chunk = max(1, CELLS // (len(every) * horizon * _longest(test, held)))
    around = _ends(test, between)
    for begin in range(0, targets, chunk):
        part = slice(begin, begin + chunk)
        seen = _scaled(test, between, scaler, part)
        before = None if held is None else _scaled(held, between, scaler, part)
        for code in np.unique(test.series):
            mine = np.flatnonzero(test.series == code)
            past = None if held is None or before is None else _past(held, before, code)
            if method == "adaptive":
                found = _adaptive(test, seen[mine], mine, past, every)
            elif past is not None:
                fixed = conformal.split(past.seen, every)
                found = np.broadcast_to(fixed, (len(mine) + 1, *fixed.shape))
            found = found * scaler.output_std[code, part, None]  # original units
            middle = test.values[mine][..., part, None]
            low, high = (end[mine][..., part, None] for end in around)
            ends = widened(low, high, middle, found[:-1])
            lower[mine, :, part], upper[mine, :, part] = (end[..., chosen] for end in ends)
            reach[code, :, part] = found[-1][..., chosen]
            tally.add(test.true[mine][..., part], middle, *ends)
    if not np.isfinite(lower).any():
        return None
    told = Reach(level, method, between, reach)
    return Intervals(level, method, lower, upper, told, tally.observed(), tally.crps())


def joined(parts: Sequence[Intervals | None], order: np.ndarray) -> Intervals | None:
    """Put the intervals of several spans together.

    Args:
        parts: Of each span.
        order: Which of all their windows, one span behind the other, stands where, (windows,).

    Returns:
        The intervals of all windows, with the reach of the last span; None where a span has none.
    """
    given = [part for part in parts if part is not None]
    if not given or len(given) < len(parts):
        return None
    weights = [int(np.isfinite(part.lower).sum()) for part in given]
    every = [list(part.observed.values()) for part in given]
    observed = np.average(every, axis=0, weights=weights)
    return replace(
        given[-1],
        lower=np.concatenate([part.lower for part in given])[order],
        upper=np.concatenate([part.upper for part in given])[order],
        observed=dict(zip(given[-1].observed, observed.tolist(), strict=True)),
        crps=float(np.average([part.crps for part in given], weights=weights)),
    )


class _Past(NamedTuple):
    """Scores of held-out windows that a series starts from.

    Attributes:
        seen: (windows, horizon, targets), in the order of time.
        origins: Ticks of their origins, (windows,); a tick is the same moment in every series.
        own: Whether they are the series' own.
    """

    seen: np.ndarray
    origins: np.ndarray
    own: bool


def _past(held: Forecasts, seen: np.ndarray, code: int) -> _Past:
    """Take a series' own scores where enough are known at the first test origin, else all."""
    ticks, own = held.table.tick[held.origins], held.series == code
    if own.sum() >= conformal.LEAST + held.window.lead + held.window.horizon:
        return _Past(seen[own], ticks[own], True)
    order = np.argsort(ticks, kind="stable")
    return _Past(seen[order], ticks[order], False)


def _adaptive(
    test: Forecasts, seen: np.ndarray, mine: np.ndarray, past: _Past | None, levels: Sequence[float]
) -> np.ndarray:
    """Follow one series: thresholds of its test windows, and last of its newest known row.

    Args:
        test: Forecasts of the test windows.
        seen: Scores of this series' test windows, (windows, horizon, targets).
        mine: Their positions, (windows,).
        past: What is known before; None means nothing.
        levels: Shares to be covered.

    Returns:
        (windows + 1, horizon, targets, levels).
    """
    table, window = test.table, test.window
    origins = moments = table.tick[test.origins[mine]]
    given = 0
    if past is not None:
        seen = np.concatenate([past.seen, seen])
        origins = np.concatenate([past.origins, origins])
        if past.own:  # misses of the held-out windows count too
            moments = origins
        else:
            given = len(past.seen)
    newest = windows.origins(table)
    end = table.tick[newest[table.series[newest] == table.series[test.starts[mine[0]]]]]
    moments = np.append(moments, end)
    ahead = window.lead + 1 + np.arange(window.horizon)
    # at tick t an outcome of tick t is known, and no later one
    known = np.stack([np.searchsorted(origins + h, moments, "right") for h in ahead], axis=1)
    return conformal.track(seen, known, levels, given=given)[-len(mine) - 1 :]


def _longest(test: Forecasts, held: Forecasts | None) -> int:
    """Return the most windows of a series, test and held-out together."""
    every = test.series if held is None else np.concatenate([test.series, held.series])
    return int(np.bincount(every, minlength=1).max()) + 1


def _scaled(one: Forecasts, between: Pair | None, scaler: Scaler, part: slice) -> np.ndarray:
    """Score some targets, each in units of its series' own deviation."""
    low, high = (end[..., part] for end in _ends(one, between))
    std = scaler.output_std[one.series][:, None, part]  # (windows, 1, targets)
    return conformal.scores(low, high, one.true[..., part]) / std


def _ends(one: Forecasts, between: Pair | None) -> tuple[np.ndarray, np.ndarray]:
    """Return both ends of the base, (windows, horizon, targets) each."""
    every = one.values[..., None] if one.quantiles is None else one.quantiles
    return base(every, one.levels, one.values, between)


class _Tally:
    """Sums over parts of the targets and series: coverage of every level, and CRPS."""

    def __init__(self, levels: Sequence[float]):
        self.levels = tuple(levels)
        self._central = [self.levels.index(level) for level in CENTRAL]
        self._inside = np.zeros(len(self.levels))
        self._loss = 0.0
        self._count = 0

    def add(self, true: np.ndarray, middle: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        """Count a part; the ends are (windows, horizon, targets, levels)."""
        known = np.where(np.isfinite(low).all(axis=-1), true, np.nan)
        if not (count := int(np.isfinite(known).sum())):
            return
        each = np.broadcast_to(known[..., None], low.shape)
        self._inside += count * metrics.coverage(each, low, high, axis=(0, 1, 2))
        below, above = low[..., self._central][..., ::-1], high[..., self._central]
        # thresholds of neighbouring levels are moved on their own and may cross
        quantiles = np.sort(np.concatenate([below, middle, above], axis=-1), axis=-1)
        self._loss += count * float(metrics.crps(known, quantiles, QUANTILES))
        self._count += count

    def observed(self) -> dict[float, float]:
        """Return level to covered share."""
        shares = self._inside / max(1, self._count)
        return {level: float(share) for level, share in zip(self.levels, shares, strict=True)}

    def crps(self) -> float:
        """Return the continuous ranked probability score over all parts."""
        return self._loss / self._count if self._count else float("nan")
