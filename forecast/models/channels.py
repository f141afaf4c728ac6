"""Keras layers that deal a window out: channels as samples, rows as patches, periods as samples."""

from typing import Any

import keras
from keras import ops

from forecast.models.layer import Layer
from forecast.models.level import OfTargets, columns


@keras.saving.register_keras_serializable("forecast")
class Channels(OfTargets):
    """Make every target a sample of its own, with the features that are no target beside it.

    (samples, timesteps, features) to (samples·targets, timesteps, 1 + others); the targets of one
    window stand together. A target that is no input is zeros.
    """

    def call(self, x: Any) -> Any:
        """Gather each target's columns."""
        own = ops.transpose(columns(x, self.positions), (0, 2, 1))  # (samples, targets, timesteps)
        apart = own[..., None]
        others = [f for f in range(x.shape[-1]) if f not in self.positions]
        if others:
            beside = ops.repeat(columns(x, others)[:, None], len(self.positions), axis=1)
            apart = ops.concatenate([apart, beside], axis=-1)
        return ops.reshape(apart, (-1, *apart.shape[2:]))  # samples and targets merged


@keras.saving.register_keras_serializable("forecast")
class Together(Layer):
    """Put the targets of one window back together: the inverse of `Channels` for forecasts.

    (samples·targets, horizon, levels) to (samples, horizon, targets·levels); one level is a value.

    Args:
        targets: Of a window.
        kwargs: What every Keras layer takes (name, dtype, …).
    """

    def __init__(self, targets: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.targets = targets

    def call(self, x: Any) -> Any:
        """Turn samples into targets."""
        _, horizon, levels = x.shape
        apart = ops.reshape(x, (-1, self.targets, horizon, levels))
        return ops.reshape(ops.transpose(apart, (0, 2, 1, 3)), (-1, horizon, self.targets * levels))


@keras.saving.register_keras_serializable("forecast")
class Patches(Layer):
    """Write neighbouring rows side by side, as one step.

    (samples, timesteps, features) to (samples, ⌈timesteps / rows⌉, rows·features), oldest row
    first; where the timesteps are no multiple, the oldest row is repeated before the window.

    Args:
        rows: Of a patch.
        kwargs: What every Keras layer takes (name, dtype, …).
    """

    def __init__(self, rows: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.rows = rows

    def call(self, x: Any) -> Any:
        """Fill up and reshape."""
        x = filled(x, self.rows)
        return ops.reshape(x, (-1, x.shape[1] // self.rows, self.rows * x.shape[2]))


@keras.saving.register_keras_serializable("forecast")
class Periods(Layer):
    """Make every period of a window a sample.

    (samples, timesteps, features) to (samples·periods, rows, features).

    Args:
        rows: Of a period; the oldest period is filled by repeating the oldest row.
        kwargs: What every Keras layer takes (name, dtype, …).
    """

    def __init__(self, rows: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.rows = rows

    def call(self, x: Any) -> Any:
        """Fill up and cut."""
        return ops.reshape(filled(x, self.rows), (-1, self.rows, x.shape[2]))


@keras.saving.register_keras_serializable("forecast")
class InOrder(Layer):
    """Make the states of a window's parts a sequence again.

    (samples·parts, units) to (samples, parts, units).

    Args:
        parts: Of a window.
        kwargs: What every Keras layer takes (name, dtype, …).
    """

    def __init__(self, parts: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.parts = parts

    def call(self, x: Any) -> Any:
        """Turn samples into steps."""
        return ops.reshape(x, (-1, self.parts, x.shape[-1]))


def filled(x: Any, rows: int) -> Any:
    """Repeat the oldest row before a window until its length is a multiple of `rows`."""
    short = -x.shape[1] % rows
    return ops.concatenate([x[:, :1]] * short + [x], axis=1) if short else x
