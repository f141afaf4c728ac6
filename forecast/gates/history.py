"""The numbers of an epoch, and of all epochs from their snapshots."""

from collections.abc import Mapping

import numpy as np

from forecast.gates.activity import activity
from forecast.gates.snapshots import Snapshot
from forecast.gates.statistics import statistics, taps


def numbers(weights: Snapshot, previous: Snapshot | None, timesteps: int) -> dict[str, float]:
    """Return everything that is logged of an epoch.

    Args:
        weights: Its snapshot.
        previous: That of the epoch before; None leaves out what changed.
        timesteps: Look-back of the windows.

    Returns:
        Metric to value: `statistics`, `activity` and `taps`.

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

    Args:
        snapshots: `{epoch: snapshot}`.
        timesteps: Look-back of the windows.

    Returns:
        `{epoch: metrics}` as `GateSnapshots` logs them, for every epoch but 0 where there are
        others. The update ratio is left out where the snapshot of the epoch before is missing.

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

    Args:
        count: Places there are.
        most: Most to pick.

    Returns:
        Rising, (picked,).

    >>> evenly(21, 6).tolist()
    [0, 4, 8, 12, 16, 20]
    """
    return np.linspace(0, count - 1, min(most, count)).round().astype(int)
