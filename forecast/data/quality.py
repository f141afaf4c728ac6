"""What is in a data set, and what is wrong with it, before anything is trained."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from forecast.data import clock, columns, features, panel, scale, windows
from forecast.data.schema import Schema
from forecast.data.stamps.resample import Resample
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.vocabulary import MISSING


@dataclass(frozen=True)
class SeriesQuality:
    """The clock of one series.

    Attributes:
        series: Its name.
        rows: Rows of the file.
        first: First time stamp.
        last: Last time stamp.
        absent: Ticks between them that have no row; None where no frequency is known.
        gaps: Stretches of absent ticks.
        longest: Ticks of the longest stretch.
    """

    series: str
    rows: int
    first: pd.Timestamp
    last: pd.Timestamp
    absent: int | None
    gaps: int | None
    longest: int | None


@dataclass(frozen=True)
class ColumnQuality:
    """The values of one column, as they stand in the file.

    Attributes:
        column: Its name.
        role: "target", "feature", "known ahead" or "static".
        missing: Rows without a value; of a static column those of series without one.
        share: The same as a share of the rows.
        out_of_range: Values outside the valid range, which count as missing later.
        constant: Whether there is one value only.
        least: Smallest finite value; NaN if none.
        mean: Mean of the finite values.
        greatest: Largest finite value.
    """

    column: str
    role: str
    missing: int
    share: float
    out_of_range: int
    constant: bool
    least: float
    mean: float
    greatest: float


@dataclass(frozen=True)
class WindowQuality:
    """The windows that one treatment of holes keeps.

    Attributes:
        missing: The policy, as in `data.missing`.
        kept: Windows without a hole that is left.
        possible: Windows that the grid would hold if nothing were missing.
        share: Kept by possible; 0 where none is possible.
    """

    missing: str
    kept: int
    possible: int
    share: float


@dataclass(frozen=True)
class Quality:
    """The report.

    Attributes:
        rows: Rows of the file.
        first: First time stamp; None where the time column cannot be read.
        last: Last time stamp.
        frequency: Given or inferred; None where neither works.
        duplicated_rows: Rows that equal an earlier one throughout.
        duplicated_stamps: Rows whose series has an earlier row with the same time stamp; of those
            the first alone is counted below.
        series: One entry a series; empty where the time column cannot be read.
        columns: One entry for each column that is used and there.
        windows: One entry a policy; empty where the data cannot be put on a grid.
        faults: The sentences that training would refuse the data with; empty means it would not.
    """

    rows: int
    first: pd.Timestamp | None
    last: pd.Timestamp | None
    frequency: str | None
    duplicated_rows: int
    duplicated_stamps: int
    series: tuple[SeriesQuality, ...]
    columns: tuple[ColumnQuality, ...]
    windows: tuple[WindowQuality, ...]
    faults: tuple[str, ...]

    def to_frames(self) -> dict[str, pd.DataFrame]:
        """Return frames to print: "data" (one row), "series", "columns" and "windows"."""
        parts = {name: getattr(self, name) for name in ("series", "columns", "windows")}
        whole = {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name not in parts and name != "faults"
        }
        return {"data": pd.DataFrame([whole])} | {
            name: pd.DataFrame(
                [vars(entry) for entry in entries], columns=[own.name for own in fields(kind)]
            )
            for (name, entries), kind in zip(parts.items(), _KINDS, strict=True)
        }


_KINDS = (SeriesQuality, ColumnQuality, WindowQuality)
"""Of the entries of a report's series, columns and windows."""


def report(
    frame: pd.DataFrame, schema: Schema, window: Window, *, before: int | None = None
) -> Quality:
    """Collect all faults and facts of raw rows.

    Faults of the data are collected, not raised, so that one look shows all of them. Where the
    frame holds some series of more, `before` counts the rows before it, and what only all rows can
    show is left to `together`.

    >>> time = pd.date_range("2024-01-01", periods=6, freq="h").delete(2)
    >>> frame = pd.DataFrame({"time": time, "load": [1.0, 2.0, 4.0, 5.0, 6.0]})
    >>> found = report(frame, Schema("time", ("load",)), Window(timesteps=2, horizon=1))
    >>> found.frequency, found.series[0].absent, found.series[0].longest
    ('h', 1, 1)
    >>> [(entry.missing, entry.kept, entry.possible) for entry in found.windows]
    [('drop', 1, 4), ('hold', 3, 4), ('mask', 3, 4)]
    """
    window.check()
    faults = list(columns.faults(frame, schema))
    there = [name for name in dict.fromkeys(schema.inputs + schema.targets) if _once(frame, name)]
    for name in there:
        with _noted(faults):
            columns.values(frame, name, schema, before)
    clean = not faults
    stamps = _stamps(frame, schema, faults)
    counted: tuple[WindowQuality, ...] = ()
    if clean and stamps is not None and stamps.tick is not None:
        with _noted(faults):
            counted = _windows(
                frame if schema.resample else frame.iloc[stamps.rows],
                schema,
                window,
                None if before is not None else faults,
            )
    return Quality(
        rows=len(frame),
        first=None if stamps is None else pd.Timestamp(stamps.time.min()),
        last=None if stamps is None else pd.Timestamp(stamps.time.max()),
        frequency=None if stamps is None else stamps.frequency,
        duplicated_rows=_repeated(frame, stamps),
        duplicated_stamps=0 if stamps is None else len(frame) - len(stamps.rows),
        series=() if stamps is None else tuple(_series(stamps)),
        columns=tuple(_column(frame, name, schema) for name in there),
        windows=counted,
        faults=tuple(faults),
    )


