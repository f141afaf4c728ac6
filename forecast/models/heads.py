"""Heads: from a body's states to each step and target; quantiles that do not cross."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import keras
import numpy as np
from keras import ops

from forecast.errors import InputError
from forecast.models.convolution import Newest
from forecast.models.layers import Cut, Layer
from forecast.models.settings import Sizes

ONE = math.log(math.expm1(1))
"""Softplus of it is 1."""

PACE = 10.0
"""How much faster a step learns its usual size than a weight of the network learns."""

GAIN = 0.1
"""How much slower it learns to depend on the window."""

SHARE = 0.01
"""Share of a step's gradient that reaches the layers below, which so learn for the middle."""


@keras.saving.register_keras_serializable("forecast")
class Rising(Layer):
    """Make numbers rise within each target, so that quantiles never cross.

    (samples, horizon, targets·levels) to the same shape. The middle number stays; those above it
    are reached by steps up and those below by steps down, each softplus of a number (as the
    incremental quantile functions of Park et al. 2022).

    With a start, a step is its first size times softplus of a sum: what the layer learns for all
    windows, and what the network says of this one. The middle number then learns from its own
    error alone.
    """

    def __init__(self, levels: int, start: Sequence[float] = (), **kwargs: Any):
        super().__init__(**kwargs)
        self.levels = levels
        self.start = list(start)

    def build(self, input_shape: Any) -> None:
        """Make room for the usual size of every step, (horizon, targets, levels − 1)."""
        _, horizon, columns = input_shape
        if self.start:
            shape = (horizon, columns // self.levels, self.levels - 1)
            self.usual = self.add_weight(shape=shape, initializer="zeros", name="usual")

    def call(self, x: Any) -> Any:
        """Add up steps from the middle."""
        _, horizon, columns = x.shape
        x = ops.reshape(x, (-1, horizon, columns // self.levels, self.levels))
        middle = self.levels // 2
        if self.start:
            middle = int(np.argmin(np.abs(self.start)))
        centre = x[..., middle : middle + 1]
        steps = self._steps(ops.concatenate([x[..., :middle], x[..., middle + 1 :]], axis=-1))
        up = ops.cumsum(steps[..., middle:], axis=-1)
        down = ops.flip(ops.cumsum(ops.flip(steps[..., :middle], -1), axis=-1), -1)
        # the middle learns from its own error alone: others far off may not pull it along
        held = ops.stop_gradient(centre) if self.start else centre
        rising = ops.concatenate([held - down, centre, held + up], axis=-1)
        return ops.reshape(rising, (-1, horizon, columns))

    def _steps(self, x: Any) -> Any:
        """Return the size of every step, (samples, horizon, targets, levels − 1)."""
        if not self.start:
            return ops.softplus(x)
        pairs = zip(self.start, self.start[1:], strict=False)
        first = ops.convert_to_tensor([high - low for low, high in pairs], x.dtype)
        x = SHARE * x + (1 - SHARE) * ops.stop_gradient(x)
        return first * ops.softplus(ONE + PACE * self.usual + GAIN * x)


def point(x: Any, sizes: Sizes, *, dense: Sequence[int], activation: str) -> Any:
    """Predict all steps at once through dense layers.

    Args:
        x: State of the body, (samples, units).
        sizes: Horizon and targets.
        dense: Units of each hidden dense layer; empty means none.
        activation: Of the hidden dense layers, a name of Keras.

    Returns:
        (samples, horizon, targets).
    """
    x = _hidden(x, dense, activation)
    x = keras.layers.Dense(sizes.horizon * sizes.targets, name="head")(x)
    return keras.layers.Reshape((sizes.horizon, sizes.targets), name="steps")(x)


def per_step(x: Any, sizes: Sizes, *, dense: Sequence[int], activation: str) -> Any:
    """Predict each step from a state of its own, through the same dense layers.

    The newest `horizon` states are read, the oldest of them for the first step ahead.

    Args:
        x: States of the body, (samples, steps, units).
        sizes: Horizon and targets.
        dense: Units of each hidden dense layer; empty means none.
        activation: Of the hidden dense layers, a name of Keras.

    Returns:
        (samples, horizon, targets).

    Raises:
        InputError: The body has fewer states than the horizon has steps.
    """
    if sizes.horizon > x.shape[1]:
        raise InputError(
            f"model.head=time_distributed must have a state for each of the {sizes.horizon} steps "
            f"of window.horizon, got {x.shape[1]}: set head=last or flatten, or a longer window"
        )
    x = _hidden(Newest(sizes.horizon, name="newest_states")(x), dense, activation)
    return keras.layers.Dense(sizes.targets, name="head")(x)


def meaning(x: Any, sizes: Sizes) -> Any:
    """Turn numbers into what is predicted.

    Args:
        x: (samples, horizon, outputs), any numbers.
        sizes: Levels and task.

    Returns:
        The same shape: quantiles that never cross, or probabilities.
    """
    if sizes.levels:
        normal = [NormalDist().inv_cdf(level) for level in sizes.levels]
        return Rising(len(sizes.levels), normal, name="quantiles")(x)
    if sizes.task == "event":
        return keras.layers.Activation("sigmoid", name="probabilities")(x)
    return keras.layers.Softmax(name="probabilities")(x)


def begin_as(model: keras.Model, plain: keras.Model, levels: Sequence[float]) -> None:
    """Let a network of quantiles begin as the network of one value a target would.

    What both have alike is copied; where the quantiles of a target stand along the last axis, the
    middle one begins as the value and the others at zero, from where `Rising` puts them. Numbers
    that a network makes for a decoder stand behind the outputs of each step, and are copied.
    """
    (outputs, beside), (targets, _) = _outputs(model), _outputs(plain)
    middle = min(range(len(levels)), key=lambda place: abs(levels[place] - 0.5))
    own = [weight for layer in _layers(model) for weight in layer.weights]
    given = [weight for layer in _layers(plain) for weight in layer.weights]
    for to, value in zip(own, given, strict=True):
        shape, columns = tuple(value.shape), to.shape[-1:]
        if to.shape == value.shape:
            to.assign(value)
        elif to.shape[:-1] == shape[:-1] and columns == (shape[-1] * len(levels),):
            begin = np.zeros((*shape, len(levels)), to.dtype)
            begin[..., middle] = keras.ops.convert_to_numpy(value)
            to.assign(begin.reshape(to.shape))
        elif beside and columns[0] * (targets + beside) == shape[-1] * (outputs + beside):
            steps = keras.ops.convert_to_numpy(value).reshape((*shape[:-1], -1, targets + beside))
            begin = np.zeros((*steps.shape[:-1], outputs + beside), to.dtype)
            begin[..., middle : outputs : len(levels)] = steps[..., :targets]
            begin[..., outputs:] = steps[..., targets:]
            to.assign(begin.reshape(to.shape))


def _outputs(model: keras.Model) -> tuple[int, int]:
    """Count what a network makes for each step: outputs, and the numbers for a decoder."""
    for layer in model.layers:
        if isinstance(layer, Cut) and layer.first:
            return layer.first, layer.last - layer.first
    return model.output_shape[-1], 0


def _layers(model: keras.Model) -> list[keras.layers.Layer]:
    """List the layers that hold weights, innermost, without the one that makes quantiles rise."""
    every = model._flatten_layers(include_self=False, recursive=True)
    return [one for one in every if not isinstance(one, (Rising, keras.Model))]


def _hidden(x: Any, dense: Sequence[int], activation: str) -> Any:
    """Put hidden dense layers behind a state or behind every state."""
    for number, units in enumerate(dense, start=1):
        x = keras.layers.Dense(units, activation=activation, name=f"dense_{number}")(x)
    return x
