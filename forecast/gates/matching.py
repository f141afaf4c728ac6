"""Two recurrent layers of one shape compared: units have no common order, so they are matched."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from forecast.gates.snapshots import is_convolution, unpack
from forecast.gates.split import Gates
from forecast.gates.statistics import readers, rms


@dataclass(frozen=True)
class Match:
    """How far two layers are apart, before and after their units are matched.

    Attributes:
        layer: Its name.
        parts: (gate and part; "size", "before", "after"), root mean squares per weight: of both
            networks' weights, and of their difference.
        order: The unit of the second network that is matched with each of the first, (units,).
    """

    layer: str
    parts: pd.DataFrame
    order: np.ndarray

    @property
    def before(self) -> float:
        """Return the difference as a share of the weights' size, units in the order they have."""
        return self._share("before")

    @property
    def after(self) -> float:
        """Return the same with matched units; about 1.4 for weights that have nothing in common."""
        return self._share("after")

    def _share(self, column: str) -> float:
        count = self.parts["weights"]
        total = float(np.sqrt((self.parts[column] ** 2 * count).sum()))
        size = float(np.sqrt((self.parts["size"] ** 2 * count).sum()))
        return total / size if size else 0.0


def match(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> list[Match]:
    """Match the units of the layers that read the inputs, where both networks have one shape.

    Units are matched by their columns in the kernels of all gates, so that the squared differences
    add up to the least (the Hungarian algorithm). Layers that read another layer are left out,
    since the order of their inputs is that layer's.

    >>> ours = {"rnn_1/kernel/h": np.array([[1.0, 2.0]]), "rnn_1/bias/h": np.array([3.0, 4.0])}
    >>> theirs = {name: array[..., ::-1] for name, array in ours.items()}
    >>> [found] = match(ours, theirs)
    >>> found.before > 0, found.after, found.order.tolist()
    (True, 0.0, [1, 0])
    """
    first, second = _recurrent(ours), _recurrent(theirs)
    return [
        _match(layer, first[layer], second[layer])
        for layer in readers(list(first))
        if _shapes(first[layer]) == _shapes(second.get(layer, {}))
    ]


def _match(layer: str, ours: Gates, theirs: Gates) -> Match:
    mine = np.concatenate([parts["kernel"] for parts in ours.values()]).T.astype(np.float64)
    other = np.concatenate([parts["kernel"] for parts in theirs.values()]).T.astype(np.float64)
    mine, other = np.nan_to_num(mine), np.nan_to_num(other)  # (units, gates x features)
    apart = (mine**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * mine @ other.T
    order = linear_sum_assignment(apart)[1]
    rows = {}
    for gate, parts in ours.items():
        for part, array in parts.items():
            as_is = theirs[gate][part]
            moved = as_is[..., order][order] if part == "recurrent_kernel" else as_is[..., order]
            rows[gate, part] = {
                "size": rms([np.concatenate([array, as_is])]),
                "before": rms([array - as_is]),
                "after": rms([array - moved]),
                "weights": array.size,
            }
    return Match(layer, pd.DataFrame.from_dict(rows, orient="index"), order)


def _recurrent(weights: Mapping[str, np.ndarray]) -> dict[str, Gates]:
    return {name: gates for name, gates in unpack(weights).items() if not is_convolution(gates)}


def _shapes(gates: Gates) -> dict[tuple[str, str], tuple[int, ...]]:
    return {(gate, part): a.shape for gate, parts in gates.items() for part, a in parts.items()}
