"""The input columns of a table: their layout, the known future, static values."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.data.schema import Schema
from forecast.data.stamps import calendar
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError

SAYS = "_missing"
"""Ends the name of a column that says where another is missing."""


@dataclass(frozen=True)
class Layout:
    """The input columns of a table, in their order.

    Attributes:
        features: Names: raw columns, the calendar, then those that say what is missing.
        known: Positions of those that are known ahead; a circle has two, labels one each.
        static: Positions of those that have one value a series.
        masked: Raw columns of which another column says where they are missing.
    """

    features: tuple[str, ...]
    known: tuple[int, ...]
    static: tuple[int, ...]
    masked: tuple[str, ...]


def layout_of(schema: Schema) -> Layout:
    """Lay out the input columns.

    >>> layout_of(Schema("time", ("load",), calendar=("hour",), known_future=("fair", "hour")))
    Layout(features=('load', 'fair', 'hour_sin', 'hour_cos'), known=(1, 2, 3), static=(), masked=())
    """
    features: list[str] = []
    known: list[int] = []
    static: list[int] = []
    for name in schema.inputs:
        columns = columns_of(name, schema)
        places = range(len(features), len(features) + len(columns))
        known += places if name in schema.known_columns else ()
        static += places if name in schema.static else ()
        features += columns
    for name in schema.calendar:
        made = calendar.columns(name)
        known += (
            range(len(features), len(features) + len(made)) if name in schema.known_future else ()
        )
        features += made
    indicated = schema.inputs if schema.missing == "mask" else ()
    masked = tuple(name for name in indicated if name not in schema.static)
    features += [f"{name}{SAYS}" for name in masked]
    own = [name for name in schema.inputs if columns_of(name, schema) == [name]]
    return Layout(distinct(features, own), tuple(known), tuple(static), masked)


def distinct(names: Sequence[str], own: Sequence[str]) -> tuple[str, ...]:
    """Number made columns that would be called as others; those of the file keep their names.

    >>> distinct(["load", "hour_sin", "hour_sin"], ["load", "hour_sin"])
    ('load', 'hour_sin', 'hour_sin_2')
    """
    left, taken, found = {*own}, {*own}, []
    for name in names:
        if name in left:
            left.remove(name)
            found.append(name)
            continue
        number, one = 2, name
        while one in taken:
            number, one = number + 1, f"{name}_{number}"
        taken.add(one)
        found.append(one)
    return tuple(found)


def columns_of(name: str, schema: Schema) -> list[str]:
    """Name the input columns that a raw column becomes.

    >>> columns_of("sky", Schema("time", ("load",), classes={"sky": ("clear", "rain")}))
    ['sky=clear', 'sky=rain']
    """
    if name in schema.circular:
        return [f"{name}_sin", f"{name}_cos"]
    if schema.labelled(name):
        return [f"{name}={label}" for label in schema.labels(name)]
    return [name]


def copies(window: Window) -> int:
    """Return how many extra columns one known column has."""
    return -(-window.horizon // window.timesteps)


def input_count(table: Table, window: Window) -> int:
    """Return how many extra columns `append_known_future` makes."""
    return len(table.known) * copies(window)


def append_known_future(
    values: np.ndarray, table: Table, window: Window, *, coded: bool = False, cycle: int = 0
) -> np.ndarray:
    """Make the rows that a model reads: known columns of later rows stand beside each row.

    Last come the row's place in a cycle of so many ticks, and the number of its series.

    Shapes: `values` (rows, features).

    >>> rows = np.array([[1.0, 10], [2, 20], [3, 30], [4, 40]])
    >>> zero, tick = np.zeros(4, int), np.arange(4)
    >>> table = Table(rows, rows[:, :1], ("a", "b"), ("a",), zero, tick, tick, known=(1,))
    >>> append_known_future(rows, table, Window(timesteps=2, horizon=1)).tolist()
    [[1.0, 10.0, 20.0], [2.0, 20.0, 30.0], [3.0, 30.0, 40.0], [4.0, 40.0, 0.0]]
    """
    parts = [values]
    if table.known:
        known, last = values[:, list(table.known)], values.shape[1] - table.indicators
        reach = window.lead + window.horizon
        later = [_later(known, reach - j * window.timesteps) for j in range(copies(window))]
        parts = [values[:, :last], *later, values[:, last:]]
    if cycle:
        if table.frequency is None:
            raise InputError(
                f"model.cycle must be null for rows without a clock, whose places in a cycle of "
                f"{cycle} rows nobody knows: name data.time, or set model.cycle=null"
            )
        parts.append((table.tick % cycle)[:, None].astype(values.dtype))
    if coded:
        number = table.series + table.first_series  # of a block: among all
        parts.append(number[:, None].astype(values.dtype))
    return np.concatenate(parts, axis=1) if len(parts) > 1 else values


def input_names(table: Table, window: Window, embedded: int = 0) -> tuple[str, ...]:
    """Name what a network reads of each row, for pictures and tables."""
    last = len(table.features) - table.indicators
    learned = [f"series_{number}" for number in range(1, embedded + 1)]
    later = [
        f"{table.features[place]}_ahead{f'_{copy}' if copy > 1 else ''}"
        for copy in range(1, copies(window) + 1)
        for place in table.known
    ]
    names = [*table.features[:last], *learned, *later, *table.features[last:]]
    return distinct(names, table.features)


def lasting(table: Table, window: Window, *, coded: bool = False, cycle: int = 0) -> list[int]:
    """List the input columns that hold no past: known ahead, the clock, static.

    The clock of an older step follows from that of the newest, so nobody has to remember it.
    """
    extra, last = input_count(table, window), len(table.features) - table.indicators
    behind = len(table.features) + extra  # the place in a cycle, the number of the series
    code = range(behind, behind + bool(cycle) + coded)
    plain = [re.sub(r"(?<=_sin|_cos)_\d+$", "", name) for name in table.features]  # as made
    ticking = [n for n, name in enumerate(plain) if name in calendar.COLUMNS]
    return [*table.static, *ticking, *range(last, last + extra), *code]


def _later(values: np.ndarray, rows: int) -> np.ndarray:
    """Shift up, so that each row holds the values of a later row."""
    found = np.zeros_like(values)
    found[: max(0, len(values) - rows)] = values[rows:]
    return found


def fill_static(
    values: np.ndarray, series: np.ndarray, names: Sequence[str], column: str
) -> np.ndarray:
    """Write the one value of every series in all its rows.

    Shapes: `values` (rows,), `series` (rows,); returns (rows,).

    >>> fill_static(np.array([np.nan, 7, np.nan, 9]), np.array([0, 0, 1, 1]), "ab", "area").tolist()
    [7.0, 7.0, 9.0, 9.0]
    """
    groups = pd.Series(values).groupby(series)
    least, greatest = groups.min(), groups.max()
    for code in least.index[least.isna()]:
        raise InputError(
            f"data.static must hold a value for every series, got none in column {column!r} of "
            f"series {names[code]!r}: write it in one of its rows"
        )
    for code in least.index[least < greatest]:
        raise InputError(
            f"data.static must be one value in all rows of a series, got {least[code]:g} and "
            f"{greatest[code]:g} in column {column!r} of series {names[code]!r}: fix it, or name "
            "the column in data.features"
        )
    return least.loc[series].to_numpy(float)


def static_holes(column: pd.Series, keys: Sequence[pd.Series]) -> pd.Series:
    """Tell which rows belong to a series that has no value.

    Shapes: `column` (rows,), `keys` (rows,); returns (rows,).
    """
    return column.isna().groupby(list(keys) or np.zeros(len(column))).transform("all")
