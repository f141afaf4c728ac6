"""Keras's callbacks work unchanged, and training that goes wrong says so."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import callbacks as kc
from keras import layers as kl

from forecast.errors import InputError
from forecast.training.losses import build_loss, build_metrics

from .problems import bits, forecaster, table, training

DATA = table(rows=40)


class Hooks(kc.Callback):
    """Count every hook, and keep what the model knows."""

    def __init__(self):
        super().__init__()
        self.calls = []
        self.logs = []

    def on_train_begin(self, logs=None):
        self.calls.append("train begin")
        assert self.params == {"epochs": 3, "steps": 3, "verbose": 0}

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch} begin")

    def on_train_batch_begin(self, batch, logs=None):
        self.calls.append("batch begin")

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append("batch end")
        assert np.isfinite(logs["loss"])

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch} end")
        self.logs.append(dict(logs))

    def on_train_end(self, logs=None):
        self.calls.append("train end")
        assert logs == self.logs[-1]


def test_every_hook_of_a_users_callback_is_called_in_order():
    hooks = Hooks()
    fitted = forecaster(epochs=3, tail=12).fit(DATA, callbacks=[hooks])
    expected = ["train begin"]
    for epoch in range(3):
        expected += [f"epoch {epoch} begin", "batch begin", "batch end", f"epoch {epoch} end"]
    assert hooks.calls == [*expected, "train end"]
    assert hooks.model is fitted.model_
    for name in ("loss", "val_loss", "val_mae", "learning_rate", "samples_per_second"):
        assert [logs[name] for logs in hooks.logs] == fitted.history_[name]


def test_a_callback_may_be_used_again():
    stopping = kc.EarlyStopping(monitor="loss", patience=1)
    for _ in range(2):
        fitted = forecaster(epochs=3).fit(DATA, callbacks=[stopping])
        assert len(fitted.history_["loss"]) == 3


class Epochs(kc.Callback):
    """Keep the weights of every epoch."""

    def on_train_begin(self, logs=None):
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_early_stopping_ends_after_patience_and_restores_the_best_weights():
    seen = Epochs()
    fitted = forecaster(epochs=30, tail=12, patience=2, learning_rate=0.5).fit(
        DATA, callbacks=[seen]
    )
    losses = fitted.history_["val_loss"]
    best = int(np.argmin(losses))
    assert fitted.best_epoch_ == best + 1
    assert len(losses) == best + 3 < 30
    assert same(fitted.model_.get_weights(), seen.weights[best])


def test_without_patience_all_epochs_are_trained_and_the_best_is_kept():
    fitted = forecaster(epochs=5, tail=12, patience=None, learning_rate=0.5).fit(DATA)
    assert len(fitted.history_["val_loss"]) == 5
    assert fitted.best_epoch_ == int(np.argmin(fitted.history_["val_loss"])) + 1


def test_a_users_early_stopping_on_another_number_has_the_last_word():
    seen = Epochs()
    mine = kc.EarlyStopping("samples_per_second", mode="min", patience=9, restore_best_weights=True)
    fitted = forecaster(epochs=4, tail=12).fit(DATA, callbacks=[seen, mine])
    chosen = int(np.argmin(fitted.history_["samples_per_second"]))
    assert same(fitted.model_.get_weights(), seen.weights[chosen])


def test_reduce_on_plateau_and_learning_rate_scheduler_reach_the_optimiser():
    plateau = kc.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=100.0)
    fitted = forecaster(epochs=4, tail=12, learning_rate=0.04).fit(DATA, callbacks=[plateau])
    assert fitted.history_["learning_rate"] == pytest.approx([0.04, 0.04, 0.02, 0.01])
    steps = kc.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    fitted = forecaster(epochs=3).fit(DATA, callbacks=[steps])
    assert fitted.history_["learning_rate"] == pytest.approx([0.1, 0.05, 0.1 / 3])


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (None, [0.1, 0.1, 0.1, 0.1]),
        ("ExponentialDecay", [0.1, 0.08, 0.064, 0.0512]),
        ("CosineDecay", [0.05 * (1 + np.cos(np.pi * epoch / 4)) for epoch in range(4)]),
    ],
)
def test_schedules_step_once_an_epoch(schedule, rates):
    fitted = forecaster(epochs=4, learning_rate=0.1, schedule=schedule, decay=0.8).fit(DATA)
    assert fitted.history_["learning_rate"] == pytest.approx(rates, rel=1e-5)


def test_the_learning_rate_is_the_one_that_is_used():
    fresh, still, moved = (
        forecaster(epochs=1, learning_rate=rate).fit(DATA).model_.get_weights()[0]
        for rate in (1e-12, 1e-9, 0.1)
    )
    assert np.allclose(still, fresh, atol=1e-6)
    assert np.abs(moved - fresh).mean() > 1e-2


def test_model_checkpoint_saves_what_was_trained(tmp_path):
    path = tmp_path / "epoch_{epoch}.keras"
    fitted = forecaster(epochs=2).fit(DATA, callbacks=[kc.ModelCheckpoint(str(path))])
    again = keras.saving.load_model(tmp_path / "epoch_2.keras", safe_mode=True)
    assert same(again.get_weights(), fitted.model_.get_weights())
    best = kc.ModelCheckpoint(
        str(tmp_path / "best.weights.h5"), save_best_only=True, save_weights_only=True
    )
    fitted = forecaster(epochs=3, tail=12).fit(DATA, callbacks=[best])
    again.load_weights(tmp_path / "best.weights.h5")
    assert same(again.get_weights(), fitted.model_.get_weights())


class Within(kc.Callback):
    """Do something at every batch hook of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch
        self.now = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch:
            self.act()


