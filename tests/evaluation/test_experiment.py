"""The one story on a tiny panel, scored again by hand."""

import keras
import numpy as np
import pytest
from sklearn import metrics as sk

from forecast.cli import console
from forecast.data import windows
from forecast.data.scale import Scaled
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation import experiment, scores
from forecast.evaluation.baselines import by_name
from forecast.evaluation.intervals import calibration
from forecast.evaluation.outcome import Spec
from forecast.evaluation.preparation import Prepared
from forecast.report import figures, run_page
from forecast.training.fit import predict_scaled
from forecast.training.parameters import Model, Training

from .tables import at_once, measured, panel

WINDOW = Window(timesteps=6, horizon=4)
SPEC = Spec(
    model=Model("lstm", units=[2], dropout=0.0, recurrent_dropout=0.0),
    window=WINDOW,
    training=Training(epochs=2, batch_size=16, seed=3),
    validation=0.1,
    test=0.25,
    season=5,
)
TABLE = panel((80, 80))


class Epochs(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.count = 0

    def on_epoch_end(self, epoch, logs=None):
        self.count += 1


@pytest.fixture(scope="module")
def told():
    epochs = Epochs()
    return experiment.run(SPEC, TABLE, [epochs]), epochs


@pytest.fixture(scope="module")
def outcome(told):
    return told[0]


def truth(test_from=60):
    """Every test window's future by a loop: (windows, horizon, targets), and its series."""
    true, series = [], []
    for code in range(2):
        own = TABLE.outputs[TABLE.series == code]
        for first in range(test_from, 80 - 4 + 1):
            true.append(own[first : first + 4])
            series.append(code)
    return np.stack(true), np.array(series)


def test_stages_and_callbacks(told):
    outcome, epochs = told
    assert (
        list(outcome.seconds) == ["fit", "score", "baselines", "intervals"]
        and min(outcome.seconds.values()) > 0
    )
    assert epochs.count == 2 and len(outcome.forecaster.history_["val_loss"]) == 2


def test_spans_are_cut_where_the_shares_say(outcome):
    assert (outcome.cuts.test - TABLE.time[0]) == np.timedelta64(60, "h")
    assert (outcome.cuts.validation - TABLE.time[0]) == np.timedelta64(52, "h")
    own = TABLE.inputs[(TABLE.series == 0) & (TABLE.tick < 52)]
    np.testing.assert_allclose(outcome.forecaster.scaler_.input_mean[0], own.mean(axis=0))


def test_every_test_window_is_scored_once(outcome):
    """20 test rows a series and horizon 4 leave 17 windows each."""
    true, series = truth()
    assert len(true) == 2 * (20 - 4 + 1) == outcome.scores["test/windows"]
    np.testing.assert_array_equal(outcome.test.true, true)
    np.testing.assert_array_equal(outcome.test.series, series)
    for other in outcome.baselines.values():
        np.testing.assert_array_equal(other.starts, outcome.test.starts)


def test_names_of_the_scores(outcome):
    each = {"mae", "rmse", "bias", "smape", "wape", "r2", "mase", "rmsse"}
    overall = {f"test/{name}" for name in each | {"mae_z", "mse_z", "windows", "holes"}}
    by_target = {f"test_{target}/{name}" for target in ("t0", "t1") for name in each}
    assert set(outcome.baselines) == {"persistence", "seasonal_naive", "boosted_trees", "ridge"}
    skills = {f"skill/{name}" for name in outcome.baselines}
    calibrated = {f"test/{name}" for name in ("coverage_90", "width_90", "winkler_90", "crps")}
    calibrated |= {f"test_t{i}/{name}_90" for i in (0, 1) for name in ("coverage", "width")}
    assert set(outcome.scores) == overall | by_target | skills | calibrated
    for found in outcome.baseline_scores.values():
        assert set(found) == overall | by_target | calibrated
    assert all(np.isfinite(value) for value in outcome.scores.values())


@pytest.mark.parametrize("who", ["model", "persistence", "seasonal_naive", "ridge"])
def test_scores_by_hand(who, outcome):
    found = outcome.scores if who == "model" else outcome.baseline_scores[who]
    forecasts = outcome.test if who == "model" else outcome.baselines[who]
    true, series = truth()
    flat, said = true.ravel(), forecasts.values.ravel()
    assert found["test/mae"] == pytest.approx(sk.mean_absolute_error(flat, said))
    assert found["test/rmse"] == pytest.approx(sk.root_mean_squared_error(flat, said))
    assert found["test/r2"] == pytest.approx(sk.r2_score(flat, said))
    assert found["test_t1/mae"] == pytest.approx(
        sk.mean_absolute_error(true[..., 1].ravel(), forecasts.values[..., 1].ravel())
    )
    assert found["test/wape"] == pytest.approx(np.abs(flat - said).sum() / np.abs(flat).sum())
    absolute, square, scaled = [], [], []
    for window in range(len(true)):
        for target in range(2):
            own = TABLE.outputs[(TABLE.series == series[window]) & (TABLE.tick < 52), target]
            step = own[5:] - own[:-5]
            error = true[window, :, target] - forecasts.values[window, :, target]
            absolute.extend(np.abs(error) / np.abs(step).mean())
            square.extend(error**2 / (step**2).mean())
            scaled.extend(error / own.std())
    assert found["test/mase"] == pytest.approx(np.mean(absolute))
    assert found["test/rmsse"] == pytest.approx(np.sqrt(np.mean(square)))
    assert found["test/mae_z"] == pytest.approx(np.abs(scaled).mean())
    assert found["test/mse_z"] == pytest.approx(np.square(scaled).mean())


def test_skill_is_one_minus_the_ratio_of_maes(outcome):
    for name, found in outcome.baseline_scores.items():
        expected = 1 - outcome.scores["test/mae"] / found["test/mae"]
        assert outcome.scores[f"skill/{name}"] == pytest.approx(expected)


def test_verdicts_are_of_losses_by_origin(outcome):
    """17 origins of 4 steps are too few; the difference is that of the errors."""
    assert set(outcome.verdicts) == set(outcome.baselines)
    for name, verdict in outcome.verdicts.items():
        gap = outcome.scores["test/mae"] - outcome.baseline_scores[name]["test/mae"]
        assert verdict.difference == pytest.approx(gap)
        assert verdict.origins == 17 and verdict.word == "too few origins to test"


def test_tables_by_step_series_and_target(outcome):
    error = np.abs(truth()[0] - outcome.test.values)
    np.testing.assert_allclose(outcome.measured[""].by_step, error.mean(axis=(0, 2)))
    by_series = scores.series_table({n or "model": m for n, m in outcome.measured.items()})
    assert by_series.columns.tolist() == ["series", "model", *outcome.baselines]
    assert by_series.series.tolist() == ["s0", "s1"]
    np.testing.assert_allclose(by_series.model, [error[:17].mean(), error[17:].mean()])
    by_target = outcome.measured[""].by_target(outcome.table.targets).set_index("target")
    np.testing.assert_allclose(by_target.mae, error.mean(axis=(0, 1)))


def test_frame_has_a_row_for_each_window_step_and_target(outcome):
    frame = outcome.test.frame()
    assert len(frame) == 34 * 4 * 2
    assert (frame.time - frame.origin == frame.step * np.timedelta64(1, "h")).all()
    row = frame.iloc[(20 * 4 + 2) * 2 + 1]  # window 20, step 3, second target
    assert (row.series, row.step, row.target) == ("s1", 3, "t1")
    assert row.forecast == outcome.test.values[20, 2, 1] and row.true == truth()[0][20, 2, 1]


@pytest.mark.parametrize("batch_size", [1, 13, 32])
def test_scores_do_not_depend_on_the_batch_size(batch_size, outcome):
    one, starts = outcome.forecaster, outcome.test.starts
    [values] = np.moveaxis(
        predict_scaled(
            one.model_, Scaled(TABLE, one.scaler_), one.window, starts, batch_size=batch_size
        ),
        -1,
        0,
    )
    assert values.shape == outcome.test.values.shape
    np.testing.assert_allclose(values, outcome.test.values, rtol=1e-6)


def test_the_test_span_teaches_nothing(outcome):
    wild = panel((80, 80))
    wild.inputs[wild.tick >= 60] += 500
    wild.outputs[wild.tick >= 60] += 500
    again = experiment.run(SPEC, wild)
    for one, two in zip(
        again.forecaster.model_.get_weights(),
        outcome.forecaster.model_.get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)
    assert again.forecaster.history_["val_loss"] == outcome.forecaster.history_["val_loss"]


def test_rows_without_a_clock_are_cut_where_the_shares_say(outcome):
    """The same rows, numbered instead of dated: same windows, same weights."""
    again = experiment.run(SPEC, panel((80, 80), frequency=None))
    assert again.cuts.test == 60 and again.cuts.validation == 52
    assert again.forecaster.history_["val_loss"] == outcome.forecaster.history_["val_loss"]
    assert again.scores["test/mae"] == outcome.scores["test/mae"]


def test_gaps_cost_windows_and_holes_in_the_truth_values():
    table = panel((80, 80), absent=[(0, 70), (1, 20)])
    table.outputs[-2, 0] = np.nan
    table.inputs[30, 2] = np.nan
    outcome = experiment.run(SPEC, table)
    assert all(np.isfinite(value) for value in outcome.scores.values())
    # series 0: tick 70 splits 60…69 (7 windows) from 71…79, whose first 6 rows are look-back (0)
    # series 1: one target of tick 78 is not known, which two of the 17 windows predict
    assert outcome.scores["test/windows"] == 7 + 0 + 17
    assert outcome.scores["test/holes"] == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"window": Window(60, 4)}, "window.timesteps=60 and window.horizon=4 must leave a window"),
        ({"window": Window(6, 30)}, "got windows: train 34 in 104 rows, validation 0 in 16 rows"),
        ({"test": 2}, "test 0 in 4 rows: take a smaller window"),
        ({"window": Window(0, 4)}, "window.timesteps must be a whole number of 1 or more"),
        ({"test": 0.95}, "split.validation must leave rows on both sides of its cut"),
    ],
)
def test_spans_without_a_window_are_refused_with_all_counts(changes, sentence):
    with pytest.raises(InputError, match=sentence):
        experiment.prepare(Spec(**{**vars(SPEC), **changes}), TABLE)


