"""What a fit learns from: early stopping rows, scale and windows, batches of stateful training."""

import heapq
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import overload

import numpy as np

from forecast.data import features, scale, split, windows
from forecast.data.blocks import Blocks
from forecast.data.scale import Scaled, Scaler
from forecast.data.scaling.transform import estimated
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError

Rule = Callable[[Table], np.ndarray]
"""Which rows of a table may be learned from, as a mask (rows,)."""


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
            raise _no_window(window, name, f"{count} rows", len(table.names))
    # taking rows never joins what was apart, so a window of the taken rows is one of the table
    return given[train].astype(np.int32), given[stop].astype(np.int32)


def _no_window(window: Window, span: str, rows: str, series: int) -> InputError:
    """Say that no window fits a span."""
    return InputError(
        f"window.timesteps={window.timesteps} and window.horizon={window.horizon} must "
        f"fit the {span} span, got {rows} of {series} series without "
        "one unbroken window: take a smaller window or more rows"
    )


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

    @property
    def facts(self) -> Table:
        """A table with the columns and series of all rows."""
        return self.rows.table

    def context(self, rows: int) -> Table:
        """Return the last rows of every series that may be learned from."""
        return self.rows.table.take(self.given).newest(rows)


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


class TrainingBlocks(Sequence[TrainingSet]):
    """What a fit learns from, block by block, each read when it is asked for.

    Blocks follow the order of the names, and so do the windows of each.

    Attributes:
        blocks: The whole table.
        scaler: What standardises it, learned from the rows before the stopping rows of all blocks.
        train: Training windows of each block, (blocks,).
        stop: Windows of each that decide when to stop, (blocks,).
        longest: Rows of the largest block.
    """

    def __init__(self, blocks: Blocks, window: Window, rows: Rule | None, *, block_rows: int):
        self.blocks = blocks
        self.window = window
        self._rule = rows or (lambda table: np.ones(len(table), bool))
        self._cut = blocks.cut(block_rows, window.span - 1)
        self.longest = self._cut.longest
        self.train, self.stop = np.zeros((2, len(self._cut)), int)
        self._runs: list[list[np.ndarray]] = []  # of both kinds of windows in each block
        self._tail: np.datetime64 | None = None

    def learn(
        self, tail: split.Cut, per: str = "series", *, begin: np.datetime64 | None = None
    ) -> "TrainingBlocks":
        """Choose the stopping rows, learn the scale and count the windows.

        `begin` is the first moment of the stopping rows, where it is known already.
        """
        if begin is not None:
            self._tail = begin
        elif isinstance(tail, str) or tail != 0:
            stamps = [split.distinct(table.time[self._rule(table)]) for table in self._cut]
            every = split.distinct(np.concatenate(stamps))
            self._tail = split.cut(self.blocks.facts, every, "training.tail", tail)
        facts, series = self.blocks.facts, self.blocks.series
        own = (
            table.take(self._learned(number, *self._masks(table)))
            for number, table in enumerate(self._cut)
        )
        facts = replace(facts, transforms=estimated(own, facts, per))  # reads blocks if it must
        self.scaler = scale.fit_blocks(self._counted(), facts, series, per)
        for name, found in (("training", self.train), ("stopping", self.stop)):
            if not found.any() and (name == "training" or self._tail is not None):
                raise _no_window(self.window, name, f"{len(self.blocks):,} rows", series)
        return self

    @property
    def facts(self) -> Table:
        """A table without rows, with the columns and series of all."""
        return replace(self.blocks.facts, names=tuple(self.blocks.names.to_pylist()))

    def context(self, rows: int) -> Table:
        """Return no rows: those of many series would be as large as a block."""
        del rows
        return self.facts

    def __len__(self) -> int:
        """Return the number of blocks."""
        return len(self._cut)

    @overload
    def __getitem__(self, place: int) -> TrainingSet: ...

    @overload
    def __getitem__(self, place: slice) -> list[TrainingSet]: ...

    def __getitem__(self, place: int | slice) -> TrainingSet | list[TrainingSet]:
        """Read a block, standardise it and list its windows."""
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        table = self._cut[place]
        own = self.scaler.part(slice(table.first_series, table.first_series + len(table.names)))
        train, stop = map(_of_runs, self._runs[place])
        return TrainingSet(
            Scaled(table, own), self._rule(table), train[:: self.window.stride], stop
        )

    def _masks(self, table: Table) -> tuple[np.ndarray, np.ndarray]:
        """Tell which rows are given, and which of them are stopping rows."""
        given = self._rule(table)
        if self._tail is None:
            return given, np.zeros(len(table), bool)
        return given, given & (table.time >= self._tail)

    def _learned(self, number: int, given: np.ndarray, stopping: np.ndarray) -> np.ndarray:
        """Tell from which rows of a block the scale is learned, those that no block before has."""
        learned = given & ~stopping
        learned[: self._cut.shared[number]] = False
        return learned

    def _counted(self) -> Iterator[Table]:
        """Yield the rows that the scale is learned from, each once, and count the windows."""
        for number, table in enumerate(self._cut):
            given, stopping = self._masks(table)
            train, stop = _dealt(table, self.window, given, stopping)
            self._runs.append([_runs(train), _runs(stop)])
            self.train[number] = len(train[:: self.window.stride])
            self.stop[number] = len(stop)
            yield table.take(self._learned(number, given, stopping))


