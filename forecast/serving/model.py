"""A served model: raw rows to forecasts as rows, with intervals and quantiles."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from forecast.data import clock, columns, panel, windows
from forecast.data.scale import Scaled, Scaler
from forecast.data.schema import Schema
from forecast.data.stamps import reading
from forecast.data.table import Table, renumbered
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation.baselines.by_name import Kept, Reading
from forecast.evaluation.intervals.margin import Reach
from forecast.serving import baseline, unseen
from forecast.training import runtime
from forecast.training.forecaster import BATCH


def tidy(
    table: Table,
    starts: np.ndarray,
    window: Window,
    forecast: np.ndarray,
    more: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """Write forecasts as rows, window by window, step by step, target by target.

    Shapes: `starts` (windows,), `forecast` (windows, horizon, targets), `more` (windows, horizon,
    targets).
    """
    texts, stamps, numbers = _columns(table, starts, window, {"forecast": forecast, **more})
    found: dict[str, Any] = {
        name: np.asarray(words, object)[codes] for name, (codes, words) in texts.items()
    }
    found |= {
        name: reading.written(time, table.zoned, table.zone, table.frequency)
        for name, time in stamps.items()
    }
    found |= numbers
    return pd.DataFrame({name: found[name] for name in (*FIRST, *more)})


def arrow(
    table: Table, starts: np.ndarray, window: Window, found: Mapping[str, np.ndarray]
) -> pa.Table:
    """Write the rows of `tidy` as Arrow holds them, texts as dictionaries.

    Shapes: `found` (windows, horizon, targets), "forecast" among them.
    """
    texts, stamps, numbers = _columns(table, starts, window, found)
    index = reading.written(table.time[:0], table.zoned, table.zone, table.frequency)
    zone = index.tz if isinstance(index, pd.DatetimeIndex) else None
    kind = pa.timestamp("ns", None if zone is None else str(zone))
    columns: dict[str, pa.Array] = {
        name: pa.DictionaryArray.from_arrays(codes.astype(np.int32), pa.array(words, pa.string()))
        for name, (codes, words) in texts.items()
    }
    columns |= {
        name: pa.array(time, kind if time.dtype.kind == "M" else None)
        for name, time in stamps.items()
    }
    columns |= {name: pa.array(values) for name, values in numbers.items()}
    return pa.table({name: columns[name] for name in dict.fromkeys((*FIRST, *found))})


FIRST = ("series", "origin", "time", "step", "target", "forecast")
"""Columns of every table of forecasts; ends of intervals and quantiles follow."""

Texts = dict[str, tuple[np.ndarray, Sequence[str]]]


def _columns(
    table: Table, starts: np.ndarray, window: Window, found: Mapping[str, np.ndarray]
) -> tuple[Texts, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return columns of text, as codes and words, of time stamps and of numbers, by name."""
    count, horizon, targets = found["forecast"].shape
    origins = table.time[starts + window.timesteps - 1]
    ahead = clock.following(origins, str(table.frequency), window.lead + horizon)[:, window.lead :]
    each, steps = horizon * targets, np.arange(1, horizon + 1)
    texts: Texts = {
        "series": (np.repeat(table.series[starts], each), table.names),
        "target": (np.tile(np.arange(targets), count * horizon), table.targets),
    }
    stamps = {"origin": np.repeat(origins, each), "time": np.repeat(ahead.ravel(), targets)}
    numbers = {"step": np.tile(np.repeat(steps, targets), count)}
    return texts, stamps, numbers | {name: values.ravel() for name, values in found.items()}