class Poison(Within):
    """Put NaN into the weights after the last step of an epoch."""

    def act(self):
        self.model.set_weights([w * np.nan for w in self.model.get_weights()])


def test_a_loss_that_is_no_number_names_epoch_and_learning_rate():
    with pytest.raises(InputError, match=r"learning_rate=0.01 made the loss nan in epoch 2: lower"):
        forecaster(epochs=3).fit(DATA, callbacks=[Poison(0)])


def test_weights_that_are_no_numbers_after_the_last_epoch_are_refused():
    with pytest.raises(InputError, match=r"learning_rate=0.01 left weights .* after epoch 2"):
        forecaster(epochs=2).fit(DATA, callbacks=[Poison(1)])
    # where a better epoch is known, it is kept
    fitted = forecaster(epochs=2, tail=12).fit(DATA, callbacks=[Poison(1)])
    assert np.isfinite(fitted.predict(DATA)).all() and fitted.best_epoch_ == 1


def test_terminate_on_nan_decides_for_itself(capsys):
    fitted = forecaster(epochs=4, tail=12).fit(DATA, callbacks=[Poison(1), kc.TerminateOnNaN()])
    assert "Invalid loss, terminating training" in capsys.readouterr().out
    assert len(fitted.history_["loss"]) == 2
    assert np.isfinite(fitted.predict(DATA)).all()
    with pytest.raises(RuntimeError, match="NaN or Inf loss"):
        forecaster(epochs=4).fit(DATA, callbacks=[Poison(0), kc.TerminateOnNaN(raise_error=True)])


class CtrlC(Within):
    """Interrupt in the middle of an epoch."""

    def act(self):
        raise KeyboardInterrupt


def test_ctrl_c_keeps_the_best_weights_and_is_raised_again():
    seen, hooks = Epochs(), []
    ended = kc.LambdaCallback(on_train_end=lambda _: hooks.append("train end"))
    one = forecaster(epochs=9, tail=12, learning_rate=1e-3)
    with pytest.raises(KeyboardInterrupt):
        one.fit(DATA, callbacks=[seen, CtrlC(3), ended])
    best = int(np.argmin(one.history_["val_loss"]))
    assert len(one.history_["val_loss"]) == 3 and one.best_epoch_ == best + 1
    assert same(one.model_.get_weights(), seen.weights[best])
    assert hooks == ["train end"] and np.isfinite(one.predict(DATA)).all()
    again = forecaster(epochs=2).fit(DATA)  # the program is free again
    assert bits(again) == bits(forecaster(epochs=2).fit(DATA))


def test_ctrl_c_in_the_first_epoch_leaves_a_model_that_predicts():
    one = forecaster(epochs=2, tail=12)
    with pytest.raises(KeyboardInterrupt):
        one.fit(DATA, callbacks=[CtrlC(0)])
    assert np.isfinite(one.predict(DATA)).all() and one.best_epoch_ == 0


class Outside(kl.Layer):
    """An operation in Python, which XLA cannot take."""

    def call(self, x):
        doubled = tf.py_function(lambda value: value * 2.0, [x], tf.float32)
        doubled.set_shape(x.shape)
        return doubled

    def compute_output_shape(self, shape):
        return shape


def outside(asked):
    window = keras.Input((asked.timesteps, asked.features))
    x = kl.Dense(asked.horizon)(kl.Flatten()(Outside()(window)))
    return keras.Model(window, kl.Reshape((asked.horizon, 1))(x))


def test_what_xla_cannot_take_falls_back_with_one_line_each(caplog):
    with caplog.at_level(logging.WARNING, "forecast"):
        fitted = forecaster(outside, epochs=3, tail=12).fit(DATA)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2  # training, and the prediction of the stopping set
    assert all("runs as a plain graph, since XLA cannot take it: " in line for line in lines)
    assert all("\n" not in line for line in lines)
    assert fitted.history_["loss"][2] < fitted.history_["loss"][0]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"optimizer": "Adan"}, "training.optimizer must be a name of keras.optimizers.*Adam"),
        ({"optimizer": "LossScaleOptimizer"}, "training.optimizer must be a name of"),
        ({"optimizer": "Optimizer"}, "training.optimizer must be a name of"),
        ({"loss": "MeanAbsoluteEror"}, 'training.loss must be .* "MeanAbsoluteError"'),
        ({"loss": "Loss"}, "training.loss must be a name of"),
        ({"schedule": "Cosine"}, "training.schedule must be one of CosineDecay"),
        ({"epochs": 0}, "training.epochs must be a whole number from 1 to 1,000,000, got 0"),
        ({"batch_size": 2.5}, "training.batch_size must be a whole number"),
        ({"patience": 0}, "training.patience must be a whole number from 1"),
        ({"seed": -1}, "training.seed must be a whole number from 0"),
        ({"learning_rate": 0.0}, "training.learning_rate must be a number above 0"),
        ({"learning_rate": float("nan")}, "training.learning_rate must be a number above 0"),
    ],
)
def test_settings_that_cannot_be_meant(changes, sentence):
    with pytest.raises(InputError, match=sentence):
        forecaster(**changes).fit(DATA)


def test_an_unreduced_loss_is_refused():
    loss = keras.losses.MeanSquaredError(reduction=None)
    with pytest.raises(InputError, match="training.loss must be reduced"):
        build_loss(training(loss=loss))


def twice(true, predicted):
    return 2 * predicted


def test_a_metric_that_keras_cannot_make_again_is_refused():
    own = keras.metrics.MeanMetricWrapper(twice, name="twice")
    with pytest.raises(InputError, match=r"training.metrics must .* got 'twice': decorate"):
        build_metrics(training(metrics=(own,)))
