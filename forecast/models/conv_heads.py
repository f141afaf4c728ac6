"""Windows of matrices: a convolution for each step, and an LSTM over what they see."""

from typing import Any

import keras
from keras import ops

from forecast.errors import InputError
from forecast.models import heads
from forecast.models.catalogue import ConvHeads
from forecast.models.layers import Layer
from forecast.models.settings import Sizes


def conv_heads_lstm(sizes: Sizes, settings: ConvHeads = ConvHeads()) -> keras.Model:
    """Read the matrix of each step with a convolution of its own, and the steps with an LSTM.

    Args:
        sizes: What the model maps.
        settings: Of heads and LSTM.

    Returns:
        (samples, timesteps, features) to (samples, horizon, targets).

    Raises:
        InputError: The features do not fill the grid.
    """
    rows, columns = settings.grid or (1, sizes.features)
    if rows * columns != sizes.features:
        raise InputError(
            f"data.grid must hold the {sizes.features} features of a step, got {rows} rows of "
            f"{columns}: name as many features as the grid has places"
        )
    window = keras.Input((sizes.timesteps, sizes.features), name="window")
    x = keras.layers.Reshape((sizes.timesteps, rows, columns), name="matrices")(window)
    x = StepConv(settings.filters, settings.kernel_size, name="heads")(x)
    x = keras.layers.Activation("relu", name="activation_1")(x)
    x = keras.layers.Reshape((sizes.timesteps, rows * columns * settings.filters), name="seen")(x)
    x = keras.layers.LSTM(settings.units, name="lstm_1")(x)  # (samples, units)
    if settings.dropout:
        x = keras.layers.Dropout(settings.dropout, name="dropout_1")(x)
    output = heads.point(x, sizes, dense=settings.dense, activation="relu")
    return keras.Model(window, output, name="conv_heads_lstm")


@keras.saving.register_keras_serializable("forecast")
class StepConv(Layer):
    """Convolve the matrix of every step with weights of that step alone, zeros around it.

    All heads are one product of shifted matrices, since a layer for each step compiles for minutes.
    """

    def __init__(self, filters: int, kernel_size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create the kernels (steps, kernel_size², filters) and biases (steps, filters)."""
        taps = self.kernel_size**2
        limit = (6 / (taps * (1 + self.filters))) ** 0.5  # Glorot's, for each head by itself
        self.kernel = self.add_weight(
            shape=(shape[1], taps, self.filters),
            initializer=keras.initializers.RandomUniform(-limit, limit),
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(shape[1], self.filters), initializer="zeros", name="bias"
        )

    def call(self, x: Any) -> Any:
        """Convolve (samples, steps, rows, columns) to (samples, steps, rows, columns, filters)."""
        before = (self.kernel_size - 1) // 2
        around = (before, self.kernel_size - 1 - before)
        rows, columns = x.shape[2:]
        padded = ops.pad(x, ((0, 0), (0, 0), around, around))
        shifted = [
            padded[:, :, i : i + rows, j : j + columns]
            for i in range(self.kernel_size)
            for j in range(self.kernel_size)
        ]
        taps = ops.stack(shifted, axis=-1)  # (samples, steps, rows, columns, taps)
        seen = ops.einsum("ntrck,tkf->ntrcf", taps, self.kernel)
        return seen + self.bias[:, None, None]
