"""Whether models differ over many series or folds, by ranks (Demšar 2006)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from forecast.errors import InputError
from forecast.evaluation.significance.pairs import LEVEL, Verdict


@dataclass(frozen=True)
class Ranking:
    """Models ranked within each case, and whether their ranks differ.

    Attributes:
        models: Their names.
        average: Average rank of each, (models,); 1 is best.
        statistic: Friedman's χ², ties corrected.
        p: Of Iman & Davenport's F, which is less timid; how likely at least this spread of ranks is
            for equally good models.
        cases: Series or folds, on which all have an error.
        critical: Average ranks that lie closer than this are not distinguishable (Nemenyi).
        pairs: p of each pair, corrected for their number (Nemenyi), (models, models).
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
        """The largest sets of neighbours in rank that are not distinguishable, the best first."""
        order = np.argsort(self.average, kind="stable")
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
    more than others, and one extreme case cannot decide. Zero differences count half for each.

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

    Args:
        errors: (cases, models), lower is better; a case in which a model has none is left out.
        models: Their names.

    Returns:
        Average ranks, the tests of Friedman and Nemenyi, and the critical difference.

    Raises:
        InputError: There are fewer than 3 models, or 2 cases, or a model has no name.
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
        raise InputError(f"errors must hold 2 or more whole cases, got {cases}: score more series")
    ranks = stats.rankdata(errors, axis=1)
    average = ranks.mean(axis=0)
    # of ranks without ties the variance within a case is (count² − 1) / 12
    spread = ((ranks - (count + 1) / 2) ** 2).sum() / (cases * (count - 1))
    between = cases * ((average - (count + 1) / 2) ** 2).sum()
    chi2 = between / spread if spread else 0.0
    left = cases * (count - 1) - chi2
    freedom = count - 1, (count - 1) * (cases - 1)
    with np.errstate(divide="ignore"):
        f = np.inf if left <= 0 else (cases - 1) * chi2 / left
    error = np.sqrt(count * (count + 1) / (6 * cases))  # of a difference of average ranks
    apart = np.abs(average[:, None] - average) / error
    return Ranking(
        tuple(models),
        average,
        float(chi2),
        float(stats.f.sf(f, *freedom)),
        cases,
        float(stats.studentized_range.ppf(1 - LEVEL, count, np.inf) / np.sqrt(2) * error),
        stats.studentized_range.sf(apart * np.sqrt(2), count, np.inf),
    )
