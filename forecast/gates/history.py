"""The numbers of an epoch, of all epochs from their snapshots, and of two networks compared."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import wasserstein_distance

from forecast.gates.activity import activity
from forecast.gates.snapshots import ACTIVITY, Snapshot
from forecast.gates.statistics import rms, statistics, taps


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
