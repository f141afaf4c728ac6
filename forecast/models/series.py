"""Keras layers that tell a network which series a window is cut from."""

from typing import Any

import keras
from keras import ops

from forecast.models.layer import Layer


@keras.saving.register_keras_serializable("forecast")
class SeriesNumber(Layer):
    """Read the number of the series: the last column at the origin.

    (samples, timesteps, features) to (samples,) int32.

    Args:
        kwargs: What every Keras layer takes (name, dtype, …).
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)

    def call(self, x: Any) -> Any:
        """Read one value of each window."""
        return ops.cast(x[:, -1, -1], "int32")


@keras.saving.register_keras_serializable("forecast")
class SeriesColumns(Layer):
    """Put learned values in the place of the number of the series.

    (samples, timesteps, features) and (samples, values) to (samples, timesteps, features − 1 +
    values).

    Args:
        last: How many features stay the last ones, behind the learned values.
        kwargs: What every Keras layer takes (name, dtype, …).
    """

    def __init__(self, last: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.last = last

    def call(self, x: Any, learned: Any) -> Any:
        """Repeat the values at every step."""
        cut = x.shape[2] - 1 - self.last
        beside = ops.repeat(learned[:, None], x.shape[1], axis=1)
        return ops.concatenate([x[:, :, :cut], beside, x[:, :, cut:-1]], axis=-1)


def told(model: keras.Model) -> bool:
    """Tell whether a model reads the number of the series.

    Args:
        model: Any.

    Returns:
        True where the last column of its windows is that number.
    """
    return any(isinstance(layer, SeriesNumber) for layer in model.layers)


def embedded(model: keras.Model) -> int:
    """Count the learned values that stand for a series in a model.

    Args:
        model: Any.

    Returns:
        How many; 0 where the model is not told.
    """
    learned = [layer for layer in model.layers if layer.name == "series_embedding"]
    return learned[0].output_dim if learned and told(model) else 0
