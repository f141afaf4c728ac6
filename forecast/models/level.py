"""Keras layers that take the level out of a window."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from forecast.models.layer import Layer


class OfTargets(Layer):
    """A layer that knows where the targets stand among the features.

    Args:
        positions: Column of each target among the features, -1 for one that is no input.
        kwargs: What every Keras layer takes (name, dtype, …).
    """

    def __init__(self, positions: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.positions = tuple(positions)


@keras.saving.register_keras_serializable("forecast")
class LastValue(OfTargets):
    """Read each target at the origin: (samples, timesteps, features) to (samples, 1, targets).

    A target that is no input has 0.
    """

    def call(self, x: Any) -> Any:
        """Gather the columns of the newest step."""
        return columns(x[:, -1:], self.positions)


@keras.saving.register_keras_serializable("forecast")
class Moments(OfTargets):
    """Mean and deviation of each target in a window, both (samples, 1, targets).

    A target that is no input has 0 and 1.
    """

    def call(self, x: Any) -> tuple[Any, Any]:
        """Average over the steps; the small term keeps a constant window finite."""
        scale = ops.sqrt(ops.var(x, axis=1, keepdims=True) + 1e-5)
        return (
            columns(ops.mean(x, axis=1, keepdims=True), self.positions),
            columns(scale, self.positions, absent=1.0),
        )


@keras.saving.register_keras_serializable("forecast")
class Relative(OfTargets):
    """Write the targets' columns of a window relative to their level, and their scale if given."""

    def call(self, x: Any, level: Any, scale: Any = None) -> Any:
        """Change the targets' columns of every step; level and scale are (samples, 1, targets)."""
        own = {position: target for target, position in enumerate(self.positions)}
        of_feature = [own.get(feature, -1) for feature in range(x.shape[-1])]
        x = x - columns(level, of_feature)
        return x if scale is None else x / columns(scale, of_feature, absent=1.0)


def columns(x: Any, positions: Sequence[int], absent: float = 0.0) -> Any:
    """Pick columns by position.

    Args:
        x: (samples, steps, columns).
        positions: Of the columns wanted; -1 gives a column of one value.
        absent: That value.

    Returns:
        (samples, steps, wanted).
    """
    if list(positions) == list(range(x.shape[-1])):
        return x
    nothing = ops.zeros_like(x[:, :, :1]) + absent
    return ops.concatenate([x[:, :, p : p + 1] if p >= 0 else nothing for p in positions], axis=-1)
