"""The regular grid of a panel: every tick of every series from its first row to its last."""

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from forecast.errors import InputError

_MOST = 20
"""Ticks a row: more means a stray date, and would only fill the memory with holes."""


class Grid:
    """Every tick of every series, and where the given rows lie among them.

    Args:
        series: Series of each row, (rows,), ascending.
        tick: Its tick, (rows,), ascending within a series, none twice.
        frequency: A pandas alias.
        time: Its time stamp, (rows,) datetime64[ns].
        ahead: Ticks behind the last row of every series.

    Attributes:
        series: (ticks,).
        tick: (ticks,).
        time: (ticks,) datetime64[ns].
        position: Where each given row lies among the ticks, (rows,).
    """

    def __init__(
        self,
        series: np.ndarray,
        tick: np.ndarray,
        frequency: str,
        time: np.ndarray,
        ahead: int = 0,
    ):
        new = np.diff(series) != 0
        first = np.flatnonzero(np.append(True, new))
        last = np.append(first[1:], len(series)) - 1
        length = tick[last] - tick[first] + 1
        if length.sum() > _MOST * len(tick) + 1000:
            raise InputError(
                f"data.time must be mostly filled at frequency {frequency}, got {len(tick)} rows "
                f"for {length.sum()} time stamps: set data.frequency or mend stray dates"
            )
        length += ahead
        start = np.cumsum(length) - length
        self.series = np.repeat(series[first], length)
        self.tick = np.arange(length.sum()) + np.repeat(tick[first] - start, length)
        own = np.cumsum(np.append(False, new))  # which stretch each given row belongs to
        self.position = tick + (start - tick[first])[own]
        step = to_offset(frequency)
        self.time = np.concatenate(
            [
                pd.date_range(time[row], periods=count, freq=step).to_numpy("datetime64[ns]")
                for row, count in zip(first, length, strict=True)
            ]
        )

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Put the given rows' values on the grid, holes elsewhere."""
        full = np.full(len(self.tick), np.nan)
        full[self.position] = values
        return full