@dataclass(frozen=True)
class Bundle:
    """What predicts: raw rows in, tidy forecasts out.

    Attributes:
        model: Keras model on standardised values, or what was kept of a baseline.
        schema: How raw rows are read.
        window: Shape of a sample.
        scaler: What standardises.
        names: Series that the scaler knows, an Arrow array of text.
        facts: Versions, data digest and spans, for people.
        quantiles: Levels that the model predicts of each target; none means one value.
        reach: Of the intervals around its forecasts; None where it has none.
        digest: Of its files.
    """

    model: Any
    schema: Schema
    window: Window
    scaler: Scaler
    names: pa.Array
    facts: Mapping[str, Any]
    quantiles: tuple[float, ...] = ()
    reach: Reach | None = None
    digest: str = ""

    @property
    def whole(self) -> bool:
        """Whether forecasts may depend on rows before the window, so that all must be there."""
        return isinstance(self.model, Kept)

    def table(self, frame: pd.DataFrame) -> Table:
        """Read raw rows as in training."""
        return self.own(self.grid(frame))

    def grid(self, frame: pd.DataFrame) -> Table:
        """Read raw rows by the schema, whatever the window and the series of training."""
        schema = self.schema
        columns.check_columns(frame, schema)
        moments = columns.moments(frame, schema)
        if not schema.resample:
            spacing = Spacing(str(schema.frequency))
            spacing.add(moments.time)
            spacing.refuse_wider()
        read = pd.Series(reading.written(moments.time, moments.zoned), frame.index)
        frame = frame.assign(**{schema.time: read})  # once
        made = schema.known_future and not schema.known_columns
        rows = self.window.lead + self.window.horizon if made else 0
        return panel.build(frame, schema, ahead=rows)

    def own(self, table: Table) -> Table:
        """Make a table that `grid` has read one that the model can read."""
        return self.in_order(table.padded(self.window.timesteps))

    def in_order(self, table: Table) -> Table:
        """Sort the series of a table as those of training, new ones behind them."""
        code = self.numbers(table.names)
        if (np.diff(code) > 0).all():
            return table
        return renumbered(table, tuple(np.asarray(table.names, object)[np.argsort(code)]))

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """Return the number that each of some series has among those of training, (names,).

        Those that training has not seen are counted behind these.
        """
        asked = pa.array(names, pa.string())
        first, last = self._between(asked)
        found = pc.index_in(asked, value_set=self.names[first:last])
        new = found.is_null().to_numpy(zero_copy_only=False)
        code = first + found.fill_null(0).to_numpy().astype(np.int64)
        code[new] = len(self.names) + np.arange(new.sum())
        return code

    def predict(self, frame: pd.DataFrame, *, history: bool = False) -> pd.DataFrame:
        """Forecast what follows the last row of every series.

        Where columns are known ahead, it is the last row with a known target.
        """
        return self.answer(frame, history=history)[1]

    def answer(self, frame: pd.DataFrame, *, history: bool = False) -> tuple[Table, pd.DataFrame]:
        """Return the rows, as they are read, and what `predict` forecasts from them."""
        table = self.table(frame)
        return table, self.forecasts(table, history=history)

    def forecasts(self, table: Table, *, history: bool = False) -> pd.DataFrame:
        """Forecast from a table that `table` has made; see `predict`."""
        starts = (windows.every if history else windows.latest)(table, self.window)
        if not len(starts):
            refuse_short_history(table, self.window, self.schema.known_columns)
        # each size is compiled once: a power of two, or that of training
        batch = min(BATCH, 1 << (len(starts) - 1).bit_length())
        found = self.forecast_windows(table, starts, batch)
        return tidy(table, starts, self.window, found.pop("forecast"), found)

    def forecast_windows(
        self, table: Table, starts: np.ndarray, batch: int
    ) -> dict[str, np.ndarray]:
        """Forecast some windows of a table, so many at a time.

        Shapes: `starts` (windows,); returns (windows, horizon, targets) by the names of columns.
        """
        numbers = self.numbers(table.names)
        if (numbers >= len(self.names)).any():
            return _with_new(self, table, starts, batch)
        series = numbers[table.series]  # as the scaler counts them
        if isinstance(self.model, Kept):
            rows = Scaled(table, self.scaler.part(numbers))
            middle = baseline.forecast(self.model, Reading(rows, self.window, numbers), starts)
            values = middle[..., None]
        else:
            runtime.start()
            from forecast.training.fit import predict_scaled
            from forecast.training.losses import point_forecast

            values = predict_scaled(
                self.model,
                Scaled(replace(table, series=series), self.scaler),
                self.window,
                starts,
                batch_size=batch,
                levels=self.quantiles,
            )
            middle = point_forecast(values, self.quantiles)
        found = {"forecast": middle}
        if self.reach is not None:
            own, kinds = series[starts], self.scaler.kinds
            around = (values, self.quantiles, middle, own, kinds, table.bounds)
            ends = self.reach.around(*around)
            found |= dict(zip(("lower", "upper"), ends, strict=True))
        return found | {f"q{level:g}": values[..., n] for n, level in enumerate(self.quantiles)}

    @cached_property
    def _sorted(self) -> bool:
        """Whether the series of training stand in the order of their names."""
        return len(self.names) < 2 or pc.all(pc.less(self.names[:-1], self.names[1:])).as_py()

    def _between(self, asked: pa.Array) -> tuple[int, int]:
        """Tell where the series of training lie that some can be, for a look-up."""
        if not self._sorted or not len(asked):
            return 0, len(self.names)
        ends = pc.min_max(asked).as_py()
        first = bisect_left(self.names, ends["min"], key=_text)
        return first, bisect_right(self.names, ends["max"], key=_text)


def _with_new(
    bundle: Bundle, table: Table, starts: np.ndarray, batch: int
) -> dict[str, np.ndarray]:
    """Forecast windows of a table that holds series which training has not seen.

    Shapes: `starts` (windows,); returns (windows, horizon, targets) by the names of columns.
    """
    new = bundle.numbers(table.names) >= len(bundle.names)
    codes = np.flatnonzero(new)
    step = unseen.most(bundle.model) or len(codes)
    groups = [np.flatnonzero(~new), *np.split(codes, range(step, len(codes), step))]
    found: dict[str, np.ndarray] = {}
    for some in groups:
        mine = np.flatnonzero(np.isin(table.series[starts], some))
        if not len(mine):
            continue
        rows, place = unseen.rows_of(table, some)
        own = _of_new(bundle, rows) if new[some[0]] else bundle
        made = own.forecast_windows(rows, np.searchsorted(place, starts[mine]), batch)
        for name, values in made.items():
            found.setdefault(name, np.empty((len(starts), *values.shape[1:])))[mine] = values
    return found


