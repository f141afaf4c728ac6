"""Cut the fused arrays of a recurrent layer into named gates, and put them together again."""

from typing import Any

import keras
import numpy as np
import pandas as pd

from forecast.data.table import card
from forecast.errors import InputError
from forecast.gates.names import gate_names, members

Gates = dict[str, dict[str, np.ndarray]]
"""`{gate: {part: array}}` with the parts kernel, recurrent_kernel, bias, recurrent_bias."""


class SplitGates(Gates):
    """The same, and a notebook shows the shape and the root mean square of every array."""

    def _repr_html_(self) -> str:
        """Write a row for each gate and a column for each part."""
        rows = {
            gate: {
                part: f"{array.shape}, RMS {np.sqrt(np.mean(np.square(array))):.3g}"
                for part, array in parts.items()
            }
            for gate, parts in self.items()
        }
        return card("Gates", {}, pd.DataFrame.from_dict(rows, orient="index"))


def split(layer: keras.layers.Layer) -> SplitGates:
    """Cut the weights of a recurrent layer into its gates.

    Args:
        layer: A built LSTM, GRU or SimpleRNN layer, an `RNN` over such cells, a cell, or a
            `Bidirectional` or `TimeDistributed` layer around one.

    Returns:
        `{gate: {"kernel": (features, units), "recurrent_kernel": (units, units), "bias":
        (units,)}}`, copies, with the gates i, f, c, o of an LSTM, z, r, h of a GRU and h of a
        SimpleRNN. A GRU with `reset_after=True` has a "recurrent_bias" (units,) too; a layer
        without bias has none. Gates inside wrappers and stacks carry a prefix: `forward.i`,
        `backward.i`, `cell_1.i`.

    Raises:
        InputError: The layer has no gates that are known here, or no weights yet.

    The array (5, 480) of 120 LSTM units on 5 features holds four of (5, 120):

    >>> layer = keras.layers.LSTM(120)
    >>> layer.build((None, 24, 5))
    >>> [array.shape for array in layer.get_weights()]
    [(5, 480), (120, 480), (480,)]
    >>> {part: array.shape for part, array in split(layer)["f"].items()}
    {'kernel': (5, 120), 'recurrent_kernel': (120, 120), 'bias': (120,)}

    10 units on 30 features:

    >>> layer = keras.layers.LSTM(10)
    >>> layer.build((None, 24, 30))
    >>> {part: array.shape for part, array in split(layer)["o"].items()}
    {'kernel': (30, 10), 'recurrent_kernel': (10, 10), 'bias': (10,)}

    2 units on 7 features; a fresh layer has forget bias 1 and all others 0:

    >>> layer = keras.layers.LSTM(2)
    >>> layer.build((None, 24, 7))
    >>> [array.shape for array in layer.get_weights()]
    [(7, 8), (2, 8), (8,)]
    >>> {gate: parts["bias"].tolist() for gate, parts in split(layer).items()}
    {'i': [0.0, 0.0], 'f': [1.0, 1.0], 'c': [0.0, 0.0], 'o': [0.0, 0.0]}
    """
    gates = SplitGates()
    for prefix, cell in _cells(layer).items():
        names = gate_names(cell)
        for gate in names:
            gates[prefix + gate] = {}
        for part, array in _parts(cell).items():
            for gate, values in zip(names, np.split(array, len(names), axis=-1), strict=True):
                gates[prefix + gate][part] = values.copy()
    return gates


