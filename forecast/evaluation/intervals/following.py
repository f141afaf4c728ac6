"""Scores of forecasters followed through time, from one part of their windows to the next."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from forecast.data.scale import Scaler
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals import conformal
from forecast.evaluation.intervals.collected import (
    CENTRAL,
    INNER,
    Collected,
    Intervals,
    View,
    spread,
)
from forecast.evaluation.intervals.layout import Batch, Layout, Spans, Windows
from forecast.evaluation.intervals.margin import Pair, Reach, base, pair

MOST_KEPT = 2**28
"""Bytes of the pool's thresholds; beyond them they are computed again when next needed."""

MOST_WINDOWS = 100_000
"""Newest held-out windows of a series that fixed thresholds are learned from."""

MOST_SCORES = 30_000_000
"""Scores of these windows; more targets or steps leave fewer windows."""


@dataclass(frozen=True)
class Promise:
    """What is to be covered, and how.

    Attributes:
        level: Share of the truth.
        method: "split", "cqr" or "adaptive".
        apart: Every how many steps of the horizon all levels are followed.
    """

    level: float
    method: str
    apart: int = 1

    @property
    def levels(self) -> tuple[float, ...]:
        """All levels, rising."""
        return tuple(sorted({*CENTRAL, 0.95, self.level}))

    @property
    def drawn(self) -> tuple[float, ...]:
        """Those that pictures show."""
        return tuple(sorted({INNER, self.level}))

    @property
    def steps(self) -> slice:
        """Steps of the horizon at which all levels are followed."""
        return spread(self.apart)

    def between(self, test: Forecasts) -> Pair | None:
        """Return the quantiles that intervals are put around; None means the forecast."""
        return None if self.method == "split" else pair(self.level, test.levels)


class Scores:
    """How far the truth lay outside what one forecaster said."""

    def __init__(self, spans: Spans, promise: Promise, scaler: Scaler):
        self.test, self.held = spans
        self.between = promise.between(self.test)
        self._scaler, self.kinds = scaler, scaler.kinds

    def std(self, series: np.ndarray) -> np.ndarray:
        """Return the deviation of transformed targets in some series, (series, targets)."""
        return self._scaler.output_std[series]

    def of(self, rows: np.ndarray, view: View) -> np.ndarray:
        """Score some windows, held-out ones first, in units of their series' own deviation.

        Transformed targets are scored on their scale, as the network has learned them.

        Shapes: `rows` (windows,); returns (windows, steps, targets).
        """
        held, test = self.held, self.test
        count = 0 if held is None else len(held.starts)
        found = np.empty((len(rows), *test.values[:0, view.steps, view.targets].shape[1:]))
        for one, mine, own in (
            (held, rows < count, rows[rows < count]),
            (test, rows >= count, rows[rows >= count] - count),
        ):
            if one is None or not len(own):
                continue
            every = one.values[..., None] if one.quantiles is None else one.quantiles
            some = (own, view.steps, view.targets)
            low, high = base(every[some], one.levels, one.values[some], self.between)
            kinds = self.kinds.some(view.targets)
            low, high, true = *map(kinds.within, (low, high)), kinds.forward(view.truth(one, own))
            std = self.std(one.series[own])[:, None, view.targets]  # (windows, 1, targets)
            found[mine] = conformal.scores(low, high, true) / std
        return found