def test_a_baseline_of_fewer_windows_is_compared_on_those(outcome, monkeypatch):
    """As one that costs too much forecasts the windows of some time stamps alone."""
    every = by_name.Baselines.forecast

    def fewer(*args):
        found = every(*args)
        own = found["ridge"]
        drawn = TABLE.tick[own.origins] % 3 == 0
        return found | {"ridge": own.at(own.starts[drawn][::-1])}

    monkeypatch.setattr(by_name.Baselines, "forecast", fewer)
    found = experiment.evaluate(Prepared(SPEC, TABLE, outcome.cuts), outcome.forecaster)
    ridge, test = found.baselines["ridge"], found.test
    common = np.flatnonzero(TABLE.tick[test.origins] % 3 == 0)
    np.testing.assert_array_equal(ridge.starts, test.starts[common])
    np.testing.assert_array_equal(ridge.values, outcome.baselines["ridge"].values[common])
    assert found.baseline_scores["ridge"]["test/windows"] == len(common) < len(test.starts)
    own = np.abs(test.true - test.values)[common]
    skill = 1 - own.mean() / np.abs(ridge.true - ridge.values).mean()
    assert found.scores["skill/ridge"] == pytest.approx(skill)
    assert found.scores["skill/persistence"] == outcome.scores["skill/persistence"]
    by_step = 1 - own.mean(axis=(0, 2)) / np.abs(ridge.true - ridge.values).mean(axis=(0, 2))
    gained = 1 - found.paired["ridge"].by_step / found.measured["ridge"].by_step
    np.testing.assert_allclose(gained, by_step)
    assert found.verdicts["ridge"].origins == len(np.unique(TABLE.tick[test.origins[common]]))
    assert set(scores.series_table(found.measured)) >= {"series", "", "ridge"}
    assert "ridge" in found._repr_html_()
    assert [name for name, _ in run_page.sections(found, facts={}, command="")]
    figures.error_by_horizon(found)
    console.score_table(found)
    console.detail_tables(found)


def test_baselines_have_intervals_calibrated_like_the_models(outcome):
    """Each is what `calibrate` finds of its forecasts of test and validation windows."""
    window, cuts = SPEC.window, outcome.cuts
    held = windows.starts(TABLE, window, within=cuts.validation_rows(TABLE))
    both = np.concatenate([held, outcome.test.starts])
    scaler = outcome.forecaster.scaler_
    every = at_once(SPEC, Scaled(TABLE, scaler), cuts.train_rows(TABLE), both, validation=held)
    assert list(outcome.baseline_intervals) == list(every)
    for name, found in every.items():
        spans = found.at(outcome.test.starts), found.at(held)
        expected = calibration.calibrate(*spans, scaler, 0.9, "adaptive")
        own = outcome.baseline_intervals[name]
        np.testing.assert_array_equal(own.lower, expected.lower)
        np.testing.assert_array_equal(own.upper, expected.upper)
        scored = measured(outcome.baselines[name], own).scores
        told = {key: scored[key] for key in ("test/crps", "test/coverage_90", "test/winkler_90")}
        assert told.items() <= outcome.baseline_scores[name].items() and "test/crps" in told
