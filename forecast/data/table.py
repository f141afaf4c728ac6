"""A checked panel on a regular grid: what every later room reads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape

import numpy as np
import pandas as pd

from forecast.data import clock
from forecast.data.stamps import reading
from forecast.errors import InputError, nearest


def card(title: str, facts: Mapping[str, object], frame: pd.DataFrame | None = None) -> str:
    """Write HTML that reads on light and on dark pages, since it brings no colours.

    >>> card("a < b", {"rows": 3, "gap": ""})
    '<div><b>a &lt; b</b><table><tr><th style="text-align:left">rows</th><td
    style="text-align:left">3</td></tr></table></div>'
    """
    cell = ' style="text-align:left"'
    lines = [
        f"<tr><th{cell}>{escape(name)}</th><td{cell}>{escape(str(fact))}</td></tr>"
        for name, fact in facts.items()
        if str(fact)
    ]
    parts = [f"<b>{escape(title)}</b>"]
    parts += [f"<table>{''.join(lines)}</table>"] * bool(lines)
    if frame is not None:
        parts.append(frame.to_html(border=0, na_rep="", float_format="{:.4g}".format))
    return f"<div>{''.join(parts)}</div>"


def listed(names: Iterable[str], most: int = 8) -> str:
    """Write the first names, and how many there are in all.

    >>> listed(["a", "b", "c"], most=2)
    'a, b … (3)'
    """
    every = list(names)
    return ", ".join(every[:most]) + (f" … ({len(every)})" if len(every) > most else "")


@dataclass(frozen=True)
class Table:
    """Rows of one or many series, sorted by series, then time.

    Two rows are neighbours when they belong to one series and their ticks differ by one; windows
    are cut along neighbours only, so taking rows away can never join what was apart.

    Attributes:
        inputs: What a model sees, (rows, features), NaN where missing.
        outputs: What it predicts, (rows, targets), NaN where missing; never filled.
        features: Names of the input columns; targets among them come first.
        targets: Names of the output columns.
        series: Index into `names` of each row, (rows,).
        tick: Position of each row on its regular time grid, (rows,).
        time: Time stamp of each row, (rows,), UTC if the file states a zone.
        names: Name of every series.
        frequency: Distance of two ticks, a pandas alias; None for rows without a clock.
        units: Unit of each target, for tables and pictures; empty if unknown.
        indicators: How many of the last input columns say, by 1, that a feature is missing; where
            there are any, windows with holes are windows too.
        known: Positions of the input columns whose later values are known at the origin.
        static: Positions of those that have one value a series, never missing.
        task: What the outputs are: "regression" for values; "event" or "classes" for 1 where it
            happens and 0 where not, of which probabilities are predicted.
        about: The column that each output is about; empty means the targets themselves.
        zoned: Whether the time stamps stated a zone, so that `time` is UTC; None without a clock.
        zone: Name of the time zone whose clocks count, where time stamps are UTC; None takes them
            as they are.
        holidays: Whose public holidays count, see `data.calendar`.
        transforms: How each target is transformed before it is standardised, such as "log1p", ""
            for not at all; empty where none is. `outputs` stay as they are.
        bounds: Lowest and highest forecast of each target, None for no end; empty where none has
            any.
        first_series: Number of its first series among all, of a block; see `data.blocks`.
        first_row: Number of its first row among all, likewise, as the block was cut.
    """

    inputs: np.ndarray = field(repr=False)
    outputs: np.ndarray = field(repr=False)
    features: tuple[str, ...]
    targets: tuple[str, ...]
    series: np.ndarray = field(repr=False)
    tick: np.ndarray = field(repr=False)
    time: np.ndarray = field(repr=False)
    names: tuple[str, ...] = ("series",)
    frequency: str | None = None
    units: tuple[str, ...] = ()
    indicators: int = 0
    known: tuple[int, ...] = ()
    static: tuple[int, ...] = ()
    task: str = "regression"
    about: tuple[str, ...] = ()
    zoned: bool | None = None
    zone: str | None = None
    holidays: str | None = None
    transforms: tuple[str, ...] = ()
    bounds: tuple[tuple[float | None, float | None], ...] = ()
    first_series: int = 0
    first_row: int = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.tick)

    def _repr_html_(self) -> str:
        """Say in a notebook what the rows are."""
        own = [n for n, name in enumerate(self.targets) if name not in self.features]
        columns = np.column_stack([self.inputs, self.outputs[:, own]])
        names = [*self.features, *(self.targets[n] for n in own)]
        holes = dict(zip(names, np.isnan(columns).sum(axis=0), strict=True))
        span = (
            [str(stamp)[:16] for stamp in (self.time.min(), self.time.max())] if len(self) else []
        )
        facts = {
            "series": listed(self.names),
            "time": " to ".join(span),
            "frequency": self.frequency or "",
            "targets": listed(f"{t}{self.unit(n)}" for n, t in enumerate(self.targets)),
            "inputs": listed(self.features),
            "known ahead": listed(self.features[position] for position in self.known),
            "static": listed(self.features[position] for position in self.static),
            "missing": listed(f"{name} {count:,}" for name, count in holes.items() if count),
        }
        return card(f"Table: {len(self):,} rows of {len(self.names)} series", facts)

    @property
    def target_positions(self) -> tuple[int, ...]:
        """Position of each target among the features, -1 if it is not one."""
        known = {name: position for position, name in enumerate(self.features)}
        return tuple(known.get(name, -1) for name in self.about or self.targets)

    def unit(self, target: int) -> str:
        """Return the unit of a target as a caption ends: ", °F", or nothing."""
        return f", {self.units[target]}" if any(self.units[target : target + 1]) else ""

    @property
    def common_unit(self) -> str:
        """The unit of an error over all targets, as a caption ends; nothing where they differ."""
        return self.unit(0) if len(set(self.units)) == 1 else ""

    def take(self, rows: np.ndarray | slice) -> "Table":
        """Return the table of some rows.

        Args:
            rows: Boolean mask or ascending positions, as a splitter yields them; a slice copies
                none.

        Returns:
            A table with the same columns and series names.
        """
        return replace(
            self,
            inputs=self.inputs[rows],
            outputs=self.outputs[rows],
            series=self.series[rows],
            tick=self.tick[rows],
            time=self.time[rows],
        )

    @property
    def absent(self) -> np.ndarray:
        """Mask (rows,) of the rows of which no feature is known, where indicators say so."""
        return (self.inputs[:, -self.indicators :] == 1).all(axis=1)

    def padded(self, timesteps: int) -> "Table":
        """Put rows of holes before each series that is shorter than a look-back.

        Args:
            timesteps: Of the look-back; a series gets one row less, so that its first row is seen.

        Returns:
            The table; as it is where windows may hold no holes, or rows have no clock.
        """
        length = np.bincount(self.series, minlength=len(self.names))
        short = np.flatnonzero((length > 0) & (length < timesteps))
        count = timesteps - 1
        if not self.indicators or self.frequency is None or not count or not len(short):
            return self
        first = self.take(np.searchsorted(self.series, short))  # one row a series
        inputs = np.full((len(short) * count, self.inputs.shape[1]), np.nan)
        inputs[:, -self.indicators :] = 1
        constant = list(self.static)
        inputs[:, constant] = np.repeat(first.inputs[:, constant], count, axis=0)
        holes = replace(
            self,
            inputs=inputs,
            outputs=np.full((len(inputs), self.outputs.shape[1]), np.nan),
            series=np.repeat(short, count),
            tick=(first.tick[:, None] - np.arange(count, 0, -1)).ravel(),
            time=np.concatenate([clock.before(t, self.frequency, count) for t in first.time]),
        )
        return holes.then(self)

    def newest(self, rows: int) -> "Table":
        """Return the last rows of every series.

        Args:
            rows: How many rows to keep of each series.

        Returns:
            A table of at most `rows` rows a series.
        """
        last = np.searchsorted(self.series, self.series, side="right")
        return self.take(last - np.arange(len(self)) <= rows)

    def then(self, later: "Table") -> "Table":
        """Put a later table's rows behind this one's, series by series.

        Args:
            later: A table with the same columns and series names.

        Returns:
            The rows of both, sorted by series and tick, the later one's where both have a tick.

        Raises:
            InputError: The time stamps of one state a zone and those of the other do not.
        """
        if None not in (self.zoned, later.zoned) and self.zoned != later.zoned:
            rule, cure = ("a zone", "'UTC'") if self.zoned else ("no zone", "None")
            raise InputError(
                f"time stamps must state {rule}, as those of fit, got others from "
                f"{pd.Timestamp(later.time.min())} on: write index.tz_localize({cure})"
            )
        series = np.concatenate([self.series, later.series])
        tick = np.concatenate([self.tick, later.tick])
        rank = np.repeat([0, 1], [len(self), len(later)])
        order = np.lexsort((rank, tick, series))
        same = (np.diff(series[order]) == 0) & (np.diff(tick[order]) == 0)
        order = order[
            np.append(~same, True)[: len(order)]
        ]  # of two rows at one tick the later table's stays
        return replace(
            self,
            inputs=np.concatenate([self.inputs, later.inputs])[order],
            outputs=np.concatenate([self.outputs, later.outputs])[order],
            series=series[order],
            tick=tick[order],
            time=np.concatenate([self.time, later.time])[order],
        )

    def frames(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return features and targets as frames with a (series, time) index, for scikit-learn."""
        time = reading.written(self.time, self.zoned, None, self.frequency)
        index = pd.MultiIndex.from_arrays(
            [np.asarray(self.names, dtype=object)[self.series], time],
            names=["series", "time"],
        )
        return (
            pd.DataFrame(self.inputs, index, list(self.features)),
            pd.DataFrame(self.outputs, index, list(self.targets)),
        )

    def at(self, time: str | pd.Timestamp, name: str = "a date") -> np.datetime64:
        """Turn a time stamp as people write it into one that compares with `time`.

        Args:
            time: Such as "2013-10-19" or "2013-10-19T06:00Z".
            name: The argument's name, for errors.

        Returns:
            The same moment, without zone, in UTC.

        Raises:
            InputError: It is no date, or the rows have none.
        """
        if self.time.dtype.kind != "M":
            raise InputError(
                f"{name} must be a share or a number where rows have no clock, got {time!r}: "
                "try 0.2"
            )
        try:
            stamp = pd.Timestamp(time).as_unit("ns")
            if pd.isna(stamp):  # an empty string parses to NaT
                raise ValueError("no date")
        except ValueError as error:
            raise InputError(
                f"{name} must be a readable date, got {time!r}: write 2013-10-19"
            ) from error
        if stamp.tzinfo is not None:
            stamp = stamp.tz_convert("UTC").tz_localize(None)
        return np.datetime64(stamp)


def stacked(tables: Sequence[Table], series: Sequence[np.ndarray], names: tuple[str, ...]) -> Table:
    """Put tables of the same columns behind each other.

    Shapes: `series` (rows,) each, the number of every row's series among the names.
    """
    return replace(
        tables[0],
        inputs=np.concatenate([table.inputs for table in tables]),
        outputs=np.concatenate([table.outputs for table in tables]),
        series=np.concatenate(series),
        tick=np.concatenate([table.tick for table in tables]),
        time=np.concatenate([table.time for table in tables]),
        names=names,
    )


def renumbered(table: Table, names: tuple[str, ...]) -> Table:
    """Return a table whose series are numbered as in others' names.

    Args:
        table: Rows.
        names: Of all series that there are, those of the table among them.

    Returns:
        The same rows, sorted by the new numbers.

    Raises:
        InputError: A series is not among the names.
    """
    if table.names == names:
        return table
    code = pd.Index(names).get_indexer(pd.Index(table.names))
    if (code < 0).any():
        new = table.names[int((code < 0).argmax())]
        raise InputError(f"X must hold series seen in fit, got {new!r}: {nearest(new, names)}")
    series = code[table.series]
    order = np.lexsort((table.tick, series))
    return replace(table, series=series, names=names).take(order)
