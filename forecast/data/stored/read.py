"""A table in a folder: its files, and reading rows of them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from forecast.data import clock
from forecast.data.table import Table
from forecast.errors import InputError

VALUES, INDEX, FACTS = "values.bin", "index.parquet", "facts.json"
"""Files of a folder: rows of float32 or float64, where each series lies, and all that is no row."""

FORMAT = 1
"""Of the folder; one of another number is not read."""


class Stored:
    """Rows in a folder, of which only those asked for are read.

    Series, tick and time of a row follow from where its series begins, since every row but the
    first lies one tick behind another.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        try:
            plain = json.loads((folder / FACTS).read_text(encoding="utf-8"))
            index = parquet.read_table(folder / INDEX)
            size = (folder / VALUES).stat().st_size
        except (OSError, ValueError) as error:
            raise _unreadable(folder) from error
        self._names = index["name"].combine_chunks()
        self._row, self.tick, self.length = (
            index[name].to_numpy() for name in ("row", "tick", "length")
        )
        self.time = index["time"].to_numpy().astype("datetime64[ns]")
        self._type, self._columns = np.dtype(plain["type"]), plain["columns"]
        self._outputs = plain["outputs"]
        self._end = np.cumsum(self.length)
        # series stand on the disk in the order in which they came
        self._in_order = bool((self._row == self._end - self.length).all())
        self.bytes = size
        rows = int(self._end[-1])
        if plain["format"] != FORMAT or size != rows * self._columns * self._type.itemsize:
            raise _unreadable(folder)
        self.facts = read_facts(plain["table"])

    def __reduce__(self) -> tuple[type["Stored"], tuple[Path]]:
        """Travel to another process as the folder's name."""
        return Stored, (self.folder,)

    def names(self) -> pa.Array:
        """Name every series."""
        return self._names

    def stamps(self) -> np.ndarray:
        """Return the distinct time stamps of all rows, found in the index alone."""
        order = np.argsort(self.tick, kind="stable")
        first, end = self.tick[order], (self.tick + self.length)[order]
        behind = np.maximum.accumulate(end)
        # where a series begins behind the end of all before it, a stretch of ticks begins
        begins = np.flatnonzero(np.append(True, first[1:] > behind[:-1]))
        length = np.append(behind[begins[1:] - 1], behind[-1]) - first[begins]
        return clock.along(self.time[order][begins], length, self._frequency)

    def part(self, series: slice, rows: slice) -> Table:
        """Read some rows."""
        # how much of each series: all but of one that is longer than a block
        begin = (self._end - self.length)[series]
        skipped = np.maximum(rows.start - begin, 0)
        length = np.minimum(self._end[series], rows.stop) - begin - skipped
        time, tick = self.time[series].copy(), self.tick[series] + skipped
        for number in np.flatnonzero(skipped):  # one at most
            time[number] = clock.later(time[number], self._frequency, int(skipped[number]))
        within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        places: np.ndarray | slice = rows
        if not self._in_order:
            places = within + np.repeat(self._row[series] + skipped, length)
        values = np.memmap(
            self.folder / VALUES, self._type, "r", shape=(int(self._end[-1]), self._columns)
        )[places].astype(np.float64)
        return replace(
            self.facts,
            inputs=np.ascontiguousarray(values[:, : len(self.facts.features)]),
            outputs=values[:, self._outputs],
            series=np.repeat(np.arange(len(length)), length),
            tick=within + np.repeat(tick, length),
            time=clock.along(time, length, self._frequency),
            names=tuple(self._names[series].to_pylist()),
            first_series=series.start,
            first_row=rows.start,
        )

    @property
    def _frequency(self) -> str:
        """Return the distance of two ticks, which every table on disk has."""
        return str(self.facts.frequency)


def _unreadable(folder: Path) -> InputError:
    """Say that a folder is not one of these."""
    return InputError(
        f"folder must hold a table that data.stored.write has made, got {str(folder)!r}: write it "
        "again"
    )


LISTS = ("features", "targets", "units", "about", "known", "static", "transforms", "bounds")
PLAIN = ("frequency", "indicators", "task", "zoned", "zone", "holidays")
"""What a table without rows and names consists of."""


def plain_facts(table: Table) -> dict[str, object]:
    """Write all of a table that is no row and no name as plain data for JSON."""
    return {name: getattr(table, name) for name in (*LISTS, *PLAIN)}


def read_facts(plain: dict[str, Any]) -> Table:
    """Read a table without rows back from plain data."""
    lists = {name: tuple(plain.get(name, ())) for name in LISTS}  # not all in older folders
    lists["bounds"] = tuple((low, high) for low, high in lists["bounds"])
    none = np.zeros(0, np.int64)
    facts: dict[str, Any] = {**lists, **{name: plain.get(name) for name in PLAIN}}
    return Table(
        inputs=np.zeros((0, len(lists["features"]))),
        outputs=np.zeros((0, len(lists["targets"]))),
        series=none,
        tick=none,
        time=none.astype("datetime64[ns]"),
        names=(),
        **facts,
    )
