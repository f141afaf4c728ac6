"""Find the layers whose weights have names: recurrent ones, and convolutions over time."""

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import keras

from forecast.errors import InputError

Layer: TypeAlias = keras.layers.Layer

KEEPING = ("f", "z")
"""Gates that are the share of the old state that is kept: an LSTM's forget, a GRU's update gate."""

CANDIDATES = ("c", "h")
"""What could become the new state: an LSTM's candidate, a GRU's, a SimpleRNN's only gate."""

NOTHING = "no recurrent or convolution layer: nothing to watch"
"""Message for a network without a layer that has gates or taps."""

STATES = ("hidden", "cell")
"""What `trace` returns beside the gates."""


def gate_names(cell: Layer) -> tuple[str, ...]:
    """Name the gates of a cell in the order in which Keras stores them.

    >>> gate_names(keras.layers.LSTMCell(2))
    ('i', 'f', 'c', 'o')
    >>> gate_names(keras.layers.GRUCell(2))
    ('z', 'r', 'h')
    """
    if isinstance(cell, keras.layers.LSTMCell):
        return ("i", "f", "c", "o")
    if isinstance(cell, keras.layers.GRUCell):
        return ("z", "r", "h")
    if isinstance(cell, keras.layers.SimpleRNNCell):
        return ("h",)
    return ()


def members(layer: Layer) -> dict[str, Layer]:
    """List the single recurrent layers inside a wrapper, or the cells inside a stack.

    >>> list(members(keras.layers.Bidirectional(keras.layers.GRU(2))))
    ['forward', 'backward']
    """
    if isinstance(layer, keras.layers.Bidirectional):
        return {
            **_under("forward", members(layer.forward_layer)),
            **_under("backward", members(layer.backward_layer)),
        }
    if isinstance(layer, keras.layers.Wrapper):
        return members(layer.layer)
    if isinstance(layer, keras.layers.StackedRNNCells):
        found: dict[str, Layer] = {}
        for number, cell in enumerate(layer.cells, start=1):
            found.update(_under(f"cell_{number}", members(cell)))
        return found
    if isinstance(layer, keras.layers.RNN):
        return {"": layer} if gate_names(layer.cell) else members(layer.cell)
    return {"": layer} if gate_names(layer) else {}


def recurrent_layers(model: Layer) -> dict[str, Layer]:
    """Find every outermost recurrent layer of a model: wrappers and stacks stay whole.

    >>> bidirectional = keras.layers.Bidirectional(keras.layers.LSTM(2), name="both")
    >>> list(recurrent_layers(keras.Sequential([keras.Input((4, 3)), bidirectional])))
    ['both']
    """
    return _numbered((path, _opened(outer)) for path, outer, _ in _walk(model) if members(outer))


def unwatched(model: Layer) -> dict[str, Layer]:
    """Find every recurrent layer whose gates have no names here: ConvLSTM, or a cell of one's own.

    >>> model = keras.Sequential([keras.Input((4, 9, 1)), keras.layers.ConvLSTM1D(2, 3, name="c")])
    >>> list(unwatched(model))
    ['c']
    """
    return _numbered((path, outer) for path, outer, core in _walk(model) if _is_unknown(core))


def layers(model: Layer) -> dict[str, Layer]:
    """Find every recurrent layer of a model, also inside models, wrappers and stacks of cells.

    Args:
        model: Any Keras model or layer, built or not.

    Returns:
        `{name: layer}` in the order of the model. The name is the layer's own; a path through
        nested models is joined with dots (`body.lstm_1`); the two directions of a
        `Bidirectional` layer are `bi_1.forward` and `bi_1.backward`; stacked cells are
        `rnn_1.cell_1`, `rnn_1.cell_2` …; a `TimeDistributed` layer lends its own name.

    Raises:
        InputError: `model` is no Keras layer.

    >>> body = keras.Sequential([keras.Input((4, 3)), keras.layers.LSTM(2, name="lstm_1")],
    ...                         name="body")
    >>> both = keras.layers.Bidirectional(keras.layers.GRU(2, return_sequences=True), name="bi_1")
    >>> inputs = keras.Input((4, 3))
    >>> list(layers(keras.Model(inputs, [body(inputs), both(inputs)])))
    ['body.lstm_1', 'bi_1.forward', 'bi_1.backward']
    """
    return _numbered(
        (key, member)
        for path, outer in recurrent_layers(model).items()
        for key, member in _under(path, members(outer)).items()
    )


def convolutions(model: Layer) -> dict[str, Layer]:
    """Find every convolution over time of a model.

    Args:
        model: Any Keras model or layer.

    Returns:
        `{name: layer}`, named as in `layers`: every `Conv1D`, and any other layer with a `kernel`
        of shape (taps, in, out) and an attribute `dilation` or `dilation_rate`; none inside a
        recurrent layer, whose convolutions, as those of a ConvLSTM, slide over space.

    Raises:
        InputError: `model` is no Keras layer.

    >>> convolution = keras.layers.Conv1D(8, 3, name="conv_1")
    >>> list(convolutions(keras.Sequential([keras.Input((10, 2)), convolution])))
    ['conv_1']
    """
    return _numbered((path, core) for path, _, core in _walk(model) if _is_convolution(core))


