"""Forecasts of some windows beside what came true."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.data import windows
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.metrics.headline import HEADLINES, Headline
from forecast.metrics.point import Axis

if TYPE_CHECKING:
    from forecast.evaluation.intervals.calibration import Intervals


@dataclass(frozen=True)
class Forecasts:
    """What one forecaster said about some windows of a table.

    Attributes:
        table: The rows.
        window: Shape of a sample.
        starts: First input row of every window, (windows,).
        values: Forecasts in original units, (windows, horizon, targets).
        quantiles: Of a model that predicts them, (windows, horizon, targets, levels).
        levels: Theirs, rising; empty where there are none.
        note: What was chosen to make them, such as a season or a sample of the origins.
    """

    table: Table
    window: Window
    starts: np.ndarray
    values: np.ndarray
    quantiles: np.ndarray | None = None
    levels: tuple[float, ...] = ()
    note: str = ""

    @property
    def headline(self) -> Headline:
        """The error that these forecasts are compared by."""
        return HEADLINES[self.table.task]

    def error(self, axis: Axis = None) -> np.ndarray:
        """Return the headline error.

        Args:
            axis: Axes of (windows, horizon, targets) to average over; None means all.
        """
        return self.headline.of(self.true, self.values, axis)

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

    def at(self, starts: np.ndarray) -> "Forecasts":
        """Return the forecasts of some of these windows.

        Args:
            starts: Which, (windows,), each of them among those forecast.

        Returns:
            Values and quantiles of these windows alone, in the order asked for.

        Raises:
            InputError: A window was not forecast.
        """
        strange = np.asarray(starts)[~np.isin(starts, self.starts)]
        if len(strange):
            raise InputError(
                f"starts must be windows that were forecast, got {strange[0]}: take those of "
                "`starts`"
            )
        order = np.argsort(self.starts, kind="stable")
        place = order[np.searchsorted(self.starts, starts, sorter=order)]
        every = None if self.quantiles is None else self.quantiles[place]
        return replace(self, starts=self.starts[place], values=self.values[place], quantiles=every)

    def frame(self, intervals: "Intervals | None" = None) -> pd.DataFrame:
        """Return one row for each window, step and target, with origin and time stamp.

        Args:
            intervals: Around these forecasts, as columns lower and upper.

        Returns:
            The rows; quantiles are columns of their own, such as q0.05.
        """
        ends = {} if intervals is None else {"lower": intervals.lower, "upper": intervals.upper}
        count, horizon, targets = self.values.shape
        every = np.zeros((*self.values.shape, 0)) if self.quantiles is None else self.quantiles
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
            | {name: end.ravel() for name, end in ends.items()}
            | {
                f"q{level:g}": every[..., number].ravel()
                for number, level in enumerate(self.levels)
            }
        )
