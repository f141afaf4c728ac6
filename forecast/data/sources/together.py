"""A source whose time stamps stand in several columns, such as date and time of day."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from forecast.data.sources.source import ROWS, Source
from forecast.errors import InputError, nearest


def of_time(named: Any) -> list[str]:
    """Return the columns of time stamps, of which `data.time` names one or several.

    >>> of_time("ts"), of_time(["Date", "Time"])
    (['ts'], ['Date', 'Time'])
    """
    found = [str(name) for name in named] if isinstance(named, (list, tuple)) else [str(named)]
    if not found:
        raise InputError(
            "data.time must name a column, or several that make a time stamp, got an empty list: "
            "write 'data.time=[Date,Time]'"
        )
    return found


def joined_name(columns: Sequence[str]) -> str:
    """Name the column that several make together.

    >>> joined_name(["Date", "Time"])
    'Date Time'
    """
    return " ".join(columns)


class Together(Source):
    """Rows of another source, with one more column: the texts of some, joined by blanks."""

    def __init__(self, source: Source, columns: Sequence[str]):
        """Name the columns that are joined, in their order."""
        self._source, self._joined = source, list(columns)
        self.place, self.parts, self.size = source.place, source.parts, source.size
        known = source.columns()
        for name in columns:
            if name not in known:
                raise InputError(
                    f"data.time must name columns of the file, got {name!r}: {nearest(name, known)}"
                )
        self._name = joined_name(columns)
        if self._name in known:
            raise InputError(
                f"data.time must name {self._name!r} alone where the file has such a column, got "
                f"{self._joined}: write data.time={self._name!r}"
            )

    def most(self) -> int | None:
        """Return how many rows there are at most."""
        return self._source.most()

    def columns(self) -> list[str]:
        """Return the names of all columns."""
        return [*self._source.columns(), self._name]

    def digest(self) -> str:
        """Hash the content of the file itself."""
        return self._source.digest()

    def batches(self, columns: Sequence[str], rows: int = ROWS) -> Iterator[pa.RecordBatch]:
        """Yield some columns of all rows."""
        if self._name not in columns:
            yield from self._source.batches(columns, rows)
            return
        own = list(
            dict.fromkeys([*(name for name in columns if name != self._name), *self._joined])
        )
        for batch in self._source.batches(own, rows):
            texts = [_text(batch.column(name)) for name in self._joined]
            made = batch.append_column(self._name, pc.binary_join_element_wise(*texts, " "))
            yield made.select(list(columns))


def _text(column: pa.Array) -> pa.Array:
    """Write values as the file does: whole numbers without a point, dates without a midnight."""
    if pa.types.is_floating(column.type):
        whole = pc.all(pc.equal(pc.floor(column), column), min_count=0).as_py()
        column = column.cast(pa.int64()) if whole else column
    if pa.types.is_timestamp(column.type):
        midnights = pc.equal(pc.floor_temporal(column, unit="day"), column)
        if pc.all(midnights, min_count=0).as_py():
            column = column.cast(pa.date32())
    return column.cast(pa.string())
