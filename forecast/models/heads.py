"""Heads: from what a body has seen to one value for each step and target."""

from collections.abc import Sequence
from typing import Any

import keras

from forecast.models.sizes import Sizes


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
    for number, units in enumerate(dense, start=1):
        x = keras.layers.Dense(units, activation=activation, name=f"dense_{number}")(x)
    x = keras.layers.Dense(sizes.horizon * sizes.targets, name="head")(x)
    return keras.layers.Reshape((sizes.horizon, sizes.targets), name="steps")(x)
