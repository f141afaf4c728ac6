"""N-BEATS: blocks of dense layers, each of which explains what those before it have left."""

from typing import Any

import keras

from forecast.models.catalogue import Nbeats
from forecast.models.settings import Sizes


def nbeats(sizes: Sizes, settings: Nbeats = Nbeats()) -> keras.Model:
    """Add up the forecasts of blocks, each of which reads the window less what others explained.

    Source: the generic N-BEATS (Oreshkin et al. 2020). A block makes two linear maps of its last
    hidden layer: one is taken away from the window before the next block reads it, the other is
    added to the forecast. Blocks of one stack share weights. Here the window is that of all
    features, laid side by side.

    Args:
        sizes: What the model maps.
        settings: Of stacks and blocks.

    Returns:
        (samples, timesteps, features) to (samples, horizon, targets).
    """
    window = keras.Input((sizes.timesteps, sizes.features), name="window")
    left = keras.layers.Flatten(name="flat")(window)  # (samples, timesteps·features)
    inputs, outputs = sizes.timesteps * sizes.features, sizes.horizon * sizes.targets
    forecasts = []
    for stack in range(1, settings.stacks + 1):
        hidden = _hidden(settings, f"stack_{stack}")
        explain = keras.layers.Dense(inputs, name=f"stack_{stack}_backcast")
        predict = keras.layers.Dense(outputs, name=f"stack_{stack}_forecast")
        for block in range(1, settings.blocks + 1):
            x = left
            for layer in hidden:
                x = layer(x)
            forecasts.append(predict(x))  # (samples, horizon·targets)
            if (stack, block) != (settings.stacks, settings.blocks):  # nobody reads what it leaves
                left = keras.layers.Subtract(name=f"left_{stack}_{block}")([left, explain(x)])
    total = keras.layers.Add(name="sum")(forecasts) if len(forecasts) > 1 else forecasts[0]
    steps = keras.layers.Reshape((sizes.horizon, sizes.targets), name="steps")(total)
    return keras.Model(window, steps, name="nbeats")


def _hidden(settings: Nbeats, stack: str) -> list[Any]:
    """Make the hidden layers that the blocks of a stack share."""
    layers: list[Any] = []
    for number in range(1, settings.layers + 1):
        name = f"{stack}_dense_{number}"
        layers.append(keras.layers.Dense(settings.units, activation="relu", name=name))
        if settings.dropout:
            dropped = f"{stack}_dropout_{number}"
            layers.append(keras.layers.Dropout(settings.dropout, name=dropped))
    return layers
