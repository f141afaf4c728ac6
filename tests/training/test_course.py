"""Several networks that forecast their mean, and a network learned anew with the stopping rows."""

import io
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

from forecast import Model
from forecast.errors import InputError
from forecast.models import Sizes
from forecast.models.layers import mean_of, networks_of
from forecast.training import compiled, fit, one_pass
from forecast.training.course import watched
from forecast.training.parameters import Training
from forecast.training.state import Checkpoint, Stage, Turn

from .problems import CNN, LSTM, Initial, apart, bits, forecaster, linear, pairs, table

DATA = table(rows=90)
STARTS = np.arange(40)
STOPPING = {"epochs": 6, "tail": 0.2, "patience": 2, "learning_rate": 0.05}


def stopping():
    """The windows whose futures lie in the last fifth of the time stamps of both series."""
    late = np.isin(DATA.tick, np.unique(DATA.tick)[-18:])
    rows = np.flatnonzero(late[:-2])
    starts = np.array([row - 8 for row in rows if late[row : row + 3].all()])
    return starts[DATA.series[starts] == DATA.series[starts + 10]]


def state(fitted):
    """Every weight as bytes, for equality to the last digit."""
    return bits(fitted) + (bits(fitted.first_) if fitted.first_ is not None else [])


def without_clocks(history):
    return {k: v for k, v in history.items() if k not in ("epoch_seconds", "samples_per_second")}


@pytest.mark.slow
@pytest.mark.parametrize("model", [linear, LSTM, CNN], ids=["linear", "lstm", "causal_cnn"])
def test_the_forecast_is_the_mean_of_networks_trained_alone(model):
    fitted = forecaster(model, seeds=3, seed=4, **STOPPING).fit(DATA)
    alone = [forecaster(model, seed=seed, **STOPPING).fit(DATA) for seed in (4, 5, 6)]
    mean = np.mean([own.predict_windows(DATA, STARTS) for own in alone], axis=0)
    np.testing.assert_allclose(fitted.predict_windows(DATA, STARTS), mean, rtol=1e-6)
    assert [bits(own) for own in alone] == [
        [weight.tobytes() for weight in network.get_weights()]
        for network in networks_of(fitted.model_)
    ]
    assert fitted.best_epochs_ == [own.best_epoch_ for own in alone]
    histories = [fitted.history_, fitted.histories_["network_2"], fitted.histories_["network_3"]]
    for ours, own in zip(histories, alone, strict=True):
        assert without_clocks(ours) == without_clocks(own.history_)
    assert bits(watched(fitted)) == bits(alone[0])


@pytest.mark.slow
def test_quantiles_are_averaged_level_by_level_and_rise():
    levels = [0.1, 0.5, 0.9]
    fitted = forecaster(LSTM, seeds=2, quantiles=levels, **STOPPING).fit(DATA)
    alone = [forecaster(LSTM, seed=seed, quantiles=levels, **STOPPING).fit(DATA) for seed in (0, 1)]
    found = fitted.predict_quantiles(DATA, STARTS)
    mean = np.mean([own.predict_quantiles(DATA, STARTS) for own in alone], axis=0)
    np.testing.assert_allclose(found, mean, rtol=1e-6)
    assert (np.diff(found, axis=-1) >= 0).all()


def test_the_stopping_rows_are_measured_with_the_mean():
    fitted = forecaster(seeds=2, **STOPPING).fit(DATA)
    starts = stopping()
    true = np.stack([DATA.outputs[start + 8 : start + 11] for start in starts])
    error = np.abs(true - fitted.predict_windows(DATA, starts)).mean()
    assert fitted.validated_["val_mae"] == pytest.approx(error, rel=1e-5)


def test_a_forecaster_of_several_networks_can_be_pickled():
    fitted = forecaster(LSTM, seeds=2, refit=True, **STOPPING).fit(DATA)
    again = pickle.loads(pickle.dumps(fitted))
    for ours, theirs in ((fitted, again), (fitted.first_, again.first_)):
        np.testing.assert_array_equal(
            ours.predict_windows(DATA, STARTS), theirs.predict_windows(DATA, STARTS)
        )


