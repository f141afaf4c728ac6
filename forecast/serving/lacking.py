"""Why rows are not enough for a forecast, in one sentence."""

from dataclasses import replace

import numpy as np
import pandas as pd

from forecast.data import clock, windows
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError


def refuse_other_frequency(time: np.ndarray, frequency: str) -> None:
    """Refuse rows that are further apart than those of training, on the same grid.

    With `data.missing=hold` they would be filled up, and what is forecast would be wrong silently.

    Args:
        time: Time stamps as sent, (rows,).
        frequency: Of training.

    Raises:
        InputError: All distances have a divisor above one.
    """
    ticks = np.unique(clock.ticks(time, frequency))
    apart = int(np.gcd.reduce(np.diff(ticks))) if len(ticks) > 2 else 1
    if apart > 1:
        raise InputError(
            f"data must have the frequency of training, {frequency}, got rows that are {apart} "
            f"times as far apart ({pd.Timestamp(time.min())}, …, {pd.Timestamp(time.max())}): send "
            "all rows, or train on such data"
        )


def refuse(table: Table, window: Window, known: tuple[str, ...]) -> None:
    """Say what the series that comes closest to a forecast lacks.

    Args:
        table: Of which no series can be forecast.
        window: Shape of a sample.
        known: Raw columns that are known ahead.

    Raises:
        InputError: Always.
    """
    _refuse_short_future(table, window, known)
    origins = windows.origins(table)
    length = origins - np.searchsorted(table.series, table.series[origins]) + 1
    if not len(origins):
        raise InputError(
            f"data must hold a known target, got none in {len(table)} rows: fill the newest"
        )
    origin = int(origins[length.argmax()])
    whose = f" of series {str(table.names[table.series[origin]])!r}"
    rule = f"data must end with window.timesteps={window.timesteps} rows without a hole"
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
        "rows until the hole is older than that"
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
