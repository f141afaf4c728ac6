"""Rows by series and time, sorted outside of memory where they are not sorted already."""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.data import columns
from forecast.data.sources import duck
from forecast.data.sources.source import ROWS, Source, pieces
from forecast.data.sources.spill import Spill
from forecast.data.stamps import reading
from forecast.errors import InputError, cause, shown

LEAST = 64 * 2**20
"""Bytes that DuckDB gets at least."""

_COPIES = 4
"""Memory of a sort in memory, in tables: the batches, one table, the rows taken, their keys."""


def ordered(
    source: Source,
    by: Sequence[str],
    memory: int,
    wanted: Sequence[str] | None = None,
    *,
    time_format: str | None = None,
    rows: int = ROWS,
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a source by series and time, those of one moment as they came.

    Series go by their names as text, several columns joined by a slash, as in a `Table`; times by
    the moment that they mean, so that text is read first. One pass over these columns finds whether
    rows are sorted already, and ends where they are not.

    Args:
        source: Rows in any order.
        by: Columns of the series, if there are any, and then that of the time.
        memory: Bytes for sorting.
        wanted: Columns of the batches; None means all.
        time_format: How the time is written; None means ISO 8601.
        rows: At most so many a batch.
    """
    names = list(source.columns() if wanted is None else wanted)
    if _is_sorted(source, by, time_format):
        yield from source.batches(names, rows)
        return
    every = list(dict.fromkeys([*names, *by]))
    keyed = _keyed(source.batches(every, rows), by, time_format)
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in keyed:
        held.append(batch)
        size += batch.nbytes
        if size * _COPIES > memory:
            found = _outside(chain(_given_up(held), keyed), batch.schema, memory, rows)
            break
    else:
        found = _inside(held, rows)
    for batch in found:
        for piece in pieces(batch, rows):
            yield piece.select(names)


def _is_sorted(source: Source, by: Sequence[str], time_format: str | None) -> bool:
    """Tell whether all rows are in order."""
    last: tuple[pa.Array, pa.Array] | None = None
    for batch in _keyed(source.batches(by), by, time_format):
        label, time = batch.column(_LABEL), batch.column(_TIME)
        if last is not None:  # the last row of the batch before comes first
            label = pa.concat_arrays([last[0], label])
            time = pa.concat_arrays([last[1], time])
        last = label[-1:], time[-1:]
        if len(label) < 2:
            continue
        before, after = label[:-1], label[1:]
        falls = pc.and_(pc.equal(before, after), pc.greater(time[:-1], time[1:]))
        if pc.any(pc.or_(pc.greater(before, after), falls)).as_py():
            return False
    return True


_LABEL, _TIME, _ROW = "\0label", "\0time", "\0row"
"""Columns by which rows are sorted; no column of a file is called so."""


def _keyed(
    batches: Iterable[pa.RecordBatch], by: Sequence[str], time_format: str | None
) -> Iterator[pa.RecordBatch]:
    """Add to each batch the names of its series, its moments and the numbers of its rows."""
    first: int = 0
    stated: bool | None = None
    for batch in batches:
        frame = batch.select(list(by)).to_pandas()
        # the order of dates is that of their moments
        found = reading.read(frame[by[-1]], time_format, before=first, dates=False)
        time, zoned = found.time, found.zoned
        if stated not in (None, zoned):
            raise InputError(
                f"data.time column {by[-1]!r} must state a zone in all rows or in none, got "
                f"{shown(frame[by[-1]].iloc[0])} in row {first + 1} after rows that "
                f"{'state' if stated else 'do not state'} one: use one form"
            )
        stated = zoned
        if len(by) > 1:
            code, names = columns.coded(frame, by[:-1], first)
            label = pa.array(names.astype(object), pa.string()).take(pa.array(code))
        else:
            label = pa.repeat(pa.scalar(""), len(batch))
        keys = {
            _LABEL: label,
            _TIME: pa.array(time.astype(np.int64)),
            _ROW: pa.array(np.arange(first, first + len(batch))),
        }
        first += len(batch)
        for name, key in keys.items():
            batch = batch.append_column(name, key)
        yield batch


def _given_up(held: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield batches, and keep none of them."""
    while held:
        yield held.pop(0)


def _inside(held: list[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Sort rows that fit."""
    table = pa.Table.from_batches(held)
    coded = table[_LABEL].combine_chunks().dictionary_encode()
    place = np.argsort(pc.sort_indices(coded.dictionary).to_numpy())
    order = np.lexsort((table[_TIME].to_numpy(), place[coded.indices.to_numpy()]))
    yield from table.take(order).to_batches(rows)


def _outside(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, memory: int, rows: int
) -> Iterator[pa.RecordBatch]:
    """Sort rows by DuckDB, which puts on disk what memory does not hold."""
    duckdb = duck.imported()
    failed: list[BaseException] = []
    stored = pa.schema([(f"c{n}", _stored(kind)) for n, kind in enumerate(schema.types)])

    def given() -> Iterator[pa.RecordBatch]:
        """Yield rows under names that SQL tells apart, moments as numbers, which it keeps exact."""
        try:
            for batch in batches:
                arrays = [
                    array.view(kind) if array.type != kind else array
                    for array, kind in zip(batch.columns, stored.types, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=stored)
        except BaseException as error:  # DuckDB would tell it in its own words
            failed.append(error)
            raise

    spill = Spill()
    settings = {
        # sorting, it takes about as much again as it counts
        "memory_limit": f"{max(memory // 2, LEAST) >> 20}MiB",
        "temp_directory": str(spill.path),
        "preserve_insertion_order": "false",
        "threads": str(max(1, min(os.cpu_count() or 1, memory >> 28))),
    }
    keys = ", ".join(f"c{schema.get_field_index(name)}" for name in (_LABEL, _TIME, _ROW))
    connection = duckdb.connect(":memory:", config=duck.ALONE | settings)
    try:
        connection.register("given", pa.RecordBatchReader.from_batches(stored, given()))
        found = connection.sql(f"select * from given order by {keys}")
        for batch in found.to_arrow_reader(rows):
            arrays = [
                _back(array, kind) for array, kind in zip(batch.columns, schema.types, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
    except (duckdb.Error, OSError) as error:
        if failed:
            raise failed[0] from None
        raise InputError(
            f"data.path must fit on disk once more to be sorted, got a refusal ({cause(error)}): "
            f"make room in {spill.path.parent}, or sort the rows by series and time"
        ) from error
    finally:
        connection.close()
        spill.close()


def _stored(kind: pa.DataType) -> pa.DataType:
    """Return the type in which DuckDB keeps a column exactly."""
    return pa.int64() if pa.types.is_timestamp(kind) or pa.types.is_date64(kind) else kind


def _back(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return a column of DuckDB as it was given."""
    if array.type == kind:
        return array
    return array.view(kind) if _stored(kind) != kind else array.cast(kind)
