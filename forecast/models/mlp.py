"""Dense layers on the flattened window."""

import keras

from forecast.models import heads
from forecast.models.catalogue import Mlp
from forecast.models.settings import Sizes


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