def _of_new(bundle: Bundle, table: Table) -> Bundle:
    """Return what forecasts the series of a table, none of which training has seen."""
    scaler = unseen.scale_of(bundle.scaler, table)
    reach = bundle.reach
    if reach is not None:
        reach = unseen.reach_of(reach, bundle.scaler.output_std, scaler.output_std)
    names = pa.array(table.names, pa.string())
    model = unseen.model_of(bundle.model, len(names))
    return replace(bundle, model=model, scaler=scaler, names=names, reach=reach)


class Spacing:
    """How far apart rows are that come part by part, in ticks of the training's frequency."""

    def __init__(self, frequency: str):
        self._frequency = frequency
        self._time = np.zeros(0, "datetime64[ns]")  # the first row, then the earliest and the last
        self._ticks = np.zeros(0, np.int64)  # three different ones, where there are so many
        self._apart = 0

    def add(self, time: np.ndarray) -> None:
        """Look at some rows.

        Shapes: `time` (rows,).
        """
        every = np.append(self._time, time) if len(self._time) else time
        ticks = clock.ticks(every, self._frequency, np.arange(len(every)))
        self._apart = int(np.gcd.reduce(np.append(ticks - ticks[0], self._apart)))
        self._ticks = np.unique(np.append(self._ticks, ticks))[:3]
        self._time = np.array([every[0], every.min(), every.max()])

    def refuse_wider(self) -> None:
        """Refuse rows that are further apart than those of training, on the same grid.

        With `data.missing=hold` they would be filled up, and what is forecast would be wrong
        silently.
        """
        if len(self._ticks) > 2 and self._apart > 1:
            first, last = (clock.written(time) for time in self._time[1:])
            raise InputError(
                f"data must have the frequency of training, {self._frequency}, got rows that are "
                f"{self._apart} times as far apart ({first}, …, {last}): send all rows, or train "
                "on such data"
            )


def refuse_short_history(table: Table, window: Window, known: tuple[str, ...]) -> None:
    """Say what the series that comes closest to a forecast lacks."""
    _refuse_short_future(table, window, known)
    origins = windows.origins(table)
    length = origins - np.searchsorted(table.series, table.series[origins]) + 1
    if not len(origins):
        raise InputError(
            f"data must hold a known target, got none in {len(table)} rows: fill the newest"
        )
    origin = int(origins[length.argmax()])
    whose = f" of series {str(table.names[table.series[origin]])!r}"
    rule = f"data must end with window.timesteps={window.timesteps} rows without missing values"
    if length.max() < window.timesteps:
        raise InputError(
            f"{rule}, got {length.max()} rows{whose}: send older rows too, "
            f"{window.timesteps} or more of each series"
        )
    past = slice(origin - window.timesteps + 1, origin + 1)
    bad = ~np.isfinite(table.inputs[past])
    row = int(np.flatnonzero(bad.any(axis=1))[-1]) if bad.any() else 0
    named = [table.features[column] for column in np.flatnonzero(bad[row])]
    what = f" in {', '.join(named[:3])}{' …' if len(named) > 3 else ''}" if named else ""
    raise InputError(
        f"{rule}, got one{what} at {pd.Timestamp(table.time[past][row])}{whose}: fill it, or send "
        "rows until the missing value is older than that"
    )


def _refuse_short_future(table: Table, window: Window, known: tuple[str, ...]) -> None:
    """Say how far the known columns must reach, where a series could be forecast with them."""
    past = replace(table, known=())
    for origin in windows.origins(table) if table.known else ():
        rows = np.flatnonzero(table.series == table.series[origin])
        until_origin = past.take(rows[rows <= origin])
        if not len(windows.latest(until_origin, window)):
            continue  # its past is at fault
        asked = window.lead + window.horizon
        until = clock.following(table.time[[origin]], str(table.frequency), asked)[0, -1]
        holes = ~np.isfinite(table.inputs[rows][:, list(table.known)])  # (rows, known)
        short = holes.any(axis=1) & (rows > origin)
        last_row = rows[(rows > origin) & ~np.logical_or.accumulate(short)]
        last = table.time[max(last_row, default=origin)]
        named = [table.features[table.known[n]] for n in np.flatnonzero(holes[short][:1])]
        lacking = [name for name in known if any(_made_of(name, own) for own in named)] or known
        raise InputError(
            f"data must hold the known-future columns {', '.join(lacking)} until "
            f"{pd.Timestamp(until)}, got rows until {pd.Timestamp(last)}: append rows with those "
            "columns and empty targets"
        )


def _made_of(raw: str, column: str) -> bool:
    """Tell whether an input column is a raw one, or a part of its circle or of its labels."""
    return column in (raw, f"{raw}_sin", f"{raw}_cos") or column.startswith(f"{raw}=")


def _text(name: pa.StringScalar) -> str:
    """Return the name of a series as text."""
    return str(name.as_py())
