"""Stored forecasts of several runs on what all of them have forecast."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from forecast import metrics
from forecast.data import clock
from forecast.errors import InputError
from forecast.evaluation.significance import pairs, ranks
from forecast.evaluation.significance.pairs import Verdict
from forecast.evaluation.significance.ranks import Ranking
from forecast.metrics.headline import Headline
from forecast.metrics.point import mean

PREDICTIONS = "predictions.parquet"
"""Artifact with a run's forecasts of the test span."""

KEY = ["series", "origin", "time", "target"]
"""What names one value; a step is the distance of origin and time, less the lead."""


@dataclass(frozen=True)
class Common:
    """What several runs have all forecast.

    Attributes:
        frame: One row for each value: series, origin, time, target, true.
        forecasts: Beside it, (rows, runs).
        headline: The error that they are compared by.
        losses: The CRPS of each value, NaN of runs that have none, (rows, runs).
    """

    frame: pd.DataFrame
    forecasts: np.ndarray
    headline: Headline
    losses: np.ndarray

    @property
    def windows(self) -> int:
        """How many pairs of a series and an origin they share."""
        return len(self.frame[["series", "origin"]].drop_duplicates())

    @property
    def error(self) -> np.ndarray:
        """Headline error of each run, (runs,)."""
        return self.headline.of(self._true, self.forecasts, 0)

    @property
    def rmse(self) -> np.ndarray:
        """Root of the mean squared error of each run, (runs,)."""
        return metrics.rmse(self._true, self.forecasts, 0)

    @cached_property
    def crps(self) -> np.ndarray:
        """CRPS of each run where all runs that have one have it, NaN of the others, (runs,)."""
        return mean(self._probabilistic, self._probabilistic, 0)

    def verdict(self, run: int, other: int) -> Verdict:
        """Test one run against another on the losses of the common origins."""
        return pairs.between(self._losses[run], self._losses[other], self._ticks[1])

    def crps_verdict(self, run: int, other: int) -> Verdict | None:
        """Test one run against another on their CRPS; None where one of them has none."""
        if not np.isfinite(self.crps[[run, other]]).all():
            return None
        both = self._probabilistic[:, [run, other]]
        known = np.isfinite(both[:, 0]).astype(int)  # of the same rows in both
        origin, furthest = self._ticks
        own, its = (pairs.by_origin(one, known, origin) for one in both.T)
        return pairs.between(own, its, furthest)

    def over_series(self, runs: Sequence[str]) -> Ranking | Verdict | None:
        """Test whether runs differ from series to series."""
        codes = pd.factorize(self.frame.series)[0]
        sums = np.stack([np.bincount(codes, one) for one in self._each.T], axis=1)
        errors = sums / np.bincount(codes)[:, None]  # (series, runs)
        if len(errors) < 2:
            return None
        if len(runs) == 2:
            return ranks.wilcoxon(errors[:, 1], errors[:, 0])
        return ranks.friedman(errors, runs)

    @property
    def _true(self) -> np.ndarray:
        """What came true, for each run, (rows, runs)."""
        true = self.frame.true.to_numpy()[:, None]
        return np.broadcast_to(true, self.forecasts.shape)

    @cached_property
    def _each(self) -> np.ndarray:
        """Loss of every value, (rows, runs)."""
        return self.headline.of(self._true, self.forecasts, ())

    @cached_property
    def _probabilistic(self) -> np.ndarray:
        """CRPS of each value, NaN where a run that has some has none there, (rows, runs)."""
        some = np.isfinite(self.losses).any(axis=0)
        known = np.isfinite(self.losses[:, some]).all(axis=1)
        return np.where(known[:, None], self.losses, np.nan)

    @cached_property
    def _ticks(self) -> tuple[np.ndarray, int]:
        """Origin of each row on the clock, (rows,), and ticks from one to the last predicted."""
        both = np.concatenate([self.frame.origin, self.frame.time])
        if both.dtype.kind == "M":
            both = both.astype("datetime64[ns]")  # Parquet and pandas may keep others
            stamps = np.unique(both)
            both = clock.ticks(both, clock.infer(stamps, np.zeros(len(stamps), int)))
        origin, time = np.split(both, 2)
        return origin, int((time - origin).max())

    @cached_property
    def _losses(self) -> list[pd.Series]:
        """Tick of each origin to its loss, of each run."""
        once, origin = np.ones(len(self.frame), int), self._ticks[0]
        return [pairs.by_origin(one, once, origin) for one in self._each.T]


def common(frames: Sequence[pd.DataFrame], headline: Headline) -> Common:
    """Find what several runs have all forecast."""
    targets = [sorted(frame.target.unique()) for frame in frames]
    for names in targets[1:]:
        if names != targets[0]:
            raise InputError(
                f"runs must predict the same targets, got {targets[0]} and {names}: compare "
                "runs of one question"
            )
    kept = frames[0].dropna(subset="true")
    shared = pd.MultiIndex.from_frame(kept[KEY])
    indices = [shared]
    for frame in frames[1:]:
        known = frame.dropna(subset="true")
        indices.append(pd.MultiIndex.from_frame(known[KEY]))
        shared = shared[indices[-1].get_indexer(shared) >= 0]
    if not len(shared):
        spans = "; ".join(f"{frame.origin.min()} to {frame.origin.max()}" for frame in frames)
        raise InputError(
            f"runs must share origins of the same series, got none in common ({spans}): train "
            "them with the same data and split.test"
        )
    found = [
        frame.dropna(subset="true").iloc[index.get_indexer(shared)].reset_index(drop=True)
        for frame, index in zip(frames, indices, strict=True)
    ]
    true = found[0].true
    for other in found[1:]:
        differ = ~np.isclose(true, other.true)
        if differ.any():
            row = found[0].iloc[int(differ.argmax())]
            raise InputError(
                f"runs must have the same actual values, got {row.true:g} and "
                f"{other.true[int(differ.argmax())]:g} for {row.target} of {row.series} at "
                f"{row.time}: compare runs of one data set in one unit"
            )
    return Common(
        found[0][[*KEY, "true"]],
        np.column_stack([one.forecast for one in found]),
        headline,
        np.column_stack([_crps(one) for one in found]),
    )


def _crps(frame: pd.DataFrame) -> np.ndarray:
    """Return the CRPS of each value as the run has kept it; NaN of runs of earlier versions."""
    if "crps" not in frame:
        return np.full(len(frame), np.nan)
    return frame.crps.to_numpy(float)
