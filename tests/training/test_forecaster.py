"""The estimator: one path for tables and frames, nothing seen too early, parameters kept."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from forecast.data import windows
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.training import runtime
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training

from .problems import LSTM, WINDOW, bits, forecaster, linear, table, training

DATA = table(rows=60)
EARLY, LATE = DATA.take(DATA.tick < 40), DATA.take(DATA.tick >= 40)


@pytest.fixture(scope="module")
def fitted():
    return forecaster(tail=12).fit(EARLY)


def test_table_and_frames_are_one_path(fitted):
    x, y = EARLY.frames()
    frames = forecaster(tail=12).fit(x, y)
    assert bits(frames) == bits(fitted)
    late_x, late_y = LATE.frames()
    np.testing.assert_array_equal(frames.predict(late_x), fitted.predict(LATE))
    assert frames.score(late_x, late_y) == fitted.score(LATE)
    mixed = np.random.default_rng(0).permutation(len(x))
    assert bits(forecaster(tail=12).fit(x.iloc[mixed], y.iloc[mixed])) == bits(fitted)


def test_rows_that_follow_fit_are_predicted_from_the_first_one_on(fitted):
    """20 new rows of each of 2 series, horizon 3: 18 windows each, and by hand."""
    found = fitted.predict(LATE)
    assert found.shape == (2 * (20 - 3 + 1), 3, 1)
    starts = [code * 60 + 40 - 8 + step for code in range(2) for step in range(18)]
    by_hand = fitted.predict_windows(DATA, np.array(starts))
    np.testing.assert_array_equal(found, by_hand)


def test_score_is_the_negative_mae_by_hand(fitted):
    found = fitted.predict(LATE)
    total, count = 0.0, 0
    for sample, (code, step) in enumerate((c, s) for c in range(2) for s in range(18)):
        for ahead in range(3):
            true = LATE.outputs[code * 20 + step + ahead, 0]
            total += abs(true - found[sample, ahead, 0])
            count += 1
    assert fitted.score(LATE) == pytest.approx(-total / count, rel=1e-12)


def test_lead_skips_rows_before_and_after_the_cut():
    one = forecaster(window=Window(8, 3, lead=2), epochs=1).fit(EARLY)
    assert len(one.predict(LATE)) == 2 * 18
    true = windows.outputs(DATA.outputs, windows.starts(DATA, one.window), one.window)
    assert true.shape == (2 * (60 - 13 + 1), 3, 1)


def test_rows_not_known_yet_are_predicted_without_targets(fitted):
    x, _ = LATE.frames()
    np.testing.assert_array_equal(fitted.predict(x), fitted.predict(LATE))


def test_a_hole_in_later_rows_is_no_window(fitted):
    broken = LATE.take((LATE.tick != 50) | (LATE.series == 0))
    found = fitted.predict(broken)
    # series 1 keeps windows with futures in ticks 40..49; a look-back of 8 rows starts at 51
    assert len(found) == 18 + (10 - 3 + 1) + max(0, 60 - 51 - 8 - 3 + 1)


def test_plain_arrays_have_windows_inside_themselves():
    x, y = DATA.inputs[:60], DATA.outputs[:60, 0]
    one = forecaster(epochs=1).fit(x[:40], y[:40])
    assert one.predict(x[40:]).shape == (20 - 8 - 3 + 1, 3, 1)
    error = np.abs(one.predict(x[40:])[:, :, 0] - np.stack([y[48 + i : 51 + i] for i in range(10)]))
    assert one.score(x[40:], y[40:]) == pytest.approx(-error.mean())
    with pytest.raises(InputError, match="X must have the frequency of fit, no clock, got h"):
        one.predict(LATE.frames()[0].loc["s0"])


def test_mask_of_rows_equals_the_taken_table(fitted):
    assert bits(forecaster(tail=12).fit(DATA, rows=DATA.tick < 40)) == bits(fitted)
    holes = (DATA.tick != 20) & (DATA.tick < 40)
    one = forecaster(tail=12, epochs=1).fit(DATA, rows=holes)
    two = forecaster(tail=12, epochs=1).fit(DATA.take(holes))
    assert bits(one) == bits(two)
    np.testing.assert_array_equal(one.predict(LATE), two.predict(LATE))


def test_nothing_learned_depends_on_later_or_stopping_rows(fitted):
    wild = Table(**{**vars(DATA), "inputs": DATA.inputs.copy(), "outputs": DATA.outputs.copy()})
    wild.inputs[DATA.tick >= 40] *= 1e6
    wild.outputs[DATA.tick >= 40] *= 1e6
    assert bits(forecaster(tail=12).fit(wild, rows=wild.tick < 40)) == bits(fitted)
    train = EARLY.tick < 40 - 12
    for code in range(2):
        own = EARLY.inputs[train & (EARLY.series == code)]
        np.testing.assert_allclose(fitted.scaler_.input_mean[code], own.mean(axis=0))
        np.testing.assert_allclose(fitted.scaler_.input_std[code], own.std(axis=0))


def test_scaling_may_be_global():
    one = Forecaster(linear, WINDOW, training(epochs=1), scaling="global").fit(EARLY)
    np.testing.assert_allclose(one.scaler_.input_mean, [EARLY.inputs.mean(axis=0)] * 2)


@pytest.mark.parametrize("tail", [12, 0.3, "1970-01-02T04:00", np.int64(12)])
def test_tail_as_count_share_or_date(tail, fitted):
    assert bits(forecaster(tail=tail).fit(EARLY)) == bits(fitted)
    assert bits(forecaster(tail=0).fit(EARLY, tail=tail)) == bits(fitted)


def test_stride_thins_training_windows_only():
    every = forecaster(window=Window(8, 3, stride=1), epochs=1).fit(EARLY)
    third = forecaster(window=Window(8, 3, stride=3), epochs=1).fit(EARLY)
    assert bits(every) != bits(third)
    assert third.predict(LATE).shape == every.predict(LATE).shape


def test_a_network_of_the_users_own(fitted):
    assert fitted.model is linear
    assert fitted.get_params()["model"] is linear
    assert fitted.predict(LATE).std() > 0


def test_clone_keeps_every_parameter():
    one = Forecaster(
        Model("causal_cnn", normalization="none", linear_path=False, filters=7),
        Window(5, 2, stride=3, lead=1),
        Training(epochs=3, loss="Huber", clipnorm=1.0, tail="2024-01-02"),
        scaling="global",
    )
    two = clone(one)
    assert two.model is not one.model and two.window is not one.window
    mine, theirs = one.get_params(), two.get_params()
    assert mine.keys() == theirs.keys()
    for name in mine.keys() - {"model", "window", "training"}:
        assert theirs[name] == mine[name], name
    assert mine["model__filters"] == 7 and mine["window__lead"] == 1
    assert mine["training__tail"] == "2024-01-02" and mine["model__kernel_size"] == 3
    assert not hasattr(two, "model_")


def test_parameters_are_set_by_their_long_names():
    one = Forecaster(LSTM, WINDOW, training())
    two = clone(one).set_params(
        model__units=[9], window__timesteps=4, training__learning_rate=0.5, scaling="global"
    )
    assert two.model.settings["units"] == [9] and two.window.timesteps == 4
    assert two.training.learning_rate == 0.5 and two.scaling == "global"
    assert one.model.settings["units"] == [4] and WINDOW.timesteps == 8
    other = Forecaster(Model("linear", patch=2), WINDOW, training())
    other.set_params(model__name="causal_cnn", model__filters=3)
    assert other.model.settings == {"patch": 2, "filters": 3}
    with pytest.raises(InputError, match="model.units must be a setting of causal_cnn"):
        clone(one).set_params(model__name="causal_cnn", model__filters=3)
    with pytest.raises(InputError, match='model.unit must be .* "units"'):
        clone(one).set_params(model__unit=[9])
    with pytest.raises(ValueError, match="timestep"):
        clone(one).set_params(window__timestep=9)


def test_fit_stores_nothing_but_what_ends_in_an_underscore(fitted):
    public = {name for name in vars(fitted) if not name.endswith("_") and name != "_model"}
    assert public == {"model", "window", "training", "scaling"}
    assert fitted.features_ == ("x0", "x1") and fitted.targets_ == ("x0",)
    assert fitted.n_features_in_ == 2 and fitted.best_epoch_ in (1, 2)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda x: x.rename({"s1": "s9"}), "X must hold series seen in fit, got 's9'"),
        (lambda x: x[["x0"]], "X has 1 features, but Forecaster is expecting 2"),
        (lambda x: x[["x1", "x0"]], "X must have the columns of fit in their order, x0, x1, got"),
        (lambda x: x.to_numpy()[:, :1], "X has 1 features, but Forecaster is expecting 2"),
    ],
)
def test_rows_unlike_those_of_fit_are_refused(wrong, sentence, fitted):
    with pytest.raises(InputError, match=sentence):
        fitted.predict(wrong(LATE.frames()[0]))


def test_a_table_of_some_series_is_read_by_name(fitted):
    own = LATE.take(LATE.series == 1)
    alone = Table(**{**vars(own), "series": np.zeros(len(own), int), "names": ("s1",)})
    np.testing.assert_array_equal(fitted.predict(alone), fitted.predict(LATE)[18:])
    strange = Table(**{**vars(alone), "names": ("s9",)})
    with pytest.raises(InputError, match="X must hold series seen in fit, got 's9'"):
        fitted.predict(strange)
    with pytest.raises(InputError, match="table must hold the series of fit, s0, s1, got s1"):
        fitted.predict_windows(alone, np.array([0]))


def test_series_in_another_order_are_read_by_name(fitted):
    code = 1 - LATE.series
    order = np.lexsort((LATE.tick, code))
    turned = Table(**{**vars(LATE), "series": code, "names": ("s1", "s0")}).take(order)
    np.testing.assert_array_equal(fitted.predict(turned), fitted.predict(LATE))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (DATA.take(DATA.tick < 9), "must fit the training span, got 18 rows of 2 series"),
        (
            Table(**{**vars(DATA), "outputs": np.ones_like(DATA.outputs)}),
            "data.targets must vary in the training rows, got 'x0' constant at 1",
        ),
    ],
)
def test_data_that_cannot_be_learned_from(data, sentence):
    with pytest.raises(InputError, match=sentence):
        forecaster().fit(data)


def test_score_needs_a_window_and_no_weights(fitted):
    with pytest.raises(InputError, match="X must hold at least window.horizon=3 unbroken rows"):
        fitted.score(LATE.take(LATE.tick < 42))
    with pytest.raises(InputError, match="sample_weight must be None"):
        fitted.score(LATE, sample_weight=np.ones(len(LATE)))


def test_before_fit_there_is_nothing_to_predict():
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        forecaster().predict(LATE)


def test_threads_that_are_not_honoured_are_reported(fitted):
    in_force = runtime.start(1)
    assert fitted.threads_ == in_force
    assert forecaster(epochs=1, threads=in_force + 3).fit(EARLY).threads_ == in_force


def test_seeds_are_drawn_from_without_touching_the_callers_generators():
    np.random.seed(4)
    expected = np.random.rand()
    np.random.seed(4)
    forecaster(epochs=1).fit(EARLY)
    assert np.random.rand() == expected


def test_frame_of_one_series_needs_no_series_level():
    x, y = DATA.take(DATA.series == 0).frames()
    one = forecaster(epochs=1).fit(x.loc["s0"].iloc[:40], y.loc["s0"].iloc[:40])
    assert isinstance(x.loc["s0"].index, pd.DatetimeIndex)
    assert one.predict(x.loc["s0"].iloc[40:]).shape == (18, 3, 1)
