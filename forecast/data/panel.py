"""Frames become tables: every check at the door, once."""

from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from forecast.data import clock
from forecast.data.schema import Schema
from forecast.data.table import Table
from forecast.errors import InputError, nearest


def build(frame: pd.DataFrame, schema: Schema) -> Table:
    """Turn a raw frame into a table on a regular grid.

    Rows are sorted, absent ticks become rows of holes, values out of range become holes, and holes
    in features are treated as the schema says, never with a value from a later row.

    Args:
        frame: Raw rows in any order.
        schema: What the columns mean.

    Returns:
        The table.

    Raises:
        InputError: A column is missing, a value is no number, a time stamp is twice there, …
    """
    check_columns(frame, schema)
    labels = _labels(frame, schema)
    time = clock.parse(frame[schema.time], schema.time_format)
    names, series = np.unique(labels.to_numpy(object).astype(str), return_inverse=True)
    order = np.lexsort((time, series))
    time, series = time[order], series[order]
    _refuse_duplicates(time, series, names, schema)
    frequency = schema.frequency or clock.infer(time, series)
    tick = clock.ticks(time, frequency)
    raw = {
        name: _numbers(frame, name, schema).to_numpy(float)[order]
        for name in dict.fromkeys((*schema.inputs, *schema.targets))
    }
    grid = _Grid(series, tick, frequency, time)
    full = {name: grid.spread(_in_range(values, name, schema)) for name, values in raw.items()}
    columns, features = _features(full, schema)
    if schema.missing == "hold":
        columns = _hold(columns, grid.series, schema.hold)
    calendar, labels_ = clock.describe(grid.time, schema.calendar)
    return Table(
        inputs=np.column_stack([columns, calendar]),
        outputs=np.column_stack([full[name] for name in schema.targets]),
        features=(*features, *labels_),
        targets=schema.targets,
        series=grid.series,
        tick=grid.tick,
        time=grid.time,
        names=tuple(names.tolist()),
        frequency=frequency,
        unscaled=labels_,
    )


def from_xy(
    X: Any, y: Any = None, *, names: tuple[str, ...] = (), frequency: str | None = None
) -> Table:
    """Turn scikit-learn's pair into a table; values are taken as they are.

    Args:
        X: (rows, features): a frame with a time or (series, time) index, or a plain array, whose
            rows follow each other without a clock.
        y: (rows,) or (rows, targets), aligned with X; None where targets are not known.
        names: Series known from an earlier table; a new one is refused.
        frequency: Distance of two rows, if known from an earlier table.

    Returns:
        The table; without y its outputs are holes.

    Raises:
        InputError: Shapes disagree, or the index is not regular.
    """
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(_matrix(X, "X"))
    features = tuple(str(name) for name in frame.columns)
    values = frame.to_numpy(float)
    if y is None:
        outputs, targets = np.full((len(frame), 1), np.nan), ("y",)
    else:
        outputs = _matrix(y, "y").astype(float)
        targets = tuple(
            str(name)
            for name in (
                y.columns
                if isinstance(y, pd.DataFrame)
                else [y.name]
                if isinstance(y, pd.Series) and y.name is not None
                else [f"y{i}" for i in range(outputs.shape[1])]
            )
        )
        if len(outputs) != len(values):
            raise InputError(f"y must have X's {len(values)} rows, got {len(outputs)}")
    clocked = isinstance(frame.index.get_level_values(-1), pd.DatetimeIndex)
    if not clocked:
        tick = np.arange(len(frame))
        zero = np.zeros(len(frame), np.intp)
        return Table(values, outputs, features, targets, zero, tick, tick)
    time = clock.parse(frame.index.get_level_values(-1).to_series(name="index"), None)
    if frame.index.nlevels > 1:
        labels = frame.index.get_level_values(0).astype(str)
    else:
        labels = pd.Index([names[0] if names else "series"] * len(frame))
    known = names or tuple(sorted(set(labels)))
    series = pd.Index(known).get_indexer(labels)
    if (series < 0).any():
        new = labels[(series < 0).argmax()]
        raise InputError(f"X must hold series seen in fit, got {new!r}: {nearest(new, known)}")
    order = np.lexsort((time, series))
    time, series = time[order], series[order]
    frequency = frequency or clock.infer(time, series)
    return Table(
        values[order],
        outputs[order],
        features,
        targets,
        series,
        clock.ticks(time, frequency),
        time,
        known,
        frequency,
    )


def check_columns(frame: pd.DataFrame, schema: Schema) -> None:
    """Refuse a frame that lacks a column, or holds one twice.

    Args:
        frame: Raw rows.
        schema: What the columns mean.

    Raises:
        InputError: Naming the argument, the column and the nearest one there is.
    """
    twice = frame.columns[frame.columns.duplicated()]
    asked = {
        "data.time": (schema.time,),
        "data.series": schema.series,
        "data.targets": schema.targets,
        "data.features": schema.features,
        "data.circular": tuple(schema.circular),
    }
    for argument, columns in asked.items():
        for column in columns:
            if column not in frame.columns:
                raise InputError(
                    f"{argument} must name columns of the file, got {column!r}: "
                    f"{nearest(column, map(str, frame.columns))}"
                )
            if column in twice:
                raise InputError(f"{argument} must be one column, got {column!r} twice: rename one")


