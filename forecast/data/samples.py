"""What a fit learns from: early stopping rows, scale and windows, batches of stateful training."""

import heapq
from dataclasses import dataclass

import numpy as np

from forecast.data import scale, split, windows
from forecast.data.scale import Scaled, Scaler
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError


def stopping_rows(table: Table, rows: np.ndarray, tail: split.Cut) -> np.ndarray:
    """Choose the newest of some rows.

    Shapes: `rows` (rows,); returns (rows,).
    """
    if not isinstance(tail, str) and tail == 0:
        return np.zeros(len(table), bool)
    stamps = split.distinct(table.time[rows])
    return rows & (table.time >= split.cut(table, stamps, "training.tail", tail))


def early_stopping_split(
    table: Table, window: Window, rows: np.ndarray, stopping: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Deal windows to training and stopping; no training window predicts a stopping row.

    Shapes: `rows` (rows,), `stopping` (rows,); returns (windows,).
    """
    given = np.flatnonzero(rows)
    own, late = table.take(rows), stopping[rows]
    # what training rows hold decides about the order, and not what is kept for stopping
    train = windows.by_content(own, windows.starts(own, window, within=~late), ~late)
    train = train[:: window.stride]
    stop = windows.by_content(own, windows.starts(own, window, within=late), ~late)
    for name, found, count in (
        ("training", train, int((~late).sum())),
        ("stopping", stop, int(late.sum())),
    ):
        if not len(found) and count:
            raise InputError(
                f"window.timesteps={window.timesteps} and window.horizon={window.horizon} must "
                f"fit the {name} span, got {count} rows of {len(table.names)} series without "
                "one unbroken window: take a smaller window or more rows"
            )
    # taking rows never joins what was apart, so a window of the taken rows is one of the table
    return given[train].astype(np.int32), given[stop].astype(np.int32)


@dataclass(frozen=True)
class TrainingSet:
    """All that is fixed before the first step of a training.

    Attributes:
        rows: The table, standardised by what the rows before the stopping rows show.
        given: Mask of the rows that may be learned from, (rows,).
        train: First rows of the training windows, (windows,).
        stop: First rows of the windows that decide when to stop, (windows,); none without them.
    """

    rows: Scaled
    given: np.ndarray
    train: np.ndarray
    stop: np.ndarray

    @property
    def scaler(self) -> Scaler:
        """What standardises the rows."""
        return self.rows.scaler


def training_set(
    table: Table, window: Window, rows: np.ndarray, tail: split.Cut, per: str = "series"
) -> TrainingSet:
    """Learn the scale and deal the windows; a fit and the proof that nothing leaks share this.

    Shapes: `rows` (rows,).
    """
    stopping = stopping_rows(table, rows, tail)
    scaler = scale.fit(table.take(rows & ~stopping), per)
    dealt = early_stopping_split(table, window, rows, stopping)
    return TrainingSet(Scaled(table, scaler), rows, *dealt)


def chains(starts: np.ndarray, window: Window) -> list[np.ndarray]:
    """Put windows behind each other, each beginning where the one before it ends.

    No look at the table is needed: a window's future lies unbroken behind its inputs, so the row at
    which the next one begins is of the same stretch.

    Shapes: `starts` (windows,).

    >>> [chain.tolist() for chain in chains(np.array([0, 1, 2, 3, 9]), Window(timesteps=2))]
    [[0, 2], [1, 3], [9]]
    """
    phase = starts % window.timesteps
    order = starts[np.argsort(phase, kind="stable")]
    borders = np.flatnonzero(np.diff(order) != window.timesteps) + 1
    return np.split(order, borders)


def stateful_batches(
    starts: np.ndarray, window: Window, batch_size: int, *, shuffle: np.random.Generator
) -> np.ndarray:
    """Deal chains of windows to the lanes of batches, so that a lane reads rows in their order.

    Shapes: `starts` (windows,).

    >>> order = np.random.default_rng(0)
    >>> stateful_batches(np.arange(4), Window(timesteps=2), 2, shuffle=order).tolist()
    [[1, 0], [3, 2]]
    """
    dealt: list[list[np.ndarray]] = [[] for _ in range(batch_size)]
    free = [(0, lane) for lane in range(batch_size)]  # already a heap
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


def check_stateful(starts: np.ndarray, window: Window) -> None:
    """Refuse windows of which none goes on where another ends.

    Shapes: `starts` (windows,).
    """
    if all(len(chain) == 1 for chain in chains(starts, window)):
        raise InputError(
            "training.stateful must be false where no training window begins "
            f"window.timesteps={window.timesteps} rows after another, got true with "
            f"window.stride={window.stride}: take a smaller window, a stride that divides it, "
            "or more rows"
        )
