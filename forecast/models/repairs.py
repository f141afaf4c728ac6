"""Repairs: functions that wrap any body so that it copes with drifting data.

A repair calls the body's layers on a changed window; the result is one flat model with the body's
own layer names, so gates and snapshots look the same with and without it.
"""

import keras

from forecast.errors import InputError
from forecast.models.layers import LastValue, Relative
from forecast.models.sizes import Sizes

NORMALIZATIONS = ("last", "none")


def normalize(body: keras.Model, sizes: Sizes, how: str) -> keras.Model:
    """Take the level out of every window and put it back on the forecast.

    Args:
        body: Any model from (samples, timesteps, features) to (samples, horizon, targets).
        sizes: What the body was made for.
        how: "last" subtracts each target's value at the origin (as NLinear and SegRNN do);
            "none" returns the body. A target that is no feature keeps its level.

    Returns:
        A model of the same shapes.

    Raises:
        InputError: There is no such normalisation.
    """
    if how not in NORMALIZATIONS:
        raise InputError(
            f"model.normalization must be one of {', '.join(NORMALIZATIONS)}, got {how!r}"
        )
    if how == "none" or max(sizes.positions) < 0:
        return body
    window = keras.Input((sizes.timesteps, sizes.features), name="window")
    last = LastValue(sizes.positions, name="last_value")(window)  # (samples, 1, targets)
    relative = Relative(sizes.positions, name="relative")(window, last)
    output = keras.layers.Add(name="level")([body.call(relative), last])
    return keras.Model(window, output, name=body.name)


def linear_path(body: keras.Model, sizes: Sizes) -> keras.Model:
    """Add a linear map of the whole window to the body's forecast.

    The network then learns what a linear model leaves over: the autoregressive component of LSTNet
    (Lai et al. 2018, equation 8), here over all features.

    Args:
        body: Any model from (samples, timesteps, features) to (samples, horizon, targets).
        sizes: What the body was made for.

    Returns:
        A model of the same shapes.
    """
    window = keras.Input((sizes.timesteps, sizes.features), name="window")
    flat = keras.layers.Flatten(name="flat_window")(window)  # (samples, timesteps·features)
    linear = keras.layers.Dense(
        sizes.horizon * sizes.targets, kernel_initializer="zeros", name="linear_path"
    )(flat)
    linear = keras.layers.Reshape((sizes.horizon, sizes.targets), name="linear_steps")(linear)
    output = keras.layers.Add(name="linear_sum")([body.call(window), linear])
    return keras.Model(window, output, name=body.name)
