"""Scores of probabilities and quantiles against scikit-learn, and integrals on a grid."""

from functools import partial

import numpy as np
import pytest
from sklearn import metrics as theirs

from forecast import metrics

near = partial(pytest.approx, rel=1e-9)

RNG = np.random.default_rng(4)
EVENT = (RNG.random((50, 3, 2)) < 0.3).astype(float)
SAID = RNG.random(EVENT.shape)
CODE = RNG.integers(0, 4, (50, 3))
CLASSES = np.eye(4)[CODE]
SURE = RNG.dirichlet(np.ones(4), CODE.shape)
TRUE = RNG.normal(size=(40, 3, 2))
LEVELS = (0.1, 0.4, 0.5, 0.8)
QUANTILES = np.sort(RNG.normal(size=(*TRUE.shape, 4)), axis=-1)


def test_log_loss_of_events_is_scikit_learns():
    expected = theirs.log_loss(EVENT.ravel(), SAID.ravel())
    assert metrics.log_loss(EVENT, SAID) == near(expected)


def test_log_loss_of_classes_is_scikit_learns():
    expected = theirs.log_loss(CODE.ravel(), SURE.reshape(-1, 4))
    assert metrics.log_loss(CLASSES, SURE, classes=True) == near(expected)


def test_brier_score_is_scikit_learns():
    expected = theirs.brier_score_loss(EVENT.ravel(), SAID.ravel())
    assert metrics.mse(EVENT, SAID) == near(expected)


def test_auc_is_the_mean_of_scikit_learns_over_targets():
    each = [theirs.roc_auc_score(EVENT[..., i].ravel(), SAID[..., i].ravel()) for i in (0, 1)]
    assert metrics.auc(EVENT, SAID) == near(np.mean(each))


def test_auc_leaves_out_targets_of_one_kind_and_is_nan_without_any_other():
    once = EVENT.copy()
    once[..., 0] = 0
    assert metrics.auc(once, SAID) == metrics.auc(EVENT[..., 1:], SAID[..., 1:])
    assert np.isnan(metrics.auc(np.zeros_like(EVENT), SAID))


def test_accuracy_is_scikit_learns():
    expected = theirs.accuracy_score(CODE.ravel(), SURE.argmax(axis=-1).ravel())
    assert metrics.accuracy(CLASSES, SURE) == near(expected)


def test_pinball_is_scikit_learns_level_by_level():
    expected = [
        theirs.mean_pinball_loss(TRUE.ravel(), QUANTILES[..., i].ravel(), alpha=level)
        for i, level in enumerate(LEVELS)
    ]
    np.testing.assert_allclose(metrics.pinball(TRUE, QUANTILES, LEVELS), expected)


def test_crps_of_many_quantiles_is_the_integral_over_thresholds():
    levels = (np.arange(2000) + 0.5) / 2000
    sample = np.sort(RNG.gamma(2.0, size=2000))
    true = 1.7
    grid = np.linspace(-1, 25, 200_001)
    below = np.searchsorted(sample, grid, side="right") / len(sample)  # the distribution's own F
    expected = (((below - (grid >= true)) ** 2).sum()) * (grid[1] - grid[0])
    found = metrics.crps(np.full((1, 1, 1), true), sample[None, None, None], levels)
    assert found == pytest.approx(expected, rel=2e-3)


def test_crps_weighs_every_level_alike():
    """As scoringrules' `crps_quantile` and GluonTS's mean weighted quantile loss write it."""
    levels, quantiles = (0.1, 0.2, 0.9), (1.0, 4.0, 6.0)
    loss = [2 * (p - (3.0 < q)) * (3.0 - q) for p, q in zip(levels, quantiles, strict=True)]
    found = metrics.crps(np.full((1, 1, 1), 3.0), np.array(quantiles)[None, None, None], levels)
    assert found == pytest.approx(sum(loss) / 3)


def test_crps_by_step_averages_to_the_whole():
    steps = metrics.crps(TRUE, QUANTILES, LEVELS, axis=(0, 2))
    assert steps.shape == (3,)
    assert steps.mean() == near(metrics.crps(TRUE, QUANTILES, LEVELS))


def test_coverage_counts():
    low, high = QUANTILES[..., 0], QUANTILES[..., -1]
    count = sum(a <= t <= b for a, t, b in zip(low.flat, TRUE.flat, high.flat, strict=True))
    assert metrics.coverage(TRUE, low, high) == count / TRUE.size


def test_width_and_interval_score_in_a_plain_loop():
    low, high = QUANTILES[..., 0], QUANTILES[..., -1]
    wide, score = 0.0, 0.0
    for y, a, b in zip(TRUE.flat, low.flat, high.flat, strict=True):
        wide += b - a
        score += (b - a) + (2 / 0.2) * (a - y if y < a else y - b if y > b else 0.0)
    assert metrics.width(TRUE, low, high) == near(wide / TRUE.size)
    assert metrics.winkler(TRUE, low, high, 0.8) == near(score / TRUE.size)
    by_step = metrics.winkler(TRUE, low, high, 0.8, axis=(0, 2))
    assert by_step.shape == (3,) and by_step.mean() == near(score / TRUE.size)
    holes = TRUE.copy()
    holes[:5] = np.nan
    rest = metrics.winkler(TRUE[5:], low[5:], high[5:], 0.8)
    assert metrics.winkler(holes, low, high, 0.8) == near(rest)


def test_what_has_no_truth_counts_nowhere():
    holes = TRUE.copy()
    holes[:5] = np.nan
    args = QUANTILES, LEVELS
    assert metrics.crps(holes, *args) == near(metrics.crps(TRUE[5:], args[0][5:], LEVELS))
    holes = EVENT.copy()
    holes[:5] = np.nan
    assert metrics.log_loss(holes, SAID) == near(metrics.log_loss(EVENT[5:], SAID[5:]))
    assert metrics.auc(holes, SAID) == near(metrics.auc(EVENT[5:], SAID[5:]))
    holes = CLASSES.copy()
    holes[:5] = np.nan
    assert metrics.accuracy(holes, SURE) == metrics.accuracy(CLASSES[5:], SURE[5:])
