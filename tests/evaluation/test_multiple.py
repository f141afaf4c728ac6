"""Verdicts of many comparisons, against statsmodels and a loop over hypotheses."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from forecast.evaluation.significance.multiple import corrected, count_tested, holm
from forecast.evaluation.significance.pairs import Verdict

rng = np.random.default_rng(0)


@pytest.mark.parametrize("p", [rng.random(n) ** 4 for n in (1, 2, 7, 24)] + [np.full(5, 0.02)])
def test_corrected_p_is_that_of_statsmodels(p):
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])


def test_what_was_not_tested_does_not_count():
    p = np.array([0.01, np.nan, 0.2, 0.04, np.nan])
    found = holm(p)
    assert np.isnan(found[[1, 4]]).all()
    np.testing.assert_allclose(found[[0, 2, 3]], holm(p[[0, 2, 3]]))
    assert np.isnan(holm(np.full(3, np.nan))).all() and len(holm(np.array([]))) == 0


def test_one_false_verdict_among_many_equal_runs_is_as_rare_as_one():
    """In 2,000 families of 20 independent tests of nothing, 64 % have one below 5 %."""
    draws = rng.random((2000, 20))
    assert (draws < 0.05).any(axis=1).mean() > 0.6
    lucky = [(holm(p) < 0.05).any() for p in draws]
    assert np.mean(lucky) == pytest.approx(0.05, abs=0.012)


def test_words_follow_the_corrected_p():
    found = corrected([Verdict(-0.2, -2.1, 0.03, 500) for _ in range(3)])
    assert {one.word for one in found} == {"no significant difference"}
    assert [one.statistic for one in found] == [-2.1] * 3
    assert count_tested([*found, Verdict(1.0, np.nan, np.nan, 3)]) == 3
