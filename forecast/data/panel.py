"""Turn raw rows into a table on a regular grid; every check of raw data happens here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from forecast.data import calendar, clock, columns, index
from forecast.data.calendar import Place
from forecast.data.features import fill_static, layout_of
from forecast.data.scaling import bounds
from forecast.data.scaling.transform import outside
from forecast.data.schema import Schema, targets_asked
from forecast.data.table import Table
from forecast.errors import InputError, nearest, shown

_MOST = 20
"""Ticks a row: more means a stray date, and would only fill the memory with holes."""


class Grid:
    """Every tick of every series, and where the given rows lie among them.

    Shapes: `series` (rows,), `tick` (rows,), `time` (rows,); `before` counts rows and ticks of the
    same table that are on a grid already.

    Attributes:
        series: (ticks,).
        tick: (ticks,).
        time: (ticks,) datetime64[ns].
        position: Where each given row lies among the ticks, (rows,).
    """

    def __init__(
        self,
        series: np.ndarray,
        tick: np.ndarray,
        frequency: str,
        time: np.ndarray,
        ahead: int = 0,
        before: tuple[int, int] = (0, 0),
    ):
        new = np.diff(series) != 0
        first = np.flatnonzero(np.append(True, new))
        last = np.append(first[1:], len(series)) - 1
        length = tick[last] - tick[first] + 1
        rows, ticks = len(tick) + before[0], length.sum() + before[1]
        if ticks > _MOST * rows + 1000:
            raise InputError(
                f"data.time must be mostly filled at frequency {frequency}, got {rows} rows "
                f"for {ticks} time stamps: set data.frequency or fix stray dates"
            )
        length += ahead
        start = np.cumsum(length) - length
        self.series = np.repeat(series[first], length)
        self.tick = np.arange(length.sum()) + np.repeat(tick[first] - start, length)
        own = np.cumsum(np.append(False, new))  # which stretch each given row belongs to
        self.position = tick + (start - tick[first])[own]
        self.time = clock.along(time[first], tick[first], length, frequency)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Put the given rows' values on the grid, holes elsewhere."""
        full = np.full(len(self.tick), np.nan)
        full[self.position] = values
        return full


@dataclass(frozen=True)
class Rows:
    """Raw rows whose series and time stamps are read.

    Attributes:
        time: datetime64[ns] (rows,).
        series: Index into `names` of each, (rows,).
        names: Of the series, in their order.
        values: Column to its values, (rows,).
        zoned: Whether the time stamps stated a zone.
    """

    time: np.ndarray
    series: np.ndarray
    names: tuple[str, ...]
    values: Mapping[str, np.ndarray]
    zoned: bool

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.time)


@dataclass(frozen=True)
class Gridded:
    """Raw rows on a grid, before holes are treated.

    Attributes:
        grid: Every tick of every series.
        full: Input and target columns by their names, (ticks,), NaN where missing.
        names: Name of every series.
        frequency: Distance of two ticks.
        zoned: Whether the file states a time zone.
    """

    grid: Grid
    full: dict[str, np.ndarray]
    names: tuple[str, ...]
    frequency: str
    zoned: bool


def build(frame: pd.DataFrame, schema: Schema, *, ahead: int = 0) -> Table:
    """Turn a raw frame into a table on a regular grid.

    Rows are sorted, absent ticks become rows of holes, values out of range become holes, and holes
    in features are treated as the schema says, never with a value from a later row.

    Args:
        frame: Raw rows in any order.
        schema: What the columns mean.
        ahead: Rows made behind the last one of every series, of which only the calendar is known.

    Returns:
        The table.

    Raises:
        InputError: A column is missing, a value is no number, a time stamp is twice there, …
    """
    return treated(read(frame, schema, ahead), schema)


def read(frame: pd.DataFrame, schema: Schema, ahead: int = 0) -> Gridded:
    """Check raw rows and put them on a grid, whatever becomes of holes."""
    columns.check_columns(frame, schema)
    time, zoned = clock.read(frame[schema.time], schema.time_format, zoned=schema.zoned)
    series, found = columns.coded_labels(frame, schema)
    names = tuple(found.tolist())
    order = _order(time, series)
    time, series = time[order], series[order]
    kept = columns.unique_rows(time, series, names, schema.duplicates)
    time, series, order = time[kept], series[kept], order[kept]
    frequency = schema.frequency or clock.infer(time, series)
    tick = clock.ticks(time, frequency)
    raw = {
        name: columns.values(frame, name, schema).to_numpy(float)[order] for name in needed(schema)
    }
    grid = Grid(series, tick, frequency, time, ahead)
    for name, values in raw.items():
        check_range(values, name, schema)
    return on_grid(Rows(time, series, names, raw, zoned), grid, schema, frequency)


