"""Forecasts as rows: series, origin, time, step, target, forecast, then intervals and quantiles."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from forecast.data import clock
from forecast.data.table import Table
from forecast.data.windows import Window


def tidy(
    table: Table,
    starts: np.ndarray,
    window: Window,
    forecast: np.ndarray,
    more: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """Write forecasts as rows, window by window, step by step, target by target.

    Args:
        table: The rows they were made from.
        starts: First input row of every window, (windows,).
        window: Shape of a sample.
        forecast: (windows, horizon, targets), original units.
        more: Name of a column to its values, (windows, horizon, targets).

    Returns:
        A row for each window, step and target, in the order of `Forecasts.frame`.
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
