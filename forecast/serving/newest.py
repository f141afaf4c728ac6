"""Raw rows of any number, sorted by series and time, and of each series only the newest."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from forecast.data import clock, columns, panel
from forecast.data.schema import Schema
from forecast.data.sources.ordered import ordered
from forecast.data.sources.source import Source
from forecast.data.stamps import reading, span
from forecast.data.windows import Window
from forecast.serving.model import Spacing

TOGETHER = 262_144
"""Rows that are handed on at once, where only the newest are kept."""


class UnsortedError(Exception):
    """Rows are not sorted by series and time."""


class Newest:
    """Rows that a forecast needs, as a stream.

    Attributes:
        schema: How raw rows are read.
        keep: Newest rows of each series that are enough; None where all of them are needed.
    """

    def __init__(self, schema: Schema, window: Window, *, history: bool):
        self.schema = schema
        whole = history or schema.missing == "mask" or schema.static or schema.known_future
        held = schema.hold if schema.missing == "hold" else 0
        self.keep = None if whole or schema.duplicates != "refuse" else window.timesteps + held
        self._by = [*schema.series, schema.time]
        self._wanted = list(dict.fromkeys([*self._by, *panel.needed(schema)]))

    def of(
        self,
        source: Source,
        memory: int,
        span: tuple[str | None, str | None] = (None, None),
        *,
        sort: bool = False,
    ) -> Iterator[pa.RecordBatch]:
        """Yield rows by series and time.

        Args:
            source: Rows, most of which may be unneeded.
            memory: Bytes for sorting.
            span: First and last moment of the rows that count.
            sort: Sort them first; else rows that are not sorted raise `UnsortedError`.
        """
        columns.check_columns(
            pd.DataFrame([[None] * len(own := source.columns())], columns=own), self.schema
        )
        if sort:
            found = ordered(
                source, self._by, memory, self._wanted, time_format=self.schema.time_format
            )
        else:
            found = source.batches(self._wanted)
        spacing = Spacing(str(self.schema.frequency))
        for batch in self._together(self._trimmed(self._within(found, *span))):
            spacing.add(self._time(batch))
            yield batch
        spacing.refuse_wider()

    def _time(self, batch: pa.RecordBatch, before: int = 0) -> np.ndarray:
        """Return the time stamps of rows, (rows,)."""
        column = batch.column(self.schema.time)
        plain = pa.types.is_timestamp(column.type) and not column.null_count
        if plain and not (column.type.tz and clock.is_daily(self.schema.frequency)):
            with suppress(pa.ArrowInvalid):  # beyond nanoseconds, which `clock` says
                moments = column.cast(pa.timestamp("ns", column.type.tz)).view(pa.int64())
                return np.asarray(moments.to_numpy().view("datetime64[ns]"))
        read = pd.Series(column.to_pandas(), name=self.schema.time)
        return reading.read(
            read, self.schema.time_format, before=before, frequency=self.schema.frequency
        ).time

    def _within(
        self, batches: Iterable[pa.RecordBatch], since: str | None, until: str | None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a span."""
        if since is None and until is None:
            yield from batches
            return
        first, last, before, found = None, None, 0, False
        for batch in batches:
            time = self._time(batch, before)
            before += len(batch)
            inside = span.inside(time, since, until)
            found |= bool(inside.any())
            first = time.min() if first is None else min(first, time.min())
            last = time.max() if last is None else max(last, time.max())
            yield batch.filter(pa.array(inside))
        if first is not None and not found:
            span.between(np.array([first, last]), since, until)  # which says it

    def _trimmed(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Make sure that rows are sorted, and leave those out that are not needed."""
        held: pa.RecordBatch | None = None  # of the last series, which may go on
        before = 0
        for batch in batches:
            if not len(batch):
                continue
            new = len(batch)
            joined = batch if held is None else pa.concat_batches([held, batch])
            names, end = self._series(joined, before)
            time = self._time(joined, before)
            back = np.diff(time) < np.timedelta64(0)
            back[end[:-1] - 1] = False  # where another series begins
            rising = pc.all(pc.less(names[:-1], names[1:]), min_count=0).as_py()
            if back.any() or not rising:
                raise UnsortedError
            before += new
            if self.keep is None:
                yield batch
                held = joined.slice(len(joined) - 1)
                continue
            begin = np.maximum(np.append(0, end[:-1]), end - self.keep)
            length = (end - begin)[:-1]
            rows = np.arange(length.sum()) + np.repeat(
                begin[:-1] - np.cumsum(length) + length, length
            )
            yield joined.take(pa.array(rows))
            held = joined.slice(begin[-1])
        if self.keep is not None and held is not None:
            yield held

    def _series(self, batch: pa.RecordBatch, before: int) -> tuple[pa.Array, np.ndarray]:
        """Return the names of the series that follow each other, and the row behind each."""
        schema = self.schema
        if not schema.series:
            return pa.array(["series"]), np.array([len(batch)])
        label = batch.column(schema.series[0])
        if len(schema.series) > 1 or label.type != pa.string() or label.null_count:
            frame = batch.select(list(schema.series)).to_pandas()
            code, names = columns.coded(frame, schema.series, before)
            label = pa.array(names.astype(object), pa.string()).take(pa.array(code))
        runs = pc.run_end_encode(label)
        return runs.values, runs.run_ends.to_numpy()

    def _together(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Put small batches together."""
        held: list[pa.RecordBatch] = []
        for batch in batches:
            held += [batch] * bool(len(batch))
            if sum(map(len, held)) >= TOGETHER:
                yield pa.concat_batches(held)
                held = []
        if held:
            yield pa.concat_batches(held)
