"""A Keras layer that tells a recurrent one which steps to skip."""

from typing import Any

import keras
from keras import ops

from forecast.models.layer import Layer


@keras.saving.register_keras_serializable("forecast")
class KnownSteps(Layer):
    """Tell at which steps anything is known.

    (samples, timesteps, features) to (samples, timesteps).

    It reads the columns that say what is missing, and never a value that stands for a hole.

    Args:
        indicators: How many of the last features say, by 1, that a feature is missing.
        kwargs: What every Keras layer takes (name, dtype, …).
    """

    def __init__(self, indicators: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.indicators = indicators

    def call(self, x: Any) -> Any:
        """Return True where one of the features is there."""
        return ops.any(x[:, :, -self.indicators :] < 0.5, axis=-1)
