"""Two networks side by side: how far apart the weights of their gates are."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import wasserstein_distance

from forecast.gates.snapshots import ACTIVITY


def distances(
    ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]
) -> tuple[pd.DataFrame, list[str]]:
    """Compare the distributions of the weights of every gate and tap of two snapshots.

    Args:
        ours: A snapshot.
        theirs: Another one.

    Returns:
        A row for each array of equal name and shape: mean absolute weight of both, and the
        first Wasserstein distance between the two sets of weights, which has the unit of a
        weight (Kantorovich 1942; computed by SciPy). And a sentence for each layer that cannot be
        compared, with the shapes that stand against it.

    >>> table, sentences = distances({"rnn_1/bias/h": np.zeros(2)}, {"rnn_1/bias/h": np.ones(2)})
    >>> table.distance.tolist(), sentences
    ([1.0], [])
    """
    rows, sentences = [], {}
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        layer, part, gate = name.split("/")
        if part in ACTIVITY:
            continue
        if name not in ours or name not in theirs:
            side = "first" if name in ours else "second"
            sentences[layer, "only"] = f"{layer} has {part} of gate {gate} in the {side} run only"
            continue
        first, second = ours[name], theirs[name]
        if first.shape != second.shape:
            sentences.setdefault(
                (layer, part),
                f"{layer}: {part} is {first.shape} in the first run and {second.shape} in the "
                "second, so their weights have no distance",
            )
            continue
        rows.append(
            {
                "layer": layer,
                "gate": gate,
                "part": part,
                "first": float(np.abs(first).mean()),
                "second": float(np.abs(second).mean()),
                "distance": float(wasserstein_distance(first.ravel(), second.ravel())),
            }
        )
    columns = ["layer", "gate", "part", "first", "second", "distance"]
    return pd.DataFrame(rows, columns=columns), list(sentences.values())
