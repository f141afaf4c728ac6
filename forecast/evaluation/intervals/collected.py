"""Intervals as they are made, block by block, and sums over them."""

from collections.abc import Sequence

import numpy as np

from forecast import metrics
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
        low, high = widened(low[..., None], high[..., None], middle[..., None], by)
        self.lower[some], self.upper[some] = low[..., self._chosen], high[..., self._chosen]
        true = windows.outputs(test.table.outputs[:, part], test.starts[rows], test.window)
        known = np.where(np.isfinite(low).all(axis=-1), true, np.nan)
        self._count += int(np.isfinite(known).sum())
        self._inside += ((known[..., None] >= low) & (known[..., None] <= high)).sum(axis=(0, 1, 2))
        below, above = low[..., self._central][..., ::-1], high[..., self._central]
        # thresholds of neighbouring levels are moved on their own and may cross
        quantiles = np.sort(np.concatenate([below, middle[..., None], above], axis=-1), axis=-1)
        self.crps[some] = metrics.crps(known, quantiles, QUANTILES, ())

    def observed(self) -> dict[float, float]:
        """Return level to the share of the truth that was covered."""
        shares = self._inside / max(1, self._count)
        return {level: float(share) for level, share in zip(self._levels, shares, strict=True)}
