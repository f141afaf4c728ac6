"""Stacks of recurrent layers: LSTM, GRU and the plain one."""

from typing import Any

import keras

from forecast.models import heads
from forecast.models.catalogue import Recurrent
from forecast.models.layers import KnownSteps
from forecast.models.settings import Sizes


def lstm(sizes: Sizes, settings: Recurrent = Recurrent()) -> keras.Model:
    """Read the window with LSTM layers.

    Source: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000.

    Args:
        sizes: What the model maps.
        settings: Of the stack.

    Returns:
        (samples, timesteps, features) to (samples, horizon, targets).
    """
    return _stack(keras.layers.LSTM, "lstm", sizes, settings)


def gru(sizes: Sizes, settings: Recurrent = Recurrent()) -> keras.Model:
    """Read the window with GRU layers.

    Source: Cho et al. 2014, with the reset gate behind the recurrent product as in cuDNN.

    Args:
        sizes: What the model maps.
        settings: Of the stack.

    Returns:
        (samples, timesteps, features) to (samples, horizon, targets).
    """
    return _stack(keras.layers.GRU, "gru", sizes, settings)


def simple_rnn(sizes: Sizes, settings: Recurrent = Recurrent()) -> keras.Model:
    """Read the window with recurrent layers without gates.

    Source: Elman 1990.

    Args:
        sizes: What the model maps.
        settings: Of the stack.

    Returns:
        (samples, timesteps, features) to (samples, horizon, targets).
    """
    return _stack(keras.layers.SimpleRNN, "simple_rnn", sizes, settings)


def _stack(kind: Any, name: str, sizes: Sizes, settings: Recurrent) -> keras.Model:
    """Put layers of one kind on top of each other, and a head on the last."""
    window = keras.Input((sizes.timesteps, sizes.features), name="window")
    x, known = window, None
    if sizes.indicators:  # a step of which nothing is known leaves the state as it is
        known = KnownSteps(sizes.indicators, name="known_steps")(window)
    for number, units in enumerate(settings.units, start=1):
        states = number < len(settings.units) or settings.head != "last"
        layer = kind(
            units,
            activation=settings.activation,
            recurrent_dropout=settings.recurrent_dropout,
            return_sequences=states,
            name=f"{name}_{number}",
        )
        if settings.bidirectional:
            layer = keras.layers.Bidirectional(layer, name=layer.name)
        x = layer(x, mask=known)  # (samples, timesteps, units), or the last state: (samples, units)
        if settings.dropout:
            mask = keras.layers.SpatialDropout1D if states else keras.layers.Dropout
            x = mask(settings.dropout, name=f"dropout_{number}")(x)
    return keras.Model(window, _head(x, sizes, settings), name=name)


def _head(x: Any, sizes: Sizes, settings: Recurrent) -> Any:
    """Read the forecast from the states, as asked."""
    read, dense = settings.head, settings.dense
    if read == "time_distributed":
        return heads.per_step(x, sizes, dense=dense, activation=settings.dense_activation)
    if read == "flatten":
        x = keras.layers.Flatten(name="states")(x)  # (samples, timesteps·units)
    return heads.point(x, sizes, dense=dense, activation=settings.dense_activation)
