"""Another horizon than trained: a shorter one is cut, a longer one goes on from its forecasts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.base import clone

from forecast.data import clock, windows
from forecast.data.features import SAYS
from forecast.data.schema import Schema
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.serving.mixture import Predictor
from forecast.serving.model import Bundle, refuse_short_history, tidy
from forecast.serving.stream import behind
from forecast.training.forecaster import BATCH


def answer(bundle: Predictor, frame: pd.DataFrame, horizon: int) -> tuple[Table, pd.DataFrame]:
    """Forecast a number of steps behind the newest row of every series.

    Beyond the horizon of training a model goes on from its own forecasts, as if they had come true.
    How far off those are was never measured, so intervals and quantiles there are NaN.

    Args:
        bundle: What forecasts.
        frame: Raw rows; columns known ahead must reach to the end of the last block of steps.
        horizon: Steps asked for.

    Returns:
        The rows as they are read, and the forecasts as `Bundle.predict` gives them.

    Raises:
        InputError: The model cannot go on, or the future of a known column is too short.
    """
    window = bundle.window
    if horizon <= window.horizon:
        table, found = bundle.answer(frame)
        return table, found[found.step <= horizon].reset_index(drop=True)
    for member in [bundle] if isinstance(bundle, Bundle) else bundle.members:
        _check(member.schema, window, horizon)
    blocks = -(-horizon // window.horizon)
    tables, starts = _read(bundle, frame)
    own = [bundle.window] if isinstance(bundle, Bundle) else [m.window for m in bundle.members]
    longer, moved = [], []
    for table, first, shape in zip(tables, starts, own, strict=True):
        more, place = _reaching(table, first + shape.timesteps - 1, blocks * window.horizon)
        longer.append(more)
        moved.append(place - shape.timesteps + 1)
    parts: list[dict[str, np.ndarray]] = []
    batch = min(BATCH, 1 << (len(starts[0]) - 1).bit_length())
    for block in range(blocks):
        now = [first + block * window.horizon for first in moved]
        if isinstance(bundle, Bundle):
            made = bundle.forecast_windows(longer[0], now[0], batch)
        else:
            made = bundle.forecast_windows(longer, now, batch)
        if block:
            unknown = np.full_like(made["forecast"], np.nan)
            made = {name: part if name == "forecast" else unknown for name, part in made.items()}
        parts.append(made)
        for table, first, shape in zip(longer, now, own, strict=True):
            _put(table, first + shape.timesteps, made["forecast"])
    joined = {
        name: np.concatenate([part[name] for part in parts], axis=1)[:, :horizon]
        for name in parts[0]
    }
    shape = clone(own[0]).set_params(horizon=horizon)
    return tables[0], tidy(tables[0], starts[0], shape, joined.pop("forecast"), joined)


def _read(bundle: Predictor, frame: pd.DataFrame) -> tuple[Sequence[Table], Sequence[np.ndarray]]:
    """Read raw rows as each member does, and list the newest window of every series."""
    if not isinstance(bundle, Bundle):
        tables = bundle.tables(frame)
        return tables, bundle.starts(tables)
    table = bundle.table(frame)
    starts = windows.latest(table, bundle.window)
    if not len(starts):
        refuse_short_history(table, bundle.window, bundle.schema.known_columns)
    return [table], [starts]


def _check(schema: Schema, window: Window, horizon: int) -> None:
    """Refuse models whose own forecasts are not all that they read."""
    rule = f"window.horizon must be {window.horizon} or less, as in training"
    cure = f"leave it out, or train with window.horizon={horizon}"
    if schema.task != "regression":
        raise InputError(
            f"{rule}, for probabilities, which are no values to go on from, got {horizon}: {cure}"
        )
    if window.lead:
        raise InputError(
            f"{rule}, where window.lead={window.lead} rows are skipped, whose values nobody "
            f"forecasts, got {horizon}: {cure}"
        )
    past = [name for name in schema.inputs if schema.role(name) == "feature"]
    if past:
        raise InputError(
            f"{rule}, for a model that reads {', '.join(past[:3])}, whose later values are not "
            f"known, got {horizon}: {cure}, or name what is known ahead in data.known_future and "
            "train again"
        )


def _reaching(table: Table, origins: np.ndarray, rows: int) -> tuple[Table, np.ndarray]:
    """Put rows behind every series, so that so many follow each origin, and copy all.

    Shapes: `origins` (windows,).

    Returns:
        The table, and the rows of the origins in it, (windows,).
    """
    longer = behind(table, rows)
    span = int(np.ptp(longer.tick)) + 1
    least = longer.tick.min()
    place, asked = (
        own.tick - least + own.series.astype(np.int64) * span
        for own in (longer, table.take(np.sort(origins)))
    )
    moved = np.searchsorted(place, asked)[np.argsort(np.argsort(origins))]
    every = moved[:, None] + np.arange(1, rows + 1)  # a table on a grid has every tick
    known = list(longer.known)
    holes = ~np.isfinite(longer.inputs[every][:, :, known])  # (windows, rows, known)
    if holes.any():
        window, step, column = (int(part) for part in np.argwhere(holes)[0])
        origin = table.time[origins[window]]
        until = clock.following(np.array([origin]), str(table.frequency), rows)[0]
        raise InputError(
            f"data must hold the known-future column {table.features[known[column]]} until "
            f"{pd.Timestamp(until[-1])} for this horizon, in whole blocks of that of training, got "
            f"none at {pd.Timestamp(until[step])} in series "
            f"{str(table.names[table.series[origins[window]]])!r}: append rows with it and empty "
            "targets, or set a smaller window.horizon"
        )
    longer = replace(longer, inputs=longer.inputs.copy(), outputs=longer.outputs.copy())
    return longer, moved


def _put(table: Table, first: np.ndarray, values: np.ndarray) -> None:
    """Write forecasts into a table as if they had come true.

    Shapes: `first` (windows,), `values` (windows, horizon, targets).
    """
    rows = first[:, None] + np.arange(values.shape[1])
    table.outputs[rows] = values
    for target, place in enumerate(table.target_positions):
        if place >= 0:
            table.inputs[rows, place] = values[..., target]
    for place, name in enumerate(table.features):
        if table.indicators and place >= len(table.features) - table.indicators:
            known = name.removesuffix(SAYS)
            if known in table.targets or np.isnan(table.inputs[rows, place]).any():
                table.inputs[rows, place] = 0.0  # a value is there