@dataclass(frozen=True)
class Carried:
    """What the windows of one series leave for those of a later part, of some targets.

    Attributes:
        scores: The newest of each step, holes filled: (windows, targets) each.
        unknown: Number of holes before the first score, (horizon, targets).
        owed: Sums of the misses of all windows but the newest, (horizon, targets, levels).
        missed: Whether each of the newest missed, (windows, horizon, targets, bytes), as bits of
            the levels: the sums hold 32 times as many bytes.
        silent: Whether it had no interval or no truth, likewise.
    """

    scores: tuple[np.ndarray, ...]
    unknown: np.ndarray
    owed: np.ndarray
    missed: np.ndarray
    silent: np.ndarray

    def put(self, sums: np.ndarray, levels: Sequence[float]) -> None:
        """Put the sums of misses back, to the bit.

        Shapes: `sums` (windows + 1, horizon, targets, levels).
        """
        share = np.asarray(levels)
        moved = np.unpackbits(self.missed, axis=-1, count=len(share)) - (1 - share)
        if self.silent.any():
            moved[np.unpackbits(self.silent, axis=-1, count=len(share)).astype(bool)] = 0
        sums[0] = self.owed
        for number, own in enumerate(moved):
            np.add(sums[number], own, out=sums[number + 1])


def _packed(sums: np.ndarray, levels: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Pack the sums of misses, which each window moves in one of three ways, into bits.

    Shapes: `sums` (windows + 1, horizon, targets, levels).
    """
    share, moved = np.asarray(levels), np.diff(sums, axis=0)
    silent = np.abs(moved) < np.minimum(share, 1 - share) / 2
    return np.packbits(moved > share / 2, axis=-1), np.packbits(silent, axis=-1)


class Job:
    """The intervals of one forecaster in the making.

    Attributes:
        scores: Of its windows in this part.
        carried: By series, what was carried into this part; with more to come, out of it too.
        pool: Of the forecaster; None where each series learns from its own windows.
    """

    def __init__(
        self, name: str, scores: Scores, promise: Promise, reach: np.ndarray, pool: "Pool | None"
    ):
        self.name, self.scores, self.promise, self.pool = name, scores, promise, pool
        self.reach, between, levels = reach, scores.between, promise.levels
        chosen = levels.index(promise.level)
        self.collected = Collected(scores.test, between, levels, chosen, not name, scores.kinds)

    def put(self, rows: np.ndarray, view: View, by: np.ndarray) -> None:
        """Widen the base of some test windows by thresholds (windows, steps, targets, levels)."""
        test = self.scores.test
        std = self.scores.std(test.table.series[test.starts[rows]])  # (windows, targets)
        self.collected.put(rows, view, by * std[:, None, view.targets, None])

    def keep(self, codes: np.ndarray, view: View, by: np.ndarray) -> None:
        """Keep the last thresholds of some series, (series, steps, targets, levels).

        Shapes: `codes` (series,).
        """
        std = self.scores.std(codes)[:, None, view.targets]
        chosen = view.levels.index(self.promise.level)
        self.reach[codes, view.steps, view.targets] = by[..., chosen] * std

    def intervals(self) -> Intervals:
        """Return what was made."""
        made, promise = self.collected, self.promise
        reach = Reach(promise.level, promise.method, self.scores.between, self.reach)
        return Intervals(
            promise.level,
            promise.method,
            made.lower,
            made.upper,
            reach,
            made.crps,
            made.inside,
            made.count,
            made.inner,
            promise.apart,
        )


class Pool:
    """Thresholds of the held-out or newest known scores of all series, or of a sample of them.

    They are made when they are first needed.
    """

    def __init__(self, scores: Scores, own: Windows):
        self._scores, self._windows = scores, own
        self._made: dict[tuple[object, ...], tuple[np.ndarray, np.ndarray]] = {}
        self._fixed: dict[tuple[object, ...], np.ndarray] = {}
        self._order = np.argsort(own.ticks, kind="stable")
        self._ticks = own.ticks[self._order]
        self._moments = np.unique(self._ticks)
        self.counts = np.unique(conformal.renewed(np.arange(len(self._moments) + 1)))

    def fixed(self, view: View) -> np.ndarray:
        """Return thresholds of all held-out windows, (steps, targets, levels)."""
        if view.key not in self._fixed:
            seen = self._scores.of(np.arange(self._windows.count), view)
            self._fixed[view.key] = conformal.split(seen, view.levels)
        return self._fixed[view.key]

    def place(self, moments: np.ndarray, steps: slice) -> np.ndarray:
        """Return which set is known at some moments and each step, (…, steps)."""
        until = moments[..., None] - self._windows.ahead[steps]
        known = np.searchsorted(self._moments, until, "right")
        return np.searchsorted(self.counts, conformal.renewed(known))

    def found(self, place: np.ndarray, view: View) -> np.ndarray:
        """Return thresholds and spread of the sets, those at some places among them.

        Shapes: `place` (…, steps); returns (sets, steps, targets, levels + 1).
        """
        key, steps = view.key, range(len(self._windows.ahead))[view.steps]
        if key not in self._made:
            if sum(found.nbytes for found, _ in self._made.values()) > MOST_KEPT:
                self._made.clear()
            shape = (len(self.counts), len(steps), view.targets.stop - view.targets.start)
            found = np.full((*shape, len(view.levels) + 1), np.nan)
            self._made[key] = found, np.zeros(shape[:2], bool)
        found, made = self._made[key]
        for number, step in enumerate(steps):
            needed = np.unique(place[..., number])
            needed = needed[~made[needed, number]]
            if len(needed):
                one = replace(view, steps=slice(step, step + 1))
                seen, counts = self._scores.of(self._order, one)[:, 0], self.counts[needed]
                found[needed, number] = conformal.pooled(seen, self._ticks, counts, view.levels)
                made[needed, number] = True
        return found


def _pooled(jobs: Sequence[Job], batch: Batch, view: View) -> conformal.Sets:
    """Let series begin with the newest known scores of all, forecasters side by side."""
    every, places, first = [], [], 0
    for pool in (job.pool for job in jobs if job.pool):
        place = pool.place(batch.moments, view.steps)
        found = pool.found(place, view)
        horizon = place.shape[-1]
        places.append(first + place * horizon + np.arange(horizon))
        every.append(found.reshape(-1, *found.shape[2:]))
        first += len(every[-1])
    sets, place = np.concatenate(every), np.concatenate(places)
    return lambda begin, end: (sets, place[:, begin:end])


def follow(
    jobs: Sequence[Job],
    layout: Layout,
    batch: Batch,
    view: View,
    carried: Sequence[dict[int, Carried]],
) -> None:
    """Follow some series, those of all forecasters side by side.

    Args:
        jobs: The forecasters.
        layout: Of their windows.
        batch: The series.
        view: The steps, targets and levels.
        carried: Of each forecaster, what is carried from part to part, by series.
    """
    inside, code = batch.windows >= 0, int(batch.codes[0])
    each = [job.scores.of(batch.windows[inside], view) for job in jobs]
    seen = np.full((len(jobs), *inside.shape, *each[0].shape[1:]), np.nan)
    seen[:, inside] = each
    # (forecasters · series, windows, horizon, targets)
    seen = seen.reshape(len(jobs) * len(inside), *seen.shape[2:])
    known, before = np.tile(batch.known, (len(jobs), 1, 1)), np.tile(batch.before, len(jobs))
    # a series that goes on is alone in its batch
    old = [own[code] for own in carried] if batch.before[0] else []
    levels = view.levels
    if batch.pooled:
        filled, unknown, sets = seen[:, :0], before[:0], _pooled(jobs, batch, view)
    else:
        filled, unknown = _filled(seen, old)
        first = before + seen.shape[1] - filled.shape[1]
        sets = conformal.own(filled, unknown, known, levels, first)
    sums = _sums(seen, old, conformal.behind(known, before) + layout.more, levels)
    least = 0 if batch.pooled else conformal.LEAST
    for moments, by in conformal.track(
        seen, known, levels, sets, before=before, sums=sums, least=least
    ):
        shares = by.reshape(len(jobs), -1, *by.shape[1:])
        rows = batch.scored[:, moments]
        last = np.arange(moments.start, moments.stop) == batch.ends[:, None]
        for job, own in zip(jobs, shares, strict=True):
            job.put(rows[rows >= 0], view, own[rows >= 0])
            some = last.any(axis=1)
            job.keep(batch.codes[some], view, own[last])
    if not layout.more:
        return
    late = known[0, -1]  # (horizon,)
    back = int((before[0] + seen.shape[1] - late).max())  # windows of which outcomes are to come
    for member, own in enumerate(carried):
        scores: list[np.ndarray] = []
        if not batch.pooled:
            begins = np.maximum(conformal.renewed(late) - conformal.NEWEST, 0) - first[member]
            scores = [filled[member, b:, step].copy() for step, b in enumerate(begins.tolist())]
        new = min(back, seen.shape[1])
        missed, silent = _packed(sums[member, sums.shape[1] - new - 1 :], levels)
        if new < back:
            missed = np.concatenate([old[member].missed[new - back :], missed])
            silent = np.concatenate([old[member].silent[new - back :], silent])
        owed, holes = sums[member, -back - 1].copy(), unknown[member : member + 1]
        own[code] = Carried(tuple(scores), holes, owed, missed, silent)


def _filled(seen: np.ndarray, old: Sequence[Carried]) -> tuple[np.ndarray, np.ndarray]:
    """Put what is carried before some scores, and the score before in the place of each hole.

    Returns also the number of holes before the first score, (series, horizon, targets).
    """
    if not old:
        filled = conformal.filled(seen)
        return filled, np.isnan(filled).sum(axis=1)
    longest = max(len(scores) for one in old for scores in one.scores)
    tail = np.full((len(seen), longest, *seen.shape[2:]), np.nan)
    for member, one in enumerate(old):
        for step, scores in enumerate(one.scores):
            tail[member, longest - len(scores) :, step] = scores
    late = conformal.filled(np.concatenate([tail[:, -1:], seen], axis=1))[:, 1:]
    unknown = np.concatenate([one.unknown for one in old]) + np.isnan(late).sum(axis=1)
    return np.concatenate([tail, late], axis=1), unknown


def _sums(
    seen: np.ndarray, old: Sequence[Carried], back: int, levels: Sequence[float]
) -> np.ndarray:
    """Return the sums of misses that following begins with, those of the newest windows last."""
    back = max([back, *(len(one.missed) for one in old)])
    sums = np.zeros((len(seen), back + 1, *seen.shape[2:], len(levels)))
    for member, one in enumerate(old):
        one.put(sums[member, back - len(one.missed) :], levels)
    return sums


def fix(
    jobs: Sequence[Job],
    layout: Layout,
    view: View,
    carried: Sequence[dict[int, np.ndarray]],
) -> None:
    """Widen by the thresholds of the held-out windows.

    What is carried is a series' held-out scores, and once there are test windows its thresholds.
    """
    test, present = layout.windows.test, layout.present
    keep = min(MOST_WINDOWS, MOST_SCORES // math.prod(test.values.shape[1:]))
    codes = np.flatnonzero(layout.tested | layout.more).tolist()
    for job, own in zip(jobs, carried, strict=True):
        held = job.scores.of(np.arange(layout.windows.count), view)
        by = np.full((len(present), *held.shape[1:], len(view.levels)), np.nan)
        for place in codes:
            number, past = int(present[place]), layout.pasts[place]
            if past.tested:
                by[place] = own[number]
                continue
            if job.pool and layout.tested[place] and not layout.enough[place]:
                by[place] = job.pool.fixed(view)
            else:
                seen = held[layout.own(place)]
                if number in own:
                    seen = np.concatenate([own[number], seen])
                own[number] = seen = seen[-keep:]
                if layout.tested[place] and len(seen):
                    by[place] = conformal.split(seen, view.levels)
            if layout.tested[place]:
                own[number] = by[place]
        some = np.flatnonzero(layout.tested)
        job.keep(present[some], view, by[some])
        block = max(1, conformal.CELLS // math.prod(by.shape[1:]))
        for begin in range(0, len(test.starts), block):
            rows = np.arange(begin, min(begin + block, len(test.starts)))
            job.put(rows, view, by[np.searchsorted(present, test.series[rows])])
