"""A few numbers per gate and per tap: how large the weights are and how fast they change."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import keras
import numpy as np
import pandas as pd

from forecast.errors import InputError
from forecast.gates.names import CANDIDATES
from forecast.gates.snapshots import is_convolution, snapshot, unpack
from forecast.gates.split import Gates

Weights: TypeAlias = keras.layers.Layer | Mapping[str, np.ndarray]

# The statistic and the parts that it measures; both biases of a GRU count as one.
_SIZES = {
    "kernel": ("kernel",),
    "recurrent": ("recurrent_kernel",),
    "bias": ("bias", "recurrent_bias"),
}


def statistics(weights: Weights, previous: Weights | None = None) -> dict[str, float]:
    """Measure every gate of every recurrent layer.

    Args:
        weights: A Keras model, or a snapshot of one.
        previous: The same model one epoch earlier, as a snapshot. Without it there is no update
            ratio.

    Returns:
        `{"gates.<layer>/<gate>_<statistic>": value}` with the L2 norms `kernel_norm`,
        `recurrent_norm` and `bias_norm`; `kernel_rms`, `recurrent_rms` and `bias_rms`, the root
        mean square of the same weights, which unlike a norm can be compared between layers of
        different sizes; `update`, the L2 norm of the change of all parts of the gate over the norm
        they had before; and `radius`, the largest absolute eigenvalue of the candidate's recurrent
        kernel, by which the state grows from step to step where nothing holds it (Pascanu et al.
        2013, §2.1). Values that are not finite are left out.

    Raises:
        InputError: `previous` has other layers, gates or shapes than `weights`.

    >>> before = {"lstm_1/kernel/f": np.array([[3.0], [4.0]]), "lstm_1/bias/f": np.array([0.0])}
    >>> now = {"lstm_1/kernel/f": np.array([[3.0], [4.0]]), "lstm_1/bias/f": np.array([1.0])}
    >>> for key, value in statistics(now, before).items():
    ...     print(key, round(value, 3))
    gates.lstm_1/f_kernel_norm 5.0
    gates.lstm_1/f_kernel_rms 3.536
    gates.lstm_1/f_bias_norm 1.0
    gates.lstm_1/f_bias_rms 1.0
    gates.lstm_1/f_update 0.2
    """
    now = _unpacked(weights, convolutional=False)
    before = None if previous is None else _unpacked(previous, convolutional=False)
    _check_same(now, before)
    result: dict[str, float] = {}
    for layer, gates in now.items():
        for gate, parts in gates.items():
            for statistic, names in _SIZES.items():
                chosen = [parts[name] for name in names if name in parts]
                if chosen:
                    result[f"gates.{layer}/{gate}_{statistic}_norm"] = _norm(chosen)
                    result[f"gates.{layer}/{gate}_{statistic}_rms"] = rms(chosen)
            if gate in CANDIDATES and "recurrent_kernel" in parts:
                result[f"gates.{layer}/{gate}_radius"] = _radius(parts["recurrent_kernel"])
            if before is not None:
                pairs = [(array, before[layer][gate][part]) for part, array in parts.items()]
                result[f"gates.{layer}/{gate}_update"] = _update(pairs)
    return _finite(result)


def taps(weights: Weights, previous: Weights | None = None) -> dict[str, float]:
    """Measure every tap of every convolution over time.

    Args:
        weights: A Keras model, or a snapshot of one.
        previous: The same model one epoch earlier, as a snapshot. Without it there is no update
            ratio.

    Returns:
        `{"taps.<layer>/lag_<NN>": L2 norm}` where NN counts the steps from the newest step that
        the layer sees back to the step this tap reads (`tap_<offset>` in a layer that looks ahead,
        see `forecast.gates.names.tap_names`); `taps.<layer>/lag_<NN>_rms`, the root mean square of
        its weights; and `taps.<layer>/update`: the L2 norm of the change of the whole kernel over
        the norm it had before. Values that are not finite are left out.

    Raises:
        InputError: `previous` has other layers, taps or shapes than `weights`.

    >>> found = taps({"conv_1/kernel/lag_02": np.array([[0.0, 0.0, 0.0, 1.0]]),
    ...               "conv_1/kernel/lag_00": np.array([[5.0, 5.0, 5.0, 5.0]])})
    >>> found["taps.conv_1/lag_02"], found["taps.conv_1/lag_02_rms"]
    (1.0, 0.5)
    >>> found["taps.conv_1/lag_00"], found["taps.conv_1/lag_00_rms"]
    (10.0, 5.0)
    """
    now = _unpacked(weights, convolutional=True)
    before = None if previous is None else _unpacked(previous, convolutional=True)
    _check_same(now, before)
    result: dict[str, float] = {}
    for layer, lags in now.items():
        for lag, parts in lags.items():
            result[f"taps.{layer}/{lag}"] = _norm(parts.values())
            result[f"taps.{layer}/{lag}_rms"] = rms(parts.values())
        if before is not None:
            pairs = [(parts["kernel"], before[layer][lag]["kernel"]) for lag, parts in lags.items()]
            result[f"taps.{layer}/update"] = _update(pairs)
    return _finite(result)


def rms(arrays: Iterable[np.ndarray]) -> float:
    """Return the root mean square of all numbers of all arrays, added up in double precision.

    >>> rms([np.array([[1.0, 1.0]]), np.array([7.0, 7.0])])
    5.0
    """
    held = list(arrays)
    count = sum(np.size(array) for array in held)
    return _norm(held) / float(np.sqrt(count)) if count else float("nan")


def _unpacked(weights: Weights, *, convolutional: bool) -> dict[str, Gates]:
    named = weights if isinstance(weights, Mapping) else snapshot(weights)
    return {
        layer: gates
        for layer, gates in unpack(named).items()
        if is_convolution(gates) == convolutional
    }


def _check_same(now: dict[str, Gates], before: dict[str, Gates] | None) -> None:
    if before is None or _shapes(now) == _shapes(before):
        return
    ours, theirs = _shapes(now), _shapes(before)
    name = next(key for key in [*ours, *theirs] if ours.get(key) != theirs.get(key))
    raise InputError(
        f"previous: must have the layers and shapes of weights, received shape "
        f"{theirs.get(name, 'none')} for {name!r} where {ours.get(name, 'none')} is wanted; "
        "pass a snapshot of the same model"
    )


def _shapes(unpacked: dict[str, Gates]) -> dict[str, tuple[int, ...]]:
    return {
        f"{layer}/{part}/{gate}": array.shape
        for layer, gates in unpacked.items()
        for gate, parts in gates.items()
        for part, array in parts.items()
    }


def _norm(arrays: Iterable[np.ndarray]) -> float:
    """Return the L2 norm of all numbers of all arrays, added up in double precision."""
    total = 0.0
    for array in arrays:
        flat = np.asarray(array, dtype=np.float64).ravel()
        total += float(flat @ flat)
    return float(np.sqrt(total))


def _radius(kernel: np.ndarray) -> float:
    """Return the spectral radius; LAPACK takes no numbers that are not finite."""
    if not np.isfinite(kernel).all():
        return float("nan")
    return float(np.abs(np.linalg.eigvals(kernel)).max())


def _update(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    change = _norm(np.subtract(now, before, dtype=np.float64) for now, before in pairs)
    size = _norm(before for _, before in pairs)
    # A gate that was all zero has no relative change.
    return change / size if size else float("nan")


def _finite(values: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in values.items() if np.isfinite(value)}


def influence(gates: Gates, feature_names: Sequence[str] | None = None) -> pd.DataFrame:
    """Measure how strongly each input is weighted in each gate.

    Args:
        gates: `{gate: {part: array}}` of one layer, from `split(layer)` or `unpack(snapshot)`.
        feature_names: One name for each row of the kernel; numbered from 1 where there are none.

    Returns:
        (features, gates): the root mean square of each feature's row in each gate's kernel, which
        does not grow with the number of units. On standardised inputs rows can be compared with
        each other.

    Raises:
        InputError: `feature_names` does not fit the kernel.

    >>> gates = {"f": {"kernel": np.array([[1.0, 7.0], [1.0, -1.0]])}}
    >>> influence(gates, ["temp", "wind"])
            f
    temp  5.0
    wind  1.0
    """
    rows = len(next(iter(gates.values()))["kernel"])
    names = list(feature_names or (f"input {number}" for number in range(1, rows + 1)))
    if len(names) != rows:
        raise InputError(
            f"feature_names: must have one name for each of {rows} kernel rows, received "
            f"{len(names)}; leave them out for layers that read another layer"
        )
    sizes = {gate: _rows(parts["kernel"]) for gate, parts in gates.items()}
    return pd.DataFrame(sizes, index=names)


def inputs(
    weights: Mapping[str, np.ndarray], feature_names: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Measure which input drives which gate in every layer that reads the inputs.

    Args:
        weights: A snapshot.
        feature_names: Of the inputs.

    Returns:
        `{layer: (features, gates)}`, see `influence`; nothing where another layer, such as a
        convolution, lies between the inputs and the first recurrent one and changes their number.

    >>> weights = {"lstm_1/kernel/f": np.array([[1.0, 7.0]]), "lstm_2/kernel/f": np.ones((2, 2))}
    >>> inputs(weights, ["temp"])["lstm_1"].to_dict()
    {'f': {'temp': 5.0}}
    """
    recurrent = {name: g for name, g in unpack(weights).items() if not is_convolution(g)}
    rows = {name: len(next(iter(g.values()))["kernel"]) for name, g in recurrent.items()}
    return {
        name: influence(recurrent[name], feature_names)
        for name in readers(list(recurrent))
        if rows[name] == len(feature_names)
    }


def readers(layers: Sequence[str]) -> list[str]:
    """Pick the layers that read the inputs themselves.

    >>> readers(["bi_1.forward", "bi_1.backward", "lstm_2"])
    ['bi_1.forward', 'bi_1.backward']
    """
    if not layers:
        return []
    stem, _, side = layers[0].rpartition(".")
    if side != "forward":
        return [layers[0]]
    return [name for name in layers if name in (f"{stem}.forward", f"{stem}.backward")]


def _rows(kernel: np.ndarray) -> np.ndarray:
    """Return the root mean square of each row, (features,)."""
    return np.sqrt(np.square(kernel, dtype=np.float64).mean(axis=1))
