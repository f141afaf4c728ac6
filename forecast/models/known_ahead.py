"""A Keras layer that reads what is known of the steps to be predicted."""

from typing import Any

import keras
from keras import ops

from forecast.models.layer import Layer


@keras.saving.register_keras_serializable("forecast")
class KnownAhead(Layer):
    """Cut the known columns of the predicted rows out of a window.

    (samples, timesteps, features) to (samples, horizon, known columns).

    `forecast.data.features` puts them there: ⌈horizon / timesteps⌉ copies side by side, the first
    of which holds the newest rows.

    Args:
        ahead: How many features are values of later rows, all copies together.
        horizon: Rows predicted.
        indicators: How many features stand behind those.
        kwargs: What every Keras layer takes (name, dtype, …).
    """

    def __init__(self, ahead: int, horizon: int, indicators: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.ahead = ahead
        self.horizon = horizon
        self.indicators = indicators

    def call(self, x: Any) -> Any:
        """Put the copies behind each other, oldest first, and keep the newest rows."""
        copies = -(-self.horizon // x.shape[1])
        known, last = self.ahead // copies, x.shape[2] - self.indicators
        first = [last - (copies - j) * known for j in reversed(range(copies))]
        steps = ops.concatenate([x[:, :, begin : begin + known] for begin in first], axis=1)
        return steps[:, -self.horizon :]
