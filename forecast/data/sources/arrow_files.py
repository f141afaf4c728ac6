"""Parquet and Feather files: their columns have types."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa
from pyarrow import ipc, parquet

from forecast.data.sources.csv_files import refuse_width
from forecast.data.sources.listing import Part
from forecast.data.sources.source import fitted, pieces, simple

_AHEAD = 2**20
"""Bytes of a column that are read at a time."""


def read(part: Part) -> pd.DataFrame:
    """Read a Parquet file; an index that it keeps becomes a column, which configs can name."""
    with part.open() as file:
        refuse_width(part, parquet.read_metadata(file).num_columns)
    frame = pd.read_parquet(part.path)
    named = [name for name in frame.index.names if name is not None]
    if named or not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index(drop=bool(set(named) & set(frame.columns)))
    frame.columns = frame.columns.map(str)
    return frame


def rows(part: Part) -> int:
    """Return how many rows a Parquet file states."""
    with part.open() as file:
        return int(parquet.read_metadata(file).num_rows)


def schema(part: Part, kind: str) -> pa.Schema:
    """Return the columns of a file with the types in which they are passed on."""
    with part.open() as file:
        stored = _stored(file, kind)
    names = _names(stored)
    refuse_width(part, len(names))
    return pa.schema([(name, simple(stored.field(own).type)) for own, name in names.items()])


def _stored(file: BinaryIO, kind: str) -> pa.Schema:
    """Return the schema that a file states."""
    return parquet.read_schema(file) if kind == "parquet" else ipc.open_file(file).schema


def _names(stored: pa.Schema) -> dict[str, str]:
    """Name the columns of a file as they are when pandas has read it, an index among them.

    Returns:
        Name in the file to name here.
    """
    index = [one for one in (stored.pandas_metadata or {}).get("index_columns", ()) if one]
    own = [one for one in index if isinstance(one, str)]  # a range is no column
    known = {entry["field_name"]: entry["name"] for entry in _entries(stored)}
    others = [name for name in stored.names if name not in own]
    given = [known.get(one, one) for one in own]
    if any(name is not None and name in others for name in given):
        return {name: name for name in others}
    first = "index" if len(own) == 1 and "index" not in others else None
    found = {
        one: name if name is not None else first or f"level_{place}"
        for place, (one, name) in enumerate(zip(own, given, strict=True))
    }
    return found | {name: name for name in others}


def _entries(stored: pa.Schema) -> list[dict[str, Any]]:
    """Return what pandas has noted of each column."""
    return (stored.pandas_metadata or {}).get("columns", [])


def batches(part: Part, kind: str, wanted: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield columns of a file with these types."""
    with part.open() as file:
        inner = {name: own for own, name in _names(_stored(file, kind)).items()}
        own = [inner[name] for name in wanted.names]
        read = _parquet if kind == "parquet" else _feather
        for batch in read(file, own, rows):
            columns = [_plain(batch.column(batch.schema.names.index(name))) for name in own]
            yield from pieces(fitted(columns, wanted), rows)


def _parquet(file: BinaryIO, own: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield columns of a Parquet file."""
    # with `pre_buffer` Arrow would keep the whole file
    reader = parquet.ParquetFile(file, pre_buffer=False, buffer_size=_AHEAD)
    if own:
        yield from reader.iter_batches(batch_size=rows, columns=own)


def _feather(file: BinaryIO, own: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield columns of an Arrow file, whose batches are as long as it was written."""
    del rows
    names = ipc.open_file(file).schema.names
    options = ipc.IpcReadOptions(included_fields=sorted(names.index(name) for name in own))
    reader = ipc.open_file(file, options=options)
    for number in range(reader.num_record_batches):
        yield reader.get_batch(number)


def _plain(column: pa.Array) -> pa.Array:
    """Return a column without its dictionary."""
    return column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column
