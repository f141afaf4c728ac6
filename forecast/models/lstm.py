"""A stack of LSTM layers and a dense head."""

from collections.abc import Sequence

import keras

from forecast.models import heads
from forecast.models.sizes import Sizes


def lstm(
    sizes: Sizes,
    *,
    units: Sequence[int] = (32,),
    dense: Sequence[int] = (),
    activation: str = "tanh",
    dense_activation: str = "relu",
    dropout: float = 0.3,
    recurrent_dropout: float = 0.3,
) -> keras.Model:
    """Read the window with LSTM layers and predict from the last state.

    Source: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000.

    Args:
        sizes: What the model maps.
        units: Units of each LSTM layer, lowest first.
        dense: Units of each hidden dense layer before the output.
        activation: Of cell candidate and hidden state, a name of Keras.
        dense_activation: Of the hidden dense layers.
        dropout: Share of the last state that is dropped in training, and of the states between
            LSTM layers (one mask for all steps).
        recurrent_dropout: Share of the recurrent state dropped at every step in training.

    Returns:
        (samples, timesteps, features) to (samples, horizon, targets).
    """
    window = keras.Input((sizes.timesteps, sizes.features), name="window")
    x = window
    for number, size in enumerate(units, start=1):
        last = number == len(units)
        x = keras.layers.LSTM(
            size,
            activation=activation,
            recurrent_dropout=recurrent_dropout,
            return_sequences=not last,
            name=f"lstm_{number}",
        )(x)  # (samples, timesteps, units); the last layer: (samples, units)
        if dropout:
            mask = keras.layers.Dropout if last else keras.layers.SpatialDropout1D
            x = mask(dropout, name=f"dropout_{number}")(x)
    output = heads.point(x, sizes, dense=dense, activation=dense_activation)
    return keras.Model(window, output, name="lstm")
