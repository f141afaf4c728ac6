"""A table as a sequence of smaller ones, in memory or on disk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, overload

import numpy as np
import pyarrow as pa

from forecast.data.split import distinct
from forecast.data.stored.read import Stored
from forecast.data.table import Table
from forecast.errors import InputError


class Backing(Protocol):
    """Where the rows of `Blocks` are."""

    @property
    def facts(self) -> Table:
        """A table without rows, which has all that is no row and no name."""
        ...

    @property
    def length(self) -> np.ndarray:
        """Rows of each series, (series,)."""
        ...

    def names(self) -> pa.Array:
        """Name every series, in their order."""
        ...

    def stamps(self) -> np.ndarray:
        """Return the distinct time stamps of all rows, ascending, (time stamps,)."""
        ...

    def part(self, series: slice, rows: slice) -> Table:
        """Return some rows, of series that follow each other."""
        ...


class Blocks:
    """A table of any size: read it block by block, each a `Table` of whole series.

    A series that is longer than a block is read in stretches, whose overlap lets every window lie
    whole in exactly one of them.

    >>> rows = np.arange(10.0)[:, None]
    >>> code, tick = np.repeat([0, 1], 5), np.tile(np.arange(5), 2)
    >>> table = Table(rows, rows, ("y",), ("y",), code, tick, tick, names=("a", "b"))
    >>> blocks = Blocks.of(table)
    >>> [(block.names, len(block)) for block in blocks.tables(rows=5)]
    [(('a',), 5), (('b',), 5)]
    >>> [block.outputs[:, 0].tolist() for block in blocks.tables(rows=4, overlap=2)][:2]
    [[0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]
    """

    def __init__(self, backing: Backing):
        self.backing = backing

    @classmethod
    def of(cls, table: Table) -> "Blocks":
        """Take a table that is in memory; one block of all its rows is the table itself.

        Args:
            table: Its rows sorted by series.

        Returns:
            Its blocks, which are views of it.
        """
        return cls(InMemory(table))

    @classmethod
    def open(cls, folder: str | Path) -> "Blocks":
        """Read a folder that `data.stored.write.write` has made, through a memory map.

        Args:
            folder: What it was given.

        Returns:
            The table.

        Raises:
            InputError: The folder holds no table.
        """
        return cls(Stored(Path(folder)))

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.backing.length.sum())

    def __repr__(self) -> str:
        """Say how large it is."""
        return f"Blocks: {len(self):,} rows of {self.series:,} series"

    @property
    def facts(self) -> Table:
        """A table without rows and names that has the same columns."""
        return self.backing.facts

    @cached_property
    def names(self) -> pa.Array:
        """Name of every series, an Arrow array of text."""
        return self.backing.names()

    @cached_property
    def stamps(self) -> np.ndarray:
        """Distinct time stamps of all rows, ascending, (time stamps,)."""
        return self.backing.stamps()

    @property
    def series(self) -> int:
        """Number of series."""
        return len(self.backing.length)

    @property
    def longest(self) -> int:
        """Rows of the longest series."""
        return int(self.backing.length.max(initial=0))

    def cut(self, rows: int | None = None, overlap: int = 0) -> "Cut":
        """Cut the table into blocks.

        Args:
            rows: Most rows of a block; None makes one of all.
            overlap: Rows that two stretches of a longer series share; the rows of a window but
                one.

        Returns:
            A sequence of tables, each read when it is asked for.

        Raises:
            InputError: A block would hold no more than the overlap.
        """
        return Cut(self.backing, rows, overlap)

    def tables(self, rows: int | None = None, overlap: int = 0) -> Iterator[Table]:
        """Read block by block; arguments are those of `cut`.

        Args:
            rows: Most rows of a block; None makes one of all.
            overlap: Rows that two stretches of a longer series share.

        Yields:
            Tables whose `names` are those of their series, and whose `first_series` and
            `first_row` say where they lie.
        """
        yield from self.cut(rows, overlap)


class Cut(Sequence[Table]):
    """Blocks of a table as a sequence, read one by one.

    Attributes:
        series: First series of each block, and the one behind its last, (blocks, 2).
        rows: First row of each block, and the one behind its last, (blocks, 2).
        shared: First rows of each that the block before it has as well, (blocks,).
    """

    def __init__(self, backing: Backing, rows: int | None, overlap: int):
        if rows is not None and not 0 <= overlap < rows:
            raise InputError(
                f"rows must be more than the overlap of two blocks, got {rows} for an overlap of "
                f"{overlap}: take larger blocks"
            )
        self._backing = backing
        end = np.cumsum(backing.length)
        spans = _whole(end) if rows is None else _spans(end, rows, overlap)
        self.series, self.rows, self.shared = spans

    def __len__(self) -> int:
        """Return the number of blocks."""
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> Table: ...

    @overload
    def __getitem__(self, place: slice) -> list[Table]: ...

    def __getitem__(self, place: int | slice) -> Table | list[Table]:
        """Read a block."""
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        series, rows = self.series[place], self.rows[place]
        return self._backing.part(slice(*series.tolist()), slice(*rows.tolist()))

    @property
    def longest(self) -> int:
        """Rows of the largest block."""
        return int(np.diff(self.rows).max(initial=0))


Spans = tuple[np.ndarray, np.ndarray, np.ndarray]


def _whole(end: np.ndarray) -> Spans:
    """Make one block of all rows."""
    return np.array([[0, len(end)]]), np.array([[0, end[-1] if len(end) else 0]]), np.zeros(1, int)


def _spans(end: np.ndarray, rows: int, overlap: int) -> Spans:
    """Put series that follow each other into blocks, and cut those that are longer than one."""
    series: list[tuple[int, int]] = []
    bounds: list[tuple[int, int]] = []
    shared: list[int] = []
    number, count = 0, len(end)
    while number < count:
        begin = int(end[number - 1]) if number else 0
        behind = int(np.searchsorted(end, begin + rows, side="right"))
        if behind > number:
            series.append((number, behind))
            bounds.append((begin, int(end[behind - 1])))
            shared.append(0)
        else:
            behind, length = number + 1, int(end[number]) - begin
            parts = -(-(length - overlap) // (rows - overlap))
            new = -(-(length - overlap) // parts)  # rows of each that no block before it has
            for part in range(parts):
                series.append((number, behind))
                last = min(length, (part + 1) * new + overlap)
                bounds.append((begin + part * new, begin + last))
                shared.append(overlap if part else 0)
        number = behind
    both = np.array(series, int).reshape(-1, 2), np.array(bounds, int).reshape(-1, 2)
    return *both, np.array(shared, int)


@dataclass(frozen=True)
class InMemory:
    """The rows of a table."""

    table: Table

    @property
    def facts(self) -> Table:
        """All that is no row and no name."""
        return replace(self.table.take(slice(0)), names=())

    @cached_property
    def length(self) -> np.ndarray:
        """Rows of each series, (series,)."""
        return np.bincount(self.table.series, minlength=len(self.table.names))

    def names(self) -> pa.Array:
        """Name every series."""
        return pa.array(self.table.names, pa.string())

    def stamps(self) -> np.ndarray:
        """Return the distinct time stamps of all rows."""
        return distinct(self.table.time)

    def part(self, series: slice, rows: slice) -> Table:
        """Return some rows; of all the table itself."""
        table = self.table
        if rows.stop - rows.start == len(table) and series.stop - series.start == len(table.names):
            return table
        own = table.take(rows)
        return replace(
            own,
            series=own.series - series.start,
            names=table.names[series],
            first_series=series.start,
            first_row=rows.start,
        )
