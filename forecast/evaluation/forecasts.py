"""Forecasts of some windows beside what came true."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from forecast.data import windows
from forecast.data.table import Table
from forecast.data.windows import Window


@dataclass(frozen=True)
class Forecasts:
    """What one forecaster said about some windows of a table.

    Attributes:
        table: The rows.
        window: Shape of a sample.
        starts: First input row of every window, (windows,).
        values: Forecasts in original units, (windows, horizon, targets).
    """

    table: Table
    window: Window
    starts: np.ndarray
    values: np.ndarray

    @cached_property
    def true(self) -> np.ndarray:
        """What came true, (windows, horizon, targets)."""
        return windows.outputs(self.table.outputs, self.starts, self.window)

    @property
    def series(self) -> np.ndarray:
        """Series of every window, (windows,)."""
        return self.table.series[self.starts]

    @property
    def origins(self) -> np.ndarray:
        """Row of every window's origin, (windows,)."""
        return self.starts + self.window.timesteps - 1

    def frame(self) -> pd.DataFrame:
        """Return one row for each window, step and target, with origin and time stamp."""
        count, horizon, targets = self.values.shape
        rows = windows.future_rows(self.starts, self.window)
        each = np.repeat(np.arange(count), horizon * targets)
        return pd.DataFrame(
            {
                "series": np.asarray(self.table.names, object)[self.series[each]],
                "origin": self.table.time[self.origins[each]],
                "time": np.repeat(self.table.time[rows].ravel(), targets),
                "step": np.tile(np.repeat(np.arange(1, horizon + 1), targets), count),
                "target": np.tile(np.asarray(self.table.targets, object), count * horizon),
                "forecast": self.values.ravel(),
                "true": self.true.ravel(),
            }
        )
