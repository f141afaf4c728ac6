"""CSV files, also compressed: read whole as pandas reads them, or as a stream of equal types."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from forecast.data.sources.listing import Part
from forecast.data.sources.source import CELLS, common, fitted, pieces
from forecast.errors import InputError, shown

_ENCODING = "utf-8-sig"  # drops the byte-order mark that spreadsheets write before the first name

_OTHERS = {
    b"PK\x03\x04": ("an Excel or ZIP file", "save the sheet as CSV, or end its name with .zip"),
    b"\xd0\xcf\x11\xe0": ("an old Excel file", "save the sheet as CSV"),
    b"PAR1": ("a Parquet file", "set data.format=parquet"),
    b"ARROW1": ("a Feather file", "set data.format=feather"),
    b"FEA1": ("a Feather file of version 1", "write it again with today's pyarrow"),
    b"\x1f\x8b": ("a gzip file", "end its name with .csv.gz"),
    b"\x89PNG": ("a picture", "give the table"),
    b"%PDF": ("a PDF", "save its table as CSV"),
    b"SQLite f": ("a database", "write data.path=sqlite:///FILE and data.table=NAME"),
    b"\0": ("bytes that are not text", "download the file again"),
}
"""How files begin that are taken for CSV, what they are, and what helps."""

_DTYPES = {
    pa.int64(): "int64",
    pa.float64(): "float64",
    pa.bool_(): "boolean",
    pa.string(): "str",
}
"""What pandas reads a column as, whose type in all files is known."""


TAB = "tab"
"""What a tabulator is called, which a shell makes a space of."""


@dataclass(frozen=True)
class Dialect:
    """How the text of a CSV file is written.

    Attributes:
        separator: Sign between two fields.
        decimal: Sign before decimals.
        skip: Lines above the names of the columns.
        na: Texts that mean a missing value, beside those of pandas: nothing, NA, NaN, null …
    """

    separator: str = ","
    decimal: str = "."
    skip: int = 0
    na: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse what no file is written with."""
        if len(self.separator) != 1 or self.separator in '"\r\n':
            raise InputError(
                f"data.separator must be one sign, or {TAB}, got {self.separator!r}: write "
                "data.separator=';'"
            )
        if self.decimal not in (".", ","):
            raise InputError(
                f"data.decimal must be a point or a comma, got {self.decimal!r}: write "
                "data.decimal=','"
            )
        if self.decimal == self.separator:
            raise InputError(
                f"data.separator must not be the sign before decimals, got {self.separator!r} for "
                "both: write data.separator=';', or whatever separates the fields"
            )
        if not 0 <= self.skip <= MOST_SKIPPED:
            raise InputError(
                f"data.skip must be a number of lines from 0 to {MOST_SKIPPED:,}, got {self.skip}: "
                "count those above the names of the columns"
            )

    @property
    def arguments(self) -> dict[str, Any]:
        """What pandas is told."""
        return {
            "sep": self.separator,
            "decimal": self.decimal,
            "skiprows": self.skip,
            "na_values": list(self.na),
        }


PLAIN = Dialect()
"""Commas, decimal points, the names in the first line."""

MOST_SKIPPED = 10_000
"""Lines above the names."""

MISSING = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)
"""Texts that pandas takes for a missing value."""


class Texts(NamedTuple):
    """Columns that are read as text, as it stands in the file: 007 is another name than 7.

    Attributes:
        names: Those in which only an empty field, and the texts of `data.na`, are missing: a series
            may be called NA.
        labels: Those in which what pandas takes for missing is missing.
    """

    names: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()


NONE = Texts()
"""Every column holds what pandas takes it for."""


def read(part: Part, dialect: Dialect = PLAIN, texts: Texts = NONE) -> pd.DataFrame:
    """Read a whole file."""
    header = names(part, dialect)
    told = _told(part, header, dialect, texts)
    with _pandas(part, dialect) as arguments:
        frame = pd.read_csv(**arguments | told, low_memory=False)
    _refuse_more(frame, part)
    frame.columns = pd.Index(header)
    return without_blank_rows(frame)


