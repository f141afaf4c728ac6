"""Sorted raw rows become tables of whole series, or of stretches of a long one, as they come."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from forecast.data import clock, columns, panel
from forecast.data.features import columns_of
from forecast.data.panel import Grid, Rows
from forecast.data.schema import Schema
from forecast.data.stamps import reading
from forecast.data.table import Table
from forecast.errors import InputError, shown

CELLS = 2_000_000
"""Values of a piece, about; a few copies of them are held at once."""


@dataclass(frozen=True)
class Piece:
    """A part of a table, behind the parts before it.

    Attributes:
        table: Its rows.
        goes_on: Whether its first series is the last one of the piece before.
        late: Whether static values of that series were unknown before, and so hold for its earlier
            rows as well.
    """

    table: Table
    goes_on: bool
    late: bool = False


def pieces(
    frames: Iterable[pa.RecordBatch | pd.DataFrame], schema: Schema, rows: int | None = None
) -> Iterator[Piece]:
    """Build a table piece by piece; together they are what `panel.build` makes of all rows.

    `rows` is about how many raw rows one is made of.
    """
    if schema.resample or schema.frequency == clock.ROWS:
        asked = "data.resample" if schema.resample else f"data.frequency={clock.ROWS}"
        raise InputError(
            f"data.memory must hold the whole table where {asked} is set, got one that is read "
            "part by part: set data.memory to more than it takes, such as data.memory=8GiB, or "
            "take fewer rows by data.since"
        )
    least = rows or max(1000, CELLS // (len(panel.needed(schema)) + 4))
    builder = _Builder(schema)
    held: list[Rows] = []
    for frame in frames:
        frame = frame.to_pandas() if isinstance(frame, pa.RecordBatch) else frame
        if not len(frame):
            continue
        held.append(builder.read(frame))
        if sum(map(len, held)) < least:
            continue
        rest = _joined(held)
        while len(rest) >= least and (cut := _cut(rest)):
            ended = rest.series[cut - 1] != rest.series[cut]
            yield builder.piece(_part(rest, slice(cut)), ended=ended)
            rest = _part(rest, slice(cut, None))
        held = [rest]
    if not held:
        columns.check_columns(pd.DataFrame(), schema)
    yield builder.piece(_joined(held), ended=True)
    builder.finish()


def _joined(parts: list[Rows]) -> Rows:
    """Put rows behind each other; the last series of a part may go on in the next."""
    if len(parts) == 1:
        return parts[0]
    names: list[str] = []
    series = []
    for part in parts:
        same = names[-1:] == list(part.names[:1])
        series.append(part.series + len(names) - same)
        names += part.names[same:]
    return Rows(
        np.concatenate([part.time for part in parts]),
        np.concatenate(series),
        tuple(names),
        {name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values},
        parts[0].zoned,
    )


def _part(rows: Rows, which: slice) -> Rows:
    """Take rows, and the names of their series."""
    series = rows.series[which]
    values = {name: part[which] for name, part in rows.values.items()}
    names = rows.names[series[0] : series[-1] + 1]
    return Rows(rows.time[which], series - series[0], names, values, rows.zoned)


def _cut(rows: Rows) -> int:
    """Return how many rows are whole series; of one long series whole moments; 0 where none are."""
    if len(rows.names) > 1:
        return int(np.searchsorted(rows.series, rows.series[-1]))
    return int(np.searchsorted(rows.time, rows.time[-1]))


class _Builder:
    """What is known of the rows so far."""

    def __init__(self, schema: Schema):
        self.schema = schema
        self._needed = panel.needed(schema)
        self._places = _places(schema)
        self._read = 0  # rows of the frames so far
        self._made = (0, 0)  # rows and ticks on the grid so far
        self._zoned: bool | None = None
        self._dates: bool | None = None
        self._frequency = schema.frequency or ""
        self._steps: dict[np.timedelta64, int] = {}
        self._range: dict[str, tuple[float, float]] = {}
        self._valid: set[str] = set()
        self._open: Rows | None = None  # last row of a series that goes on
        self._held: dict[str, tuple[int, np.ndarray]] = {}  # of it: last tick with a value, inputs
        self._static: dict[str, float] = {}  # of it

    def read(self, frame: pd.DataFrame) -> Rows:
        """Read raw rows, and refuse those that are not sorted by series."""
        schema, before = self.schema, self._read
        columns.check_columns(frame, schema)
        stamps = frame[schema.time]
        moments = reading.read(
            stamps,
            schema.time_format,
            zoned=schema.zoned,
            before=before,
            frequency=schema.frequency,
            dates=self._dates,
        )
        zoned, self._dates = moments.zoned, moments.dates
        if self._zoned not in (None, zoned):
            raise InputError(
                f"data.time column {schema.time!r} must state a zone in all rows or in none, got "
                f"{shown(stamps.iloc[0])} in row {before + 1}: use one form"
            )
        self._zoned = zoned
        code, known = columns.coded_labels(frame, schema, before)
        names = known[code[np.flatnonzero(np.diff(code, prepend=-1))]]
        if len(names) > len(known):
            found, counts = np.unique(names, return_counts=True)
            raise comes_again(str(found[counts > 1][0]))
        series = np.cumsum(np.diff(code, prepend=code[0]) != 0)
        values = {}
        for name in self._needed:
            values[name] = columns.values(frame, name, schema, before).to_numpy(float)
            self._look(name, values[name])
        self._read += len(frame)
        return Rows(moments.time, series, tuple(names.tolist()), values, zoned)

    def _look(self, name: str, values: np.ndarray) -> None:
        """Remember what a column holds."""
        there = values[~np.isnan(values)]
        if len(there):
            low, high = self._range.get(name, (np.inf, -np.inf))
            self._range[name] = min(low, there.min()), max(high, there.max())
            if not np.isnan(panel.in_range(there, name, self.schema)).all():
                self._valid.add(name)

    def piece(self, rows: Rows, *, ended: bool) -> Piece:
        """Put rows on their grid; `ended` tells whether their last series does."""
        schema, before = self.schema, self._open
        if before is not None:  # its last row once more, so that the grid goes on from it
            rows = _joined([before, rows])
        goes_on = before is not None
        self._check_order(rows)
        names = (*rows.names, "") if schema.series else rows.names  # errors name one among others
        kept = columns.unique_rows(rows.time, rows.series, names, schema.duplicates)
        if not kept.all():
            values = {name: part[kept] for name, part in rows.values.items()}
            rows = replace(rows, time=rows.time[kept], series=rows.series[kept], values=values)
        last = _part(rows, slice(len(rows) - 1, None))
        tick, late = self._ticks(rows), False
        if schema.static and (goes_on or not ended):
            rows, late = self._with_static(rows, ended=ended)
        made = self._made[0] - goes_on, self._made[1] - goes_on
        grid = Grid(rows.series, tick, self._frequency, rows.time, before=made)
        table = panel.treated(panel.on_grid(rows, grid, schema, self._frequency), schema)
        if goes_on:
            self._hold(table)
        self._made = made[0] + len(rows), made[1] + len(table)
        if ended:
            self._open, self._held, self._static = None, {}, {}
        else:
            self._open = last
            self._keep(rows, grid, table)
        return Piece(table.take(slice(int(goes_on), None)), goes_on, late)

    def _check_order(self, rows: Rows) -> None:
        """Refuse rows whose time goes back."""
        back = (np.diff(rows.time) < np.timedelta64(0)) & (np.diff(rows.series) == 0)
        if back.any():
            row = int(back.argmax()) + 1
            raise InputError(
                f"data.time must rise within a series of a table on disk, got "
                f"{pd.Timestamp(rows.time[row])} behind {pd.Timestamp(rows.time[row - 1])} in "
                f"series {shown(rows.names[rows.series[row]])}: sort the rows by series and time"
            )

    def _ticks(self, rows: Rows) -> np.ndarray:
        """Number the time stamps along the grid of the first piece."""
        self._frequency = self._frequency or clock.infer(rows.time, rows.series)
        if self.schema.frequency is None:
            code, steps = pd.factorize(np.diff(rows.time)[np.diff(rows.series) == 0])
            for step, count in zip(steps, np.bincount(code), strict=True):
                self._steps[step] = self._steps.get(step, 0) + int(count)
        try:
            return clock.ticks(rows.time, self._frequency, rows.series)
        except InputError:
            if self.schema.frequency is None and len(rows) > len(rows.names):
                clock.infer(rows.time, rows.series)  # says it better where steps are irregular
            raise

    def _with_static(self, rows: Rows, *, ended: bool) -> tuple[Rows, bool]:
        """Write static values of a long series into the first row; tell whether one is new."""
        values, late = dict(rows.values), False
        for name in self.schema.static:
            own = panel.in_range(values[name][rows.series == 0], name, self.schema)
            there = own[~np.isnan(own)]
            if name not in self._static and len(there):
                self._static[name] = float(there[0])
                late |= self._open is not None
            values[name] = values[name].copy()
            if name in self._static:
                values[name][0] = self._static[name]
            elif not ended:  # any valid one, until a later row says it
                values[name][0] = self.schema.valid.get(name, (0.0,))[0]
        return replace(rows, values=values), late

    def _hold(self, table: Table) -> None:
        """Go on repeating the values that a series had before this piece."""
        own = slice(int(np.searchsorted(table.series, 0, side="right")))
        tick = table.tick[own]
        limit = panel.held_rows(self.schema, sum(self._made) + len(tick))
        for name, (last, values) in self._held.items():
            column = table.inputs[own, self._places[name]]
            holes = np.isnan(column[:, 0])
            leading = len(holes) if holes.all() else int(holes.argmin())
            column[:leading][tick[:leading] <= last + limit] = values

    def _keep(self, rows: Rows, grid: Grid, table: Table) -> None:
        """Remember the last values of a series that goes on."""
        for name, place in self._places.items():
            inside = panel.in_range(rows.values[name], name, self.schema)
            valid = ~np.isnan(panel.known(inside, name, self.schema))
            if valid.any():
                row = grid.position[len(valid) - 1 - int(valid[::-1].argmax())]
                self._held[name] = int(table.tick[row]), table.inputs[row, place].copy()

    def finish(self) -> None:
        """Refuse what only all rows can show."""
        schema = self.schema
        for name in self._needed:
            if name not in self._range and not schema.labelled(name):
                raise columns.only_missing(name, schema)
            if name in schema.valid and name not in self._valid:
                panel.check_range(np.array(self._range[name]), name, schema)
        if not self._steps:
            return
        most = max(self._steps.values())
        common = min(step for step, count in self._steps.items() if count == most)
        if clock.length(self._frequency) not in (None, common.astype(np.int64)):
            raise InputError(
                f"data.frequency must be set where the first series has another one than most, got "
                f"{self._frequency} there and {pd.Timedelta(common)} in all: set data.frequency"
            )


def _places(schema: Schema) -> dict[str, slice]:
    """Tell which inputs are made of a raw column, of those that may be held."""
    found, place = {}, 0
    for name in schema.inputs:
        made = len(columns_of(name, schema))
        if name not in schema.static:
            found[name] = slice(place, place + made)
        place += made
    return found


def comes_again(name: str) -> InputError:
    """Say that rows of a series do not stand together."""
    return InputError(
        f"data.series must name rows that stand together in a table on disk, got series "
        f"{shown(name)} again behind others: sort the rows by series and time"
    )