def _once(frame: pd.DataFrame, name: str) -> bool:
    """Tell whether a frame has one column of that name."""
    return list(frame.columns).count(name) == 1


@contextmanager
def _noted(faults: list[str]) -> Iterator[None]:
    """Turn an InputError into one more sentence."""
    try:
        yield
    except InputError as error:
        if str(error) not in faults:
            faults.append(str(error))


@dataclass(frozen=True)
class _Stamps:
    """The readable clock of a frame, sorted by series and time, each stamp once.

    Attributes:
        rows: Position of each stamp's first row in the frame, (stamps,).
        twice: Positions of all rows whose stamp is there more than once.
        count: Rows of each series with its duplicates, (series,).
        names: Name of every series.
        series: Series of each stamp, (stamps,).
        time: (stamps,) datetime64[ns].
        frequency: None if unknown.
        tick: (stamps,), None where there is no frequency.
    """

    rows: np.ndarray
    twice: np.ndarray
    count: np.ndarray
    names: tuple[str, ...]
    series: np.ndarray
    time: np.ndarray
    frequency: str | None = None
    tick: np.ndarray | None = None


def _stamps(frame: pd.DataFrame, schema: Schema, faults: list[str]) -> _Stamps | None:
    """Read series and time of every row, noting what is wrong with them; None if unreadable."""
    if frame.empty or not all(_once(frame, name) for name in (schema.time, *schema.series)):
        return None  # noted already
    time = labels = None
    with _noted(faults):
        time = columns.moments(frame, schema).time
        if schema.resample:
            time = Resample(**schema.resample).ticks(time)
    with _noted(faults):
        labels = columns.labels(frame, schema)
    if time is None or labels is None:
        return None
    found, series = np.unique(labels, return_inverse=True)
    order = np.lexsort((time, series))  # stable: of equal stamps the first row comes first
    time, series = time[order], series[order]
    names = tuple(found.tolist())
    with _noted(faults):
        columns.unique_rows(time, series, names, "first" if schema.resample else schema.duplicates)
    new = np.append(True, (np.diff(time) != np.timedelta64(0)) | (np.diff(series) != 0))
    twice = np.sort(order[~(new & np.append(new[1:], True))])
    stamps = _Stamps(order[new], twice, np.bincount(series), names, series[new], time[new])
    with _noted(faults):
        frequency = schema.frequency or clock.infer(stamps.time, stamps.series)
        tick = clock.ticks(stamps.time, frequency, stamps.series)
        stamps = replace(stamps, frequency=frequency, tick=tick)
    return stamps


