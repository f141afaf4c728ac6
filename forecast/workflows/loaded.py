"""A data set as commands have it: what it is called, where it is read, its table or blocks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from forecast.data import columns, features, panel, samples, split
from forecast.data.blocks import Blocks
from forecast.data.schema import Schema
from forecast.data.sources import opened
from forecast.data.sources.source import Source
from forecast.data.sources.together import joined_name, of_time
from forecast.data.stamps import reading, span
from forecast.data.table import Table
from forecast.errors import InputError
from forecast.workflows.settings import DataConfig, SplitConfig

KEPT = 1_000_000
"""Raw rows that are kept beside the table made of them; of more they are read again."""


@dataclass(frozen=True)
class Loaded:
    """A data set, read and checked.

    Attributes:
        name: What runs and experiments call it.
        schema: What its columns mean.
        content: What models see: a table, or its blocks where it does not fit the memory.
        columns: Of the raw rows.
        read: How many raw rows there are.
        config: Of the data.
        source: Where they are read.
    """

    name: str
    schema: Schema
    content: Table | Blocks
    columns: tuple[str, ...]
    read: int
    config: DataConfig = field(repr=False)
    source: Source = field(repr=False)

    @property
    def place(self) -> str:
        """Where it is, as it may be shown."""
        return self.source.place

    @property
    def digest(self) -> str:
        """Of its bytes."""
        return self.source.digest()

    @property
    def table(self) -> Table:
        """What models see, where all of it is in memory."""
        if isinstance(self.content, Table):
            return self.content
        raise InputError(
            f"data.memory must hold the whole table for a backtest or a sweep, got "
            f"{len(self.content):,} rows of {self.content.series:,} series, which take about "
            f"{shown_size(len(self.content) * row_bytes(self.schema))}: set it to more, or use "
            "data.since"
        )

    @property
    def frame(self) -> pd.DataFrame:
        """Raw rows, those that were kept or all of them read again."""
        kept = vars(self).get(FRAME)
        return inside(opened.read(self.source), self.config) if kept is None else kept

    def with_content(self, table: Table) -> "Loaded":
        """Return the same rows as another table."""
        found = replace(self, content=table)
        vars(found).update({key: own for key, own in vars(self).items() if key == FRAME})
        return found

    def raw(self, names: Iterable[str], since: np.datetime64 | None = None) -> pd.DataFrame:
        """Return the raw rows of some series, from some moment on."""
        wanted, found = {*names}, []
        meaning = replace(self.schema, frequency=self.frequency)
        every = self.columns if isinstance(self.content, Table) else needed(self.schema)
        whole = isinstance(self.content, Table)
        given = [self.frame] if whole else frames(self.source.batches(every), self.config)
        for frame in given:
            code, known = columns.coded_labels(frame, self.schema)
            mask = np.isin(known, list(wanted))[code]
            if since is not None:
                mask &= columns.moments(frame, meaning).time >= since
            found.append(frame[mask])
        return pd.concat(found) if len(found) > 1 else found[0]

    @property
    def counted(self) -> str:
        """Say how many rows were read, and how many are missing on their regular grid."""
        read, missing = self.read, len(self.content) - self.read
        unit = UNITS.get(self.frequency or "", "steps")
        return f"{read:,} rows" + (f" ({missing:,} {unit} missing)" if missing > 0 else "")

    @property
    def frequency(self) -> str | None:
        """Distance of two rows."""
        content = self.content
        return content.frequency if isinstance(content, Table) else content.facts.frequency

    @property
    def names(self) -> Sequence[str]:
        """Name every series."""
        content = self.content
        return content.names if isinstance(content, Table) else content.names.to_pylist()

    @property
    def ends(self) -> tuple[np.datetime64, np.datetime64]:
        """Return the first and the last time stamp."""
        content = self.content
        time = content.time if isinstance(content, Table) else content.stamps
        return time.min(), time.max()


FRAME = "_frame"
"""Name under which raw rows are kept."""


UNITS = {"h": "hours", "D": "days", "min": "minutes", "s": "seconds", "MS": "months", "W": "weeks"}
"""What steps of a frequency are called."""


def row_bytes(meaning: Schema) -> int:
    """Estimate what a row takes while a table of it is trained on and evaluated in memory."""
    return samples.row_bytes(len(features.layout_of(meaning).features) + len(meaning.targets) + 1)


def shown_size(count: int) -> str:
    """Write a number of bytes.

    >>> shown_size(5 * 2**30 + 2**29), shown_size(2**24)
    ('5.5 GiB', '16 MiB')
    """
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"


def frames(batches: Iterable[pa.RecordBatch], data: DataConfig) -> Iterator[pd.DataFrame]:
    """Turn batches into frames, between `data.since` and `data.until` where they are given."""
    return (inside(batch.to_pandas(date_as_object=False), data) for batch in batches)


def inside(frame: pd.DataFrame, data: DataConfig) -> pd.DataFrame:
    """Return the rows of the span that was asked for."""
    name = joined_name(of_time(data.time))
    if data.since is None and data.until is None or name not in frame.columns:
        return frame
    time = reading.read(frame[name], data.time_format, frequency=data.frequency).time
    return frame[span.between(time, data.since, data.until)]


def without(meaning: Schema, names: Sequence[str]) -> Schema:
    """Leave inputs out of a schema."""
    kept = {
        role: tuple(name for name in getattr(meaning, role) if name not in names)
        for role in ("features", "known_future", "static")
    }
    return replace(meaning, **kept)  # type: ignore[arg-type]


def labelled(frame: pd.DataFrame, meaning: Schema, cuts: SplitConfig, timesteps: int) -> Schema:
    """Name the labels of columns of text, those of the training rows alone."""
    names = columns.text_columns(frame, meaning)
    if not names:
        return meaning
    learned = np.ones(len(frame), bool)
    with suppress(InputError):  # that building the table will raise again
        table = panel.build(frame, without(meaning, names)).padded(timesteps)
        cut = split.holdout(table, cuts.validation, cuts.test).validation
        learned = columns.moments(frame, meaning).time < cut
    rows = frame[learned]
    return columns.with_labels(
        meaning, {name: columns.counted_labels(rows[name]) for name in names}
    )


def stored_labels(
    read: Callable[[Sequence[str]], Iterable[pd.DataFrame]],
    meaning: Schema,
    names: Sequence[str],
    cut: np.datetime64,
) -> Schema:
    """Name the labels of columns of text that memory does not hold, as `labelled`.

    Args:
        read: Reads columns of all rows, in parts.
        meaning: Of the columns.
        names: Those of text.
        cut: Where the training rows end.
    """
    every = {name: pd.Series(dtype=int) for name in names}
    learned = dict(every)
    for frame in read([meaning.time, *names]):
        before = columns.moments(frame, meaning).time < cut
        for name in names:
            for found, rows in ((every, frame), (learned, frame[before])):
                own = columns.counted_labels(rows[name])
                found[name] = found[name].add(own, fill_value=0).astype(int)
            if len(every[name]) > MOST_TEXTS:
                raise InputError(
                    f"data.features must be numbers, or labels that come again, got more than "
                    f"{MOST_TEXTS:,} different texts in column {name!r}: leave the column out"
                )
    text = [name for name in names if columns.holds_labels(pd.Series(every[name].index))]
    return columns.with_labels(meaning, {name: learned[name] for name in text})


MOST_TEXTS = 100_000
"""Different texts of a column, as many as are counted where memory does not hold all rows."""


def needed(meaning: Schema) -> list[str]:
    """Name the raw columns that a table is made of."""
    return list(dict.fromkeys((meaning.time, *meaning.series, *panel.needed(meaning))))