def dilation(layer: Layer) -> int:
    """Read how many steps lie between two taps of a convolution.

    >>> dilation(keras.layers.Conv1D(8, 3, dilation_rate=4))
    4
    """
    value: Any = getattr(layer, "dilation", None)
    if value is None:
        value = getattr(layer, "dilation_rate", 1)
    return int(value[0] if isinstance(value, (tuple, list)) else value)


def tap_names(layer: Layer, taps: int) -> list[str]:
    """Name the taps of a convolution by the step that each reads.

    >>> tap_names(keras.layers.Conv1D(8, 3, padding="causal", dilation_rate=2), 3)
    ['lag_04', 'lag_02', 'lag_00']
    >>> tap_names(keras.layers.Conv1D(8, 3, padding="same", dilation_rate=2), 3)
    ['tap_-2', 'tap_0', 'tap_2']
    """
    every, padding = dilation(layer), getattr(layer, "padding", "causal")
    width = (taps - 1) * every
    if padding == "causal":
        # Two digits at least, so that a deeper model has the same names for its first layers.
        digits = max(2, len(str(width)))
        return [f"lag_{width - tap * every:0{digits}d}" for tap in range(taps)]
    strides = getattr(layer, "strides", 1)
    dense = (strides[0] if isinstance(strides, (tuple, list)) else strides) == 1
    # With strides the padding, and so the step of an output, depends on the length of the window.
    before = width // 2 if padding == "same" and dense else width
    return [f"tap_{tap * every - before}" for tap in range(taps)]


def tap_offset(name: str) -> int | None:
    """Read the step of a tap out of its name.

    >>> tap_offset("lag_04"), tap_offset("tap_1"), tap_offset("f")
    (-4, 1, None)
    """
    kind, _, step = name.partition("_")
    if kind not in ("lag", "tap") or not re.fullmatch(r"-?\d+", step):
        return None
    return -int(step) if kind == "lag" else int(step)


def _walk(layer: Layer) -> Iterator[tuple[str, Layer, Layer]]:
    """Yield (path, layer, layer without its wrappers) for every layer outside recurrent ones."""
    if not isinstance(layer, keras.layers.Layer):
        raise InputError(
            f"model: must be a Keras model or layer, received {type(layer).__name__}; "
            "load a file with keras.models.load_model first"
        )
    if _is_whole(layer):
        yield _clean(layer.name), layer, _core(layer)
    else:
        yield from _inside(layer, "", set())


def _inside(layer: Layer, path: str, seen: set[int]) -> Iterator[tuple[str, Layer, Layer]]:
    for child in _children(layer):
        # A layer used at two places has one set of weights and so one name: the first.
        if id(child) in seen:
            continue
        seen.add(id(child))
        here = f"{path}.{_clean(child.name)}" if path else _clean(child.name)
        core = _core(child)
        yield here, child, core
        if not _is_whole(child):
            yield from _inside(core, here, seen)


def _children(layer: Layer) -> list[Layer]:
    if isinstance(layer, keras.Model):
        return list(layer.layers)
    # What `Model.layers` is made of; other layers have no public list of their sublayers.
    return list(layer._flatten_layers(include_self=False, recursive=False))


def _core(layer: Layer) -> Layer:
    """Take the wrappers off: inner names come from a process-wide counter, so they are not kept."""
    while isinstance(layer, keras.layers.Wrapper):
        layer = layer.layer
    return layer


def _opened(layer: Layer) -> Layer:
    """Take the wrappers off of which Keras knows nothing: what they do is in what they hand on."""
    known = (keras.layers.Bidirectional, keras.layers.TimeDistributed)
    while isinstance(layer, keras.layers.Wrapper) and not isinstance(layer, known):
        layer = layer.layer
    return layer


def _is_whole(layer: Layer) -> bool:
    """Say whether a layer is one thing here, inside of which nothing else is looked for."""
    core = _core(layer)
    return bool(members(layer)) or _is_convolution(core) or _is_unknown(core)


def _is_unknown(layer: Layer) -> bool:
    """Say whether a layer is recurrent and none of the kinds whose gates have names."""
    return isinstance(layer, keras.layers.RNN) and not members(layer)


def _is_convolution(layer: Layer) -> bool:
    if isinstance(layer, keras.layers.Conv1DTranspose):
        return False
    if isinstance(layer, (keras.layers.Conv1D, keras.layers.DepthwiseConv1D)):
        return True
    # An attention layer's 3-D kernel has no taps: only a dilation tells that steps are meant.
    if not hasattr(layer, "dilation") and not hasattr(layer, "dilation_rate"):
        return False
    return len(getattr(getattr(layer, "kernel", None), "shape", ())) == 3


def _under(path: str, found: dict[str, Layer]) -> dict[str, Layer]:
    return {f"{path}.{suffix}" if suffix else path: layer for suffix, layer in found.items()}


def _clean(name: str) -> str:
    """Keep what metric keys and file names can hold."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _numbered(found: Iterator[tuple[str, Layer]]) -> dict[str, Layer]:
    """Collect into a dictionary; in subclassed models two layers may share one name."""
    result: dict[str, Layer] = {}
    for name, layer in found:
        key, number = name, 1
        while key in result:
            number += 1
            key = f"{name}_{number}"
        result[key] = layer
    return result
