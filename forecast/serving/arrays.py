"""Arrays of a bundle that have a row for every series, as Arrow files beside its JSON."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from forecast.data.scale import Scaler
from forecast.evaluation.intervals.margin import Reach
from forecast.serving.schema import INTERVALS, SEAL, SERIES, TREES, bytes_of

ROWS = 65_536
"""Series of one batch of a file."""

Arrays = Mapping[str, np.ndarray]
"""Name to float64 of shape (series, …)."""


def write(file: Path, arrays: Arrays, names: pa.Array | None = None) -> str:
    """Write arrays, and the names of the series where they are given; return the file's hash."""
    columns: dict[str, pa.Array] = {} if names is None else {"series": names}
    columns |= {name: _listed(array) for name, array in arrays.items()}
    return put(file, pa.table(columns))


def put(file: Path, table: pa.Table) -> str:
    """Write a file of Arrow; return its hash."""
    with ipc.new_file(file, table.schema) as sink:
        sink.write_table(table, max_chunksize=ROWS)
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def keep_series(
    folder: Path, scaler: Scaler, names: pa.Array, more: Arrays | None = None
) -> dict[str, Any]:
    """Write names and scale of the series, and return what the JSON says of them."""
    scale = {name: part for name, part in vars(scaler).items() if part is not None}
    digest = write(folder / SERIES, scale | dict(more or {}), names)
    return {"count": len(names), SEAL: digest}


def beside(folder: Path, fields: Mapping[str, Any]) -> dict[str, bytes]:
    """Read the files of arrays that the JSON names, and make sure that no byte was changed."""
    told = {
        SERIES: fields.get("series"),
        INTERVALS: fields["intervals"],
        TREES: fields.get("trees"),
    }
    named = {name: own for name, own in told.items() if isinstance(own, Mapping) and SEAL in own}
    return {name: bytes_of(folder, name, own) for name, own in named.items()}


def series_of(
    raw: Mapping[str, bytes], fields: Mapping[str, Any]
) -> tuple[pa.Array, dict[str, np.ndarray]]:
    """Read the names of the series, and what the file has beside them.

    Raises:
        ValueError: They are not as many as the JSON says, or the file is none.
    """
    told = fields["series"]
    if isinstance(told, list):  # as older formats had them
        return pa.array(told, pa.string()), vars(Scaler.from_dict(fields["scaler"]))
    found, names = read(raw[SERIES], named=True)
    if len(names) != told["count"]:
        raise ValueError(f"{len(names)} series for {told['count']}")
    return names, found


def keep_reach(folder: Path, reach: Reach) -> dict[str, Any]:
    """Write the half-widths of intervals, and return what the JSON says of them."""
    about = {name: plain for name, plain in reach.to_dict().items() if name != "reach"}
    return about | {SEAL: write(folder / INTERVALS, {"reach": reach.values})}


def reach_of(raw: Mapping[str, bytes], fields: Mapping[str, Any]) -> Reach | None:
    """Read what gives forecasts their intervals, if there is any."""
    told = fields["intervals"]
    if told is None:
        return None
    if INTERVALS in raw:
        told = told | read(raw[INTERVALS], named=False)[0]
    return Reach.from_dict(told)


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
