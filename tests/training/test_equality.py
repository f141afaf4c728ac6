"""The compiled epoch does what `model.fit` does: same order, same losses, same weights."""

import keras
import numpy as np
import pytest
from keras import layers as kl

from forecast.data import windows
from forecast.training import fitting, program

from .problems import CNN, LSTM, WINDOW, Initial, apart, forecaster, gru, keras_fit, pairs, table

DATA = table(rows=40)  # 2 series x 30 windows


def compare(model, theirs=None, loss="mae", **changes):
    """Train both ways from the same weights, with the same result."""
    start = Initial()
    ours = forecaster(model, **{"epochs": 3, "loss": loss} | changes)
    ours.fit(DATA, callbacks=[start])
    alone = fitting.build(model, fitting.sizes(DATA, WINDOW))
    alone.set_weights(start.weights)
    x, y = pairs(ours, DATA)
    assert len(x) == 60
    optimizer = theirs or keras.optimizers.Adam(ours.training.learning_rate)
    losses = keras_fit(alone, x, y, optimizer=optimizer, loss=loss, like=ours.training)
    if getattr(loss, "reduction", "") != "sum":  # Keras reports a sum as if it were a mean
        np.testing.assert_allclose(ours.history_["loss"], losses, rtol=1e-5)
    assert apart(ours.model_.get_weights(), alone.get_weights()) < 1e-5
    assert apart(start.weights, alone.get_weights()) > 1e-2  # something was learned


@pytest.mark.parametrize("model", [LSTM, gru, CNN], ids=["lstm", "gru", "causal_cnn"])
def test_every_architecture_trains_as_keras_does(model):
    compare(model)  # 60 windows: the last batch of 16 has 12


@pytest.mark.parametrize("batch_size", [7, 64])
def test_any_batch_size_trains_as_keras_does(batch_size):
    compare(flat, batch_size=batch_size)


def flat(sizes):
    window = keras.Input((sizes.timesteps, sizes.features), name="window")
    x = kl.Dense(sizes.horizon, name="map")(kl.Flatten(name="flat")(window))
    return keras.Model(window, kl.Reshape((sizes.horizon, 1), name="steps")(x))


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
    """Momentum has no key of its own, so the program is led by hand."""
    model = flat(fitting.sizes(DATA, WINDOW))
    start = model.get_weights()
    fitted = forecaster(flat, epochs=1).fit(DATA)  # for its scale alone
    x, y = pairs(fitted, DATA)
    starts = windows.starts(DATA, WINDOW)
    made = program.lease(
        model,
        keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        keras.losses.MeanAbsoluteError(),
        WINDOW,
    )
    made.load(model, 0.05)
    rows = program.Rows.put(fitted.scaler_.inputs(DATA), fitted.scaler_.outputs(DATA))
    like = fitted.training.set_params(epochs=3)
    for epoch in range(like.epochs):
        order = np.random.default_rng([like.seed, epoch])
        made.train(rows, list(windows.batches(starts, 16, shuffle=order)), 16)
    theirs = keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True)
    keras_fit(model, x, y, optimizer=theirs, loss="mae", like=like)
    assert apart(made.model.get_weights(), model.get_weights()) < 1e-5
    assert apart(start, model.get_weights()) > 1e-2


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
