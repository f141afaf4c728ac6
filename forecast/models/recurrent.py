"""Stacks of recurrent layers: LSTM, GRU and the plain one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras

from forecast.models import heads
from forecast.models.layers import KnownSteps
from forecast.models.settings import Repairs, Sizes, count, share


@dataclass(frozen=True, kw_only=True)
class Recurrent(Repairs):
    """Settings of a stack of recurrent layers.

    Attributes:
        units: Of each layer, lowest first.
        bidirectional: Whether each layer also reads the window from its end; its states are twice
            as wide then.
        head: What the forecast is read from: the "last" state, all states side by side ("flatten"),
            or the newest states, one for each step ahead ("time_distributed").
        dense: Units of each hidden dense layer before the output.
        activation: Of cell candidate and hidden state, a name of Keras.
        dense_activation: Of the hidden dense layers.
        dropout: Share of the states that the head reads, and of those between layers, dropped in
            training (one mask for all steps).
        recurrent_dropout: Share of the recurrent state dropped in training.
    """

    units: Sequence[int] = count((32,))
    bidirectional: bool = False
    head: Literal["last", "flatten", "time_distributed"] = "last"
    dense: Sequence[int] = count(())
    activation: str = "tanh"
    dense_activation: str = "relu"
    dropout: float = share(0.3)
    recurrent_dropout: float = share(0.3)


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
