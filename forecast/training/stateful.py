"""Carry the states of recurrent layers from a window to the one that follows it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers as kl

from forecast.errors import InputError
from forecast.models.layers import Channels, Cut, Patches, Relative, SeriesColumns

RECURRENT = (kl.LSTM, kl.GRU, kl.SimpleRNN, kl.RNN)
STEPWISE = (
    Cut,
    Patches,
    Relative,
    SeriesColumns,
    kl.Activation,
    kl.Dense,
    kl.Dropout,
    kl.LayerNormalization,
    kl.SpatialDropout1D,
)
"""Layers that leave the steps of their first input in order; `Patches` makes fewer of them."""

MERGES = (kl.Add, kl.Concatenate, kl.Multiply, kl.Subtract)


@dataclass(frozen=True)
class Carry:
    """Where the lanes of a batch stood after a step.

    Attributes:
        starts: Windows that were read last, (batch,), -1 where there was none.
        held: States of the recurrent layers, (samples, units) each.
    """

    starts: np.ndarray
    held: list[tf.Tensor]


class States:
    """The recurrent states of a network that is trained statefully.

    Its layers are stateful only while they are called here, so whoever calls them elsewhere begins
    with zeros, and the states are none of the network's variables.

    Shapes: `model` (samples, timesteps, features).
    """

    def __init__(self, model: keras.Model):
        self._model = model
        self._readers = readers(model)

    def zeros(self, lanes: int) -> list[tf.Tensor]:
        """Return the states with which a series begins, (samples, units) each."""
        return keras.tree.flatten(
            [layer.get_initial_state(lanes * samples) for layer, samples in self._readers]
        )

    def train(
        self, past: tf.Tensor, held: list[tf.Tensor], follows: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Call the network as training does, from the states of the windows before.

        Shapes: `past` (batch, timesteps, features), `held` (samples, units), `follows` (batch,);
        returns (batch, horizon, targets).
        """
        left = iter(held)
        lent: list[_Lent] = []
        try:
            for layer, samples in self._readers:
                mine = tf.repeat(follows, samples)[:, None]  # (samples, 1)
                zeros = layer.get_initial_state(past.shape[0] * samples)
                layer.states = keras.tree.map_structure(
                    lambda zero, mine=mine: _Lent(tf.where(mine, next(left), zero)), zeros
                )
                layer.stateful = True
                lent += keras.tree.flatten(layer.states)
            predicted = self._model(past, training=True)
        finally:
            for layer, _ in self._readers:
                layer.stateful, layer.states = False, None
        return predicted, [
            tf.ensure_shape(state.value, before.shape)
            for state, before in zip(lent, held, strict=True)
        ]


class _Lent:
    """A tensor where a stateful layer of Keras expects a variable of its own."""

    def __init__(self, value: tf.Tensor):
        self.value = value

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> tf.Tensor:
        """Let TensorFlow read it; layers keep states in the type that they compute with."""
        del dtype, name
        return self.value

    def assign(self, value: tf.Tensor) -> None:
        """Take the state at the end of the window."""
        self.value = value


@dataclass(frozen=True)
class _Steps:
    """A tensor of the network that holds the steps of the window in their order.

    Attributes:
        samples: Of the tensor for each window.
    """

    samples: int = 1


def readers(model: keras.Model) -> list[tuple[Any, int]]:
    """Find the recurrent layers that read the window, so that their state may be carried on.

    A layer's state at the end of a window is its state before the next row only if it has read
    every row once, in order and from the state that it was given.
    """
    found: dict[int, tuple[Any, int]] = {}

    def rule(layer: Any) -> Callable[..., Any]:
        def apply(given: Any, *rest: Any, **named: Any) -> Any:
            if type(layer) not in RECURRENT:
                return _behind(layer, given, model.input_shape[1])
            state = rest or named.get("initial_state") is not None
            steps = isinstance(given, _Steps) and not state and not layer.go_backwards
            if not steps or id(layer) in found:
                raise _misread(model, layer)
            found[id(layer)] = layer, given.samples
            states = _outputs(layer) - 1
            return [given if layer.return_sequences else None] + [None] * states

        return apply

    graph = getattr(model, "_functional", model)  # which a sequential model keeps inside
    graph._run_through_graph(_Steps(), operation_fn=rule)
    for layer in model._flatten_layers():
        if isinstance(layer, kl.RNN) and id(layer) not in found:
            raise _misread(model, layer)
    if not found:
        raise InputError(
            "training.stateful must be false for a network without recurrent layers, got true for "
            f"{model.name}: take model=lstm, gru or simple_rnn"
        )
    return list(found.values())


def _behind(layer: Any, given: Any, timesteps: int) -> Any:
    """Follow the window through a layer: None is anything but its steps in order."""
    kind, first = type(layer), given if isinstance(given, _Steps) else None
    if kind is Channels and first:
        return replace(first, samples=first.samples * len(layer.positions))
    if kind is Patches and first and timesteps % layer.rows:
        raise InputError(
            f"model.patch must divide window.timesteps={timesteps} where training.stateful=true, "
            f"got {layer.rows}: else the oldest row is read twice"
        )
    if kind in STEPWISE or kind.__name__ == "ConvertToTensor":  # where one model calls another
        return first
    if kind in MERGES and getattr(layer, "axis", -1) in (-1, 2):
        return given[0] if len(set(given)) == 1 else None
    return [None] * _outputs(layer)


def _outputs(layer: Any) -> int:
    """Count what a layer returns."""
    return len(layer._inbound_nodes[-1].outputs)


def _misread(model: keras.Model, layer: Any) -> InputError:
    """Say which layer reads something else than the window from its first row to its last."""
    return InputError(
        "training.stateful must be false where a recurrent layer does anything but read the "
        f"window's rows once, in their order and from its own state, got true for {layer.name} of "
        f"{model.name}: take model=lstm, gru or simple_rnn, and model.bidirectional=false"
    )
