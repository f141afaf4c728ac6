"""Dense layers on the flattened window."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from forecast.models import heads
from forecast.models.settings import Repairs, Sizes, count, share


@dataclass(frozen=True, kw_only=True)
class Mlp(Repairs):
    """Settings of dense layers on the flattened window.

    Attributes:
        hidden: Units of each hidden layer; empty leaves the single layer of a perceptron.
        activation: Of the hidden layers, a name of Keras.
        dropout: Share of each hidden layer dropped in training.
    """

    hidden: Sequence[int] = count((64,))
    activation: str = "relu"
    dropout: float = share(0.3)


def mlp(sizes: Sizes, settings: Mlp = Mlp()) -> keras.Model:
    """Map the flattened window to the horizon through hidden layers.

    Args:
        sizes: What the model maps.
        settings: Of the hidden layers.

    Returns:
        (samples, timesteps, features) to (samples, horizon, targets).
    """
    window = keras.Input((sizes.timesteps, sizes.features), name="window")
    x = keras.layers.Flatten(name="flat")(window)  # (samples, timesteps·features)
    for number, units in enumerate(settings.hidden, start=1):
        x = keras.layers.Dense(units, activation=settings.activation, name=f"dense_{number}")(x)
        if settings.dropout:
            x = keras.layers.Dropout(settings.dropout, name=f"dropout_{number}")(x)
    output = heads.point(x, sizes, dense=(), activation=settings.activation)
    return keras.Model(window, output, name="mlp")
