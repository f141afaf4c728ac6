"""Write a table into a folder once, for every process that reads it later."""

import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from forecast.data import fetch
from forecast.data.blocks import Blocks
from forecast.data.schema import Schema
from forecast.data.stored.pieces import Piece, comes_again, pieces
from forecast.data.stored.read import FACTS, FORMAT, INDEX, VALUES, plain_facts
from forecast.data.table import Table
from forecast.errors import InputError

MOST_BYTES = 50 * 2**30
"""Of all tables in the cache together; the one unused for longest goes first."""

READ = 2
"""How raw rows are read, which decides what a table in the cache holds: names are text since 2."""

CHUNK = 2**20
"""Values that are copied at once where a file must be written anew."""

Frames = Iterable[pa.RecordBatch | pd.DataFrame]


def write(frames: Frames, schema: Schema, folder: str | Path, *, rows: int | None = None) -> Blocks:
    """Write raw rows as a table, which `panel.build` would make of all of them.

    Args:
        frames: Raw rows, sorted by series and time, in parts of any size.
        schema: What the columns mean.
        folder: Where to put the table; what another process has put there meanwhile stays.
        rows: Raw rows that are read before a part of the table is made; None means as many as make
            a few million values.

    Returns:
        The table, read from the folder.

    Raises:
        InputError: As `panel.build`; or the rows are not sorted.

    >>> days = pd.date_range("2024-01-01", periods=4)
    >>> frame = pd.DataFrame({"day": days, "load": [1.0, 2.0, np.nan, 4.0]})
    >>> with tempfile.TemporaryDirectory() as place:
    ...     blocks = write([frame], Schema("day", ("load",)), f"{place}/load")
    ...     [block.inputs[:, 0].tolist() for block in blocks.tables(rows=3, overlap=1)]
    [[1.0, 2.0, 2.0], [2.0, 4.0]]
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        writer = _Writer(own)
        for piece in pieces(frames, schema, rows):
            writer.add(piece)
        writer.finish(piece.table)
        try:
            own.rename(folder)
        except OSError:  # another process was earlier
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(own, ignore_errors=True)
    return Blocks.open(folder)


def cached(digest: str, schema: Schema, frames: Callable[[], Frames]) -> Blocks:
    """Return a table from the cache, written there where it is not.

    Args:
        digest: Of the raw rows.
        schema: What the columns mean.
        frames: Reads the raw rows, sorted by series and time.

    Returns:
        The table. The cache keeps those used last, up to `MOST_BYTES` in all.
    """
    home = fetch.private_cache_folder("tables")
    plain = {name: own for name, own in schema.to_dict().items() if name != "transform" or own}
    meant = json.dumps([FORMAT, READ, digest, plain], sort_keys=True)
    folder = home / sha256(meant.encode()).hexdigest()[:32]
    try:
        blocks = Blocks.open(folder)
    except InputError:  # none there, or half of one
        shutil.rmtree(folder, ignore_errors=True)
        blocks = write(frames(), schema, folder)
    os.utime(folder)
    _drop_oldest(home, folder)
    return blocks


def _drop_oldest(home: Path, own: Path) -> None:
    """Remove the tables unused for longest; who reads one goes on, since its files stay open."""
    left = MOST_BYTES
    found = [path for path in home.iterdir() if path != own and not path.name.startswith(".")]
    for folder in [own, *sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]:
        left -= sum(file.stat().st_size for file in folder.glob("*"))
        if left < 0 and folder != own:
            shutil.rmtree(folder, ignore_errors=True)


class _Writer:
    """The files of a table while its pieces come."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._file = folder / VALUES
        self._file.touch()
        self._type = np.dtype(np.float32)
        self._inputs = 0
        self._places: list[int] = []  # the input column that each output equals, -1 for none
        self._rows = 0
        self._index: list[pa.Table] = []

    def add(self, piece: Piece) -> None:
        """Put the rows of a piece behind the others."""
        table = piece.table
        if not self._index:
            self._inputs = len(table.features)
            named = {name: place for place, name in enumerate(table.features)}
            self._places = [named.get(name, -1) for name in table.targets]
        apart = [
            -1 if place >= 0 and not _equal(table.inputs[:, place], own) else place
            for place, own in zip(self._places, table.outputs.T, strict=True)
        ]
        kind = self._type if _fits(table.inputs) and _fits(table.outputs) else np.dtype(float)
        self._lay_out(apart, kind)
        own = [number for number, place in enumerate(apart) if place < 0]
        values = np.column_stack([table.inputs, table.outputs[:, own]]).astype(kind)
        with self._file.open("ab") as file:
            values.tofile(file)
        first = np.flatnonzero(np.diff(table.series, prepend=-1))
        length = np.diff(first, append=len(table))
        if piece.goes_on:
            self._continue(piece, int(length[0]), values[0])
        there = slice(int(piece.goes_on), None)
        self._index.append(
            pa.table(
                {
                    "name": pa.array(table.names[there], pa.string()),
                    "row": (first + self._rows)[there],
                    "tick": table.tick[first][there],
                    "time": table.time[first][there],
                    "length": length[there],
                }
            )
        )
        self._rows += len(table)

    def _continue(self, piece: Piece, rows: int, values: np.ndarray) -> None:
        """Count rows to the series before, and give all its rows the static values."""
        last = next(part for part in reversed(self._index) if len(part))
        length = last["length"].to_numpy().copy()
        length[-1] += rows
        place = self._index.index(last)
        self._index[place] = last.set_column(4, "length", pa.array(length))
        if piece.late:
            begin = int(last["row"][-1].as_py())
            map_ = np.memmap(self._file, self._type, "r+", shape=(self._rows, len(values)))
            columns = list(piece.table.static)
            for row in range(begin, self._rows, CHUNK):
                map_[row : row + CHUNK, columns] = values[columns]
            map_.flush()

    def _lay_out(self, places: list[int], kind: np.dtype) -> None:
        """Write the rows so far anew where more columns or more digits are needed."""
        before, self._places = self._places, places
        was, self._type = self._type, kind
        if (before == places and was == kind) or not self._rows:
            return
        inputs = self._inputs
        old = [number for number, place in enumerate(before) if place < 0]
        at = [  # where each stored column of now stood before
            *range(inputs),
            *(
                inputs + old.index(number) if number in old else before[number]
                for number, place in enumerate(places)
                if place < 0
            ),
        ]
        new = self._file.with_suffix(".new")
        width = inputs + len(old)
        values = np.memmap(self._file, was, "r", shape=(self._rows, width))
        with new.open("wb") as file:
            for row in range(0, self._rows, max(1, CHUNK // width)):
                values[row : row + max(1, CHUNK // width)][:, at].astype(kind).tofile(file)
        new.replace(self._file)

    def finish(self, table: Table) -> None:
        """Write the index, sorted by name, and all of a piece that is no row."""
        index = pa.concat_tables(self._index).combine_chunks()
        order = pc.sort_indices(index["name"])
        index = index.take(order)
        names = index["name"].combine_chunks()
        again = pc.equal(names[1:], names[:-1])
        if pc.any(again).as_py():
            raise comes_again(names[1:].filter(again)[0].as_py())
        parquet.write_table(index, self._folder / INDEX)
        own = itertools.count(self._inputs)
        plain = {
            "format": FORMAT,
            "type": self._type.name,
            "columns": self._inputs + sum(place < 0 for place in self._places),
            "outputs": [place if place >= 0 else next(own) for place in self._places],
            "table": plain_facts(table),
        }
        (self._folder / FACTS).write_text(json.dumps(plain), encoding="utf-8")


def _equal(inputs: np.ndarray, outputs: np.ndarray) -> bool:
    """Tell whether an input column is an output column, holes and all."""
    return np.array_equal(inputs, outputs, equal_nan=True)


def _fits(values: np.ndarray) -> bool:
    """Tell whether float32 holds every value to its last digit."""
    with np.errstate(over="ignore"):
        return np.array_equal(values.astype(np.float32), values, equal_nan=True)
