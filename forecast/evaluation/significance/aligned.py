"""Stored forecasts of several runs on what all of them have forecast."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from forecast.data import clock
from forecast.errors import InputError
from forecast.evaluation.significance import pairs, ranks, stored
from forecast.evaluation.significance.pairs import Losses, Verdict
from forecast.evaluation.significance.ranks import Ranking
from forecast.evaluation.significance.stored import Stored
from forecast.metrics import point, sums
from forecast.metrics.headline import Headline
from forecast.metrics.sums import Sum

PREDICTIONS = "predictions.parquet"
"""Artifact with a run's forecasts of the test span."""

KEY = ["series", "origin", "time", "target"]
"""What names one value; a step is the distance of origin and time, less the lead."""

MOST = 2_000_000
"""Rows of all runs together that are held at once; more only where one origin of one series has."""


@dataclass(frozen=True)
class Sums:
    """What several runs have lost on what all have forecast; the sums of two parts add up.

    Attributes:
        values: How many values.
        windows: How many pairs of a series and an origin.
        errors: Of the headline error of each run, (runs,).
        squares: Of their squared errors, likewise.
        scored: Of the CRPS of each run, where all runs that have one anywhere have it.
        some: Which runs have one, (runs,).
        origins: Losses of each run by origin.
        scores: CRPS of each run by origin, likewise.
        series: Losses of each run by series.
        latest: Origin to the last time that is forecast from it, ascending.
        stamps: All origins and times, ascending.
    """

    values: int
    windows: int
    errors: Sum
    squares: Sum
    scored: Sum
    some: np.ndarray
    origins: Sequence[Losses]
    scores: Sequence[Losses]
    series: Sequence[Losses]
    latest: pd.Series
    stamps: np.ndarray

    @classmethod
    def of(cls, frames: Sequence[pd.DataFrame], headline: Headline) -> "Sums":
        """Sum the losses of rows that belong together, one frame a run."""
        first = frames[0]
        forecasts = np.column_stack([one.forecast for one in frames])  # (rows, runs)
        true = np.broadcast_to(first.true.to_numpy()[:, None], forecasts.shape)
        losses = np.column_stack([one.crps for one in frames]).astype(float)
        some = np.isfinite(losses).any(axis=0)
        known = np.isfinite(losses[:, some]).all(axis=1)
        losses = np.where(known[:, None], losses, np.nan)
        each = headline.of(true, forecasts, ())
        origin, time = first.origin.to_numpy(), first.time.to_numpy()
        once = np.ones(len(first), int)
        return cls(
            len(first),
            len(first[["series", "origin"]].drop_duplicates()),
            headline.sums(true, forecasts, 0),
            point.squared(true, forecasts, 0),
            sums.summed(losses, losses, 0),
            some,
            _by(origin, each, once),
            _by(origin, losses, known.astype(int)),
            _by(first.series.to_numpy(), each, once),
            first.groupby("origin").time.max(),
            np.union1d(origin, time),
        )

    def __len__(self) -> int:
        """Return how many sums a run has, by origin and by series."""
        return len(self.latest) + len(self.series[0].ticks)

    def __add__(self, other: "Sums") -> "Sums":
        """Return the sums of both."""
        some = self.some | other.some  # what others have scored is not what all have
        scored = Sum(np.zeros(len(some)), np.zeros(len(some), int))
        scores = [Losses(own.ticks[:0], own.total[:0], own.count[:0]) for own in self.origins]
        full = [part for part in (self, other) if np.array_equal(part.some, some)]
        for part in full:
            scored, scores = scored + part.scored, _plus(scores, part.scores)
        return Sums(
            self.values + other.values,
            self.windows + other.windows,
            self.errors + other.errors,
            self.squares + other.squares,
            scored,
            some,
            _plus(self.origins, other.origins),
            scores,
            _plus(self.series, other.series),
            pd.concat([self.latest, other.latest]).groupby(level=0).max(),
            np.union1d(self.stamps, other.stamps),
        )


