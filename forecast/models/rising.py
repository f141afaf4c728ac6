"""A Keras layer that keeps quantiles in their order."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from forecast.models.layer import Layer

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

    Args:
        levels: Numbers of each target, which stand together.
        start: Where the numbers lie while the network gives 0, rising; the one nearest 0 is the
            middle. Empty, as in older models, each step is softplus of the network alone.
        kwargs: What every Keras layer takes (name, dtype, …).
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
