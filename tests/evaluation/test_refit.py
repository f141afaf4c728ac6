"""Intervals of a network that was learned anew with the validation rows are honest."""

import numpy as np
import pytest

from forecast.data import samples
from forecast.data.blocks import Blocks
from forecast.data.windows import Window
from forecast.evaluation import backtest, experiment
from forecast.evaluation.backtest import Plan
from forecast.evaluation.baselines import by_name
from forecast.evaluation.outcome import Spec
from forecast.training.course import Turn
from forecast.training.parameters import Model, Training

from .test_survey import panel

MEMORIZING = Model("mlp", hidden=[256], dropout=0.0, linear_path=False)
"""It learns a few hundred windows by heart."""


def spec(**changes):
    settings = {
        "model": Model("linear", normalization="last"),
        "window": Window(8, 3),
        "training": Training(epochs=3, batch_size=64, refit=True),
        "calibration": "split",
    }
    return Spec(**settings | changes)


TABLE = panel([300, 300], holes=0.02)
LONG = panel([1000, 1000], holes=0.02)


def test_the_first_network_calibrates_and_the_second_is_scored():
    """Split conformal by hand: the widths are quantiles of the first network's residuals."""
    prepared = experiment.prepare(spec(interval=0.8), LONG)
    fitted = experiment.fit(prepared)
    outcome = experiment.evaluate(prepared, fitted)
    np.testing.assert_array_equal(outcome.test.values, fitted.predict_windows(LONG, prepared.test))
    held = prepared.validation
    rows = held[:, None] + 8 + np.arange(3)
    missed = np.abs(LONG.outputs[rows] - fitted.first_.predict_windows(LONG, held))[..., 0]
    # nobody has learned these rows before: the scale ends before the validation span as well
    train = prepared.cuts.train_rows(LONG)
    for code in (0, 1):
        own = LONG.inputs[train & (LONG.series == code)]
        np.testing.assert_allclose(fitted.first_.scaler_.input_mean[code], own.mean(axis=0))
    width = (outcome.intervals.upper - outcome.intervals.lower)[..., 0] / 2
    for code in (0, 1):
        mine = LONG.series[prepared.test] == code
        for step in range(3):
            known = np.sort(missed[LONG.series[held] == code, step])
            known = known[np.isfinite(known)]
            rank = int(np.ceil((len(known) + 1) * 0.8)) - 1
            np.testing.assert_allclose(width[mine, step], known[rank], rtol=1e-5)


def test_intervals_of_a_network_that_learns_by_heart_cover_what_they_promise():
    """Its residuals on rows that it has learned would promise far too much."""
    rng = np.random.default_rng(5)
    table = panel([600, 600], seed=3)
    table.outputs[:] += rng.normal(0, 2, table.outputs.shape)
    table.inputs[:, 0] = table.outputs[:, 0]
    training = Training(
        epochs=40, batch_size=32, refit=True, schedule=None, weight_decay=None, patience=None
    )
    asked = spec(model=MEMORIZING, training=training, interval=0.8)
    prepared = experiment.prepare(asked, table)
    fitted = experiment.fit(prepared)
    outcome = experiment.evaluate(prepared, fitted)
    assert 0.74 <= outcome.scores["test/coverage_80"] <= 0.86
    held = prepared.validation
    true = table.outputs[held[:, None] + 8 + np.arange(3)]
    first, again = (
        np.abs(true - own.predict_windows(table, held)).mean() for own in (fitted.first_, fitted)
    )
    assert again < 0.97 * first


def test_baselines_learn_from_validation_rows_and_their_intervals_from_those_before():
    asked = spec(interval=0.8, baselines=("boosted_trees",))
    prepared = experiment.prepare(asked, LONG)
    fitted = experiment.fit(prepared)
    outcome = experiment.evaluate(prepared, fitted)
    rows, cuts = prepared.scaled(fitted.scaler_), prepared.cuts
    learned = by_name.learn(
        asked,
        rows,
        cuts.learned_rows(LONG),
        prepared.test,
        validation=prepared.validation,
        refit=True,
    ).forecast(prepared.test)
    for name, own in outcome.baselines.items():
        np.testing.assert_allclose(own.values, learned[name].values, rtol=1e-6)
    before = by_name.learn(
        asked,
        prepared.scaled(fitted.first_.scaler_),
        cuts.train_rows(LONG),
        prepared.validation,
        validation=prepared.validation,
    ).forecast(prepared.validation)["boosted_trees"]
    missed = np.abs(before.true - before.values)[..., 0]
    width = outcome.baseline_intervals["boosted_trees"]
    half = (width.upper - width.lower)[..., 0] / 2
    for code in (0, 1):
        known = missed[LONG.series[before.starts] == code, 0]
        known = np.sort(known[np.isfinite(known)])
        rank = int(np.ceil((len(known) + 1) * 0.8)) - 1
        mine = LONG.series[outcome.baselines["boosted_trees"].starts] == code
        np.testing.assert_allclose(half[mine, 0], known[rank], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("calibration", ["adaptive", "split"])
def test_blocks_find_what_the_whole_table_finds(calibration, monkeypatch):
    monkeypatch.setattr(samples, "block_rows", lambda *_: 200)
    table = panel([120] * 9, holes=0.02)
    training = Training(epochs=2, batch_size=64, refit=True, seeds=2)
    asked = spec(calibration=calibration, training=training, baselines=("boosted_trees",))
    whole = experiment.prepare(asked, table)
    fitted = experiment.fit(whole)
    one = experiment.evaluate(whole, fitted)
    blocks = experiment.prepare(asked, Blocks.of(table))
    assert blocks.survey is not None and len(blocks.learned) > 1
    assert blocks.first.stop.any() and not blocks.learned.stop.any()
    two = experiment.evaluate(blocks, fitted)
    assert two.scores == pytest.approx(one.scores, rel=1e-9, nan_ok=True)
    for baseline, scores in one.baseline_scores.items():
        assert two.baseline_scores[baseline] == pytest.approx(scores, rel=1e-6, nan_ok=True)
    np.testing.assert_allclose(two.intervals.lower, one.intervals.lower, rtol=1e-5)
    own = experiment.fit(blocks)
    assert [*own.histories_] == ["network_2", "refit", "network_2_refit"]
    np.testing.assert_allclose(own.scaler_.input_mean, fitted.scaler_.input_mean)
    np.testing.assert_allclose(own.first_.scaler_.input_mean, fitted.first_.scaler_.input_mean)


@pytest.mark.slow
def test_every_fold_of_a_backtest_is_learned_anew():
    asked = spec(training=Training(epochs=2, batch_size=64, refit=True, seeds=2))
    names = []

    def around(fold, step):
        return step(lambda turn: names.append((fold.number, turn)) or [])

    found = backtest.run_backtest(asked, TABLE, Plan(folds=2), around=around)
    assert names == [(number, turn) for number in (1, 2) for turn in Turn.all(2, refit=True)]
    for fold, outcome in zip(found.folds, found.outcomes, strict=True):
        alone = experiment.Prepared(asked, TABLE, fold)
        own = experiment.evaluate(alone, experiment.fit(alone), whole=True)
        np.testing.assert_array_equal(own.test.values, outcome.test.values)
        np.testing.assert_array_equal(own.intervals.lower, outcome.intervals.lower)
        mean = TABLE.inputs[fold.learned_rows(TABLE) & (TABLE.series == 0)].mean(axis=0)
        np.testing.assert_allclose(outcome.forecaster.scaler_.input_mean[0], mean)
