"""Which held-out and test windows belong to each series, in the order of time."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from forecast.data import windows
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals import conformal


@dataclass(frozen=True)
class Batch:
    """Some series that are followed together; −1 if a series has no further window.

    Attributes:
        codes: The series, (series,).
        windows: Position of each of their windows among all, held-out ones first, (series,
            windows).
        scored: Position of the window of each moment among the test windows; −1 of a held-out one
            and of the last moment, (series, moments).
        ends: Which moment is the last, that of the newest row, (series,).
        moments: Tick of each moment, (series, moments).
        known: How many of the windows are known at each moment and step, (series, moments,
            horizon).
    """

    codes: np.ndarray
    windows: np.ndarray
    scored: np.ndarray
    ends: np.ndarray
    moments: np.ndarray
    known: np.ndarray


@dataclass(frozen=True)
class Layout:
    """The windows of a test span and of the held-out span before it.

    Attributes:
        test: Forecasts of the test windows.
        held: Those of held-out windows; None where there are none.
    """

    test: Forecasts
    held: Forecasts | None

    @property
    def count(self) -> int:
        """Number of held-out windows."""
        return 0 if self.held is None else len(self.held.starts)

    @cached_property
    def starts(self) -> np.ndarray:
        """First rows of all windows, held-out ones first, (windows,)."""
        held = self.test.starts[:0] if self.held is None else self.held.starts
        return np.concatenate([held, self.test.starts])

    @cached_property
    def series(self) -> np.ndarray:
        """Series of all windows, (windows,)."""
        return self.test.table.series[self.starts]

    @cached_property
    def ticks(self) -> np.ndarray:
        """Tick of the origin of all windows; a tick is the same moment in every series."""
        return self.test.table.tick[self.starts + self.test.window.timesteps - 1]

    @cached_property
    def ahead(self) -> np.ndarray:
        """Ticks from an origin to what each step predicts, (horizon,)."""
        window = self.test.window
        return window.lead + 1 + np.arange(window.horizon)

    @cached_property
    def enough(self) -> np.ndarray:
        """Whether a series knows enough held-out outcomes of its own at its first test origin."""
        if not self.count:  # then each series learns from its own test windows
            return np.ones(len(self.test.table.names), bool)
        return self._held >= conformal.LEAST + int(self.ahead[-1])

    @cached_property
    def _held(self) -> np.ndarray:
        return np.bincount(self.series[: self.count], minlength=len(self.test.table.names))

    @cached_property
    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        """Windows by series, held-out ones first, then time; and where each series begins."""
        late = np.arange(len(self.starts)) >= self.count
        order = np.lexsort((self.starts, late, self.series))
        codes = np.arange(len(self.test.table.names) + 1)
        return order, np.searchsorted(self.series[order], codes)

    def own(self, code: int) -> np.ndarray:
        """Return the positions of one series' held-out windows, (windows,)."""
        order, first = self._order
        return order[first[code] : first[code] + self._held[code]]

    def batches(self, enough: bool, most: int) -> Iterator[Batch]:
        """Deal the series that have test windows, those of similar length together."""
        first = self._order[1]
        begin = first[:-1] + (0 if enough else self._held)
        length = first[1:] - begin
        tested = first[1:] > first[:-1] + self._held
        codes = np.flatnonzero(tested & (self.enough == enough))
        codes = codes[np.argsort(length[codes], kind="stable")]
        while len(codes):
            fit = np.maximum.accumulate(length[codes] + 1) * (np.arange(len(codes)) + 1) <= most
            count = max(1, int(fit.sum()))
            yield self._batch(codes[:count], begin, length)
            codes = codes[count:]

    def _batch(self, codes: np.ndarray, begin: np.ndarray, length: np.ndarray) -> Batch:
        """Lay out some series."""
        order, ends = self._order[0], length[codes]
        moment = np.arange(ends.max() + 1)
        inside = moment < ends[:, None]  # (series, moments)
        place = order[np.where(inside, begin[codes, None] + moment, 0)]
        ticks = np.where(inside, self.ticks[place], 0)
        moments = np.where(moment == ends[:, None], self.newest[codes, None], ticks)
        known = np.empty((*moments.shape, len(self.ahead)), np.int32)
        for row, own in enumerate(inside):
            origins = ticks[row, own]
            # at tick t an outcome of tick t is known, and no later one
            until = moments[row, :, None] - self.ahead
            known[row] = np.searchsorted(origins, until, "right")
        known[moment > ends[:, None]] = -1
        return Batch(
            codes,
            np.where(inside, place, -1)[:, :-1],
            np.where(inside & (place >= self.count), place - self.count, -1),
            ends,
            moments,
            known,
        )

    @cached_property
    def newest(self) -> np.ndarray:
        """Tick of the newest row of each series, (series,)."""
        table = self.test.table
        rows, found = windows.origins(table), np.zeros(len(table.names), int)
        found[table.series[rows]] = table.tick[rows]
        return found