def on_grid(rows: Rows, grid: Grid, schema: Schema, frequency: str) -> Gridded:
    """Spread sorted rows on their grid."""
    full = {
        name: grid.spread(in_range(values, name, schema)) for name, values in rows.values.items()
    }
    for name in schema.static:
        full[name] = fill_static(full[name], grid.series, rows.names, name)
    return Gridded(grid, full, rows.names, frequency, rows.zoned)


def treated(rows: Gridded, schema: Schema) -> Table:
    """Make a table of rows, with holes in features treated as the schema says."""
    grid, full = rows.grid, rows.full
    inputs, places = _stacked(full, schema), layout_of(schema)
    if limit := held_rows(schema, len(inputs)):
        inputs = _hold(inputs, grid.series, limit)
    zone = schema.zone if rows.zoned else None  # else time stamps show what its clocks do
    found, _ = calendar.describe(grid.time, schema.calendar, Place(zone, schema.holidays))
    masked = [np.isnan(known(full[name], name, schema)) for name in places.masked]
    asked = targets_asked(full, schema)
    return Table(
        inputs=np.column_stack([inputs, found, *masked]),
        outputs=asked.outputs,
        features=places.features,
        targets=asked.names,
        series=grid.series,
        tick=grid.tick,
        time=grid.time,
        names=rows.names,
        frequency=rows.frequency,
        units=tuple(schema.units.get(name, "") for name in asked.names),
        indicators=len(places.masked),
        known=places.known,
        static=places.static,
        task=schema.task,
        about=asked.about,
        zoned=rows.zoned,
        zone=zone,
        holidays=schema.holidays,
        transforms=tuple(schema.transform.get(name, "") for name in asked.names)
        if schema.transform
        else (),
        bounds=bounds.of_targets(schema.bounds, asked.names),
    )


def needed(schema: Schema) -> tuple[str, ...]:
    """Name the raw columns that a table is made of, but for its time stamps and series."""
    return tuple(dict.fromkeys((*schema.inputs, *schema.targets)))


def held_rows(schema: Schema, rows: int) -> int:
    """Tell how many rows a value is repeated, of a table of so many rows."""
    return {"drop": 0, "hold": schema.hold, "mask": rows}[schema.missing]


def _order(time: np.ndarray, series: np.ndarray) -> np.ndarray:
    """Return positions that sort rows by series and time, those of one moment as they stand."""
    rising = (np.diff(time) >= np.timedelta64(0)) | (np.diff(series) > 0)
    if rising.all() and (np.diff(series) >= 0).all():
        return np.arange(len(time))
    return np.lexsort((time, series))


def from_xy(
    X: Any, y: Any = None, *, names: tuple[str, ...] = (), frequency: str | None = None
) -> Table:
    """Turn scikit-learn's pair into a table; values are taken as they are.

    Shapes: `X` (rows, features), `y` (rows,).
    """
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(_matrix(X, "X"))
    features = tuple(str(name) for name in frame.columns)
    values = _floats(frame, "X")
    if y is None:
        outputs = np.full((len(frame), 1), np.nan)
        targets: tuple[str, ...] = ("y",)
    else:
        wanted = y if isinstance(y, pd.DataFrame) else pd.DataFrame(_matrix(y, "y"))
        outputs = _floats(wanted, "y")
        targets = tuple(map(str, wanted.columns))
        if isinstance(y, pd.Series) and y.name is not None:
            targets = (str(y.name),)
        elif not isinstance(y, pd.DataFrame):
            targets = tuple(f"y{i}" for i in range(outputs.shape[1]))
        if len(outputs) != len(values):
            raise InputError(
                f"y must have X's {len(values)} rows, got {len(outputs)}: give one row for each"
            )
    stamps = index.agreed(X, y)
    if stamps is None:
        tick = np.arange(len(frame))
        zero = np.zeros(len(frame), np.intp)
        return Table(values, outputs, features, targets, zero, tick, tick)
    if not isinstance(X, pd.DataFrame):  # an array has no names, but y says which are targets
        found = index.targets_among(values, outputs)
        features = tuple(
            targets[found[n]] if n in found else name for n, name in enumerate(features)
        )
    time, labels, zoned = stamps.time, stamps.series, stamps.zoned
    if labels is None:
        if len(names) > 1:
            raise InputError(
                f"X must have a (series, time) index as in fit, got time stamps alone: write "
                f"pd.concat({{{names[0]!r}: X}}) for rows of {names[0]}"
            )
        labels = np.array([names[0] if names else "series"] * len(frame), object)
    known = names or tuple(sorted(set(labels)))
    series = pd.Index(known).get_indexer(pd.Index(labels))
    if (series < 0).any():
        new = str(labels[(series < 0).argmax()])
        raise InputError(f"X must hold series seen in fit, got {new!r}: {nearest(new, known)}")
    order = np.lexsort((time, series))
    time, series = time[order], series[order]
    columns.unique_rows(time, series, known)
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
        zoned=zoned,
    )


