"""Which input drives which gate."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from forecast.errors import InputError
from forecast.gates.snapshots import is_convolution, unpack
from forecast.gates.split import Gates


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
