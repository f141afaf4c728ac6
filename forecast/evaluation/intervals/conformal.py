"""Conformal prediction: how far the truth has lain outside, and how far it will.

A score is how far the truth lies outside a base, negative inside. Of a point forecast both ends of
the base are the forecast, so its score is the absolute residual. An interval is the base, widened
at both ends by a threshold of the scores seen before.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

NEWEST = 336
"""Known scores that a rolling set holds: two weeks of hours."""

RENEWED = 8
"""Scores after which a rolling set is sorted anew; in between it is at most 7 scores late."""

RATE = 0.02
"""Share of the scores' spread by which one miss more than promised moves a threshold."""

LEAST = 50
"""Known scores before anything is said of a series by its own."""

BLOCK = 2**22
"""Scores sorted at once."""


def scores(low: np.ndarray, high: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Measure how far the truth lies outside a base, negative inside.

    Source: Romano, Patterson & Candès 2019; of a point forecast it is the absolute residual.

    Args:
        low: Lower end of the base, (windows, horizon, targets).
        high: Upper end, of the same shape.
        true: Truth, of the same shape.

    Returns:
        Of the same shape.

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

    Args:
        seen: Scores, (windows, horizon, targets).
        levels: Shares to be covered, (levels,).

    Returns:
        (horizon, targets, levels).

    >>> split(np.arange(9.0).reshape(9, 1, 1), (0.5, 0.9)).tolist()
    [[[4.0, 8.0]]]
    """
    place = rank(len(seen), np.asarray(levels)) - 1
    return np.moveaxis(np.sort(seen, axis=0)[place], 0, -1)


def track(
    seen: np.ndarray, known: np.ndarray, levels: Sequence[float], *, given: int = 0
) -> np.ndarray:
    """Follow the scores of one series through time, using at each moment what is known by then.

    The threshold is that of a rolling set of the newest known scores, moved by the misses so far:
    threshold + RATE · spread · Σ(missed − (1 − level)), the sum over all forecasts whose outcome is
    known: a miss counts when its outcome comes in, and not before. An outcome that never comes is
    no miss, and its score in the set is that of the window before. Source: Gibbs & Candès 2021;
    Angelopoulos, Candès & Tibshirani 2023, error integration, the rolling set as scorecaster.

    Args:
        seen: Scores in the order of their origins, (windows, horizon, targets); NaN for holes.
        known: How many of them are known at each moment, step by step, (moments, horizon). Moment i
            is the origin of window `given` + i; moments behind the last window score nothing.
        levels: Shares to be covered, (levels,).
        given: Windows at the beginning that are only learned from.

    Returns:
        (moments, horizon, targets, levels); NaN while fewer than LEAST scores are known and none
        were given.
    """
    count, horizon, targets = seen.shape
    share, steps = np.asarray(levels), np.arange(horizon)
    filled = pd.DataFrame(seen.reshape(count, -1)).ffill().to_numpy().reshape(seen.shape)
    rolling, position = _rolling(filled, known, share)
    owed = np.zeros((count + 1, horizon, targets, len(share)))  # of the first k windows
    found = np.full((len(known), horizon, targets, len(share)), np.nan)
    enough = known >= (1 if given else LEAST)
    for moment, late in enumerate(known):
        here = rolling[position[moment], steps]  # (horizon, targets, levels + 1)
        moved = here[..., :-1] + RATE * here[..., -1:] * owed[late, steps]
        found[moment] = np.where(enough[moment][:, None, None], moved, np.nan)
        window = given + moment
        if window < count:
            missed = (seen[window][..., None] > found[moment]) - (1 - share)
            silent = np.isnan(found[moment]) | np.isnan(seen[window])[..., None]
            owed[window + 1] = owed[window] + np.where(silent, 0, missed)
    return found


def _rolling(
    seen: np.ndarray, known: np.ndarray, share: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return thresholds and spread of the newest scores, (sets, horizon, targets, levels + 1).

    And the set of each moment and step, (moments, horizon). The spread lies between the tenth and
    the ninetieth percentile.
    """
    late = np.where(known >= RENEWED, known - known % RENEWED, known)
    counts, position = np.unique(late, return_inverse=True)
    holes = np.full((NEWEST, *seen.shape[1:]), np.inf)  # which sort behind all scores
    sets = np.lib.stride_tricks.sliding_window_view(np.concatenate([holes, seen]), NEWEST, axis=0)
    size = np.minimum(counts, NEWEST)[:, None]
    place = rank(size, np.concatenate([share, [0.1, 0.9]])) - 1  # (sets, levels + 2)
    found = np.empty((len(counts), *seen.shape[1:], len(share) + 2))
    block = max(1, BLOCK // (seen[0].size * NEWEST))
    for begin in range(0, len(counts), block):
        part = slice(begin, begin + block)
        ordered = np.sort(sets[counts[part]], axis=-1)  # of the first k scores, the newest
        found[part] = np.take_along_axis(ordered, place[part, None, None], axis=-1)
    found[counts == 0] = np.nan
    spread = found[..., -1:] - found[..., -2:-1]
    return np.concatenate([found[..., :-2], spread], axis=-1), position.reshape(known.shape)
