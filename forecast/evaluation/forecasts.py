"""Forecasts of some windows, with the truth."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

from forecast.data import windows
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.metrics.headline import HEADLINES, Headline
from forecast.metrics.sums import Axis

if TYPE_CHECKING:
    import pyarrow as pa


class Ends(Protocol):
    """Intervals around forecasts, each (windows, horizon, targets)."""

    @property
    def lower(self) -> np.ndarray:
        """Lower ends."""

    @property
    def upper(self) -> np.ndarray:
        """Upper ends."""

    @property
    def crps(self) -> np.ndarray:
        """Continuous ranked probability score of each value."""


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of one forecaster for some windows of a table.

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

        Shapes: `axis` (windows, horizon, targets).
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
    def numbers(self) -> np.ndarray:
        """Number of the series of every window among all, of which the table may be a block."""
        return self.series + self.table.first_series

    @property
    def origins(self) -> np.ndarray:
        """Row of every window's origin, (windows,)."""
        return self.starts + self.window.timesteps - 1

    @cached_property
    def by_series(self) -> dict[str, float]:
        """Headline error of every series that has windows, in the order of the table's names."""
        count = (~np.isnan(self.true)).sum(axis=(1, 2))  # (windows,)
        loss = np.where(count > 0, self.error(axis=(1, 2)) * count, 0.0)
        names = self.table.names
        sums, counts = (np.bincount(self.series, each, len(names)) for each in (loss, count))
        with np.errstate(invalid="ignore"):
            found = sums / counts
        present = np.flatnonzero(np.bincount(self.series, minlength=len(names)))
        return {names[code]: float(found[code]) for code in present}

    def at(self, starts: np.ndarray) -> "Forecasts":
        """Return the forecasts of some of these windows.

        Shapes: `starts` (windows,).
        """
        if np.array_equal(starts, self.starts):
            return self
        strange = np.asarray(starts)[~np.isin(starts, self.starts)]
        if len(strange):
            raise InputError(
                f"starts must be among the {len(self.starts):,} windows that were forecast, got "
                f"{int(strange[0])}: choose them from `starts` of these forecasts"
            )
        order = np.argsort(self.starts)
        place = order[np.searchsorted(self.starts, starts, sorter=order)]
        every = None if self.quantiles is None else self.quantiles[place]
        return replace(self, starts=self.starts[place], values=self.values[place], quantiles=every)

    def beside(self, other: "Forecasts") -> "Forecasts":
        """Return the forecasts of those windows that another has forecast too, in its order."""
        if np.array_equal(self.starts, other.starts):
            return self
        return self.at(other.starts[np.isin(other.starts, self.starts)])

    def frame(self, intervals: Ends | None = None) -> pd.DataFrame:
        """Return one row for each window, step and target, with origin and time stamp."""
        texts, numbers = self._columns(intervals)
        words = {name: np.asarray(own, object)[codes] for name, (codes, own) in texts.items()}
        columns = words | numbers
        return pd.DataFrame({name: columns[name] for name in _ordered(columns)})

    def arrow(self, intervals: Ends | None = None) -> "pa.Table":
        """Return the rows of `frame` as Arrow holds them."""
        import pyarrow as pa

        texts, numbers = self._columns(intervals)
        words = {
            name: pa.DictionaryArray.from_arrays(codes, pa.array(words, pa.string())).cast(
                pa.string()
            )
            for name, (codes, words) in texts.items()
        }
        columns = words | {name: pa.array(values) for name, values in numbers.items()}
        return pa.table({name: columns[name] for name in _ordered(columns)})

    def _columns(
        self, intervals: Ends | None
    ) -> tuple[dict[str, tuple[np.ndarray, tuple[str, ...]]], dict[str, np.ndarray]]:
        """Return columns of text, as codes and words, and columns of numbers, by name."""
        ends = {} if intervals is None else {"lower": intervals.lower, "upper": intervals.upper}
        loss = np.full(self.values.shape, np.nan) if intervals is None else intervals.crps
        count, horizon, targets = self.values.shape
        every = np.zeros((*self.values.shape, 0)) if self.quantiles is None else self.quantiles
        rows = windows.future_rows(self.starts, self.window)
        each = np.repeat(np.arange(count), horizon * targets)
        texts = {
            "series": (self.series[each], self.table.names),
            "target": (np.tile(np.arange(targets), count * horizon), self.table.targets),
        }
        numbers = (
            {
                "origin": self.table.time[self.origins[each]],
                "time": np.repeat(self.table.time[rows].ravel(), targets),
                "step": np.tile(np.repeat(np.arange(1, horizon + 1), targets), count),
                "forecast": self.values.ravel(),
            }
            | {name: end.ravel() for name, end in ends.items()}
            | {
                f"q{level:g}": every[..., number].ravel()
                for number, level in enumerate(self.levels)
            }
            | {"true": self.true.ravel(), "crps": loss.ravel()}
        )
        return texts, numbers


def _ordered(names: Iterable[str]) -> list[str]:
    """Sort columns of forecasts: what is forecast, then the numbers."""
    first = ("series", "origin", "time", "step", "target")
    return [*first, *(name for name in names if name not in first)]
