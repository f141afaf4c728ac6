"""What the recurrent layers of a model are called with, whatever kind of model it is."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras

from forecast.gates.names import recurrent_layers
from forecast.training.predict import state


class Call(NamedTuple):
    """What one call handed to a layer, as tensors.

    Attributes:
        inputs: (samples, timesteps, features).
        mask: True where a step counts, or None.
        state: The states at the start, or None.
    """

    inputs: Any
    mask: Any
    state: Any


def calls(model: keras.layers.Layer, windows: Any) -> dict[str, list[Call]]:
    """Run a model as at prediction time and note what its recurrent layers receive.

    >>> inputs = keras.Input((4, 2))
    >>> model = keras.Model(inputs, keras.layers.GRU(3, name="gru_1")(inputs * 2.0))
    >>> calls(model, keras.ops.ones((1, 4, 2)))["gru_1"][0].inputs.numpy()[0, 0].tolist()
    [2.0, 2.0]
    """
    roots = recurrent_layers(model)
    with _noted(roots) as found:
        model(windows, training=False)
    return found


@contextmanager
def undisturbed(model: keras.layers.Layer) -> Iterator[None]:
    """Put random generators back: a layer with recurrent dropout draws even at prediction time."""
    others = state(model)[len(model.weights) :]
    before = [variable.numpy() for variable in others]
    try:
        yield
    finally:
        for variable, value in zip(others, before, strict=True):
            variable.assign(value)


@contextmanager
def _noted(roots: Mapping[str, keras.layers.Layer]) -> Iterator[dict[str, list[Call]]]:
    """Put a note-taker before each layer's `call`: subclassed models offer no other place."""
    found: dict[str, list[Call]] = {path: [] for path in roots}

    def note_taker(path: str, call: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(call)

        def noting(*args: Any, **kwargs: Any) -> Any:
            given = list(signature.bind(*args, **kwargs).arguments.items())
            named = dict(given[1:])
            found[path].append(Call(given[0][1], named.get("mask"), named.get("initial_state")))
            return call(*args, **kwargs)

        return noting

    try:
        for path, layer in roots.items():
            layer.__dict__["call"] = note_taker(path, layer.call)
        yield found
    finally:
        for layer in roots.values():
            layer.__dict__.pop("call", None)
