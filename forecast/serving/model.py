"""A served model: raw rows to forecasts as rows, with intervals and quantiles."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from forecast.data import clock, columns, panel, windows
from forecast.data.scale import Scaled, Scaler
from forecast.data.schema import Schema
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError, nearest
from forecast.evaluation.intervals.margin import Reach
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
    count, horizon, targets = forecast.shape
    origins = table.time[starts + window.timesteps - 1]
    ahead = clock.following(origins, str(table.frequency), window.lead + horizon)[:, window.lead :]
    each, steps = horizon * targets, np.arange(1, horizon + 1)
    names = np.asarray(table.names, object)[table.series[starts]]
    return pd.DataFrame(
        {
            "series": np.repeat(names, each),
            "origin": clock.written(np.repeat(origins, each), table.zoned),
            "time": clock.written(np.repeat(ahead.ravel(), targets), table.zoned),
            "step": np.tile(np.repeat(steps, targets), count),
            "target": np.tile(np.asarray(table.targets, object), count * horizon),
            "forecast": forecast.ravel(),
        }
        | {name: values.ravel() for name, values in more.items()}
    )


@dataclass(frozen=True)
class Bundle:
    """What predicts: raw rows in, tidy forecasts out.

    Attributes:
        model: Keras model on standardised values.
        schema: How raw rows are read.
        window: Shape of a sample.
        scaler: What standardises.
        names: Series that the scaler knows.
        facts: Versions, data digest and spans, for people.
        quantiles: Levels that the model predicts of each target; none means one value.
        reach: Of the intervals around its forecasts; None where it has none.
    """

    model: Any
    schema: Schema
    window: Window
    scaler: Scaler
    names: tuple[str, ...]
    facts: Mapping[str, Any]
    quantiles: tuple[float, ...] = ()
    reach: Reach | None = None

    def table(self, frame: pd.DataFrame) -> Table:
        """Read raw rows as in training."""
        schema = self.schema
        columns.check_columns(frame, schema)
        time, zoned = clock.read(frame[schema.time], schema.time_format, zoned=schema.zoned)
        refuse_other_frequency(time, str(schema.frequency))
        frame = frame.assign(**{schema.time: clock.written(time, zoned)})  # read once
        made = schema.known_future and not schema.known_columns
        rows = self.window.lead + self.window.horizon if made else 0
        table = panel.build(frame, schema, ahead=rows).padded(self.window.timesteps)
        known = {name: code for code, name in enumerate(self.names)}
        if unknown := [name for name in table.names if name not in known]:
            raise InputError(
                f"data.series must be series seen in training, got {unknown[0]!r}: "
                f"{nearest(unknown[0], known)}"
            )
        code = np.array([known[name] for name in table.names])
        order = np.lexsort((table.tick, code[table.series]))
        renamed = replace(table, series=code[table.series], names=self.names)
        return renamed.take(order)

    def predict(self, frame: pd.DataFrame, *, history: bool = False) -> pd.DataFrame:
        """Forecast what follows the last row of every series.

        Where columns are known ahead, it is the last row with a known target.
        """
        return self.forecasts(self.table(frame), history=history)

    def forecasts(self, table: Table, *, history: bool = False) -> pd.DataFrame:
        """Forecast from a table that `table` has made; see `predict`."""
        runtime.start()
        from forecast.training.fit import predict_scaled
        from forecast.training.losses import point_forecast

        starts = (windows.every if history else windows.latest)(table, self.window)
        if not len(starts):
            refuse_short_history(table, self.window, self.schema.known_columns)
        values = predict_scaled(
            self.model,
            Scaled(table, self.scaler),
            self.window,
            starts,
            # each size is compiled once: a power of two, or that of training
            batch_size=min(BATCH, 1 << (len(starts) - 1).bit_length()),
            levels=self.quantiles,
        )
        middle, more = point_forecast(values, self.quantiles), {}
        if self.reach is not None:
            ends = self.reach.around(values, self.quantiles, middle, table.series[starts])
            more = dict(zip(("lower", "upper"), ends, strict=True))
        more |= {f"q{level:g}": values[..., n] for n, level in enumerate(self.quantiles)}
        return tidy(table, starts, self.window, middle, more)


def refuse_other_frequency(time: np.ndarray, frequency: str) -> None:
    """Refuse rows that are further apart than those of training, on the same grid.

    With `data.missing=hold` they would be filled up, and what is forecast would be wrong silently.

    Shapes: `time` (rows,).
    """
    ticks = np.unique(clock.ticks(time, frequency))
    apart = int(np.gcd.reduce(np.diff(ticks))) if len(ticks) > 2 else 1
    if apart > 1:
        raise InputError(
            f"data must have the frequency of training, {frequency}, got rows that are {apart} "
            f"times as far apart ({pd.Timestamp(time.min())}, …, {pd.Timestamp(time.max())}): send "
            "all rows, or train on such data"
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
        there = np.isfinite(table.inputs[rows][:, list(table.known)]).all(axis=1)
        last_row = rows[(rows > origin) & ~np.logical_or.accumulate(~there & (rows > origin))]
        last = table.time[max(last_row, default=origin)]
        raise InputError(
            f"data must hold the known-future columns {', '.join(known)} until "
            f"{pd.Timestamp(until)}, got rows until {pd.Timestamp(last)}: append rows with those "
            "columns and empty targets"
        )