@dataclass(frozen=True)
class Common:
    """What several runs have all forecast.

    Attributes:
        headline: The error that they are compared by.
        sums: What they have lost.
    """

    headline: Headline
    sums: Sums

    @property
    def windows(self) -> int:
        """How many pairs of a series and an origin they share."""
        return self.sums.windows

    @property
    def values(self) -> int:
        """How many values they share."""
        return self.sums.values

    @property
    def series(self) -> int:
        """How many series they share."""
        return len(self.sums.series[0].ticks)

    @property
    def origins(self) -> pd.Index:
        """Origins that they share, of whatever series, ascending."""
        return self.sums.latest.index

    @property
    def error(self) -> np.ndarray:
        """Headline error of each run, (runs,)."""
        return self.sums.errors.mean

    @property
    def rmse(self) -> np.ndarray:
        """Root of the mean squared error of each run, (runs,)."""
        return sums.root(self.sums.squares)

    @property
    def crps(self) -> np.ndarray:
        """CRPS of each run where all runs that have one have it, NaN of the others, (runs,)."""
        return self.sums.scored.mean

    def verdict(self, run: int, other: int) -> Verdict:
        """Test one run against another on the losses of the common origins."""
        return self._between(self.sums.origins, run, other)

    def crps_verdict(self, run: int, other: int) -> Verdict | None:
        """Test one run against another on their CRPS; None where one of them has none."""
        if not np.isfinite(self.crps[[run, other]]).all():
            return None
        return self._between(self.sums.scores, run, other)

    def over_series(self, runs: Sequence[str]) -> Ranking | Verdict | None:
        """Test whether runs differ from series to series."""
        errors = np.stack([one.mean for one in self.sums.series], axis=1)  # (series, runs)
        if len(errors) < 2:
            return None
        if len(runs) == 2:
            return ranks.wilcoxon(errors[:, 1], errors[:, 0])
        return ranks.friedman(errors, runs)

    def _between(self, losses: Sequence[Losses], run: int, other: int) -> Verdict:
        """Test one run against another by what each has lost from each origin."""
        ticks, furthest = self._ticks
        own, its = (losses[place].mean for place in (run, other))
        at = np.searchsorted(self.origins.to_numpy(), own.index.to_numpy())
        return pairs.between(own.set_axis(ticks[at]), its.set_axis(ticks[at]), furthest)

    @cached_property
    def _ticks(self) -> tuple[np.ndarray, int]:
        """Each origin on the clock, (origins,), and ticks from one to the last predicted."""
        origin, time = self.origins.to_numpy(), self.sums.latest.to_numpy()
        both = np.concatenate([origin, time])
        if both.dtype.kind == "M":
            stamps = self.sums.stamps
            both = clock.ticks(both, clock.infer(stamps, np.zeros(len(stamps), int)))
        origin, time = np.split(both, 2)
        return origin, int((time - origin).max())


def common(
    runs: Sequence[Stored | pd.DataFrame], headline: Headline, *, most: int = MOST
) -> Common:
    """Find what several runs have all forecast, and what each has lost there.

    Args:
        runs: Forecasts of each, in files or frames.
        headline: The error that they are compared by.
        most: Rows of all runs together that are read at once.

    Returns:
        What it comes to.

    Raises:
        InputError: Targets or actual values differ, or nothing is in common.
    """
    joined = _Joined([stored.of(one) for one in runs])
    parts = (Sums.of(part, headline) for part in joined.parts(most) if len(part[0]))
    total = stored.added(parts, Sums.__add__)
    if total is None:
        spans = "; ".join("{} to {}".format(*one.span) for one in joined.contents)
        raise InputError(
            f"runs must share origins of the same series, got none in common ({spans}): train "
            "them with the same data and split.test"
        )
    return Common(headline, total)


