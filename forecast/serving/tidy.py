"""Forecasts as rows: series, origin, time, step, target, forecast, and what stands around it."""

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
    """Write forecasts as rows, window by window, target by target, step by step.

    Args:
        table: The rows they were made from.
        starts: First input row of every window, (windows,).
        window: Shape of a sample.
        forecast: (windows, horizon, targets), original units.
        more: Name of a column to its values, (windows, horizon, targets).

    Returns:
        A row for each window, target and step.
    """
    count, horizon, targets = forecast.shape
    origins = table.time[starts + window.timesteps - 1]
    ahead = clock.following(origins, str(table.frequency), window.lead + horizon)[:, window.lead :]
    each, steps = targets * horizon, np.arange(1, horizon + 1)
    names = np.asarray(table.names, object)[table.series[starts]]
    return pd.DataFrame(
        {
            "series": np.repeat(names, each),
            "origin": np.repeat(origins, each),
            "time": np.repeat(ahead[:, None], targets, axis=1).ravel(),
            "step": np.tile(steps, count * targets),
            "target": np.tile(np.repeat(np.asarray(table.targets, object), horizon), count),
            "forecast": forecast.swapaxes(1, 2).ravel(),
        }
        | {name: values.swapaxes(1, 2).ravel() for name, values in more.items()}
    )
