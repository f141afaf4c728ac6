"""The numbers of an epoch, of all epochs from their snapshots, and of networks compared."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance

from forecast.gates.activity import activity
from forecast.gates.snapshots import ACTIVITY, Snapshot, is_convolution, unpack
from forecast.gates.split import Gates
from forecast.gates.statistics import readers, rms, statistics, taps


def numbers(weights: Snapshot, previous: Snapshot | None, timesteps: int) -> dict[str, float]:
    """Return everything that is logged of an epoch.

    >>> list(numbers({"rnn_1/bias/h": np.ones(1)}, None, 8))
    ['gates.rnn_1/h_bias_norm', 'gates.rnn_1/h_bias_rms']
    """
    return {
        **statistics(weights, previous),
        **activity(weights, timesteps),
        **taps(weights, previous),
    }


def history(snapshots: Mapping[int, Snapshot], timesteps: int) -> dict[int, dict[str, float]]:
    """Compute the numbers of every epoch from its snapshot.

    >>> list(history({0: {"rnn_1/bias/h": np.ones(1)}, 1: {"rnn_1/bias/h": np.ones(1)}}, 8)[1])
    ['gates.rnn_1/h_bias_norm', 'gates.rnn_1/h_bias_rms', 'gates.rnn_1/h_update']
    """
    return {
        epoch: numbers(weights, snapshots.get(epoch - 1), timesteps)
        for epoch, weights in sorted(snapshots.items())
        if epoch or len(snapshots) == 1
    }


def evenly(count: int, most: int) -> np.ndarray:
    """Pick places evenly, the first and the last among them.

    >>> evenly(21, 6).tolist()
    [0, 4, 8, 12, 16, 20]
    """
    return np.linspace(0, count - 1, min(most, count)).round().astype(int)


def shares(count: int) -> list[int]:
    """List shares of the epochs in per cent, evenly from the start to the end.

    >>> shares(6), shares(1)
    ([0, 20, 40, 60, 80, 100], [100])
    """
    return [round(100 * number / (count - 1)) for number in range(count)] if count > 1 else [100]


def at_shares(epochs: Iterable[int], count: int) -> dict[int, int]:
    """Find the epoch nearest to each share of the last one; of two as near the earlier.

    >>> at_shares([0, 4, 8, 12, 15], 6), at_shares([0, 1], 3)
    ({0: 0, 20: 4, 40: 4, 60: 8, 80: 12, 100: 15}, {0: 0, 50: 0, 100: 1})
    """
    known = sorted(epochs)
    return {
        share: min(known, key=lambda epoch: abs(100 * epoch - share * known[-1]))
        for share in shares(count)
        if known
    }


def distances(
    ours: Mapping[str, np.ndarray],
    theirs: Mapping[str, np.ndarray],
    names: tuple[str, str] = ("the first run", "the second run"),
) -> tuple[pd.DataFrame, list[str]]:
    """Compare the distributions of the weights of every gate and tap of two snapshots.

    >>> table, sentences = distances({"rnn_1/bias/h": np.zeros(2)}, {"rnn_1/bias/h": np.ones(2)})
    >>> table.distance.tolist(), sentences
    ([1.0], [])
    """
    ours, theirs = _weights(ours), _weights(theirs)
    rows: list[dict[str, object]] = []
    sentences: dict[str, dict[str, str]] = {}
    for name in (name for name in ours if name in theirs):
        layer, part, gate = name.split("/")
        first, second = ours[name], theirs[name]
        if first.shape != second.shape:
            sentences.setdefault(layer, {})[part] = (
                f"{part} is {first.shape} in {names[0]} and {second.shape} in {names[1]}"
            )
        rows.append(
            {
                "layer": layer,
                "gate": gate,
                "part": part,
                "first": rms([first]),
                "second": rms([second]),
                "distance": float(wasserstein_distance(first.ravel(), second.ravel())),
            }
        )
    notes = [
        *(
            f"{layer}: {', '.join(parts.values())}: the distance is between their distributions"
            for layer, parts in sentences.items()
        ),
        *_alone(ours, theirs, names[0]),
        *_alone(theirs, ours, names[1]),
    ]
    columns = ["layer", "gate", "part", "first", "second", "distance"]
    return pd.DataFrame(rows, columns=columns), notes


def _weights(snapshot: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return a snapshot without activity."""
    return {name: array for name, array in snapshot.items() if name.split("/")[1] not in ACTIVITY}


def _alone(mine: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], run: str) -> list[str]:
    """Say which layers, or gates and taps of a layer, one run has and the other has not."""
    known = {name.split("/")[0] for name in other}
    layers: list[str] = []
    gates: dict[str, list[str]] = {}
    for name in mine:
        layer, _, gate = name.split("/")
        if layer not in known and layer not in layers:
            layers.append(layer)
        elif layer in known and name not in other and gate not in gates.setdefault(layer, []):
            gates[layer].append(gate)
    found = [f"{', '.join(layers)} only in {run}"] if layers else []
    return found + [f"{name} {', '.join(g)} only in {run}" for name, g in gates.items() if g]


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