def test_networks_are_part_of_a_saved_model(tmp_path):
    fitted = forecaster(LSTM, seeds=2).fit(DATA)
    fitted.model_.save(tmp_path / "mean.keras")
    again = keras.saving.load_model(tmp_path / "mean.keras", compile=False, safe_mode=True)
    assert again.name == "lstm" and [own.name for own in networks_of(again)] == [
        "network_1",
        "network_2",
    ]
    for ours, theirs in zip(fitted.model_.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_one_pass_of_the_mean_is_the_mean_of_windows():
    plain, sizes = Model("causal_cnn", filters=4, normalization="none"), Sizes(24, 3, 4, 2, (0, 1))
    model = mean_of([fit.build_network(plain, sizes) for _ in range(2)])
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    rows = rng.normal(size=(60, 3)).astype(np.float32)
    windows = np.stack([rows[start : start + 24] for start in range(37)])
    expected = np.mean([own.predict_on_batch(windows) for own in networks_of(model)], axis=0)
    assert one_pass.possible(model)
    found = one_pass.forecast(model, tf.constant(rows))[23:]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


class Kept(keras.callbacks.Callback):
    """The weights after every epoch, in the order of training."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())


def mean_weights(each):
    """One loop over epochs."""
    total = [np.zeros(weight.shape) for weight in each[0]]
    for weights in each:
        for into, weight in zip(total, weights, strict=True):
            into += weight
    return [weight / len(each) for weight in total]


NOISY = {"epochs": 12, "tail": 0.2, "patience": None, "learning_rate": 0.3}


def test_the_average_is_that_of_a_hand_loop_where_it_validates_better():
    kept = Kept()
    fitted = forecaster(average=3, **NOISY).fit(DATA, callbacks=[kept])
    best = forecaster(**NOISY).fit(DATA)
    assert without_clocks(best.history_) == without_clocks(fitted.history_)
    mean = mean_weights(kept.weights[-3:])
    best.model_.set_weights(mean)
    loss = _validation_loss(best)
    assert loss < min(fitted.history_["val_loss"])  # else this proves little
    assert fitted.averaged_ == [3] and fitted.best_epoch_ == 12
    assert fitted.validated_["val_loss"] == pytest.approx(loss, rel=1e-5)
    for ours, theirs in zip(fitted.model_.get_weights(), mean, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def _validation_loss(fitted):
    """Mean absolute error of the stopping windows on the standardised scale."""
    starts = stopping()
    true = fitted.scaler_.outputs(DATA)[starts[:, None] + 8 + np.arange(3)]
    windows = fitted.scaler_.inputs(DATA)[starts[:, None] + np.arange(8)]
    return np.abs(true - fitted.model_.predict_on_batch(windows)).mean()


def test_the_best_epoch_stays_where_the_average_is_no_better():
    """Of the first epochs of a slow training the mean lies behind the last."""
    slow = {"epochs": 4, "tail": 0.2, "learning_rate": 1e-3}
    fitted = forecaster(average=4, **slow).fit(DATA)
    assert fitted.averaged_ == [0] and bits(fitted) == bits(forecaster(**slow).fit(DATA))


def test_without_stopping_rows_the_average_is_kept():
    kept = Kept()
    fitted = forecaster(average=2, epochs=3).fit(DATA, callbacks=[kept])
    mean = mean_weights(kept.weights[1:])
    for ours, theirs in zip(fitted.model_.get_weights(), mean, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_a_refit_averages_where_the_first_training_did():
    anew = Kept()
    fitted = forecaster(average=3, refit=True, **NOISY).fit(
        DATA, callbacks=lambda turn: [anew] if turn.again else []
    )
    assert fitted.first_.averaged_ == [3] and len(anew.weights) == 12
    for ours, theirs in zip(
        fitted.model_.get_weights(), mean_weights(anew.weights[-3:]), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("schedule", [None, "CosineDecay"])
def test_a_refit_is_training_by_hand_on_all_rows(schedule):
    initial = Initial()
    fitted = forecaster(refit=True, seed=3, schedule=schedule, **STOPPING).fit(
        DATA, callbacks=lambda turn: [initial] if turn.again else []
    )
    first = forecaster(seed=3, schedule=schedule, **STOPPING).fit(DATA)
    assert bits(fitted.first_) == bits(first) and fitted.best_epoch_ == first.best_epoch_
    kept = 1 + int(np.argmin(first.history_["val_loss"]))
    assert len(fitted.histories_["refit"]["loss"]) == kept
    assert "val_loss" not in fitted.histories_["refit"]
    # the scale is that of all rows, and so are the windows
    mean = [DATA.inputs[DATA.series == code].mean(axis=0) for code in (0, 1)]
    np.testing.assert_allclose(fitted.scaler_.input_mean, mean)
    past, ahead = pairs(fitted, DATA)
    model = keras.Model.from_config(initial.config)
    model.set_weights(initial.weights)
    model.compile(optimizer=keras.optimizers.Adam(0.05), loss="mae", run_eagerly=True)
    for epoch in range(kept):
        falling = (1 + np.cos(np.pi * epoch / 6)) / 2  # over all epochs that were allowed
        model.optimizer.learning_rate.assign(0.05 * (falling if schedule else 1))
        order = np.random.default_rng([3, epoch]).permutation(len(past))
        model.fit(past[order], ahead[order], batch_size=16, shuffle=False, verbose=0)
    assert apart(fitted.model_.get_weights(), model.get_weights()) < 1e-3


def test_a_refit_begins_with_the_weights_of_its_seed():
    begun = {}

    class Begun(Initial):
        def __init__(self, turn):
            super().__init__()
            begun[turn.name] = self

    forecaster(LSTM, refit=True, seeds=2, **STOPPING).fit(DATA, callbacks=lambda t: [Begun(t)])
    assert list(begun) == ["", "network_2", "refit", "network_2_refit"]
    for one, two in (("", "refit"), ("network_2", "network_2_refit")):
        for ours, theirs in zip(begun[one].weights, begun[two].weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert any(
        (a != b).any() for a, b in zip(begun[""].weights, begun["network_2"].weights, strict=True)
    )


def test_each_network_is_learned_anew_for_its_own_epochs():
    fitted = forecaster(LSTM, refit=True, seeds=3, **STOPPING).fit(DATA)
    trained = [fitted.histories_[t.name] for t in Turn.all(3, refit=True)[3:]]
    assert [len(own["loss"]) for own in trained] == fitted.best_epochs_
    assert len({*fitted.best_epochs_}) > 1  # else this proves little


def test_without_stopping_rows_there_is_nothing_to_learn_anew():
    fitted = forecaster(refit=True, epochs=3).fit(DATA)
    assert fitted.first_ is None and bits(fitted) == bits(forecaster(epochs=3).fit(DATA))


def through_a_file(checkpoint):
    file = io.BytesIO()
    np.savez(file, **checkpoint.arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return Checkpoint.read(arrays)


DROPPING = Model("lstm", units=[3], dropout=0.2, recurrent_dropout=0.2)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"seeds": 2}, marks=pytest.mark.slow),
        pytest.param({"refit": True}, marks=pytest.mark.slow),
        {"seeds": 2, "refit": True, "average": 2},
        {"average": 5, "tail": 0},  # of which the last part trains three
    ],
    ids=str,
)
def test_parts_are_one_piece(more):
    def make():
        return forecaster(DROPPING, **STOPPING | more)

    whole, begin = make().fit(DATA), None
    for until in (2, 3, 6):
        stage = Stage(until, begin)
        parts = make().fit(DATA, stage=stage)
        begin = through_a_file(stage.end)
    assert state(parts) == state(whole)
    assert parts.best_epochs_ == whole.best_epochs_
    assert parts.histories_.keys() == whole.histories_.keys()


class Killed(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(1, 16, 4))
def test_a_killed_training_goes_on_with_the_network_that_was_trained(moment):
    """No epoch is trained twice, and the weights are those of a training in one piece."""
    trained = []

    class Counted(keras.callbacks.Callback):
        def __init__(self, turn):
            super().__init__()
            self.turn = turn

        def on_epoch_end(self, epoch, logs=None):
            trained.append((self.turn.name, epoch))

    def train(stage):
        own = forecaster(DROPPING, seeds=2, refit=True, average=2, **STOPPING)
        return own.fit(DATA, callbacks=lambda turn: [Counted(turn)], stage=stage)

    whole, expected = train(None), list(trained)
    trained.clear()
    written = []

    def keep(reached):
        written.append(reached)
        if len(written) == moment:
            raise Killed

    with pytest.raises(Killed):
        train(Stage(6, None, keep))
    compiled._programs.clear()  # nothing may be left in memory but the checkpoint
    stage = Stage(6, through_a_file(written[-1]), written.append)
    resumed = train(stage)
    assert trained == expected
    assert state(resumed) == state(whole)
    # what is kept of a finished training brings all of it back
    trained.clear()
    again = train(Stage(6, through_a_file(stage.over)))
    assert not trained and state(again) == state(whole)
    assert again.best_epochs_ == whole.best_epochs_ and again.validated_ == whole.validated_


def test_ctrl_c_leaves_the_mean_of_what_there_is():
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    fitted = forecaster(seeds=3, epochs=3)
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(DATA, callbacks=lambda turn: [Interrupt()] if turn.number == 2 else [])
    assert len(networks_of(fitted.model_)) == 2
    fitted = forecaster(refit=True, **STOPPING)
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(DATA, callbacks=lambda turn: [Interrupt()] if turn.again else [])
    assert bits(fitted) == bits(forecaster(**STOPPING).fit(DATA))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"seeds": 0}, "training.seeds must be a whole number from 1 to 100, got 0: try 1"),
        ({"seeds": 2.0}, "training.seeds must be a whole number from 1 to 100, got 2.0: try 1"),
        ({"average": 0}, "training.average must be a whole number from 1 to 1,000, got 0: try 5"),
        ({"refit": "yes"}, "training.refit must be true or false, got 'yes': write one"),
        (
            {"seed": 2**32 - 2, "seeds": 3},
            "training.seed must leave training.seeds=3 seeds up to 4,294,967,295, got 4294967294: "
            "try 0",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(wrong, said):
    with pytest.raises(InputError) as refused:
        Training(**wrong).check()
    assert str(refused.value) == said
