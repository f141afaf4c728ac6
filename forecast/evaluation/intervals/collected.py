"""Intervals as they are made, block by block, and sums over them."""

from collections.abc import Sequence

import numpy as np

from forecast.data import windows
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals.reach import Pair, base, widened

CENTRAL = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))
"""Levels whose ends, with the forecast between them, are nineteen quantiles, for the CRPS."""

QUANTILES = tuple(round(0.05 * place, 2) for place in range(1, 20))
"""Theirs."""


class Collected:
    """Ends of one level and losses of every value; of the other levels only how much they cover.

    Attributes:
        lower: (windows, horizon, targets); NaN where nothing was put.
        upper: Of the same shape.
        crps: Likewise; NaN too where there is no truth.
    """

    def __init__(self, test: Forecasts, between: Pair | None, levels: Sequence[float], chosen: int):
        self._test, self._between, self._levels, self._chosen = test, between, levels, chosen
        self._central = [self._levels.index(level) for level in CENTRAL]
        self._inside = np.zeros(len(levels))
        self._count = 0
        self.lower, self.upper, self.crps = np.full((3, *test.values.shape), np.nan)

    def put(self, rows: np.ndarray, part: slice, by: np.ndarray) -> None:
        """Put intervals around some windows.

        Args:
            rows: Their positions, (windows,).
            part: Which targets.
            by: How far the base is widened, original units, (windows, horizon, targets, levels).
        """
        test, some = self._test, (rows, slice(None), part)
        middle = test.values[some]
        every = middle[..., None] if test.quantiles is None else test.quantiles[some]
        low, high = base(every, test.levels, middle, self._between)
        by = np.ascontiguousarray(np.moveaxis(by, -1, 0))  # (levels, windows, horizon, targets)
        self.lower[some], self.upper[some] = widened(low, high, middle, by[self._chosen])
        true = windows.outputs(test.table.outputs[:, part], test.starts[rows], test.window)
        known = np.where(np.isfinite(by).all(axis=0), true, np.nan)
        self._count += int(np.isfinite(known).sum())
        for number, own in enumerate(by):
            below, above = widened(low, high, middle, own)
            self._inside[number] += int(((known >= below) & (known <= above)).sum())
        central = by[self._central]
        # thresholds of neighbouring levels are moved on their own and may cross
        crossed = (central[1:] < central[:-1]).any(axis=0)
        central[:, crossed] = np.sort(central[:, crossed], axis=0)
        loss = np.abs(known - middle) / 2  # that of the median, (windows, horizon, targets)
        for level, own in zip(CENTRAL, central, strict=True):
            below, above = widened(low, high, middle, own)
            # the quantile losses of both ends together
            outside = np.maximum(below - known, 0) + np.maximum(known - above, 0)
            loss += (1 - level) / 2 * (above - below) + outside
        self.crps[some] = 2 * loss / len(QUANTILES)

    def observed(self) -> dict[float, float]:
        """Return level to the share of the truth that was covered."""
        shares = self._inside / max(1, self._count)
        return {level: float(share) for level, share in zip(self._levels, shares, strict=True)}
