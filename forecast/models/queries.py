"""Keras layers with which a state answers one query for each part of the horizon."""

from typing import Any

import keras
from keras import ops

from forecast.models.layer import Layer


@keras.saving.register_keras_serializable("forecast")
class Queries(Layer):
    """Ask every sample the same learned queries: (samples, …) to (samples·parts, 1, size).

    Args:
        parts: Queries of a sample.
        size: Values of a query.
        kwargs: What every Keras layer takes (name, dtype, …).
    """

    def __init__(self, parts: int, size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.parts = parts
        self.size = size

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Create the queries (parts, size)."""
        del shape
        self.queries = self.add_weight(
            shape=(self.parts, self.size), initializer="random_normal", name="queries"
        )

    def call(self, x: Any) -> Any:
        """Repeat the queries for every sample; of `x` only the number of samples is read."""
        return ops.tile(self.queries[:, None], (ops.shape(x)[0], 1, 1))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape; Keras cannot follow a number of samples that it does not know."""
        samples = None if shape[0] is None else shape[0] * self.parts
        return (samples, 1, self.size)


@keras.saving.register_keras_serializable("forecast")
class ForEach(Layer):
    """Give every part the state of its sample: (samples, units) to (samples·parts, units).

    Args:
        parts: Of a sample.
        kwargs: What every Keras layer takes (name, dtype, …).
    """

    def __init__(self, parts: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.parts = parts

    def call(self, x: Any) -> Any:
        """Repeat each state."""
        return ops.repeat(x, self.parts, axis=0)


@keras.saving.register_keras_serializable("forecast")
class Answers(Layer):
    """Put the answers of a sample behind each other.

    (samples·parts, rows·targets) to (samples, horizon, targets); what goes beyond the horizon is
    cut off.

    Args:
        parts: Of a sample.
        horizon: Steps to keep.
        targets: Of a step.
        kwargs: What every Keras layer takes (name, dtype, …).
    """

    def __init__(self, parts: int, horizon: int, targets: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.parts = parts
        self.horizon = horizon
        self.targets = targets

    def call(self, x: Any) -> Any:
        """Turn parts into steps."""
        steps = self.parts * x.shape[-1] // self.targets
        return ops.reshape(x, (-1, steps, self.targets))[:, : self.horizon]
