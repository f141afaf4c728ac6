"""Turn raw rows into a table on a regular grid; every check of raw data happens here."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.data import clock, columns
from forecast.data.asked import targets_asked
from forecast.data.features import fill_static, layout_of
from forecast.data.scaling import bounds
from forecast.data.scaling.transform import outside
from forecast.data.schema import Schema
from forecast.data.stamps import calendar
from forecast.data.stamps.calendar import Place
from forecast.data.stamps.resample import Resample
from forecast.data.table import Table
from forecast.errors import InputError

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
        if frequency == clock.ROWS:  # no tick is absent
            self.time = time
        else:
            self.time = clock.along(time[first], length, frequency)

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
    moments = columns.moments(frame, schema)
    series, found = columns.coded_labels(frame, schema)
    names = tuple(found.tolist())
    order = _order(moments.time, series)
    time, series = moments.time[order], series[order]
    raw = {
        name: columns.values(frame, name, schema).to_numpy(float)[order] for name in needed(schema)
    }
    if schema.resample:
        time, series, raw = _together(time, series, raw, schema)
    kept = columns.unique_rows(time, series, names, schema.duplicates)
    time, series = time[kept], series[kept]
    raw = {name: values[kept] for name, values in raw.items()}
    frequency = schema.frequency or clock.infer(time, series)
    tick = clock.ticks(time, frequency, series)
    grid = Grid(series, tick, frequency, time, ahead)
    for name, values in raw.items():
        check_range(values, name, schema)
    return on_grid(Rows(time, series, names, raw, moments.zoned), grid, schema, frequency)


def _together(
    time: np.ndarray, series: np.ndarray, raw: Mapping[str, np.ndarray], schema: Schema
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Put rows together on a regular clock, values out of range left out."""
    for name, values in raw.items():
        check_range(values, name, schema)
    return Resample(**schema.resample).together(
        time,
        series,
        {name: in_range(values, name, schema) for name, values in raw.items()},
        circular=schema.circular,
        labelled=frozenset(filter(schema.labelled, raw)),
    )


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
    # dates, and stamps without a zone, show what the clocks of the place do
    zone = schema.zone if rows.zoned and not clock.is_daily(rows.frequency) else None
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
            stacked += [_is(full[name], code) for code in range(len(schema.labels(name)))]
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
