"""Linear models: one map of the window, and the two of LTSF-Linear."""

from typing import Any

import keras
from keras import ops

from forecast.models import heads
from forecast.models.catalogue import Decomposed, Linear, SharedLinear
from forecast.models.layers import Layer
from forecast.models.settings import Sizes


def linear(sizes: Sizes, settings: Linear = Linear()) -> keras.Model:
    """Map the flattened window to the horizon, all features to all targets.

    Args:
        sizes: What the model maps.
        settings: Repairs alone.

    Returns:
        (samples, timesteps, features) to (samples, horizon, targets).
    """
    del settings  # repairs alone, which are wrapped around the model
    return _of_flat_window(sizes, "linear")


def nlinear(sizes: Sizes, settings: SharedLinear = SharedLinear()) -> keras.Model:
    """Map each channel's window, less its last value, to its horizon.

    Source: NLinear (Zeng et al. 2023), whose subtraction is the repair `normalization: last`.

    Args:
        sizes: What the model maps.
        settings: Repairs alone.

    Returns:
        (samples, timesteps, features) to (samples, horizon, targets).
    """
    del settings
    return _of_flat_window(sizes, "nlinear")


def dlinear(sizes: Sizes, settings: Decomposed = Decomposed()) -> keras.Model:
    """Map the trend of each channel's window and what is left of it, and add both.

    Source: DLinear (Zeng et al. 2023).

    Args:
        sizes: What the model maps.
        settings: Width of the moving average.

    Returns:
        (samples, timesteps, features) to (samples, horizon, targets).
    """
    window = keras.Input((sizes.timesteps, sizes.features), name="window")
    trend = MovingAverage(settings.kernel_size, name="trend")(window)
    rest = keras.layers.Subtract(name="rest")([window, trend])
    sides = []
    for name, part in (("trend", trend), ("rest", rest)):
        flat = keras.layers.Flatten(name=f"flat_{name}")(part)  # (samples, timesteps·features)
        sides.append(keras.layers.Dense(sizes.horizon * sizes.targets, name=f"head_{name}")(flat))
    both = keras.layers.Add(name="sum")(sides)
    output = keras.layers.Reshape((sizes.horizon, sizes.targets), name="steps")(both)
    return keras.Model(window, output, name="dlinear")


@keras.saving.register_keras_serializable("forecast")
class MovingAverage(Layer):
    """Centred moving average over time, the first and last row repeated beyond the window."""

    def __init__(self, rows: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.rows = rows

    def call(self, x: Any) -> Any:
        """Average (samples, timesteps, features) to the same shape."""
        before = self.rows // 2
        ahead = self.rows - 1 - before
        padded = ops.concatenate([x[:, :1]] * before + [x] + [x[:, -1:]] * ahead, axis=1)
        total = ops.cumsum(padded, axis=1)
        total = ops.pad(total, ((0, 0), (1, 0), (0, 0)))
        return (total[:, self.rows :] - total[:, : -self.rows]) / self.rows


def _of_flat_window(sizes: Sizes, name: str) -> keras.Model:
    """Map the flattened window linearly."""
    window = keras.Input((sizes.timesteps, sizes.features), name="window")
    flat = keras.layers.Flatten(name="flat")(window)  # (samples, timesteps·features)
    output = heads.point(flat, sizes, dense=(), activation="linear")
    return keras.Model(window, output, name=name)
