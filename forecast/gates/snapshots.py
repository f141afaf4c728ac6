"""The weights of one epoch under readable names, in memory and as a NumPy file."""

import os
import zipfile
from collections.abc import Mapping

import keras
import numpy as np

from forecast.errors import InputError
from forecast.gates.names import convolutions, layers, tap_names, tap_offset
from forecast.gates.split import Gates, is_built, split, to_numpy

Snapshot = dict[str, np.ndarray]
"""`{"<layer>/<part>/<gate>": array}`; the "gate" of a convolution is a tap such as lag_04.

Parts are those of `split`, and `ACTIVITY` where a probe measured what the gates do.
"""

ACTIVITY = ("mean", "shut", "open", "range", "steps")
"""Parts that are no weights; see `forecast.gates.activity.measure`."""


def snapshot(model: keras.layers.Layer) -> Snapshot:
    """Copy the weights of every gate, and of every tap of every convolution, under its name.

    Args:
        model: Any Keras model; layers that have no weights yet are left out.

    Returns:
        `{name: float32 array}`: `lstm_1/kernel/i` of shape (features, units),
        `lstm_1/recurrent_kernel/i` (units, units), `lstm_1/bias/i` (units,), a GRU's
        `gru_1/recurrent_bias/z` (units,); and for a convolution `conv_1/kernel/lag_04`
        (in, out), the tap that reads 4 steps before the newest step the layer sees; where it
        looks ahead, as with `padding="same"`, `conv_1/kernel/tap_-1`, `tap_0`, `tap_1`: see
        `forecast.gates.names.tap_names`. Recurrent layers of other kinds, such as a ConvLSTM, are
        left out.

    Raises:
        InputError: `model` is no Keras layer.

    >>> model = keras.Sequential([keras.Input((24, 5)), keras.layers.SimpleRNN(2, name="rnn_1"),
    ...                           keras.layers.Dense(1)])
    >>> {name: array.shape for name, array in snapshot(model).items()}
    {'rnn_1/kernel/h': (5, 2), 'rnn_1/recurrent_kernel/h': (2, 2), 'rnn_1/bias/h': (2,)}
    """
    result: Snapshot = {}
    for name, layer in layers(model).items():
        gates = split(layer) if is_built(layer) else {}
        for gate, parts in gates.items():
            for part, array in parts.items():
                result[f"{name}/{part}/{gate}"] = array.astype(np.float32)
    for name, layer in convolutions(model).items():
        if getattr(layer, "kernel", None) is None:
            continue
        kernel = to_numpy(layer.kernel)
        for tap, values in zip(tap_names(layer, len(kernel)), kernel, strict=True):
            result[f"{name}/kernel/{tap}"] = values.astype(np.float32)
    return result


def unpack(weights: Mapping[str, np.ndarray]) -> dict[str, Gates]:
    """Sort the names of a snapshot into layers, gates and parts.

    Args:
        weights: A snapshot, from `snapshot` or `load`.

    Returns:
        `{layer: {gate: {part: array}}}`: what `split` returns, for every layer; activity is left
        out.

    Raises:
        InputError: A name has not the three parts of a snapshot's names.

    >>> nested = unpack({"lstm_1/kernel/i": np.zeros((5, 2)), "lstm_1/bias/i": np.zeros(2)})
    >>> {part: array.shape for part, array in nested["lstm_1"]["i"].items()}
    {'kernel': (5, 2), 'bias': (2,)}
    """
    result: dict[str, Gates] = {}
    for name, array in weights.items():
        if name.count("/") != 2:
            raise InputError(
                f"weights: names must be <layer>/<part>/<gate>, received {name!r}; "
                "make them with forecast.gates.snapshot"
            )
        layer, part, gate = name.split("/")
        if part in ACTIVITY:
            continue
        result.setdefault(layer, {}).setdefault(gate, {})[part] = array
    return result


def is_convolution(gates: Gates) -> bool:
    """Say whether a layer of an unpacked snapshot is a convolution.

    >>> is_convolution({"lag_00": {"kernel": np.zeros((2, 3))}})
    True
    """
    return all(tap_offset(gate) is not None for gate in gates)


def save(path: str | os.PathLike[str], weights: Mapping[str, np.ndarray]) -> None:
    """Write a snapshot as an `.npz` file, which NumPy reads without this package.

    It is not compressed: weights do not shrink by more than a twentieth, and it takes time.

    Args:
        path: The file to write; it is used as given, without a suffix added.
        weights: A snapshot.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/epoch_0001.npz", {"lstm_1/bias/f": np.ones(2, "float32")})
    ...     load(f"{folder}/epoch_0001.npz")
    {'lstm_1/bias/f': array([1., 1.], dtype=float32)}
    """
    with open(path, "wb") as file:
        # The names come from layers, so none can be an argument of savez.
        np.savez(file, **dict(weights))  # type: ignore[arg-type]


def load(path: str | os.PathLike[str]) -> Snapshot:
    """Read a snapshot that `save` wrote.

    Args:
        path: The `.npz` file.

    Returns:
        `{name: array}`, as it was saved.

    Raises:
        InputError: The file does not exist or is no snapshot.
    """
    try:
        with open(path, "rb") as file:
            arrays = np.load(file, allow_pickle=False)
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError as error:
        raise InputError(
            f"path: must be an existing file, received {os.fspath(path)!r}; "
            "list the run's artifacts under snapshots/"
        ) from error
    except (AttributeError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"path: must be a .npz file of arrays, received {os.fspath(path)!r} ({error}); "
            "it was cut short or is another kind of file, fetch it again"
        ) from error
