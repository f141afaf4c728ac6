"""Recurrent networks over patches of the window, one for all channels: SegRNN and its relatives."""

from typing import Any

import keras
from keras import ops

from forecast.models import heads
from forecast.models.catalogue import PatchRecurrent
from forecast.models.layers import Layer
from forecast.models.settings import Sizes


@keras.saving.register_keras_serializable("forecast")
class Queries(Layer):
    """Ask every sample the same learned queries: (samples, …) to (samples·parts, 1, size)."""

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
    """Give every part the state of its sample: (samples, units) to (samples·parts, units)."""

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


def patch_lstm(sizes: Sizes, settings: PatchRecurrent = PatchRecurrent()) -> keras.Model:
    """Read patches of the window with an LSTM.

    Source: the patched LSTM of P-sLSTM (Kong et al. 2025) with the embedding of SegRNN.

    Args:
        sizes: What the model maps, timesteps and features being those of patches.
        settings: Of the network.

    Returns:
        (samples, timesteps, features) to (samples, horizon, targets).
    """
    return _network(keras.layers.LSTM, "patch_lstm", "lstm_1", sizes, settings)


def patch_gru(sizes: Sizes, settings: PatchRecurrent = PatchRecurrent()) -> keras.Model:
    """Read patches of the window with a GRU.

    Source: SegRNN (Lin et al. 2023).

    Args:
        sizes: What the model maps, timesteps and features being those of patches.
        settings: Of the network.

    Returns:
        (samples, timesteps, features) to (samples, horizon, targets).
    """
    return _network(keras.layers.GRU, "patch_gru", "gru_1", sizes, settings)


def _network(
    kind: Any, name: str, layer: str, sizes: Sizes, settings: PatchRecurrent
) -> keras.Model:
    """Embed every patch, read them in order, and predict."""
    window = keras.Input((sizes.timesteps, sizes.features), name="window")
    x = keras.layers.Dense(settings.embedding, activation="relu", name="embedding")(window)
    queries = settings.decoding == "queries"
    reader = kind(settings.units, return_state=queries, name=layer)
    if not queries:
        x = _dropped(reader(x), settings)  # (samples, units)
        output = heads.point(x, sizes, dense=settings.dense, activation="relu")
        return keras.Model(window, output, name=name)
    parts = -(-sizes.horizon // settings.patch)
    state, *states = reader(x)
    asked = Queries(parts, settings.embedding, name="queries")(state)
    held = [ForEach(parts, name=f"state_{n}")(part) for n, part in enumerate(states, start=1)]
    x, *_ = reader(asked, initial_state=held)  # (samples·parts, units)
    x = _dropped(x, settings)
    for number, units in enumerate(settings.dense, start=1):
        x = keras.layers.Dense(units, activation="relu", name=f"dense_{number}")(x)
    x = keras.layers.Dense(settings.patch * sizes.targets, name="head")(x)
    output = Answers(parts, sizes.horizon, sizes.targets, name="steps")(x)
    return keras.Model(window, output, name=name)


def _dropped(x: Any, settings: PatchRecurrent) -> Any:
    """Drop a share of a state in training."""
    return keras.layers.Dropout(settings.dropout, name="dropout_1")(x) if settings.dropout else x
