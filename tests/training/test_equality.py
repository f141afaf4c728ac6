"""The compiled epoch does what `model.fit` does: same order, same losses, same weights."""

import keras
import numpy as np
import pytest
from keras import layers as kl

from forecast.data import windows
from forecast.training import fit
from forecast.training.parameters import Model

from .problems import CNN, LSTM, WINDOW, Initial, apart, forecaster, gru, keras_fit, pairs, table

DATA = table(rows=40)  # 2 series x 30 windows


def compare(model, theirs=None, loss="mae", **changes):
    """Train both ways from the same weights, with the same result."""
    start = Initial()
    ours = forecaster(model, **{"epochs": 3, "loss": loss} | changes)
    ours.fit(DATA, callbacks=[start])
    alone = fit.build_network(model, fit.sizes(DATA, WINDOW))
    alone.set_weights(start.weights)
    x, y = pairs(ours, DATA)
    assert len(x) == 60
    optimizer = theirs or keras.optimizers.Adam(ours.training.learning_rate)
    losses = keras_fit(alone, x, y, optimizer=optimizer, loss=loss, like=ours.training)
    if getattr(loss, "reduction", "") != "sum":  # Keras reports a sum as if it were a mean
        np.testing.assert_allclose(ours.history_["loss"], losses, rtol=1e-5)
    assert apart(ours.model_.get_weights(), alone.get_weights()) < 1e-5
    assert apart(start.weights, alone.get_weights()) > 1e-2  # something was learned


SHARED = {"channels": "shared", "normalization": "instance", "linear_path": True}
REPAIRED = Model(
    "patch_gru", patch=3, units=4, embedding=5, decoding="queries", dropout=0.0, **SHARED
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [LSTM, CNN, *(pytest.param(slow, marks=pytest.mark.slow) for slow in (gru, REPAIRED))],
    ids=["lstm", "causal_cnn", "gru", "repaired patch_gru"],
)
def test_every_architecture_trains_as_keras_does(model):
    compare(model)  # 60 windows: the last batch of 16 has 12


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [7, 64])
def test_any_batch_size_trains_as_keras_does(batch_size):
    compare(flat, batch_size=batch_size)


def flat(sizes):
    window = keras.Input((sizes.timesteps, sizes.features), name="window")
    x = kl.Dense(sizes.horizon, name="map")(kl.Flatten(name="flat")(window))
    return keras.Model(window, kl.Reshape((sizes.horizon, 1), name="steps")(x))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "theirs", "changes"),
    [
        ("SGD", lambda: keras.optimizers.SGD(0.05), {"learning_rate": 0.05}),
        ("adamw", lambda: keras.optimizers.AdamW(1e-2, weight_decay=0.1), {"weight_decay": 0.1}),
        # none asked for: left alone, Keras's AdamW decays
        ("AdamW", lambda: keras.optimizers.AdamW(1e-2, weight_decay=0.0), {}),
        ("RMSprop", lambda: keras.optimizers.RMSprop(1e-2, clipnorm=0.05), {"clipnorm": 0.05}),
    ],
)
def test_optimisers(name, theirs, changes):
    compare(flat, theirs(), **changes, optimizer=name)


def test_an_optimiser_with_settings_of_its_own():
    def made(rate):
        return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True)

    # its learning rate is that of the training, so that a grid may search it
    compare(flat, made(0.05), optimizer=made(7.0), learning_rate=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [7, 16])