class _Joined:
    """Forecasts of several runs, read side by side.

    Attributes:
        runs: The forecasts.
        contents: What they are of.
        series: Names of the series that all have, in the order of the first.
        targets: Names of the targets, which are the same of all.
        places: Place of each of these series in the contents of each run, (runs, series).
    """

    def __init__(self, runs: Sequence[Stored]):
        self.runs = runs
        self.contents = [one.contents for one in runs]
        targets = [sorted(one.targets) for one in self.contents]
        for names in targets[1:]:
            if names != targets[0]:
                raise InputError(
                    f"runs must predict the same targets, got {targets[0]} and {names}: compare "
                    "runs of one question"
                )
        self.targets = targets[0]
        known = [{name: n for n, name in enumerate(one.series)} for one in self.contents]
        first, *others = known
        self.series = [name for name in first if all(name in other for other in others)]
        self.places = np.array([[own[name] for name in self.series] for own in known], int)

    def parts(self, most: int) -> Iterator[list[pd.DataFrame]]:
        """Read what all have forecast of some series, or from some origins of a long one."""
        if len({one.origins.dtype.kind for one in self.contents}) > 1:
            return  # time stamps of one, numbers of rows of another
        counts = sum(one.counts[own] for one, own in zip(self.contents, self.places, strict=True))
        for begin, end in _stretches(counts, most):
            if counts[begin:end].sum() <= most:
                yield self._read(begin, end)
                continue
            each = [
                run.counted(own[begin]) for run, own in zip(self.runs, self.places, strict=True)
            ]
            rows = pd.concat(each).groupby(level=0).sum()
            for first, last in _stretches(rows.to_numpy(), most):
                yield self._read(begin, end, (rows.index[first], rows.index[last - 1]))

    def _read(
        self, begin: int, end: int, span: tuple[Any, Any] | None = None
    ) -> list[pd.DataFrame]:
        """Read the rows of a range of series that all have, one frame a run."""
        frames = []
        for run, one, own in zip(self.runs, self.contents, self.places, strict=True):
            wanted = np.zeros(len(one.series), bool)
            wanted[own[begin:end]] = True
            rows = run.rows(wanted, span)
            rows = rows[rows.true.notna()]
            series = np.empty(len(one.series), int)
            series[own] = np.arange(len(own))
            targets = np.array([self.targets.index(name) for name in one.targets], int)
            frames.append(rows.assign(series=series[rows.series], target=targets[rows.target]))
        return self._alike(frames)

    def _alike(self, frames: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
        """Keep the rows that all have, in the order of the first."""
        if min(map(len, frames)) == 0:
            return [frame[:0] for frame in frames]
        first, *others = frames
        if all(_same(first, other) for other in others):
            found = [frame.reset_index(drop=True) for frame in frames]
        else:
            indices = [pd.MultiIndex.from_frame(frame[KEY]) for frame in frames]
            shared = indices[0]
            for index in indices[1:]:
                shared = shared[index.get_indexer(shared) >= 0]
            found = [
                frame.iloc[index.get_indexer(shared)].reset_index(drop=True)
                for frame, index in zip(frames, indices, strict=True)
            ]
        true = found[0].true
        for other in found[1:]:
            differ = ~np.isclose(true, other.true)
            if differ.any():
                row = found[0].iloc[int(differ.argmax())]
                raise InputError(
                    f"runs must have the same actual values, got {row.true:g} and "
                    f"{other.true[int(differ.argmax())]:g} for {self.targets[int(row.target)]} of "
                    f"{self.series[int(row.series)]} at {row.time}: compare runs of one data set "
                    "in one unit"
                )
        return found


def _same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Tell whether rows are of the same values in the same order."""
    return len(one) == len(other) and all(
        np.array_equal(one[name].to_numpy(), other[name].to_numpy()) for name in KEY
    )


def _stretches(counts: np.ndarray, most: int) -> Iterator[tuple[int, int]]:
    """Cut counts into stretches of no more than `most` together; what alone is more stays alone.

    >>> [*_stretches(np.array([2, 2, 9, 1, 3]), 4)]
    [(0, 2), (2, 3), (3, 5)]
    """
    until = np.cumsum(counts)
    begin = 0
    while begin < len(until):
        before = until[begin - 1] if begin else 0
        end = max(int(np.searchsorted(until, before + most, side="right")), begin + 1)
        yield begin, end
        begin = end


def _by(keys: np.ndarray, losses: np.ndarray, count: np.ndarray) -> list[Losses]:
    """Sum the losses of each run by a key of their rows, (rows, runs)."""
    places, at = np.unique(keys, return_inverse=True)
    counts = np.bincount(at, weights=count)
    known = np.where(count[:, None] > 0, losses, 0.0)
    return [Losses(places, np.bincount(at, weights=one), counts) for one in known.T]


def _plus(losses: Sequence[Losses], others: Sequence[Losses]) -> list[Losses]:
    return [one + other for one, other in zip(losses, others, strict=True)]
