"""What scores are made of: sums and counts, which add up over parts of the windows.

A score of many windows is that of their sums, so it can be taken part by part, in any cut and on
any number of machines. One part alone gives the score to the last bit of the plain formula.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

Axis = int | tuple[int, ...] | None

EXACT = 4_000_000
"""Most probabilities of which the ranks are taken one by one; more are counted in bins."""

BINS = 1 << 20
"""Of probabilities, of one width."""


@dataclass(frozen=True)
class Sum:
    """Sum and count of what is averaged.

    Attributes:
        total: Sum of the values whose truth is known.
        count: Their number, of the same shape.
    """

    total: np.ndarray
    count: np.ndarray

    def __add__(self, other: "Sum") -> "Sum":
        """Return sum and count of both."""
        return Sum(self.total + other.total, self.count + other.count)

    @property
    def mean(self) -> np.ndarray:
        """The mean; NaN where nothing is known."""
        return np.where(self.count > 0, self.total / np.maximum(self.count, 1), np.nan)


def summed(
    values: np.ndarray, known_by: np.ndarray, axis: Axis = None, *, keepdims: bool = False
) -> Sum:
    """Sum the values whose truth is known, and count them.

    >>> both = summed(np.array([1.0, 5.0]), np.array([0.0, np.nan]))
    >>> float(both.total), int(both.count), float((both + both).mean)
    (1.0, 1, 1.0)
    """
    known = ~np.isnan(known_by)
    count = known.sum(axis=axis, keepdims=keepdims)
    return Sum(np.where(known, values, 0.0).sum(axis=axis, keepdims=keepdims), count)


@dataclass(frozen=True)
class Spread:
    """Mean and squared deviations of known values; two are merged as Chan et al. (1979) do.

    Attributes:
        mean: NaN where nothing is known.
        squares: Sum of the squared deviations from it, and their number.
    """

    mean: np.ndarray
    squares: Sum

    def __add__(self, other: "Spread") -> "Spread":
        """Return those of both."""
        one, two = self.squares.count, other.squares.count
        count = np.maximum(one + two, 1)
        left, right = (np.nan_to_num(part.mean) for part in (self, other))
        mean = left + (right - left) * two / count
        between = (right - left) ** 2 * one * two / count
        added = self.squares + other.squares
        known = one + two > 0
        return Spread(np.where(known, mean, np.nan), Sum(added.total + between, added.count))


def spread(true: np.ndarray, axis: Axis = None) -> Spread:
    """Describe how far values lie from their mean.

    >>> whole, parts = np.array([1.0, 2.0, 6.0]), (np.array([1.0]), np.array([2.0, 6.0]))
    >>> both = spread(parts[0]) + spread(parts[1])
    >>> float(both.squares.mean), float(spread(whole).squares.mean)
    (4.666666666666667, 4.666666666666667)
    """
    mean = summed(true, true, axis, keepdims=True).mean
    squares = summed((true - mean) ** 2, true, axis)
    return Spread(np.squeeze(mean, axis) if axis is not None else mean.reshape(()), squares)


@dataclass(frozen=True)
class Ranked:
    """Probabilities given to what happened and to what did not, of one target.

    Attributes:
        exact: Truth and probability of each, (2, values); None once they are many.
        bins: How often it did not happen and how often it did, by probability, (2, bins).
    """

    exact: np.ndarray | None
    bins: np.ndarray | None = None

    def __add__(self, other: "Ranked") -> "Ranked":
        """Return those of both."""
        if self.exact is not None and other.exact is not None:
            both = np.concatenate([self.exact, other.exact], axis=1)
            if both.shape[1] <= EXACT:
                return Ranked(both)
        return Ranked(None, self._counted() + other._counted())

    def _counted(self) -> np.ndarray:
        """Count probabilities in bins, (2, bins)."""
        if self.bins is not None or self.exact is None:
            return self.bins if self.bins is not None else np.zeros((2, BINS), int)
        place = np.clip((self.exact[1] * BINS).astype(int), 0, BINS - 1)
        return np.stack(
            [np.bincount(place[self.exact[0] == own], minlength=BINS) for own in (0, 1)]
        )

    @property
    def auc(self) -> float:
        """Area under the ROC curve; NaN where only one of both was seen."""
        if self.exact is not None:
            true, chance = self.exact
            return float(roc_auc_score(true, chance)) if len(np.unique(true)) == 2 else np.nan
        absent, present = self._counted()
        pairs = float(absent.sum()) * float(present.sum())
        below = np.cumsum(absent) - absent / 2  # of one bin nobody knows which is greater
        return float(present @ below / pairs) if pairs else np.nan


def ranked(true: np.ndarray, predicted: np.ndarray) -> Ranked:
    """Keep what ranks of probabilities need, holes left out.

    >>> ranked(np.array([0.0, 1.0, np.nan]), np.array([0.2, 0.3, 0.9])).auc
    1.0
    """
    known = np.isfinite(true)
    return Ranked(np.stack([true[known], predicted[known]]))


@dataclass(frozen=True)
class Total:
    """A score in the making: its sums, and how its value follows from them.

    Attributes:
        value: Takes the sums.
        parts: The sums.
    """

    value: Callable[..., Any]
    parts: tuple[Any, ...]

    def __add__(self, other: "Total") -> "Total":
        """Return the same score over the windows of both."""
        pairs = zip(self.parts, other.parts, strict=True)
        return Total(self.value, tuple(one + two for one, two in pairs))

    @property
    def result(self) -> float:
        """The score."""
        return float(self.value(*self.parts))


def extended(of: Sum, errors: Sum, all_errors: Sum) -> np.ndarray:
    """The mean at all steps of what is known at some: by the ratio of the errors there.

    What is known grows with the horizon and the phase of a season as the absolute errors do, of
    which all are known: a ratio estimate (Cochran, Sampling Techniques, 1977, chapter 6).
    """
    ratio = np.where(errors.mean > 0, all_errors.mean / np.maximum(errors.mean, 1e-300), 1.0)
    return of.mean * ratio


def mean(of: Sum) -> np.ndarray:
    """Return a mean."""
    return of.mean


def root(of: Sum) -> np.ndarray:
    """Return the root of a mean."""
    return np.sqrt(of.mean)


def ratio(of: Sum, by: Sum) -> np.ndarray:
    """Return one mean by another."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return of.mean / by.mean


def explained(errors: Sum, of: Spread) -> np.ndarray:
    """Return which share of the variance is not left in the errors."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1 - errors.mean / of.squares.mean


def auc(*of: Ranked) -> float:
    """Return the mean area under the ROC curve of the targets that show both; NaN without any."""
    found = [own for own in (part.auc for part in of) if not np.isnan(own)]
    return float(np.mean(found)) if found else float("nan")
