"""Layers of causal convolutions, and the receptive field of their dilations."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from forecast.errors import InputError
from forecast.models.layers import Layer


@keras.saving.register_keras_serializable("forecast")
class CausalConv(Layer):
    """Dilated convolution over time that computes only the steps that somebody reads.

    It pads nothing: an output is there when all its taps lie inside the input, so a stack computes
    just the cone below its last step, and with `spacing` and `keep` only the steps of that cone
    that the layers above read. Written as shifted slices and one matrix product: XLA's own
    gradient of a dilated convolution is an order of magnitude slower on a CPU.
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


@keras.saving.register_keras_serializable("forecast")
class FeatureConv(Layer):
    """Convolve every feature over time with filters of its own; no feature sees another.

    It pads nothing: an output is there when all its taps lie inside the input.
    """

    def __init__(self, filters: int, kernel_size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create the taps (features, kernel_size, filters), oldest first, and the biases."""
        features = shape[-1]
        limit = (6 / (self.kernel_size * (1 + self.filters))) ** 0.5  # Glorot's, feature by feature
        self.kernel = self.add_weight(
            shape=(features, self.kernel_size, self.filters),
            initializer=keras.initializers.RandomUniform(-limit, limit),
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(features, self.filters), initializer="zeros", name="bias"
        )

    def call(self, x: Any) -> Any:
        """Convolve (samples, rows, features) to (samples, rows seen, features·filters)."""
        seen = x.shape[1] - self.kernel_size + 1
        taps = ops.stack([x[:, tap : tap + seen] for tap in range(self.kernel_size)], axis=-1)
        found = ops.einsum("nrck,ckf->nrcf", taps, self.kernel) + self.bias
        return ops.reshape(found, (-1, seen, x.shape[2] * self.filters))


@keras.saving.register_keras_serializable("forecast")
class Newest(Layer):
    """Keep some newest rows: (samples, rows, channels) to (samples, keep, channels)."""

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


def receptive_field(kernel_size: int, dilations: Sequence[int]) -> int:
    """Count the newest steps that reach the last output: 1 + Σ (kernel_size − 1)·dilation.

    Args:
        kernel_size: Taps of every convolution.
        dilations: Steps between two taps, one for each convolution.

    Returns:
        Steps.

    >>> receptive_field(3, [1, 2, 4, 8, 16, 32])
    127
    """
    return 1 + (kernel_size - 1) * sum(dilations)


def fitting_dilations(timesteps: int, kernel_size: int) -> tuple[int, ...]:
    """Double the dilation until the window is covered, and trim the last one to fit.

    Args:
        timesteps: Look-back to cover.
        kernel_size: Taps of every convolution, 2 or more.

    Returns:
        Dilations such that timesteps − (kernel_size − 1) < receptive field ≤ timesteps.

    Raises:
        InputError: One convolution is already wider than the window.

    >>> fitting_dilations(72, 3)
    (1, 2, 4, 8, 16, 4)
    """
    if not 2 <= kernel_size <= timesteps:
        raise InputError(
            f"model.kernel_size must lie between 2 and the {timesteps} steps that the convolution "
            f"reads (window.timesteps / model.patch), got {kernel_size}"
        )
    left = (timesteps - 1) // (kernel_size - 1)
    dilations: list[int] = []
    while left > 0:
        dilations.append(min(1 << len(dilations), left))
        left -= dilations[-1]
    return tuple(dilations)


def spacings(dilations: Sequence[int]) -> tuple[int, ...]:
    """Tell how far apart the steps are that each convolution must read.

    Only the last step of the last convolution is used, so a convolution below needs to compute
    just the steps that those above read: multiples of what divides all their dilations. On
    doubling dilations this leaves about a sixth of the work, with the same result.

    >>> spacings([1, 2, 4, 8, 16, 4])
    (1, 2, 4, 4, 4, 4, 4)
    """
    above = [math.gcd(*dilations[i:]) for i in range(len(dilations))]
    return (*above, above[-1])
