"""What the gates do on real windows, recomputed from the weights in NumPy."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from forecast.errors import InputError
from forecast.gates.names import gate_names, members, recurrent_layers
from forecast.gates.recorder import Call, calls, undisturbed
from forecast.gates.split import cell_of, split, to_numpy

Activations = dict[str, np.ndarray]
"""`{gate, "cell" or "hidden": (samples, timesteps, units)}`."""
_Array = np.ndarray
_Step = Callable[[_Array, list[_Array]], tuple[list[_Array], list[_Array]]]


def trace(
    model: keras.layers.Layer,
    windows: Any,
    *,
    mask: np.ndarray | None = None,
    initial_state: Sequence[np.ndarray] | None = None,
) -> dict[str, Activations]:
    """Recompute every gate of every recurrent layer at every step, as at prediction time.

    Args:
        model: A built Keras model, or one recurrent layer or wrapper.
        windows: The inputs: (samples, timesteps, features), or for a model whatever it takes.
        mask: For a single layer only: True where a step counts, (samples, timesteps).
        initial_state: For a single layer only: the states at the start as Keras takes them, each
            (samples, units).

    Returns:
        `{layer: {gate: float32 array (samples, timesteps, units)}}`, layers named as by `layers`.
        Beside the gates of `split` there is "hidden", the hidden state after each step, and for
        an LSTM "cell", the cell state; its gate "c" is the candidate after its activation. The
        time axis is always that of the windows: in a layer that reads backwards the state at a
        step is the one after reading that step. A masked step leaves the states as they are and
        has NaN for its gates, so that it counts nowhere. Layers inside `TimeDistributed` have
        the outer axis too: (samples, outer, timesteps, units). A layer that the model calls
        several times has its calls one after another along the samples, in the order in which
        the model makes them.

    Raises:
        InputError: Mask or state is given for a whole model, the shapes do not fit, the layer is
            stateful, or a wrapper inside `TimeDistributed` is not known here.

    >>> layer = keras.layers.SimpleRNN(1, activation="linear", name="rnn_1")
    >>> layer.build((None, 3, 1))
    >>> layer.set_weights([np.array([[1.0]]), np.array([[0.5]]), np.array([0.0])])
    >>> trace(layer, [[[4.0], [0.0], [1.0]]])["rnn_1"]["hidden"][0, :, 0].tolist()
    [4.0, 2.0, 2.0]
    """
    if members(model):
        state = None if initial_state is None else _numpy_list(initial_state)
        return _named(model.name, _trace(model, np.asarray(windows), mask, state))
    if mask is not None or initial_state is not None:
        raise InputError(
            "mask, initial_state: belong to a single recurrent layer, received a whole model; "
            "leave them out, the model brings its own"
        )
    check_layer(model)
    with undisturbed(model):
        return retrace(model, calls(model, to_tensors(windows)))


def check_layer(model: keras.layers.Layer) -> None:
    """Refuse a model of which some gates cannot be recomputed, before anything is run.

    >>> check_layer(keras.Sequential([keras.Input((4, 2)), keras.layers.GRU(3)]))
    """
    for layer in recurrent_layers(model).values():
        _check_known(layer)


def to_tensors(windows: Any) -> Any:
    """Turn the inputs of a model into tensors.

    >>> to_tensors({"window": np.ones((1, 2))})["window"].shape
    TensorShape([1, 2])
    """
    return keras.tree.map_structure(keras.ops.convert_to_tensor, windows)


def retrace(
    model: keras.layers.Layer, found: Mapping[str, Sequence[Call]]
) -> dict[str, Activations]:
    """Recompute the gates from what the layers were called with."""
    result: dict[str, Activations] = {}
    for path, layer in recurrent_layers(model).items():
        # a layer that is called again on another number of steps, as a decoder is, is traced only
        # on what it reads first
        alike = [c for c in found[path] if c.inputs.shape[1] == found[path][0].inputs.shape[1]]
        traces = [_named(path, _trace(layer, *_plain(call))) for call in alike]
        for name in traces[0] if traces else ():
            result[name] = {
                gate: first if len(traces) == 1 else np.concatenate([t[name][gate] for t in traces])
                for gate, first in traces[0][name].items()
            }
    return result


def _named(path: str, traced: dict[str, Activations]) -> dict[str, Activations]:
    return {f"{path}.{suffix}" if suffix else path: gates for suffix, gates in traced.items()}


def _plain(call: Call) -> tuple[_Array, _Array | None, list[_Array] | None]:
    """Turn the tensors of a call into arrays."""
    return (
        to_numpy(call.inputs),
        None if call.mask is None else to_numpy(call.mask),
        None if call.state is None else _numpy_list(call.state),
    )


def _numpy_list(state: Any) -> list[_Array]:
    return [to_numpy(s) for s in keras.tree.flatten(state)]


def _trace(
    layer: keras.layers.Layer, x: _Array, mask: _Array | None, state: list[_Array] | None
) -> dict[str, Activations]:
    """Return `{suffix: activations}` with the suffixes of `members`."""
    if isinstance(layer, keras.layers.Bidirectional):
        half = 0 if state is None else len(state) // 2
        ahead = _trace(layer.forward_layer, x, mask, state and state[:half])
        back = _trace(layer.backward_layer, x, mask, state and state[half:])
        return {**_named("forward", ahead), **_named("backward", back)}
    if isinstance(layer, keras.layers.TimeDistributed):
        flat = None if mask is None else mask.reshape(-1, *mask.shape[2:])
        inner = _trace(layer.layer, x.reshape(-1, *x.shape[2:]), flat, None)
        return {
            suffix: {gate: a.reshape(*x.shape[:2], *a.shape[1:]) for gate, a in gates.items()}
            for suffix, gates in inner.items()
        }
    _check_known(layer)
    return _run(layer, x, mask, state)


def _check_known(layer: keras.layers.Layer) -> None:
    """Refuse a layer whose gates cannot be recomputed from what it was called with."""
    if isinstance(layer, keras.layers.Bidirectional):
        _check_known(layer.forward_layer)
        _check_known(layer.backward_layer)
    elif isinstance(layer, keras.layers.TimeDistributed):
        _check_known(layer.layer)
    elif isinstance(layer, keras.layers.Wrapper):
        raise InputError(
            f"model: the gates inside {type(layer).__name__} {layer.name!r} cannot be recomputed, "
            "since it is a wrapper of one's own; leave out the probe of GateSnapshots, or trace "
            f"the layer inside it, {layer.name}.layer"
        )
    elif not isinstance(layer, keras.layers.RNN):
        raise InputError(
            "model: must be a recurrent layer, or a model that holds some, received "
            f"{type(layer).__name__} {layer.name!r}; put a cell into keras.layers.RNN"
        )
    elif layer.stateful:
        raise InputError(
            f"model: the gates of {type(layer).__name__} {layer.name!r} cannot be recomputed, "
            "since it is stateful and begins where an earlier batch ended; leave out the probe of "
            "GateSnapshots, or trace a model built with stateful=False that has its weights"
        )


def _run(
    layer: keras.layers.RNN, x: _Array, mask: _Array | None, state: list[_Array] | None
) -> dict[str, Activations]:
    """Run one recurrent layer; stacked cells one after the other, which comes to the same."""
    x = x.astype(np.float32)
    keep = None if mask is None else np.asarray(mask, dtype=bool)
    order = slice(None, None, -1) if layer.go_backwards else slice(None)
    cells = {key: cell_of(cell) for key, cell in members(layer).items()}
    _check_input(layer, x, keep, next(iter(cells.values())))
    remaining = state
    result: dict[str, Activations] = {}
    for suffix, cell in cells.items():
        count = 2 if isinstance(cell, keras.layers.LSTMCell) else 1
        start = [np.zeros((len(x), cell.units), np.float32) for _ in range(count)]
        if remaining is not None:
            given, remaining = remaining[:count], remaining[count:]
            if [s.shape for s in given] != [s.shape for s in start]:
                raise InputError(
                    f"initial_state: must be {count} arrays of shape {start[0].shape} for each "
                    f"cell, received {[s.shape for s in given]}; pass one row per sample"
                )
            start = [s.astype(np.float32) for s in given]
        steps = np.swapaxes(x[:, order], 0, 1)
        live = None if keep is None else keep[:, order].T
        traced = _loop(cell, steps, live, start)
        result[suffix] = {
            gate: np.swapaxes(values, 0, 1)[:, order] for gate, values in traced.items()
        }
        x = result[suffix]["hidden"]
    return result


def _loop(
    cell: keras.layers.Layer, x: _Array, live: _Array | None, states: list[_Array]
) -> Activations:
    """Step through time; all arrays are (timesteps, samples, …) here."""
    names = gate_names(cell)
    gates = split(cell)
    kernel = np.concatenate([gates[name]["kernel"] for name in names], axis=-1)
    # One plain matrix product for all steps: the step below adds what depends on the one before.
    projected = (np.ascontiguousarray(x).reshape(-1, len(kernel)) @ kernel).reshape(
        *x.shape[:2], -1
    )
    if cell.use_bias:
        projected += np.concatenate([gates[name]["bias"] for name in names])
    step = _STEPS[len(names)](cell)
    keys = [*names, "hidden", "cell"][: len(names) + len(states)]
    traced = {key: np.empty((*x.shape[:2], cell.units), np.float32) for key in keys}
    for t in range(len(x)):
        values, fresh = step(projected[t], states)
        if live is not None:
            counts = live[t][:, None]
            values = [np.where(counts, value, np.nan) for value in values]
            fresh = [np.where(counts, new, old) for new, old in zip(fresh, states, strict=True)]
        states = fresh
        for key, value in zip(keys, [*values, *states], strict=True):
            traced[key][t] = value
    return traced


def _lstm(cell: keras.layers.Layer) -> _Step:
    activate, gate = _function(cell.activation), _function(cell.recurrent_activation)
    recurrent, units = to_numpy(cell.recurrent_kernel).astype(np.float32), cell.units

    def step(x: _Array, states: list[_Array]) -> tuple[list[_Array], list[_Array]]:
        hidden, carried = states
        total = x + hidden @ recurrent
        i, f, c, o = (total[:, n * units : (n + 1) * units] for n in range(4))
        i, f, c, o = gate(i), gate(f), activate(c), gate(o)
        carried = f * carried + i * c
        return [i, f, c, o], [o * activate(carried), carried]

    return step


def _gru(cell: keras.layers.Layer) -> _Step:
    activate, gate = _function(cell.activation), _function(cell.recurrent_activation)
    recurrent = to_numpy(cell.recurrent_kernel).astype(np.float32)
    last = recurrent[:, 2 * cell.units :].copy()
    zero = np.zeros(cell.units, np.float32)
    biases = [parts.get("recurrent_bias", zero) for parts in split(cell).values()]
    bias = np.concatenate(biases).astype(np.float32)

    def step(x: _Array, states: list[_Array]) -> tuple[list[_Array], list[_Array]]:
        (hidden,) = states
        x_z, x_r, x_h = np.split(x, 3, axis=-1)
        h_z, h_r, h_h = np.split(hidden @ recurrent + bias, 3, axis=-1)
        z, r = gate(x_z + h_z), gate(x_r + h_r)
        past = r * h_h if cell.reset_after else (r * hidden) @ last
        candidate = activate(x_h + past)
        return [z, r, candidate], [z * hidden + (1 - z) * candidate]

    return step


def _simple(cell: keras.layers.Layer) -> _Step:
    activate = _function(cell.activation)
    recurrent = to_numpy(cell.recurrent_kernel).astype(np.float32)

    def step(x: _Array, states: list[_Array]) -> tuple[list[_Array], list[_Array]]:
        hidden = activate(x + states[0] @ recurrent)
        return [hidden], [hidden]

    return step


_STEPS = {4: _lstm, 3: _gru, 1: _simple}
# The common ones without a detour over tensors; tanh form of the sigmoid: it cannot overflow.
_NUMPY: dict[Any, Callable[[_Array], _Array]] = {
    keras.activations.sigmoid: lambda x: 0.5 + 0.5 * np.tanh(0.5 * x),
    keras.activations.tanh: np.tanh,
    keras.activations.relu: lambda x: np.maximum(x, 0.0),
    keras.activations.linear: lambda x: x,
}


def _function(activation: Callable[..., Any]) -> Callable[[_Array], _Array]:
    if activation in _NUMPY:
        return _NUMPY[activation]

    def function(x: _Array) -> _Array:
        values = activation(keras.ops.convert_to_tensor(x))
        return to_numpy(values).astype(np.float32)

    return function


def _check_input(
    layer: keras.layers.RNN, x: _Array, keep: _Array | None, cell: keras.layers.Layer
) -> None:
    features = next(iter(split(cell).values()))["kernel"].shape[0]
    if x.ndim != 3 or x.shape[-1] != features:
        raise InputError(
            f"windows: must be (samples, timesteps, {features}) for {layer.name!r}, "
            f"received {x.shape}; pass what the layer itself is called with"
        )
    if keep is not None and keep.shape != x.shape[:2]:
        raise InputError(
            f"mask: must be (samples, timesteps) = {x.shape[:2]}, received {keep.shape}; "
            "pass one truth value per step"
        )
