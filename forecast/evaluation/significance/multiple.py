"""Verdicts of many comparisons, corrected for their number: of twenty tests one is lucky."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from forecast.evaluation.significance.pairs import Verdict


def holm(p: np.ndarray) -> np.ndarray:
    """Correct p values so that any false verdict among them has the probability of one alone.

    Source: Holm 1979. The smallest is multiplied by their number, the next by one less, and so on;
    none becomes smaller than one before it. It needs no assumption on how they depend.

    Args:
        p: Of each comparison, (comparisons,); NaN where nothing was tested, which does not count.

    Returns:
        Corrected p of each, at most 1, (comparisons,).

    >>> holm(np.array([0.01, 0.04, np.nan, 0.03])).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    p = np.asarray(p, float)
    order = np.argsort(p)[: int(np.isfinite(p).sum())]  # NaN is sorted to the end
    found = np.full(len(p), np.nan)
    raised = p[order] * np.arange(len(order), 0, -1)
    found[order] = np.minimum(1.0, np.maximum.accumulate(raised))
    return found


def corrected(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Correct the verdicts of one table for their number.

    Args:
        verdicts: Of all its comparisons.

    Returns:
        The same, with corrected p and therefore perhaps other words.

    >>> corrected([Verdict(-0.2, -3.0, 0.004, 500), Verdict(-0.1, -2.1, 0.04, 500)])[0].p
    0.008
    """
    p = holm(np.array([verdict.p for verdict in verdicts]))
    return [replace(one, p=float(own)) for one, own in zip(verdicts, p, strict=True)]


def count_tested(verdicts: Sequence[Verdict]) -> int:
    """Count the comparisons of which there is a p."""
    return sum(bool(np.isfinite(verdict.p)) for verdict in verdicts)


def reversed_verdict(verdict: Verdict) -> Verdict:
    """Return the verdict on the second of two forecasters.

    >>> reversed_verdict(Verdict(-0.2, -3.0, 0.004, 500)).word
    'worse'
    """
    return replace(verdict, difference=-verdict.difference, statistic=-verdict.statistic)
