"""Conformal prediction: how far the truth has lain outside, and how far it will.

A score is how far the truth lies outside a base, negative inside. Of a point forecast both ends of
the base are the forecast, so its score is the absolute residual. An interval is the base, widened
at both ends by a threshold of the scores seen before.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

NEWEST = 336
"""Moments whose known scores a rolling set holds: two weeks of hours."""

RENEWED = 8
"""Moments after which a rolling set is sorted anew; in between it is at most 7 of them late. NEWEST
is a multiple."""

HALVINGS = 20
"""Of the range of scores, until few lie between."""

RATE = 0.02
"""Share of the scores' spread by which one miss more than promised moves a threshold."""

ALIKE = 1e-9
"""Share of a threshold below which a score above it is no miss."""

LEAST = 50
"""Known scores that a series needs for intervals of its own."""

SPREAD = (0.1, 0.9)
"""Levels of the thresholds between which the spread of the scores lies."""

BLOCK = 2**19
"""Scores sorted at once."""

SPAN = 512
"""Moments of which the sets of a series and step are counted off among scores sorted once."""

CELLS = 1_000_000
"""Thresholds held at once."""


def scores(low: np.ndarray, high: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Measure how far the truth lies outside a base, negative inside.

    Source: Romano, Patterson & Candès 2019; of a point forecast it is the absolute residual.

    Shapes: `low` (windows, horizon, targets).

    >>> scores(np.array([1.0, 2.0]), np.array([3.0, 2.0]), np.array([2.5, 5.0])).tolist()
    [-0.5, 3.0]
    """
    return np.maximum(low - true, true - high)


def rank(count: int | np.ndarray, level: float | np.ndarray) -> np.ndarray:
    """Return which of some sorted scores is the threshold, counted from 1: ⌈(n+1)·level⌉.

    Source: Lei et al. 2018. Where that lies beyond the last score, it is the last: the promise then
    needs an infinite interval, and this one covers n/(n+1).

    >>> [int(rank(n, 0.9)) for n in (5, 9, 19)]
    [5, 9, 18]
    """
    wanted = np.ceil(np.round((count + 1) * np.asarray(level), 9)).astype(int)
    return np.clip(wanted, 1, np.maximum(count, 1))


def split(seen: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Return the threshold of each level from scores of held-out windows.

    Shapes: `seen` (windows, horizon, targets), `levels` (levels,); returns (horizon, targets,
    levels).

    >>> split(np.arange(9.0).reshape(9, 1, 1), (0.5, 0.9)).tolist()
    [[[4.0, 8.0]]]
    """
    place = rank(len(seen), np.asarray(levels)) - 1
    return np.moveaxis(np.sort(seen, axis=0)[place], 0, -1)


Sets = Callable[[int, int], tuple[np.ndarray, np.ndarray]]
"""Given a range of moments: thresholds and spread of some sets of scores, (sets, targets, levels +
1), and the set of each series, moment and step, (series, moments, horizon)."""


def behind(known: np.ndarray, before: np.ndarray) -> int:
    """Return of how many windows at most an outcome is still to come.

    Shapes: `known` (series, moments, horizon), `before` (series,).
    """
    back = np.arange(known.shape[1])[:, None] + before[:, None, None] - known
    return int(back[known >= 0].max(initial=0))


def track(
    seen: np.ndarray,
    known: np.ndarray,
    levels: Sequence[float],
    sets: Sets,
    *,
    before: np.ndarray,
    sums: np.ndarray,
    least: int = LEAST,
    cells: int = CELLS,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Follow the scores of series through time, using at each moment what is known by then.

    The threshold is that of a set of the newest known scores, moved by the misses so far:
    threshold + RATE · spread · Σ(missed − (1 − level)), the sum over all forecasts of the series
    whose outcome is known: a miss counts when its outcome comes in, and not before. An outcome that
    never comes is no miss. Source: Gibbs & Candès 2021; Angelopoulos, Candès & Tibshirani 2023,
    error integration, the set as scorecaster.

    Only the sums that a later moment may still need are held, so memory does not grow with the
    windows: `sums` are those of the misses of the first k windows, for the newest k, at least as
    many as `behind` says. They begin with those of earlier parts and end as a later part needs
    them.

    Shapes: `seen` (series, windows, horizon, targets), `known` (series, moments, horizon), `levels`
    (levels,), `before` (series,): number of windows of earlier parts, which `known` includes;
    `sums` (series, k, horizon, targets, levels); returns (series, moments, horizon, targets,
    levels).
    """
    members, count, horizon, targets = seen.shape
    moments, share = known.shape[1], np.asarray(levels)
    steps, each = np.arange(horizon), np.arange(members)[:, None]
    back, shape = sums.shape[1] - 1, (horizon, targets, len(share))
    block = max(1, back, cells // (members * int(np.prod(shape))))
    for begin in range(0, moments, block):
        end = min(begin + block, moments)
        scores_of, place = sets(begin, end)
        found = np.empty((members, end - begin, *shape))
        owed = np.concatenate([sums, np.zeros_like(found)], axis=1)
        late = known[:, begin:end] - before[:, None, None] - begin + back
        late = np.maximum(late, 0)
        few = (known[:, begin:end] < least)[..., None, None]  # (series, moments, horizon, 1, 1)
        for i in range(end - begin):
            here = scores_of[place[:, i]]  # (series, horizon, targets, levels + 1)
            moved = here[..., :-1] + RATE * here[..., -1:] * owed[each, late[:, i], steps]
            found[:, i] = np.where(few[:, i], np.nan, moved)
            owed[:, back + i + 1] = owed[:, back + i]
            if begin + i < count:
                true = seen[:, begin + i, ..., None]
                # a score that repeats may equal the threshold, whatever rounding says in its unit
                reached = found[:, i] + ALIKE * np.abs(found[:, i])
                missed = (true > reached) - (1 - share)
                silent = np.isnan(found[:, i]) | np.isnan(true)
                owed[:, back + i + 1] += np.where(silent, 0, missed)
        yield slice(begin, end), found
        sums[:] = owed[:, -back - 1 :]


def own(
    filled: np.ndarray,
    unknown: np.ndarray,
    known: np.ndarray,
    levels: Sequence[float],
    first: np.ndarray,
) -> Sets:
    """Let each series begin with its own newest known scores; of a hole with those before.

    Shapes: `filled` (series, windows, horizon, targets), `unknown` (series, horizon, targets):
    number of holes before the first score; `known` (series, moments, horizon), `first` (series,):
    number of windows before those of `filled`.
    """
    members, steps = np.ogrid[: len(filled), : known.shape[2]]

    def sets(begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        late = renewed(np.maximum(known[:, begin:end], 0))  # (series, moments, horizon)
        shape = (len(filled), late.max() + 1, known.shape[2])
        each = np.ravel_multi_index((members[:, None], late, steps[:, None]), shape)
        names, place = np.unique(each, return_inverse=True)
        member, counts, step = np.unravel_index(names, shape)
        size = counts[:, None] - unknown[member, step]  # (sets, targets)
        some = member, counts - first[member], step
        return _rolling(filled, some, size, np.asarray(levels)), place.reshape(late.shape)

    return sets


def pooled(
    seen: np.ndarray, ticks: np.ndarray, counts: np.ndarray, levels: Sequence[float]
) -> np.ndarray:
    """Return thresholds and spread of the newest known scores of many series, of one step.

    The newest are those of the newest moments: each moment counts with all its series, and each
    series alike, so neither their names nor their number matter.

    Shapes: `seen` (windows, targets), `ticks` (windows,), `levels` (levels,).
    """
    first = np.append(np.flatnonzero(np.diff(ticks, prepend=ticks[:1] - 1)), len(ticks))
    share = np.concatenate([levels, SPREAD])
    found = np.full((len(counts), seen.shape[1], len(share)), np.nan)
    for target, own in enumerate(seen.T):
        # sets differ by whole runs of moments, so each run is sorted once
        cuts = np.append(first[: counts.max(initial=0) + 1 : RENEWED], len(ticks))
        runs = [_sorted(own[begin:end]) for begin, end in pairwise(cuts)]
        for number, count in enumerate(counts):
            if count < RENEWED:
                some = [_sorted(own[: first[count]])]
            else:
                last = count // RENEWED
                some = runs[max(0, last - NEWEST // RENEWED) : last]
            if size := sum(map(len, some)):
                found[number, target] = _smallest(some, rank(size, share) - 1)
    return _with_spread(found)


def _sorted(scores_of: np.ndarray) -> np.ndarray:
    """Sort scores, holes left out."""
    return np.sort(scores_of[~np.isnan(scores_of)])


def _smallest(runs: Sequence[np.ndarray], places: np.ndarray) -> np.ndarray:
    """Return what would lie at some places, counted from 0, were all sorted runs one, (places,).

    Halving narrows each to a few candidates, which costs far less than to sort the runs together.
    """
    runs = [run for run in runs if len(run)]
    least, most = min(run[0] for run in runs), max(run[-1] for run in runs)
    low = np.full(len(places), np.nextafter(least, -np.inf))
    high = np.full(len(places), most)
    for _ in range(HALVINGS if np.isfinite(most - least) else 0):
        middle = low + (high - low) / 2
        above = sum(np.searchsorted(run, middle, "right") for run in runs) > places
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    begin, end = (
        np.stack([np.searchsorted(run, limit, "right") for run in runs]) for limit in (low, high)
    )  # (runs, places): what lies between is a candidate
    found = np.empty(len(places))
    for number, place in enumerate(places - begin.sum(axis=0)):
        cut = zip(runs, begin[:, number], end[:, number], strict=True)
        found[number] = np.sort(np.concatenate([run[a:b] for run, a, b in cut]))[place]
    return found


def renewed(known: np.ndarray) -> np.ndarray:
    """Return how many of the known scores have entered a set, which is sorted anew now and then."""
    return np.where(known >= RENEWED, known - known % RENEWED, known)


def _rolling(
    seen: np.ndarray, some: tuple[np.ndarray, ...], size: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """Return thresholds and spread of the newest of a series' first scores, for each set.

    Sets of a series and step overlap, so their scores are sorted once, and each set is counted off
    among them.

    Shapes: seen (series, windows, horizon, targets); some are series, count and step of each set,
    (sets,) each; size is the number of scores that are no holes, (sets, targets); the result is
    (sets, targets, levels + 1).
    """
    member, counts, step = some
    targets = seen.shape[3]
    levels, back = np.unique(np.concatenate([share, SPREAD]), return_inverse=True)
    found = np.full((len(counts), targets, len(levels)), np.nan)
    size = np.clip(size, 0, NEWEST)
    full = np.flatnonzero(size.max(axis=1, initial=0) > 0)
    # those of one series and step whose counts lie close, one behind the other
    order = full[np.lexsort((counts[full], counts[full] // SPAN, step[full], member[full]))]
    key = np.stack([member[order], step[order], counts[order] // SPAN])
    lanes = np.flatnonzero(np.diff(key, axis=1, prepend=-1).any(axis=0))  # where each begins
    length = np.diff(lanes, append=len(order))
    wide = min(SPAN + NEWEST, int(counts[order].max(initial=0)))
    block = max(1, BLOCK // max(1, wide * targets))
    for begin in range(0, len(lanes), block):
        first, many = lanes[begin : begin + block], length[begin : begin + block]
        some_of = order[first]
        oldest = np.maximum(counts[some_of] - NEWEST, 0)
        last = counts[order[first + many - 1]]
        rows = oldest[:, None] + np.arange(int((last - oldest).max(initial=0)))
        rows = np.minimum(rows, seen.shape[1] - 1)
        own = seen[member[some_of, None], rows, step[some_of, None]]  # (lanes, rows, targets)
        ranked = _Ranked(np.moveaxis(own, 1, 2))
        for number in range(int(many.max(initial=0))):
            there = number < many
            here = order[first[there] + number]
            start = np.maximum(counts[here] - NEWEST, 0) - oldest[there]
            end = counts[here] - oldest[there]
            places = rank(size[here][..., None], levels) - 1
            values = ranked.smallest(there, start, end, places)
            found[here] = np.where(size[here][..., None] > 0, values, np.nan)
    return _with_spread(found[..., back])


class _Ranked:
    """Rows of scores sorted once, of which stretches in time are counted off.

    Shapes: `scores_of` (lanes, targets, rows).
    """

    def __init__(self, scores_of: np.ndarray):
        self._scores, rows = scores_of, scores_of.shape[-1]
        order = np.argsort(scores_of, axis=-1)  # holes sort behind all scores
        # padded to whole words of bits by rows that lie in no stretch
        self._order = np.full((*order.shape[:2], -(-rows // 64) * 64), 2**16 - 1, np.uint16)
        self._order[..., :rows] = order

    def smallest(
        self, lanes: np.ndarray, start: np.ndarray, end: np.ndarray, places: np.ndarray
    ) -> np.ndarray:
        """Return what lies at some places, counted from 0, of the sorted rows from start to end.

        Shapes: `lanes` (all lanes,) which of them, `start` (lanes,), `end` (lanes,), `places`
        (lanes, targets, places); returns (lanes, targets, places).
        """
        every = self._order, self._scores
        order, scores_of = every if lanes.all() else (own[lanes] for own in every)
        # of unsigned numbers those before the start are the largest
        late = order - start.astype(np.uint16)[:, None, None]
        inside = late < (end - start).astype(np.uint16)[:, None, None]
        bits = np.packbits(inside, axis=-1, bitorder="little").view("<u8")  # (…, words)
        until = np.cumsum(np.bitwise_count(bits), axis=-1, dtype=np.int32)
        word = (until[:, :, None] <= places[..., None]).sum(axis=-1)  # (lanes, targets, places)
        rest = places - np.take_along_axis(until - np.bitwise_count(bits), word, axis=-1)
        bits = np.take_along_axis(bits, word, axis=-1)
        place = word * 64
        for half in (32, 16, 8, 4, 2, 1):
            low = bits & np.uint64(2**half - 1)
            count = np.bitwise_count(low)
            above = rest >= count
            rest, place = rest - above * count, place + above * half
            bits = np.where(above, bits >> np.uint64(half), low)
        rows = np.take_along_axis(order, place, axis=-1).astype(int)
        return np.take_along_axis(scores_of, rows, axis=-1)


def _with_spread(found: np.ndarray) -> np.ndarray:
    """Put the distance of the last two thresholds in their place."""
    return np.concatenate([found[..., :-2], found[..., -1:] - found[..., -2:-1]], axis=-1)


def filled(seen: np.ndarray) -> np.ndarray:
    """Put the score of the window before in the place of each hole."""
    holes = np.isnan(seen)
    if not holes.any():
        return seen
    places = np.arange(seen.shape[1])[None, :, None, None]
    last = np.maximum.accumulate(np.where(holes, 0, places), axis=1)
    return np.take_along_axis(seen, last, axis=1)