def check_range(values: np.ndarray, name: str, schema: Schema) -> None:
    """Refuse a column of which no value is valid."""
    if name in schema.valid and not _inside(values, name, schema).any():
        low, high = schema.valid[name]
        raise InputError(
            f"data.valid.{name} must hold some of the column, got [{low:g}, {high:g}] for values "
            f"from {np.nanmin(values):g} to {np.nanmax(values):g}: fix the range or the units"
        )


def in_range(values: np.ndarray, name: str, schema: Schema) -> np.ndarray:
    """Count values outside the valid range as missing."""
    if name not in schema.valid:
        return values
    return np.where(_inside(values, name, schema), values, np.nan)


def _inside(values: np.ndarray, name: str, schema: Schema) -> np.ndarray:
    """Tell which values lie in their valid range."""
    low, high = schema.valid[name]
    return (values >= low) & (values <= high)


def _stacked(full: dict[str, np.ndarray], schema: Schema) -> np.ndarray:
    """Stack the input columns, circular ones as sine and cosine, labels as one column each."""
    stacked: list[np.ndarray] = []
    for name in schema.inputs:
        if name in schema.circular:
            angle = 2 * np.pi * full[name] / schema.circular[name]
            stacked += [np.sin(angle), np.cos(angle)]
        elif schema.labelled(name):
            stacked += [_is(full[name], code) for code in range(len(schema.classes[name]))]
        else:
            stacked.append(known(full[name], name, schema))
    return np.column_stack(stacked)


def known(values: np.ndarray, name: str, schema: Schema) -> np.ndarray:
    """Count inputs that their transform is not of as missing; outputs stay what they are."""
    if name not in schema.transform:
        return values
    return np.where(outside(values, schema.transform[name]), np.nan, values)


def _is(codes: np.ndarray, code: int) -> np.ndarray:
    """Return 1 for a label and 0 for any other, holes kept."""
    return np.where(np.isnan(codes), np.nan, codes == code)


def _hold(columns: np.ndarray, series: np.ndarray, limit: int) -> np.ndarray:
    """Repeat the last value of each column, at most `limit` rows, never across a series."""
    if not np.isnan(columns).any():
        return columns
    return pd.DataFrame(columns).groupby(series).ffill(limit=limit).to_numpy()


def _floats(frame: pd.DataFrame, argument: str) -> np.ndarray:
    """Return a frame's values (rows, columns), or say where it holds something else."""
    if any(kind.kind == "c" for kind in frame.dtypes):
        raise InputError(
            f"{argument} must be real numbers. Complex data not supported: give real and imaginary "
            "part as two columns"
        )
    try:
        return frame.to_numpy(float)
    except (TypeError, ValueError, OverflowError) as error:
        for name, column in frame.items():
            found = columns.as_numbers(column)
            bad = (found.isna() & column.notna()) | np.isinf(found.astype(float))
            if bad.any():
                row = int(bad.to_numpy(bool).argmax())
                raise InputError(
                    f"{argument} must be numbers, got {shown(column.iloc[row])} in column "
                    f"{name!r}, row {row + 1}: fix it or leave out the column"
                ) from error
        raise


def _matrix(values: Any, name: str) -> np.ndarray:
    """Return 2-D values; a vector y becomes one column."""
    if issparse(values):
        raise InputError(f"{name} must be dense, got a sparse matrix: write {name}.toarray()")
    array = np.asarray(values)
    if array.ndim == 1 and name == "y":
        array = array[:, None]
    if array.ndim != 2:
        raise InputError(
            f"{name} must have two dimensions, got shape {array.shape}: give (rows, columns). "
            f"Reshape your data with {name}.reshape(-1, 1) if it is one column"
        )
    if array.shape[1] == 0:
        raise InputError(
            f"{name} must have a column, got 0 feature(s) (shape={array.shape}) while a minimum of "
            "1 is required: give (rows, columns)"
        )
    return array


def without_targets(table: Table, targets: tuple[str, ...]) -> Table:
    """Return a table whose outputs are holes under other names."""
    return replace(table, outputs=np.full((len(table), len(targets)), np.nan), targets=targets)