def test_metrics_are_those_of_keras(batch_size):
    """Over the windows of an epoch, while the weights move; the last batch is short."""
    start = Initial()
    given = {"epochs": 1, "batch_size": batch_size, "tail": "1970-01-02T06:00"}
    ours = forecaster(
        flat, **given, metrics=["RootMeanSquaredError", keras.metrics.LogCoshError(name="cosh")]
    )
    ours.fit(DATA, callbacks=[start])
    alone = fit.build_network(flat, fit.sizes(DATA, WINDOW))
    alone.set_weights(start.weights)
    early = DATA.tick < 30
    x, y = pairs(ours, DATA.take(early))
    alone.compile(
        optimizer=keras.optimizers.Adam(1e-2),
        loss="mae",
        metrics=["root_mean_squared_error", keras.metrics.LogCoshError(name="cosh")],
        run_eagerly=True,
    )
    order = np.random.default_rng([0, 0]).permutation(len(x))
    told = alone.fit(x[order], y[order], batch_size=batch_size, shuffle=False, verbose=0).history
    names = ("root_mean_squared_error", "cosh")
    for name in names:
        assert ours.history_[name] == pytest.approx(told[name], rel=1e-5)
    later = windows.starts(DATA, WINDOW, within=~early)
    true = ours.scaler_.outputs(DATA)[windows.future_rows(later, WINDOW)]
    past = windows.inputs(ours.scaler_.inputs(DATA), later, WINDOW)
    wrong = ours.model_.predict(past, verbose=0) - true
    assert ours.history_["val_root_mean_squared_error"] == pytest.approx(
        [np.sqrt(np.mean(wrong**2))], rel=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss",
    [
        "log_cosh",
        keras.losses.Huber(0.3),
        keras.losses.MeanSquaredError(reduction="sum"),
        keras.losses.MeanSquaredError(reduction="mean"),
        keras.losses.MeanSquaredError(reduction="mean_with_sample_weight"),
    ],
    ids=["log_cosh", "huber", "sum", "mean", "weighted"],
)
def test_losses(loss):
    compare(flat, loss=loss, learning_rate=5e-3)


def regularized(sizes):
    window = keras.Input((sizes.timesteps, sizes.features))
    x = kl.Dense(4, kernel_regularizer=keras.regularizers.L2(0.1))(kl.Flatten()(window))
    return keras.Model(window, kl.Reshape((sizes.horizon, 1))(kl.Dense(sizes.horizon)(x)))


def restrained(sizes):
    window = keras.Input((sizes.timesteps, sizes.features))
    x = kl.Dense(4, activity_regularizer=keras.regularizers.L2(0.1))(kl.Flatten()(window))
    return keras.Model(window, kl.Reshape((sizes.horizon, 1))(kl.Dense(sizes.horizon)(x)))


def normalized(sizes):
    window = keras.Input((sizes.timesteps, sizes.features))
    x = kl.BatchNormalization()(kl.Flatten()(window))
    return keras.Model(window, kl.Reshape((sizes.horizon, 1))(kl.Dense(sizes.horizon)(x)))


class Hidden(kl.Layer):
    """Batch statistics behind an attribute, where no list of layers shows them."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = kl.BatchNormalization()

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x, training=False):
        return self.inner(x, training=training)


def hidden(sizes):
    window = keras.Input((sizes.timesteps, sizes.features))
    x = Hidden()(kl.Flatten()(window))
    return keras.Model(window, kl.Reshape((sizes.horizon, 1))(kl.Dense(sizes.horizon)(x)))


@pytest.mark.slow
@pytest.mark.parametrize("model", [regularized, restrained, normalized, hidden])
def test_penalties_and_batch_statistics_see_the_real_batch(model):
    compare(model)  # the last batch of 16 has 12


def test_batch_statistics_see_a_lone_short_batch():
    compare(normalized, batch_size=100)


def test_penalty_of_the_weights_stands_in_both_losses():
    start = Initial()
    ours = forecaster(regularized, learning_rate=1e-12, epochs=1, tail=12).fit(
        DATA, callbacks=[start]
    )
    penalty = 0.1 * float(np.square(start.weights[0]).sum())
    x, y = pairs(ours, DATA)
    first = DATA.tick[windows.starts(DATA, WINDOW)] + WINDOW.timesteps  # row predicted first
    for name, part in (("loss", first + 2 < 28), ("val_loss", first >= 28)):
        error = np.abs(ours.model_.predict(x[part], verbose=0) - y[part]).mean()
        assert ours.history_[name][0] == pytest.approx(error + penalty, rel=1e-4)


def test_activity_penalty_does_not_break_the_stopping_loss():
    ours = forecaster(restrained, tail=12).fit(DATA)
    assert np.isfinite(ours.history_["val_loss"]).all()
