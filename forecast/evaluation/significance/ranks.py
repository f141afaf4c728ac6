"""Whether models differ over many series or folds, by ranks (Demšar 2006)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from scipy import stats

from forecast.errors import InputError
from forecast.evaluation.significance.pairs import LEVEL, Verdict

FEWEST = 5
"""Cases below which three or more models are not tested: the result would hang on one of them."""

APPROXIMATE = 10
"""Cases from which on Friedman's test takes the F distribution."""

STATES = 400_000
"""Most sums of ranks that are enumerated at once; beyond, permutations are drawn."""

DRAWS = 20_000
"""Permutations that are drawn."""


@dataclass(frozen=True)
class Ranking:
    """Models ranked within each case, and whether their ranks differ.

    Attributes:
        models: Their names.
        average: Average rank of each, (models,); 1 is best.
        statistic: Friedman's χ², ties corrected.
        p: How likely at least this spread of ranks is for equally good models; NaN with fewer than
            5 cases.
        cases: Series or folds, on which all have an error.
        critical: Average ranks that lie closer than this do not differ (Nemenyi); NaN likewise.
        pairs: p of each pair, corrected for their number (Nemenyi), (models, models); NaN likewise.
    """

    models: tuple[str, ...]
    average: np.ndarray
    statistic: float
    p: float
    cases: int
    critical: float
    pairs: np.ndarray

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """The largest sets of neighbours in rank that do not differ, the best first.

        Only where Friedman's test finds a difference are pairs looked at, else all are one set; of
        too few cases there is none.
        """
        if np.isnan(self.p):
            return []
        order = np.argsort(self.average, kind="stable")
        if self.p >= LEVEL:
            return [tuple(self.models[place] for place in order)]
        ranks = self.average[order]
        found, reached = [], 0
        for first, rank in enumerate(ranks):
            end = int(np.searchsorted(ranks, rank + self.critical, side="right"))
            if end - first > 1 and end > reached:  # no part of a larger set
                found.append(tuple(self.models[place] for place in order[first:end]))
                reached = end
        return found


def wilcoxon(errors_a: np.ndarray, errors_b: np.ndarray) -> Verdict:
    """Test whether one model's errors lie below another's over many series or folds.

    It ranks the sizes of the paired differences (Wilcoxon 1945), so a case in large units weighs no
    more than others, and one extreme case cannot decide. Zero differences count half for each. The
    distribution is exact where SciPy has it: up to 50 cases without ties, up to 13 with them.

    Args:
        errors_a: Error of the first in each case, (cases,); NaN where there is none.
        errors_b: The same of the second.

    Returns:
        The verdict on the first, `origins` being the cases; p is NaN with fewer than 6, of which no
        result could be significant.

    Raises:
        InputError: Shapes differ.

    >>> wilcoxon(np.arange(1.0, 11.0), np.arange(1.0, 11.0) * 1.1).word
    'better'
    """
    if np.ndim(errors_a) != 1 or np.shape(errors_a) != np.shape(errors_b):
        raise InputError(
            "errors_a and errors_b must be arrays of one shape (cases,), got "
            f"{np.shape(errors_a)} and {np.shape(errors_b)}: pair them"
        )
    gap = np.asarray(errors_a, float) - np.asarray(errors_b, float)
    gap = gap[~np.isnan(gap)]
    difference = float(gap.mean()) if len(gap) else np.nan
    if len(gap) < 6:
        return Verdict(difference, np.nan, np.nan, len(gap))
    if not gap.any():
        return Verdict(0.0, 0.0, 1.0, len(gap))
    ranks = stats.rankdata(np.abs(gap))
    # its sign says who is better, not that of the mean, which one case may turn
    signed = float(np.sum(np.sign(gap) * ranks))
    found = stats.wilcoxon(gap, zero_method="zsplit")
    return Verdict(difference, signed, float(found.pvalue), len(gap))


