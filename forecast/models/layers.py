"""Keras layers of our own, safe to save and load: no Lambda, no pickled code."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("forecast")
class CausalConv(keras.layers.Layer):
    """Dilated convolution over time that computes only the steps that somebody reads.

    It pads nothing: an output is there when all its taps lie inside the input, so a stack computes
    just the cone below its last step, and with `spacing` and `keep` only the steps of that cone
    that the layers above read. Written as shifted slices and one matrix product: XLA's own
    gradient of a dilated convolution is an order of magnitude slower on a CPU.

    Args:
        filters: Output channels.
        kernel_size: Taps, oldest first.
        dilation: Time steps between two taps, a multiple of `spacing`.
        spacing: Time steps between two rows of the input.
        keep: Time steps between two rows of the output, a multiple of `spacing`.
        kwargs: What every Keras layer takes (name, dtype, …).
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        dilation: int,
        *,
        spacing: int = 1,
        keep: int = 1,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.spacing = spacing
        self.keep = keep

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create the taps (kernel_size, channels, filters), oldest first, and the bias."""
        self.kernel = self.add_weight(
            shape=(self.kernel_size, shape[-1], self.filters),
            initializer="glorot_uniform",
            name="kernel",
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, x: Any) -> Any:
        """Convolve (samples, rows, channels) to (samples, rows kept, filters)."""
        apart, every = self.dilation // self.spacing, self.keep // self.spacing
        seen = x.shape[1] - (self.kernel_size - 1) * apart
        first = (seen - 1) % every  # so that the newest row is among those kept
        taps = [
            x[:, tap * apart + first : tap * apart + seen : every]
            for tap in range(self.kernel_size)
        ]
        stacked = ops.concatenate(taps, axis=-1)  # (samples, kept, kernel_size·channels)
        return ops.matmul(stacked, ops.reshape(self.kernel, (-1, self.filters))) + self.bias

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = ("filters", "kernel_size", "dilation", "spacing", "keep")
        return super().get_config() | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("forecast")
class Newest(keras.layers.Layer):
    """Keep some newest rows: (samples, rows, channels) to (samples, keep, channels).

    Args:
        keep: Rows to keep; a shorter input is padded with zeros on its old side.
        every: Distance of the rows kept, counted from the newest.
        kwargs: What every Keras layer takes (name, dtype, …).
    """

    def __init__(self, keep: int, *, every: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        self.keep = keep
        self.every = every

    def call(self, x: Any) -> Any:
        """Cut or pad the old side."""
        need = (self.keep - 1) * self.every + 1
        short = need - x.shape[1]
        if short > 0:
            x = ops.pad(x, ((0, 0), (short, 0), (0, 0)))
        return x[:, x.shape[1] - need :: self.every]

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {"keep": self.keep, "every": self.every}


@keras.saving.register_keras_serializable("forecast")
class LastValue(keras.layers.Layer):
    """Read each target at the origin: (samples, timesteps, features) to (samples, 1, targets).

    Args:
        positions: Column of each target among the features, -1 for one that is no input (zero).
        kwargs: What every Keras layer takes (name, dtype, …).
    """

    def __init__(self, positions: tuple[int, ...], **kwargs: Any):
        super().__init__(**kwargs)
        self.positions = tuple(positions)

    def call(self, x: Any) -> Any:
        """Gather the columns of the newest step."""
        last = x[:, -1:, :]
        zero = ops.zeros_like(last[:, :, :1])
        return ops.concatenate(
            [last[:, :, p : p + 1] if p >= 0 else zero for p in self.positions], axis=-1
        )

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {"positions": list(self.positions)}


@keras.saving.register_keras_serializable("forecast")
class Relative(keras.layers.Layer):
    """Write the targets' columns of a window relative to their value at the origin.

    Args:
        positions: Column of each target among the features, -1 for one that is no input.
        kwargs: What every Keras layer takes (name, dtype, …).
    """

    def __init__(self, positions: tuple[int, ...], **kwargs: Any):
        super().__init__(**kwargs)
        self.positions = tuple(positions)

    def call(self, x: Any, last: Any) -> Any:
        """Subtract `last` (samples, 1, targets) from the targets' columns of every step."""
        columns = []
        for feature in range(x.shape[-1]):
            column = x[:, :, feature : feature + 1]
            if feature in self.positions:
                target = self.positions.index(feature)
                column = column - last[:, :, target : target + 1]
            columns.append(column)
        return ops.concatenate(columns, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {"positions": list(self.positions)}
