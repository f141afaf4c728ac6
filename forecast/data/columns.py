"""The columns of a raw frame, checked one by one."""

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from forecast.data.schema import Schema, label_positions
from forecast.errors import InputError, nearest, shown

GREATEST = 1e100
"""Size of a value whose square can still be summed."""


_NAMELESS = re.compile(r"Unnamed: \d+(_level_\d+)?|__index_level_\d+__|\s*")
"""What pandas and Arrow call a column whose header is empty, or an index without a name."""


def nameless(columns: Iterable[str]) -> list[str]:
    """List the columns without a name: row numbers of a frame, or what a trailing comma makes.

    >>> nameless(["Unnamed: 0", "load", "__index_level_0__"])
    ['Unnamed: 0', '__index_level_0__']
    """
    return [column for column in columns if _NAMELESS.fullmatch(column)]


def check_columns(frame: pd.DataFrame, schema: Schema) -> None:
    """Refuse a frame that has no rows, lacks a column, or holds one twice."""
    for fault in faults(frame, schema):
        raise InputError(fault)


def faults(frame: pd.DataFrame, schema: Schema) -> Iterator[str]:
    """Say, one by one, which columns a frame lacks or holds twice."""
    if frame.empty:
        yield "data must hold at least one row, got none: give another file or span"
    twice = frame.columns[frame.columns.duplicated()]
    asked = {
        "data.time": (schema.time,),
        "data.series": schema.series,
        "data.targets": schema.targets,
        "data.features": schema.features,
        "data.circular": tuple(schema.circular),
        "data.valid": tuple(schema.valid),
        "data.classes": tuple(schema.classes),
        "data.known_future": schema.known_columns,
        "data.static": schema.static,
    }
    there = [str(column) for column in frame.columns]
    for argument, names in asked.items():
        calendar = schema.calendar if argument == "data.known_future" else ()
        for column in names:
            if column not in frame.columns:
                yield (
                    f"{argument} must name columns of the file"
                    f"{' or of data.calendar' if argument == 'data.known_future' else ''}, "
                    f"got {column!r}: {nearest(column, [*there, *calendar])}"
                )
            elif column in twice:
                yield f"{argument} must be one column, got {column!r} twice: rename one"


def labels(frame: pd.DataFrame, schema: Schema) -> np.ndarray:
    """Name the series of every row; several columns are joined by a slash.

    Returns (rows,).
    """
    if not schema.series:
        return np.full(len(frame), "series")
    return joined(frame, schema.series).astype(str)


def joined(frame: pd.DataFrame, names: Sequence[str], first: int = 0) -> np.ndarray:
    """Join columns that name the series of every row by a slash; `first` rows came before these.

    Returns (rows,), objects.
    """
    parts = []
    for name in names:
        column = frame[name]
        text = column.astype(str)
        empty = (column.isna() | (text.str.strip() == "")).to_numpy(bool)
        if empty.any():
            row = int(empty.argmax())
            raise InputError(
                f"data.series must be filled in every row, got {shown(column.iloc[row])} in column "
                f"{name!r}, row {first + row + 1}: name the series or take the row out"
            )
        parts.append(text.to_numpy(object))
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + "/" + part
    return whole


def numbers(frame: pd.DataFrame, name: str, schema: Schema) -> pd.Series:
    """Return a column as numbers, or say where it holds something else.

    Returns (rows,).
    """
    column = frame[name]
    argument = _argument(name, schema)
    found = pd.to_numeric(column, errors="coerce")
    bad = (found.isna() & column.notna()).to_numpy(bool)
    if column.dtype.kind in "mMc":  # dates, durations and complex numbers become numbers too
        bad = column.notna().to_numpy(bool)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"{argument} must be numbers, got {shown(column.iloc[row])} in column {name!r}, "
            f"row {row + 1}: fix it (decimals take a point) or leave the column out"
        )
    values = found.to_numpy(float)
    infinite = np.abs(values) > GREATEST
    if infinite.any():
        row = int(infinite.argmax())
        raise InputError(
            f"{argument} must be finite and at most {GREATEST:g} in size, got "
            f"{shown(column.iloc[row])} in column {name!r}, row {row + 1}: write an empty field "
            "for a missing value, or use another unit"
        )
    if np.isnan(values).all():
        raise InputError(
            f"{argument} must hold values, got only missing ones in column {name!r}: "
            "fill it or leave out the column"
        )
    return found


def values(frame: pd.DataFrame, name: str, schema: Schema) -> pd.Series:
    """Return a column as numbers, labels as their positions.

    Returns (rows,).
    """
    if schema.labelled(name):
        return label_positions(frame[name], schema.classes[name])
    return numbers(frame, name, schema)


def _argument(name: str, schema: Schema) -> str:
    """Return the argument that asks for an input or output column."""
    parts = ("targets", "features", "known_future", "static")
    return "data." + next(part for part in parts if name in getattr(schema, part))


def unique_rows(
    time: np.ndarray, series: np.ndarray, names: Sequence[str], keep: str = "refuse"
) -> np.ndarray:
    """Choose one of the rows of a series that have one time stamp.

    Shapes: `time` (rows,), `series` (rows,); returns (rows,).
    """
    twice = (np.diff(time) == np.timedelta64(0)) & (np.diff(series) == 0)
    if keep == "refuse" and twice.any():
        row = int(twice.argmax())
        whose = f" of series {shown(str(names[series[row]]))}" if len(names) > 1 else ""
        raise InputError(
            f"data.time must be unique within a series, got {pd.Timestamp(time[row])} twice{whose}"
            ": name the series columns in data.series, use a column in UTC, or set "
            "data.duplicates=first"
        )
    return np.append(~twice, True) if keep == "last" else np.append(True, ~twice)