def without_blank_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out the rows in which no field is filled, as spreadsheets write them below a table."""
    blank = frame.isna().all(axis=1)
    return frame[~blank].reset_index(drop=True) if blank.any() else frame


def names(part: Part, dialect: Dialect = PLAIN) -> list[str]:
    """Read the names of all columns; one that stands twice in the file stands twice here."""
    _refuse_others(part)
    # no text holds this separator: the whole first line is one field
    with _pandas(part, dialect) as arguments:
        line = pd.read_csv(**arguments | {"sep": "\x1f"}, header=None, nrows=1, quoting=3)
    first = str(line.iat[0, 0]) if line.size else ""
    other = next((mark for mark in ";\t|," if mark in first), "")
    if dialect.separator not in first and other:
        written = TAB if other == "\t" else repr(other)
        raise InputError(
            f"data.separator must be what separates the fields, {dialect.separator!r} by default, "
            f"got the first line {shown(first)}: write data.separator={written}, and "
            "data.decimal=',' if decimals have a comma"
        )
    refuse_width(part, first.count(dialect.separator) + 1)
    columns = _mangled(part, dialect)
    # pandas renames the second "load" to "load.1"; who asks for "load" must hear that it is twice
    with _pandas(part, dialect) as arguments:
        header = pd.read_csv(**arguments, header=None, nrows=1, dtype=str).iloc[0]
    twice = (header.duplicated(keep=False) & header.notna()).to_numpy(bool)
    return [str(name) for name in np.where(twice, header, columns)]


def schema(part: Part, dialect: Dialect = PLAIN, texts: Texts = NONE) -> pa.Schema:
    """Find the type of each column by reading the file once, as pandas would of all its rows."""
    header = names(part, dialect)
    text = texts.names | texts.labels
    kinds, first = [pa.string() if name in text else pa.null() for name in header], 0
    told = _told(part, header, dialect, texts)
    size = _rows(len(header))
    with (
        _pandas(part, dialect) as arguments,
        pd.read_csv(**arguments | told, low_memory=False, chunksize=size) as chunks,
    ):
        for chunk in chunks:
            _refuse_more(chunk, part, first)
            first += len(chunk)
            kinds = [joined(kind, _kind(chunk.iloc[:, place])) for place, kind in enumerate(kinds)]
    return pa.schema(list(zip(header, kinds, strict=True)))


def batches(
    part: Part, wanted: pa.Schema, rows: int, dialect: Dialect = PLAIN, texts: Texts = NONE
) -> Iterator[pa.RecordBatch]:
    """Yield columns of a file with these types."""
    header = names(part, dialect)
    places = [header.index(name) for name in wanted.names]
    order = np.argsort(np.argsort(places))  # pandas gives columns in the order of the file
    mangled = _mangled(part, dialect)
    dtypes = {
        mangled[place]: _DTYPES[kind] for place, kind in zip(places, wanted.types, strict=True)
    }
    told = _told(part, header, dialect, texts) | {"dtype": dtypes, "usecols": places}
    size = max(min(rows, _rows(len(header))), 1000)
    with (
        _pandas(part, dialect) as arguments,
        pd.read_csv(**arguments | told, chunksize=size) as chunks,
    ):
        for chunk in map(without_blank_rows, chunks):
            columns = [
                pa.Array.from_pandas(chunk.iloc[:, place], type=_kept(kind))
                for place, kind in zip(order, wanted.types, strict=True)
            ]
            yield from pieces(fitted(columns, wanted), rows)


def _mangled(part: Part, dialect: Dialect) -> pd.Index:
    """Return what pandas calls the columns, no two of them alike."""
    with _pandas(part, dialect) as arguments:
        return pd.read_csv(**arguments, nrows=0).columns


def _told(part: Part, header: Sequence[str], dialect: Dialect, texts: Texts) -> dict[str, Any]:
    """Return what else pandas is told where columns are read as text."""
    text = texts.names | texts.labels
    if not text & {*header}:
        return {}
    pairs = list(zip(_mangled(part, dialect), header, strict=True))
    return {
        "dtype": {own: "str" for own, name in pairs if name in text},
        "keep_default_na": False,
        "na_values": {
            own: ["", *dialect.na] if name in texts.names else [*MISSING, *dialect.na]
            for own, name in pairs
        },
    }


def joined(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return the type of a column that is one thing here and another there; text holds all."""
    found = common(one, other)
    return pa.string() if found is None else found


def _kind(column: pd.Series) -> pa.DataType:
    """Return the type that pandas has found for some rows of a column."""
    if column.dtype.kind == "i":
        return pa.int64()
    if column.dtype.kind == "b":
        return pa.bool_()
    if column.isna().all():
        return pa.null()
    if column.dtype.kind == "f":
        return pa.float64()
    logical = pd.api.types.infer_dtype(column, skipna=True) == "boolean"
    return pa.bool_() if logical else pa.string()


def _kept(kind: pa.DataType) -> pa.DataType:
    """Return the type in which pandas keeps a column."""
    return pa.large_string() if kind == pa.string() else kind


def _rows(columns: int) -> int:
    """Return how many rows are read at a time."""
    return max(CELLS // columns, 1000)


@contextmanager
def _pandas(part: Part, dialect: Dialect) -> Iterator[dict[str, Any]]:
    """Yield the arguments by which pandas reads a file."""
    told: dict[str, Any] = {"encoding": _ENCODING, **dialect.arguments}
    if part.system is None:
        yield told | {"filepath_or_buffer": part.path}
        return
    with part.open() as file:
        yield told | {"filepath_or_buffer": file, "compression": part.compression}


def _refuse_more(frame: pd.DataFrame, part: Part, first: int = 0) -> None:
    """Refuse rows with more fields than names, which pandas makes an index of."""
    own = frame.index  # pandas makes a range of first fields that are evenly apart, too
    if not isinstance(own, pd.RangeIndex) or (own.start, own.step) != (first, 1):
        raise InputError(
            f"data.path must have a name for every field, got rows of {part.name!r} with more than "
            f"the {len(frame.columns)} names of its first line: name all columns, or set "
            "data.skip=1 if that line is a title above the names"
        )


def _refuse_others(part: Part) -> None:
    """Say what a file is that is no text, where its first bytes tell."""
    if part.compression is None:
        with part.open() as file:
            begin = file.read(8)
        for mark, (kind, cure) in _OTHERS.items():
            if begin.startswith(mark):
                raise InputError(f"data.path must be a csv file, got {kind}, {part.name!r}: {cure}")


MOST_COLUMNS = 20_000
"""Of a file; reading a million names takes minutes, and no network takes them."""


def refuse_width(part: Part, columns: int) -> None:
    """Refuse more columns than anything here could handle, before they are read."""
    if columns > MOST_COLUMNS:
        raise InputError(
            f"data.path must hold at most {MOST_COLUMNS:,} columns, got {part.name!r} with "
            f"{columns:,}: write many series below each other, named by a column of data.series"
        )
