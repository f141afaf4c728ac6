"""Quantiles, events and classes through the one story, scored again by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from forecast import metrics
from forecast.data import panel
from forecast.data.schema import Schema
from forecast.evaluation import experiment
from forecast.report import figures
from forecast.training.parameters import Model

from .test_experiment import SPEC, TABLE

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
QUICK = replace(SPEC, model=Model("mlp", hidden=[4]))


def asked(**more):
    """The panel's first target as an event or as classes."""
    frame = pd.DataFrame(TABLE.inputs, columns=list(TABLE.features))
    frame["time"], frame["series"] = TABLE.time, np.asarray(TABLE.names)[TABLE.series]
    schema = Schema("time", ("t0",), ("t0", "other"), ("series",), **more)
    return panel.build(frame, schema)


@pytest.fixture(scope="module")
def quantiles():
    told = QUICK.training.get_params() | {"quantiles": LEVELS}
    return experiment.run(replace(QUICK, training=type(QUICK.training)(**told)), TABLE)


@pytest.fixture(scope="module")
def event():
    return experiment.run(QUICK, asked(events={"t0": 21.0}))


@pytest.fixture(scope="module")
def classes():
    return experiment.run(QUICK, asked(classes={"t0": (18.0, 22.0)}))


def test_the_median_is_the_forecast_and_scored_like_one(quantiles):
    test = quantiles.test
    np.testing.assert_array_equal(test.values, test.quantiles[..., 2])
    expected = sk.mean_absolute_error(test.true.ravel(), test.values.ravel())
    assert quantiles.scores["test/mae"] == pytest.approx(expected)


def test_intervals_are_those_between_quantiles_that_lie_alike(quantiles):
    test, found = quantiles.test, quantiles.scores
    # keys without `_raw` are of the calibrated intervals
    for name, low, high in (("90_raw", 0, 4), ("50_raw", 1, 3)):
        ends = test.quantiles[..., low], test.quantiles[..., high]
        inside = [
            a <= t <= b for a, t, b in zip(ends[0].flat, test.true.flat, ends[1].flat, strict=True)
        ]
        assert found[f"test/coverage_{name}"] == pytest.approx(np.mean(inside))
        assert found[f"test/width_{name}"] == pytest.approx((ends[1] - ends[0]).mean())
    assert "test/coverage_50" not in found
    expected = metrics.crps(test.true, test.quantiles, LEVELS)
    assert found["test/crps_raw"] == pytest.approx(expected)
    assert quantiles.intervals.reach.between == (0.05, 0.95)
    assert "test/crps_raw" not in quantiles.baseline_scores["ridge"]


def test_crps_has_one_definition_with_quantiles_or_without(quantiles):
    for found, intervals, forecasts in [
        (quantiles.scores, quantiles.intervals, quantiles.test),
        (
            quantiles.baseline_scores["ridge"],
            quantiles.baseline_intervals["ridge"],
            quantiles.baselines["ridge"],
        ),
    ]:
        frame = forecasts.frame(intervals)
        assert found["test/crps"] == pytest.approx(frame.crps.mean())
        assert (frame.crps.isna() == frame.true.isna()).all()


def test_without_intervals_there_is_no_crps(quantiles):
    found = experiment.run(replace(quantiles.spec, interval=None), quantiles.table)
    assert "test/crps" not in found.scores and "test/crps_raw" in found.scores
    assert not found.baseline_intervals and "test/crps" not in found.baseline_scores["ridge"]
    assert found.test.frame().crps.isna().all()


def test_quantiles_stand_in_the_frame_of_predictions(quantiles):
    frame = quantiles.test.frame()
    assert list(frame.columns[-7:-2]) == ["q0.05", "q0.25", "q0.5", "q0.75", "q0.95"]
    assert list(frame.columns[-2:]) == ["true", "crps"]
    assert (frame.forecast == frame["q0.5"]).all() and (frame["q0.05"] < frame["q0.95"]).all()


def test_an_event_is_ranked_by_its_brier_score(event):
    true, said = event.test.true.ravel(), event.test.values.ravel()
    assert event.scores["test/brier"] == pytest.approx(sk.brier_score_loss(true, said))
    assert event.scores["test/auc"] == pytest.approx(sk.roc_auc_score(true, said))
    assert "test/mae" not in event.scores and event.intervals is None
    persistence = event.baselines["persistence"].values
    skill = 1 - event.scores["test/brier"] / np.mean((persistence - event.test.true) ** 2)
    assert event.scores["skill/persistence"] == pytest.approx(skill)


def test_climatology_is_the_share_in_the_training_rows_of_each_series(event):
    table, said = event.table, event.baselines["climatology"]
    for code in (0, 1):
        rows = (table.series == code) & event.cuts.train_rows(table)
        share = np.mean(table.outputs[rows])
        np.testing.assert_allclose(said.values[said.series == code], share)


def test_no_baseline_leaves_the_range_of_probabilities(event, classes):
    for outcome in (event, classes):
        for found in outcome.baselines.values():
            assert found.values.min() >= 0 and found.values.max() <= 1


def test_classes_are_scored_together_and_each(classes):
    true, said = classes.test.true, classes.test.values
    hit = (true.argmax(axis=-1) == said.argmax(axis=-1)).mean()
    assert classes.scores["test/accuracy"] == pytest.approx(hit)
    expected = sk.log_loss(
        true.argmax(axis=-1).ravel(), (said / said.sum(axis=-1, keepdims=True)).reshape(-1, 3)
    )
    assert classes.scores["test/log_loss"] == pytest.approx(expected, rel=1e-5)
    middle = classes.scores["test_18 ≤ t0 < 22/brier"]
    assert middle == pytest.approx(sk.brier_score_loss(true[..., 1].ravel(), said[..., 1].ravel()))
    parts = [classes.scores[f"test_{name}/brier"] for name in classes.table.targets]
    assert classes.scores["test/brier"] == pytest.approx(np.mean(parts))


def test_errors_by_step_and_series_are_brier_scores(event):
    square = (event.test.values - event.test.true) ** 2
    np.testing.assert_allclose(event.measured[""].by_step, square.mean(axis=(0, 2)))
    of = {n: square[event.test.series == c].mean() for c, n in enumerate(event.table.names)}
    assert event.measured[""].by_series == pytest.approx(of)


def test_pictures_say_which_error_they_show(event, quantiles):
    assert figures.error_by_horizon(event).axes[0].get_ylabel() == "Brier score"
    assert figures.error_by_horizon(quantiles).axes[0].get_ylabel() == "MAE"
    bands = figures.forecasts(quantiles).axes[0].collections
    assert bands and not figures.forecasts(event).axes[0].collections
