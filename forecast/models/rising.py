"""A Keras layer that keeps quantiles in their order."""

from typing import Any

import keras
from keras import ops

from forecast.models.layer import Layer


@keras.saving.register_keras_serializable("forecast")
class Rising(Layer):
    """Make numbers rise within each target, so that quantiles never cross.

    (samples, horizon, targets·levels) to the same shape. The middle number stays; those above it
    are reached by steps up and those below by steps down, each softplus of a number (as the
    incremental quantile functions of Park et al. 2022).

    Args:
        levels: Numbers of each target, which stand together.
        kwargs: What every Keras layer takes (name, dtype, …).
    """

    def __init__(self, levels: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.levels = levels

    def call(self, x: Any) -> Any:
        """Add up steps from the middle."""
        _, horizon, columns = x.shape
        x = ops.reshape(x, (-1, horizon, columns // self.levels, self.levels))
        middle = self.levels // 2
        centre = x[..., middle : middle + 1]
        up = ops.cumsum(ops.softplus(x[..., middle + 1 :]), axis=-1)
        down = ops.flip(ops.cumsum(ops.softplus(ops.flip(x[..., :middle], -1)), axis=-1), -1)
        rising = ops.concatenate([centre - down, centre, centre + up], axis=-1)
        return ops.reshape(rising, (-1, horizon, columns))