def friedman(errors: np.ndarray, models: Sequence[str]) -> Ranking:
    """Test whether several models differ over many series or folds.

    Below 10 cases p is that of all permutations of the ranks within the cases, or of 20,000 drawn
    ones where they are too many; from 10 on it is that of Iman and Davenport's F (1980).

    Args:
        errors: (cases, models), lower is better; a case in which a model has none is left out.
        models: Their names.

    Returns:
        Average ranks, the tests of Friedman and Nemenyi, and the critical difference; with fewer
        than 5 cases the ranks alone, and NaN for each test.

    Raises:
        InputError: There are fewer than 3 models, or 2 cases, or a model has no name.

    >>> print(round(friedman(np.tile([1.0, 2.0, 3.0], (5, 1)), "abc").p, 6))
    0.000772
    """
    errors = np.asarray(errors, float)
    if errors.ndim != 2 or errors.shape[1] != len(models) or len(models) < 3:
        raise InputError(
            "errors must be (cases, models) of 3 or more named models, got shape "
            f"{errors.shape} and {len(models)} names: use wilcoxon for two"
        )
    errors = errors[~np.isnan(errors).any(axis=1)]
    cases, count = errors.shape
    if cases < 2:
        raise InputError(
            f"errors must hold 2 or more complete cases, got {cases}: score more series"
        )
    ranks = stats.rankdata(errors, axis=1)
    average = ranks.mean(axis=0)
    # of ranks without ties the variance within a case is (count² − 1) / 12
    spread = ((ranks - (count + 1) / 2) ** 2).sum() / (cases * (count - 1))
    between = cases * ((average - (count + 1) / 2) ** 2).sum()
    chi2 = between / spread if spread else 0.0
    if cases < FEWEST:
        apart = np.full((count, count), np.nan)
        return Ranking(tuple(models), average, float(chi2), np.nan, cases, np.nan, apart)
    p = by_permutation(ranks) if cases < APPROXIMATE else _by_f(chi2, cases, count)
    error = np.sqrt(count * (count + 1) / (6 * cases))  # of a difference of average ranks
    apart = np.abs(average[:, None] - average) / error
    return Ranking(
        tuple(models),
        average,
        float(chi2),
        p,
        cases,
        float(stats.studentized_range.ppf(1 - LEVEL, count, np.inf) / np.sqrt(2) * error),
        stats.studentized_range.sf(apart * np.sqrt(2), count, np.inf),
    )


def by_permutation(ranks: np.ndarray) -> float:
    """Return the p of Friedman's test from what the ranks of each case could have been.

    Equally good models may have changed places in every case, each order as likely as another, ties
    included. All orders are counted; where that is too much work, 20,000 are drawn with a fixed
    seed, and the orders seen count as one of them.

    Args:
        ranks: Within each case, (cases, models).

    Returns:
        The share of orders whose sums of ranks lie at least as far apart.

    >>> round(by_permutation(np.tile([1.0, 2.0, 3.0], (3, 1))) * 36)
    1
    """
    twice = np.rint(2 * np.asarray(ranks)).astype(np.int64)  # whole numbers, ties included
    seen = int((twice.sum(axis=0) ** 2).sum())  # all else in χ² is the same in every order
    sums, shares = twice[:1], np.ones(1)
    for case in twice[1:]:
        if math.factorial(len(case)) * len(sums) > STATES:
            return _drawn(twice, seen)
        orders = np.array(list(permutations(case)))
        # models are exchangeable, so that a set of sums is kept once, sorted
        every = np.sort(sums[:, None] + orders, axis=-1).reshape(-1, len(case))
        sums, at = np.unique(every, axis=0, return_inverse=True)
        shares = np.bincount(at.ravel(), np.repeat(shares, len(orders))) / len(orders)
    return float(min(1.0, shares[(sums**2).sum(axis=1) >= seen].sum()))


def _drawn(twice: np.ndarray, seen: int) -> float:
    """Estimate that share from drawn orders (Phipson & Smyth 2010: never 0)."""
    rng = np.random.default_rng(0)
    sums = np.zeros((DRAWS, twice.shape[1]), np.int64)
    for case in twice:
        sums += rng.permuted(np.broadcast_to(case, sums.shape), axis=1)
    return float((1 + ((sums**2).sum(axis=1) >= seen).sum()) / (1 + DRAWS))


def _by_f(chi2: float, cases: int, count: int) -> float:
    """Return the p of Iman and Davenport's F."""
    left = cases * (count - 1) - chi2
    with np.errstate(divide="ignore"):
        f = np.inf if left <= 0 else (cases - 1) * chi2 / left
    return float(stats.f.sf(f, count - 1, (count - 1) * (cases - 1)))