def join(layer: keras.layers.Layer, gates: Gates) -> list[np.ndarray]:
    """Put named gates together again: the inverse of `split`.

    Args:
        layer: The layer whose arrangement is wanted; its own weights are not changed.
        gates: `{gate: {part: array}}` with every gate and part that `split(layer)` has, in the
            same shapes.

    Returns:
        The arrays in the order of `layer.get_weights()`, ready for `layer.set_weights`.

    Raises:
        InputError: The layer has no gates, or a gate or part is missing, unknown or of another
            shape.

    >>> layer = keras.layers.LSTM(2)
    >>> layer.build((None, 24, 7))
    >>> gates = split(layer)
    >>> gates["f"]["bias"] += 2
    >>> join(layer, gates)[2].tolist()
    [0.0, 0.0, 3.0, 3.0, 0.0, 0.0, 0.0, 0.0]
    """
    _check_same(gates, split(layer))
    fused: dict[int, np.ndarray] = {}
    for prefix, cell in _cells(layer).items():
        names = [prefix + gate for gate in gate_names(cell)]
        for part in ("kernel", "recurrent_kernel"):
            joined = np.concatenate([gates[name][part] for name in names], axis=-1)
            fused[id(getattr(cell, part))] = joined
        if cell.bias is not None:
            rows = [
                np.concatenate([gates[name][part] for name in names])
                for part in ("bias", "recurrent_bias")
                if part in gates[names[0]]
            ]
            fused[id(cell.bias)] = rows[0] if len(rows) == 1 else np.stack(rows)
    # Weights that belong to no gate (a subclass may add some) keep their values.
    return [
        np.asarray(fused[id(weight)], dtype=present.dtype) if id(weight) in fused else present
        for weight, present in zip(layer.weights, layer.get_weights(), strict=True)
    ]


def cell_of(member: keras.layers.Layer) -> keras.layers.Layer:
    """Take the cell out of a recurrent layer; a cell is returned as it is.

    >>> type(cell_of(keras.layers.GRU(3))).__name__
    'GRUCell'
    """
    return member.cell if isinstance(member, keras.layers.RNN) else member


def to_numpy(value: Any) -> np.ndarray:
    """Read a variable or a tensor.

    >>> to_numpy(keras.ops.ones(2)).tolist()
    [1.0, 1.0]
    """
    # keras.ops.convert_to_numpy goes through __array__, whose TensorFlow form NumPy 2 warns about.
    return value.numpy() if hasattr(value, "numpy") else np.asarray(value)


def is_built(layer: keras.layers.Layer) -> bool:
    """Say whether a recurrent layer or a cell has its weights.

    >>> is_built(keras.layers.GRU(3))
    False
    """
    return getattr(cell_of(layer), "kernel", None) is not None


def _cells(layer: keras.layers.Layer) -> dict[str, keras.layers.Layer]:
    """Return `{prefix of the gate names: cell}`."""
    kind = f"{type(layer).__name__} {getattr(layer, 'name', '')!r}"
    found = members(layer)
    if not found:
        raise InputError(
            "layer: must be an LSTM, GRU or SimpleRNN layer, a cell of one or a wrapper around "
            f"one, received {kind}; take one of forecast.gates.layers(model)"
        )
    if not all(is_built(member) for member in found.values()):
        raise InputError(
            f"layer: must have weights, received {kind} before its first call; "
            "call layer.build((None, timesteps, features)) or the model on one batch"
        )
    return {f"{key}." if key else "": cell_of(member) for key, member in found.items()}


def _parts(cell: keras.layers.Layer) -> dict[str, np.ndarray]:
    parts = {part: to_numpy(getattr(cell, part)) for part in ("kernel", "recurrent_kernel")}
    if cell.bias is not None:
        bias = to_numpy(cell.bias)
        # A GRU with reset_after=True has two rows: one for the inputs, one for the hidden state.
        parts["bias"] = bias[0] if bias.ndim == 2 else bias
        if bias.ndim == 2:
            parts["recurrent_bias"] = bias[1]
    return parts


def _check_same(gates: Gates, expected: Gates) -> None:
    wanted = {
        (gate, part): a.shape for gate, parts in expected.items() for part, a in parts.items()
    }
    given = {
        (gate, part): np.shape(array)
        for gate, parts in gates.items()
        for part, array in parts.items()
    }
    if given == wanted:
        return
    for gate, part in [*wanted, *given]:
        if given.get((gate, part)) != wanted.get((gate, part)):
            raise InputError(
                f"gates: must have the gates, parts and shapes of split(layer), received shape "
                f"{given.get((gate, part), 'none')} for part {part!r} of gate {gate!r} where "
                f"{wanted.get((gate, part), 'none')} is wanted; start from split(layer)"
            )