def _dealt(
    table: Table, window: Window, rows: np.ndarray, stopping: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Deal the windows of a block, as `early_stopping_split` does, in the order of its rows."""
    given = np.flatnonzero(rows)
    whole = len(given) == len(table)
    own, late = (table, stopping) if whole else (table.take(rows), stopping[rows])
    train = windows.starts(own, window, within=~late)
    stop = windows.starts(own, window, within=late) if late.any() else train[:0]
    return (train, stop) if whole else (given[train].astype(np.int32), given[stop].astype(np.int32))


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


def check_stateful(parts: Iterable[np.ndarray], window: Window) -> None:
    """Refuse windows, block by block, of which none goes on where another ends.

    Shapes: `parts` (windows,) each.
    """
    if all(len(chain) == 1 for starts in parts for chain in chains(starts, window)):
        raise InputError(
            "training.stateful must be false where no training window begins "
            f"window.timesteps={window.timesteps} rows after another, got true with "
            f"window.stride={window.stride}: take a smaller window, a stride that divides it, "
            "or more rows"
        )


def _runs(starts: np.ndarray) -> np.ndarray:
    """Write windows as first start and count of those that begin one row apart, (runs, 2) int32."""
    first = np.flatnonzero(np.diff(starts, prepend=-2) != 1)
    return np.column_stack([starts[first], np.diff(first, append=len(starts))]).astype(np.int32)


def _of_runs(runs: np.ndarray) -> np.ndarray:
    """List the windows again, (windows,) int32.

    >>> _of_runs(_runs(np.array([0, 1, 2, 7, 9, 10]))).tolist()
    [0, 1, 2, 7, 9, 10]
    """
    first, count = runs.T
    behind = np.cumsum(count, dtype=np.int32) - count
    return np.repeat(first - behind, count) + np.arange(count.sum(), dtype=np.int32)


TOGETHER = 8
"""Blocks whose windows are shuffled together."""

VALUES = 2**21
"""Of a block, about: windows are read faster from rows that a processor's cache may hold."""

SHARE = 16
"""Part of the machine's memory that a training from blocks takes: one of so many."""


def prepare(
    data: Table | Blocks,
    window: Window,
    rows: np.ndarray | Rule | None,
    tail: split.Cut,
    per: str = "series",
    memory: int | None = None,
) -> TrainingSet | TrainingBlocks:
    """Learn the scale and deal the windows, in one block where the rows fit the memory.

    Shapes: `rows` (rows,).
    """
    if isinstance(data, Table):
        given = rows(data) if callable(rows) else rows
        return training_set(
            data, window, np.ones(len(data), bool) if given is None else given, tail, per
        )
    if rows is not None and not callable(rows):
        raise InputError(
            f"rows must be a function from a table to its mask where blocks are given, got "
            f"{type(rows).__name__}: write such as Holdout.learned_rows, which each block is asked"
        )
    count = block_rows(data, window, machine_share() if memory is None else memory)
    if count is None:
        [table] = data.tables()
        return prepare(table, window, rows, tail, per)
    return TrainingBlocks(data, window, rows, block_rows=count).learn(tail, per)


def machine_share() -> int:
    """Return the bytes that a training from blocks takes where nobody says how many.

    A power of two, so that machines of about one size cut a table alike.
    """
    most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")  # of a container
    text = limit.read_text().strip() if limit.is_file() else ""
    if text.isdigit():
        most = min(most, int(text))
    return 1 << (most // SHARE).bit_length() - 1


def row_bytes(columns: int) -> int:
    """Estimate what a row takes in a table that is trained on and evaluated in memory.

    That is in float64, standardised, on the device, while it is scaled, and as baselines read it.
    """
    return 60 * columns + 140


def block_rows(blocks: Blocks, window: Window, memory: int) -> int | None:
    """Choose how many rows a block has so that a training fits the memory; None for all in one."""
    known = features.input_count(blocks.facts, window)
    columns = len(blocks.facts.features) + known + 1 + len(blocks.facts.targets)
    if len(blocks) * row_bytes(columns) <= memory:
        return None
    # rows on the device and those read meanwhile; of one block what a table of it takes
    group = memory // (11 * columns + 16 + (32 * columns + 120) // TOGETHER)
    rows = min(group // TOGETHER, max(VALUES // columns, 8 * window.span))
    if rows < 2 * window.span:
        need = (2 * window.span * TOGETHER + TOGETHER) * (15 * columns + 31)
        raise InputError(
            f"memory must hold {TOGETHER} blocks of two windows each, got {memory:,} bytes for "
            f"windows of {window.span} rows and {columns} columns: give {need:,} or more"
        )
    return rows
