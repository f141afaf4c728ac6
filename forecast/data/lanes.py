"""Windows in the order of time, lane by lane, as stateful training reads them."""

import heapq

import numpy as np

from forecast.data.windows import Window
from forecast.errors import InputError


def chains(starts: np.ndarray, window: Window) -> list[np.ndarray]:
    """Put windows behind each other, each beginning where the one before it ends.

    No look at the table is needed: a window's future lies unbroken behind its inputs, so the row at
    which the next one begins is of the same stretch.

    Args:
        starts: Ascending, as `starts` lists them, (windows,).
        window: Shape of a sample.

    Returns:
        Chains of starts, as long as they can be; every window is in exactly one.

    >>> [chain.tolist() for chain in chains(np.array([0, 1, 2, 3, 9]), Window(timesteps=2))]
    [[0, 2], [1, 3], [9]]
    """
    phase = starts % window.timesteps
    order = starts[np.argsort(phase, kind="stable")]
    borders = np.flatnonzero(np.diff(order) != window.timesteps) + 1
    return np.split(order, borders)


def deal(
    starts: np.ndarray, window: Window, batch_size: int, *, shuffle: np.random.Generator
) -> np.ndarray:
    """Deal chains of windows to the lanes of batches, so that a lane reads rows in their order.

    Args:
        starts: Ascending, (windows,).
        window: Shape of a sample.
        batch_size: Lanes.
        shuffle: Source of the order of the chains; each goes to the lane that is free soonest.

    Returns:
        (steps, batch_size) int32; every window exactly once, -1 where a lane has come to its end.
        Longer lanes stand before shorter ones, so each batch ends with those that have.

    >>> deal(np.arange(4), Window(timesteps=2), 2, shuffle=np.random.default_rng(0)).tolist()
    [[1, 0], [3, 2]]
    """
    dealt: list[list[np.ndarray]] = [[] for _ in range(batch_size)]
    free = [(0, lane) for lane in range(batch_size)]  # a heap as it stands
    parts = chains(starts, window)
    for number in shuffle.permutation(len(parts)):
        steps, lane = free[0]
        dealt[lane].append(parts[number])
        heapq.heapreplace(free, (steps + len(parts[number]), lane))
    found = np.full((max(free)[0], batch_size), -1, np.int32)
    for place, (steps, lane) in enumerate(sorted(free, reverse=True)):
        if steps:
            found[:steps, place] = np.concatenate(dealt[lane])
    return found


def check(starts: np.ndarray, window: Window) -> None:
    """Refuse windows of which none goes on where another ends.

    Args:
        starts: Training windows, ascending, (windows,).
        window: Shape of a sample.

    Raises:
        InputError: There is no chain of two.
    """
    if all(len(chain) == 1 for chain in chains(starts, window)):
        raise InputError(
            "training.stateful must be false where no training window begins "
            f"window.timesteps={window.timesteps} rows after another, got true with "
            f"window.stride={window.stride}: take a smaller window, a stride that divides it, "
            "or more rows"
        )
