"""The unit of the data decides nothing: a panel of which one series stands still in training."""

from dataclasses import replace

import numpy as np
import pytest

from forecast.data.windows import Window
from forecast.evaluation import experiment
from forecast.evaluation.intervals import conformal
from forecast.evaluation.outcome import Spec
from forecast.training.parameters import Model, Training

from .tables import panel

SPEC = Spec(
    model=Model("linear"),
    window=Window(timesteps=6, horizon=3),
    training=Training(epochs=2, batch_size=16),
    validation=0.2,
    test=0.25,
    season=5,
)


def dead(factor):
    """Small numbers in three series; the second is 0, and its other column moves in the test."""
    table = panel((80, 80, 80), targets=1)
    inputs = 1e-4 * table.inputs * [factor, 1]
    inputs[table.series == 1, 0] = 0
    inputs[(table.series == 1) & (table.tick < 60), 1] = 5
    return replace(table, inputs=inputs, outputs=inputs[:, :1].copy())


@pytest.fixture(scope="module")
def outcomes():
    return {factor: experiment.run(SPEC, dead(factor)) for factor in (1.0, 2.0**30, 1e7)}


def test_a_power_of_two_moves_no_bit(outcomes):
    one, two = outcomes[1.0], outcomes[2.0**30]
    np.testing.assert_array_equal(two.test.values, one.test.values * 2.0**30)
    np.testing.assert_array_equal(two.intervals.lower, one.intervals.lower * 2.0**30)
    assert two.forecaster.history_["val_loss"] == one.forecaster.history_["val_loss"]


def test_another_unit_moves_no_verdict_and_every_score_by_its_factor(outcomes):
    one, two = outcomes[1.0], outcomes[1e7]
    assert {n: str(v) for n, v in two.verdicts.items()} == {
        n: str(v) for n, v in one.verdicts.items()
    }
    span = float(np.abs(one.test.values).max())
    np.testing.assert_allclose(two.test.values / 1e7, one.test.values, atol=1e-5 * span)
    for name in one.baseline_scores:
        assert two.scores[f"skill/{name}"] == pytest.approx(
            one.scores[f"skill/{name}"], rel=1e-3, abs=1e-4
        )


def test_the_interval_of_a_dead_series_is_in_the_unit_of_the_others(outcomes):
    for factor, outcome in outcomes.items():
        found = outcome.intervals
        width = (found.upper - found.lower).mean(axis=(1, 2))
        own = [np.nanmean(width[outcome.test.series == code]) for code in range(3)]
        assert own[1] < 2 * max(own[0], own[2]) < 1e-2 * factor


def test_what_moves_for_the_first_time_does_not_wreck_the_forecast():
    table = dead(1.0)
    far = table.inputs.copy()
    far[(table.series == 1) & (table.tick >= 60), 1] = 1e6
    fitted = experiment.run(SPEC, table)
    moved = experiment.run(SPEC, replace(table, inputs=far))
    np.testing.assert_array_equal(
        moved.forecaster.scaler_.input_std, fitted.forecaster.scaler_.input_std
    )
    spread = float(np.nanstd(table.outputs[table.series != 1]))
    assert np.abs(moved.test.values[moved.test.series == 1]).max() < 5 * spread


@pytest.mark.parametrize("unit", [1e7, 3.7e-5, 1 / 3])
def test_scores_that_repeat_are_followed_alike_in_every_unit(unit):
    """Differences of values with one decimal: few scores, alike but for rounding."""
    values = 50 + np.random.default_rng(3).integers(0, 4, (2, 300, 4, 1)) * 0.1
    known = np.maximum(np.arange(300)[:, None] - np.arange(1, 4), 0)[None].repeat(2, axis=0)

    def thresholds(values: np.ndarray) -> np.ndarray:
        scores = np.abs(values[:, :, 1:] - values[:, :, :1])
        begin, no_holes = np.zeros(2, int), np.zeros((2, 3, 1), int)
        sets = conformal.own(scores, no_holes, known, (0.9,), begin)
        none = {"before": begin, "sums": np.zeros((2, 5, 3, 1, 1))}
        parts = conformal.track(scores, known, (0.9,), sets, **none)
        return np.concatenate([found for _, found in parts], axis=1)

    np.testing.assert_allclose(thresholds(values * unit), thresholds(values) * unit, rtol=1e-10)
