"""Arrays of a bundle that have a row for every series, as Arrow files beside its JSON."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import ipc

ROWS = 65_536
"""Series of one batch of a file."""

Arrays = Mapping[str, np.ndarray]
"""Name to float64 of shape (series, …)."""


def write(file: Path, arrays: Arrays, names: pa.Array | None = None) -> str:
    """Write arrays, and the names of the series where they are given; return the file's hash."""
    columns: dict[str, pa.Array] = {} if names is None else {"series": names}
    columns |= {name: _listed(array) for name, array in arrays.items()}
    table = pa.table(columns)
    with ipc.new_file(file, table.schema) as sink:
        sink.write_table(table, max_chunksize=ROWS)
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def read(raw: bytes, *, named: bool) -> tuple[dict[str, np.ndarray], pa.Array]:
    """Read arrays back, and the names of their series where the file has them.

    Raises:
        ValueError: The bytes are no such file; `pa.ArrowInvalid` is one.
    """
    table = ipc.open_file(pa.py_buffer(raw)).read_all()
    table.validate(full=True)  # before any value is looked at: lengths and places may lie
    found = {}
    for field in table.schema:
        column = table[field.name]
        if _holes(column):
            raise ValueError(f"missing values in {field.name[:40]!r}")
        if field.name != "series" or not named:
            found[field.name] = _array(column, field)
    if not named:
        return found, pa.array([], pa.string())
    names = table["series"] if "series" in table.column_names else None
    if names is None or names.type != pa.string():
        raise ValueError("no names of series")
    return found, names.combine_chunks()


def _listed(array: np.ndarray) -> pa.Array:
    """Lay an array out as lists of a fixed length, one in another for more than two dimensions."""
    values = pa.array(np.ascontiguousarray(array, float).ravel())
    for size in reversed(array.shape[1:]):
        values = pa.FixedSizeListArray.from_arrays(values, size)
    return values


def _array(column: pa.ChunkedArray, field: pa.Field) -> np.ndarray:
    """Return a column of lists of numbers as an array."""
    shape, kind = [len(column)], field.type
    while pa.types.is_fixed_size_list(kind):
        shape.append(kind.list_size)
        kind = kind.value_type
    if kind != pa.float64() or len(shape) < 2:
        raise ValueError(f"{field.type} as {field.name[:40]!r}")
    parts = [_numbers(chunk) for chunk in column.chunks]
    return np.concatenate([np.zeros(0), *parts]).reshape(shape)


def _numbers(values: pa.Array) -> np.ndarray:
    """Return all numbers of lists, (values,)."""
    while pa.types.is_fixed_size_list(values.type):
        values = values.flatten()
    return values.to_numpy(zero_copy_only=False)


def _holes(column: pa.ChunkedArray) -> bool:
    """Tell whether a column, or a list in it, lacks a value."""
    for chunk in column.chunks:
        while chunk.null_count == 0 and pa.types.is_fixed_size_list(chunk.type):
            chunk = chunk.flatten()
        if chunk.null_count:
            return True
    return False
