"""What becomes of thresholds: ends of intervals, losses, and how much of the truth is covered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from forecast.data.scaling.transform import UNMOVED, Kinds
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals.margin import Pair, Reach, base, widened

CENTRAL = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))
"""Levels whose ends, with the forecast between them, are nineteen quantiles, for the CRPS."""

QUANTILES = tuple(round(0.05 * place, 2) for place in range(1, 20))
"""Theirs."""


INNER = 0.5
"""Level of the band that pictures show within the interval."""

MOST_INNER = 10_000_000
"""Most forecast values of which that band is kept."""


@dataclass(frozen=True)
class Inner:
    """The narrower band within an interval, (windows, horizon, targets) each."""

    level: float
    lower: np.ndarray
    upper: np.ndarray


def spread(apart: int) -> slice:
    """Choose every n-th step of a horizon, as far from its ends as from each other.

    >>> list(range(1, 13))[spread(4)], list(range(1, 4))[spread(1)]
    ([3, 7, 11], [1, 2, 3])
    """
    return slice(apart // 2, None, apart) if apart > 1 else slice(None)


@dataclass(frozen=True)
class View:
    """What is looked at together of all thresholds.

    Attributes:
        steps: Which of the horizon.
        targets: Which of them.
        levels: All, or few of them, rising.
    """

    steps: slice
    targets: slice
    levels: tuple[float, ...]

    @property
    def key(self) -> tuple[object, ...]:
        """What it is found by."""
        return self.steps.start, self.steps.step, self.targets.start, self.levels

    def truth(self, forecasts: Forecasts, rows: np.ndarray) -> np.ndarray:
        """Return what came true of some windows, (windows, steps, targets)."""
        ahead = np.arange(forecasts.window.horizon)[self.steps]
        first = forecasts.window.timesteps + forecasts.window.lead
        there = forecasts.starts[rows, None] + first + ahead
        return forecasts.table.outputs[:, self.targets][there]


class Collected:
    """Ends of one level, and losses; of the other levels only how much they cover.

    Attributes:
        lower: (windows, horizon, targets); NaN where nothing was put.
        upper: Of the same shape.
        crps: Likewise; NaN too where there is no truth, or not all levels were put.
        inner: The band of half the truth, where it is wanted.
        inside: Level to how many true values lie within its ends, where all levels were put.
        count: How many there are.
    """

    def __init__(
        self,
        test: Forecasts,
        between: Pair | None,
        levels: Sequence[float],
        chosen: int,
        inner: bool,
        kinds: Kinds = UNMOVED,
    ):
        self._test, self._between, self._level = test, between, levels[chosen]
        self._kinds = kinds
        self.inner: Inner | None = None
        if inner and self._level > INNER and test.values.size <= MOST_INNER:
            self.inner = Inner(INNER, *np.full((2, *test.values.shape), np.nan))
        self.inside = dict.fromkeys(levels, 0)
        self.count = 0
        self.lower, self.upper, self.crps = np.full((3, *test.values.shape), np.nan)

    def put(self, rows: np.ndarray, view: View, by: np.ndarray) -> None:
        """Put intervals around some windows.

        Shapes: `rows` (windows,), `by` (windows, steps, targets, levels).
        """
        test, some, levels = self._test, (rows, view.steps, view.targets), view.levels
        middle = test.values[some]
        every = middle[..., None] if test.quantiles is None else test.quantiles[some]
        low, high = base(every, test.levels, middle, self._between)
        by = np.ascontiguousarray(np.moveaxis(by, -1, 0))  # (levels, windows, steps, targets)
        chosen, kinds = by[levels.index(self._level)], self._kinds.some(view.targets)
        bounds = test.table.bounds[view.targets]
        self.lower[some], self.upper[some] = widened(low, high, middle, chosen, kinds, bounds)
        if self.inner is not None:
            # thresholds are moved on their own, and one level may pass another
            half = np.minimum(by[levels.index(INNER)], chosen)
            self.inner.lower[some], self.inner.upper[some] = widened(
                low, high, middle, half, kinds, bounds
            )
        if not set(CENTRAL) <= {*levels}:
            return
        true = view.truth(test, rows)
        known = np.where(np.isfinite(by).all(axis=0), true, np.nan)
        self.count += int(np.isfinite(known).sum())
        for level, own in zip(levels, by, strict=True):
            below, above = widened(low, high, middle, own, kinds, bounds)
            self.inside[level] += int(((known >= below) & (known <= above)).sum())
        central = by[[levels.index(level) for level in CENTRAL]]
        # thresholds of neighbouring levels are moved on their own and may cross
        crossed = (central[1:] < central[:-1]).any(axis=0)
        central[:, crossed] = np.sort(central[:, crossed], axis=0)
        loss = np.abs(known - middle) / 2  # that of the median, (windows, steps, targets)
        for level, own in zip(CENTRAL, central, strict=True):
            below, above = widened(low, high, middle, own, kinds, bounds)
            # the quantile losses of both ends together
            outside = np.maximum(below - known, 0) + np.maximum(known - above, 0)
            loss += (1 - level) / 2 * (above - below) + outside
        self.crps[some] = 2 * loss / len(QUANTILES)


@dataclass(frozen=True)
class Intervals:
    """Intervals of the test windows, and what was seen of them.

    Attributes:
        level: Share that is to be covered.
        method: "split", "cqr" or "adaptive".
        lower: (windows, horizon, targets), original units; NaN where too little was known yet.
        upper: Of the same shape; the forecast lies between both.
        reach: What a forecast behind the last known outcome needs.
        crps: Twice the mean quantile loss of each value at nineteen levels, (windows, horizon,
            targets); NaN where there is no interval or no truth.
        inside: Level to how many true values were covered, by the same method.
        count: How many true values there were to cover.
        inner: The band of half the truth, for pictures; None where nobody asked for it, where the
            level is no larger, and of more than `MOST_INNER` values.
        apart: Every how many steps of the horizon scores are taken: at each, or of many values at
            every n-th. Only there are `crps` and `inside` known, and of baselines both ends too.
    """

    level: float
    method: str
    lower: np.ndarray
    upper: np.ndarray
    reach: Reach
    crps: np.ndarray
    inside: Mapping[float, int] = field(default_factory=dict)
    count: int = 0
    inner: Inner | None = None
    apart: int = 1

    @property
    def steps(self) -> slice:
        """The steps of the horizon that scores are of."""
        return spread(self.apart)

    @property
    def observed(self) -> dict[float, float]:
        """Level to the share of the truth that was covered."""
        return {level: inside / max(1, self.count) for level, inside in self.inside.items()}
