"""A small panel, small networks, and Keras's own training of the same windows."""

import keras
import numpy as np
import pandas as pd
from keras import layers as kl
from sklearn.base import clone

from forecast.data import windows
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training

WINDOW = Window(timesteps=8, horizon=3)
LSTM = Model("lstm", units=[4], dropout=0.0, recurrent_dropout=0.0)
CNN = Model("causal_cnn", filters=4, dropout=0.0)


def table(rows=60, series=2, seed=0, features=2, clock=True):
    """Noisy waves of some length, hourly and without holes; the first feature is the target."""
    rng = np.random.default_rng(seed)
    count = rows * series
    tick = np.tile(np.arange(rows), series)
    code = np.repeat(np.arange(series), rows)
    values = rng.normal(0, 0.3, (count, features)) + np.sin(tick / 4 + code)[:, None]
    values = values * (1 + np.arange(features)) + 10
    # from the epoch on, so that the ticks are those that the time stamps have by themselves
    time = pd.date_range("1970-01-01", periods=rows, freq="h").to_numpy("datetime64[ns]")
    return Table(
        inputs=values,
        outputs=values[:, :1].copy(),
        features=tuple(f"x{i}" for i in range(features)),
        targets=("x0",),
        series=code,
        tick=tick,
        time=np.tile(time, series) if clock else tick,
        names=tuple(f"s{i}" for i in range(series)),
        frequency="h" if clock else None,
    )


def training(**changes):
    """Quick, plain training without a stopping tail unless something else is asked for."""
    quick = {"epochs": 2, "batch_size": 16, "tail": 0, "learning_rate": 1e-2}
    plain = {"optimizer": "Adam", "weight_decay": None, "schedule": None}
    return Training(**{**quick, **plain, **changes})


def linear(sizes):
    """The quickest network there is to compile: one linear map of the window."""
    window = keras.Input((sizes.timesteps, sizes.features))
    x = kl.Dense(sizes.horizon * sizes.targets)(kl.Flatten()(window))
    return keras.Model(window, kl.Reshape((sizes.horizon, sizes.targets))(x))


def gru(sizes):
    """A user's own network, its layers unnamed."""
    window = keras.Input((sizes.timesteps, sizes.features))
    x = kl.Dense(sizes.horizon * sizes.targets)(kl.GRU(4)(window))
    return keras.Model(window, kl.Reshape((sizes.horizon, sizes.targets))(x))


def forecaster(model=linear, window=WINDOW, **changes):
    return Forecaster(model, clone(window), training(**changes))


class Initial(keras.callbacks.Callback):
    """Keep the weights before the first step."""

    def on_train_begin(self, logs=None):
        del logs
        self.weights = self.model.get_weights()
        self.config = self.model.get_config()


def pairs(fitted, data):
    """Standardised inputs and outputs of every window, cut by a loop, series by series."""
    window = fitted.window
    past, ahead = [], []
    x, y = fitted.scaler_.inputs(data), fitted.scaler_.outputs(data)
    first_rows = np.searchsorted(data.series, np.arange(len(data.names)))
    for code in data.series[windows.by_content(data, first_rows)]:
        rows = np.flatnonzero(data.series == code)
        for first in range(len(rows) - window.timesteps - window.lead - window.horizon + 1):
            begin = first + window.timesteps + window.lead
            past.append(x[rows[first : first + window.timesteps]])
            ahead.append(y[rows[begin : begin + window.horizon]])
    return np.stack(past), np.stack(ahead)


def keras_fit(model, x, y, *, optimizer, loss, like, weights=None):
    """Train with Keras alone, in the order of windows that a forecaster promises.

    Steps may have weights (horizon,). Returns the loss of every epoch. Eager, since that is quicker
    than compiling so few steps.
    """
    model.compile(optimizer=optimizer, loss=loss, run_eagerly=True)
    losses, given = [], None if weights is None else np.tile(weights, (len(x), 1))
    for epoch in range(like.epochs):
        order = np.random.default_rng([like.seed, epoch]).permutation(len(x))
        told = model.fit(
            x[order],
            y[order],
            sample_weight=given,
            batch_size=like.batch_size,
            shuffle=False,
            verbose=0,
        )
        losses.append(told.history["loss"][0])
    return losses


def apart(ours, theirs):
    """Largest relative distance of two lists of weights, variable by variable."""
    return max(
        float(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-12))
        for a, b in zip(ours, theirs, strict=True)
    )


def bits(fitted):
    """All weights as bytes, for equality to the last digit."""
    return [weight.tobytes() for weight in fitted.model_.get_weights()]