def _labels(frame: pd.DataFrame, schema: Schema) -> pd.Series:
    """Name the series of every row; several columns are joined by a slash."""
    if not schema.series:
        return pd.Series("series", index=frame.index)
    parts = frame[list(schema.series)]
    if parts.isna().any(axis=None):
        row = int(parts.isna().any(axis=1).argmax())
        raise InputError(f"data.series must be filled in every row, got none in row {row + 1}")
    return parts.astype(str).agg("/".join, axis=1)


def _numbers(frame: pd.DataFrame, name: str, schema: Schema) -> pd.Series:
    """Return a column as numbers, or say where it holds something else."""
    column = frame[name]
    numbers = pd.to_numeric(column, errors="coerce")
    bad = numbers.isna() & column.notna()
    argument = "data.targets" if name in schema.targets else "data.features"
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"{argument} must be numbers, got {column.iloc[row]!r} in column {name!r}, "
            f"row {row + 1}: mend it or leave the column out"
        )
    infinite = np.isinf(numbers.to_numpy(float))
    if infinite.any():
        row = int(infinite.argmax())
        raise InputError(
            f"{argument} must be finite, got {column.iloc[row]!r} in column {name!r}, "
            f"row {row + 1}: write an empty field for a missing value"
        )
    if numbers.isna().all():
        raise InputError(f"{argument} must hold values, got only missing ones in column {name!r}")
    return numbers


def _refuse_duplicates(
    time: np.ndarray, series: np.ndarray, names: np.ndarray, schema: Schema
) -> None:
    """Refuse two rows of one series with one time stamp."""
    twice = (np.diff(time) == np.timedelta64(0)) & (np.diff(series) == 0)
    if twice.any():
        row = int(twice.argmax())
        whose = f" of series {names[series[row]]!r}" if schema.series else ""
        raise InputError(
            f"data.time must be unique within a series, got {pd.Timestamp(time[row])} twice{whose}"
            ": name the series columns in data.series, or use a column in UTC"
        )


def _in_range(values: np.ndarray, name: str, schema: Schema) -> np.ndarray:
    """Count values outside the valid range as missing."""
    low, high = schema.valid.get(name, (-np.inf, np.inf))
    return np.where((values >= low) & (values <= high), values, np.nan)


class _Grid:
    """Every tick of every series from its first row to its last."""

    def __init__(self, series: np.ndarray, tick: np.ndarray, frequency: str, time: np.ndarray):
        first = np.flatnonzero(np.append(True, np.diff(series) != 0))
        last = np.append(first[1:], len(series)) - 1
        length = tick[last] - tick[first] + 1
        if length.sum() > 20 * len(tick) + 1000:
            raise InputError(
                f"data.time must be mostly filled at frequency {frequency}, got {len(tick)} rows "
                f"for {length.sum()} time stamps: set data.frequency or mend stray dates"
            )
        offset = np.repeat(np.cumsum(length) - length, length)
        self.series = np.repeat(series[first], length)
        self.tick = np.repeat(tick[first], length) + np.arange(length.sum()) - offset
        # where each given row lands: its tick, counted from the start of its series' stretch
        start = (np.cumsum(length) - length)[np.cumsum(np.append(False, np.diff(series) != 0))]
        self.position = start + tick - tick[first][
            np.cumsum(np.append(False, np.diff(series) != 0))
        ]
        self.time = np.concatenate(
            [
                pd.date_range(time[f], periods=n, freq=to_offset(frequency)).to_numpy(
                    "datetime64[ns]"
                )
                for f, n in zip(first, length, strict=True)
            ]
        )

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Put the given rows' values on the grid, holes elsewhere."""
        full = np.full(len(self.tick), np.nan)
        full[self.position] = values
        return full


def _features(full: dict[str, np.ndarray], schema: Schema) -> tuple[np.ndarray, tuple[str, ...]]:
    """Stack the input columns, circular ones as sine and cosine."""
    columns: list[np.ndarray] = []
    names: list[str] = []
    for name in schema.inputs:
        if name in schema.circular:
            angle = 2 * np.pi * full[name] / schema.circular[name]
            columns += [np.sin(angle), np.cos(angle)]
            names += [f"{name}_sin", f"{name}_cos"]
        else:
            columns.append(full[name])
            names.append(name)
    return np.column_stack(columns), tuple(names)


def _hold(columns: np.ndarray, series: np.ndarray, limit: int) -> np.ndarray:
    """Repeat the last value of each column, at most `limit` rows, never across a series."""
    return pd.DataFrame(columns).groupby(series).ffill(limit=limit).to_numpy() if limit else columns


def _matrix(values: Any, name: str) -> np.ndarray:
    """Return 2-D values; a vector becomes one column."""
    array = np.asarray(values)
    if array.ndim == 1 and name == "y":
        array = array[:, None]
    if array.ndim != 2:
        raise InputError(f"{name} must be two-dimensional (rows, columns), got shape {array.shape}")
    return array