def _repeated(frame: pd.DataFrame, stamps: _Stamps | None) -> int:
    """Count the rows that equal an earlier one throughout; their time stamps then do as well."""
    if stamps is not None:
        frame = frame.iloc[stamps.twice]
    return int(_as_text(frame).duplicated().sum())


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Write every cell as text, bytes and lists too."""
    columns = (frame.iloc[:, place] for place in range(frame.shape[1]))
    return pd.DataFrame(
        {n: c.map(str) if c.dtype == object else c.astype(str) for n, c in enumerate(columns)}
    )


def _series(stamps: _Stamps) -> Iterator[SeriesQuality]:
    """Describe the clock of every series."""
    begin = np.flatnonzero(np.append(True, np.diff(stamps.series) != 0))
    end = np.append(begin[1:], len(stamps.series)) - 1
    clocks: list[list[Any]] = [[None] * len(begin)] * 3
    if stamps.tick is not None:
        skipped = np.diff(stamps.tick, prepend=stamps.tick[0]) - 1
        skipped[begin] = 0  # of another series
        absent, gaps = np.add.reduceat(skipped, begin), np.add.reduceat(skipped > 0, begin)
        clocks = [absent.tolist(), gaps.tolist(), np.maximum.reduceat(skipped, begin).tolist()]
    ends = (map(pd.Timestamp, stamps.time[rows]) for rows in (begin, end))
    columns = (stamps.names, stamps.count.tolist(), *ends, *clocks)
    yield from map(SeriesQuality, *columns)


def _column(frame: pd.DataFrame, name: str, schema: Schema) -> ColumnQuality:
    """Describe the values of one column; what is no number is left to the faults."""
    column = frame[name]
    values = np.zeros(0)
    if column.dtype.kind not in "mMc":
        values = columns.as_numbers(column).to_numpy(float)
    values = values[np.isfinite(values)]
    low, high = schema.valid.get(name, (-np.inf, np.inf))
    keys = [frame[key] for key in schema.series if _once(frame, key)]
    hole = features.static_holes(column, keys) if name in schema.static else column.isna()
    missing = int(hole.sum())
    return ColumnQuality(
        column=name,
        role=schema.role(name),
        missing=missing,
        share=missing / max(len(column), 1),
        out_of_range=int(((values < low) | (values > high)).sum()),
        constant=bool(len(values)) and bool((values == values[0]).all()),
        least=float(values.min()) if len(values) else float("nan"),
        mean=float(values.mean()) if len(values) else float("nan"),
        greatest=float(values.max()) if len(values) else float("nan"),
    )


def together(parts: Sequence[Quality], schema: Schema, window: Window) -> Quality:
    """Join the reports of frames that each hold other series whole.

    Whether a target varies anywhere is left to who learns its scale.
    """
    rows = np.array([part.rows for part in parts])
    faults = list(dict.fromkeys(fault for part in parts for fault in part.faults))
    series = tuple(own for part in parts for own in part.series)
    counted = []
    for own in zip(*(part.windows for part in parts if part.windows), strict=True):
        kept, possible = sum(one.kept for one in own), sum(one.possible for one in own)
        counted.append(WindowQuality(own[0].missing, kept, possible, kept / max(possible, 1)))
    if counted and not counted[0].possible:
        longest = max(series, key=lambda one: one.last - one.first)
        stamps = pd.date_range(longest.first, longest.last, freq=parts[0].frequency)
        faults.append(_no_window(window, len(stamps)))
    known = []
    for each in zip(*(part.columns for part in parts), strict=True):
        count = rows - np.array([one.missing for one in each])
        least = pd.Series([one.least for one in each]).min()
        greatest = pd.Series([one.greatest for one in each]).max()
        mean = np.nansum(count * [one.mean for one in each]) / max(1, count.sum())
        missing, out = (
            sum(getattr(one, key) for one in each) for key in ("missing", "out_of_range")
        )
        if missing == rows.sum() and not schema.labelled(each[0].column):
            faults.append(str(columns.only_missing(each[0].column, schema)))
        known.append(
            ColumnQuality(
                column=each[0].column,
                role=each[0].role,
                missing=missing,
                share=missing / rows.sum(),
                out_of_range=out,
                constant=bool(least == greatest),
                least=float(least),
                mean=float(mean) if count.any() else float("nan"),
                greatest=float(greatest),
            )
        )
    return Quality(
        rows=int(rows.sum()),
        first=min((part.first for part in parts if part.first is not None), default=None),
        last=max((part.last for part in parts if part.last is not None), default=None),
        frequency=parts[0].frequency,
        duplicated_rows=sum(part.duplicated_rows for part in parts),
        duplicated_stamps=sum(part.duplicated_stamps for part in parts),
        series=series,
        columns=tuple(known),
        windows=tuple(counted),
        faults=tuple(faults),
    )


def _windows(
    frame: pd.DataFrame, schema: Schema, window: Window, faults: list[str] | None
) -> tuple[WindowQuality, ...]:
    """Count the windows kept under every policy; faults are noted where all series are there."""
    found = []
    rows = panel.read(frame, schema)  # once: the policies differ in what becomes of holes
    for policy in MISSING:
        table = panel.treated(rows, replace(schema, missing=policy)).padded(window.timesteps)
        length = np.bincount(table.series)
        possible = int(np.maximum(length - window.span + 1, 0).sum())
        kept = len(windows.starts(table, window))
        found.append(WindowQuality(policy, kept, possible, kept / max(possible, 1)))
        if policy != schema.missing or faults is None:
            continue
        with _noted(faults):
            # which rows train, and so must be of the transform, is not known here
            scale.fit(replace(table, transforms=(), bounds=()))
        if not possible:
            faults.append(_no_window(window, int(length.max())))
    return tuple(found)


def _no_window(window: Window, longest: int) -> str:
    """Say that no series is long enough."""
    return (
        f"window.timesteps={window.timesteps} + window.lead={window.lead} + "
        f"window.horizon={window.horizon} must fit a series, got {longest} time "
        "stamps in the longest: take smaller ones or more rows"
    )
