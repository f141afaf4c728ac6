"""Which held-out and test windows belong to each series, in the order of time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from forecast.data import windows
from forecast.data.table import Table
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals import conformal

Spans = tuple[Forecasts, Forecasts | None]
"""Forecasts of the test windows and of held-out windows before them, by one forecaster."""


@dataclass(frozen=True)
class Past:
    """What earlier parts have contained of one series.

    Attributes:
        held: Number of held-out windows.
        tested: Whether there was a test window.
        count: Number of windows that were followed.
        ticks: Origins of the newest of them: those with an outcome that may still be to come.
    """

    held: int = 0
    tested: bool = False
    count: int = 0
    ticks: np.ndarray = field(default_factory=lambda: np.zeros(0, int))


@dataclass(frozen=True)
class Batch:
    """Some series that are followed together; −1 if a series has no further window.

    Attributes:
        codes: The series, (series,).
        windows: Position of each of their windows among all, held-out ones first, (series,
            windows).
        scored: Position of the window of each moment among the test windows; −1 of a held-out one
            and of the last moment, (series, moments).
        ends: Which moment is the last, that of the newest row, (series,); where more windows are to
            come, there is none.
        moments: Tick of each moment, (series, moments).
        known: How many of the windows are known at each moment and step, those of earlier parts
            among them, (series, moments, horizon).
        past: Of each series.
        pooled: Whether they learn from the scores of all series.
    """

    codes: np.ndarray
    windows: np.ndarray
    scored: np.ndarray
    ends: np.ndarray
    moments: np.ndarray
    known: np.ndarray
    past: tuple[Past, ...]
    pooled: bool

    @property
    def before(self) -> np.ndarray:
        """Number of windows of earlier parts, (series,)."""
        return np.array([past.count for past in self.past])


@dataclass(frozen=True)
class Windows:
    """Test windows and the held-out windows before them, or a part of both.

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
        return self.test.window.lead + 1 + np.arange(self.test.window.horizon)


@dataclass(frozen=True)
class Layout:
    """How the windows of a part belong to series, and to those of earlier parts.

    Attributes:
        windows: Of the part.
        newest: Tick of the newest row of each of the table's series.
        pooled: Whether a series with few held-out windows has a pool to learn from.
        past: What earlier parts have contained, by series.
        more: Whether later windows of the same series follow in another part.
        steps: Which of the horizon are followed.
    """

    windows: Windows
    newest: np.ndarray
    pooled: bool
    past: Mapping[int, Past] = field(default_factory=dict)
    more: bool = False
    steps: slice = field(default_factory=lambda: slice(None))

    @cached_property
    def present(self) -> np.ndarray:
        """Series that this part or one before contains, (series,)."""
        if not self.past:
            return np.unique(self.windows.series)
        return np.union1d(self.windows.series, np.fromiter(self.past, int))

    @cached_property
    def pasts(self) -> tuple[Past, ...]:
        """What earlier parts have contained of each series that is present."""
        return tuple(self.past.get(code, Past()) for code in self.present.tolist())

    @cached_property
    def own_held(self) -> np.ndarray:
        """Number of held-out windows in this part, of each series that is present."""
        place = np.searchsorted(self.present, self.windows.series[: self.windows.count])
        return np.bincount(place, minlength=len(self.present))

    @cached_property
    def enough(self) -> np.ndarray:
        """Whether a present series knows enough held-out outcomes at its first test origin."""
        if not self.pooled:  # then each series learns from its own windows
            return np.ones(len(self.present), bool)
        held = self.own_held + np.array([past.held for past in self.pasts], int)
        return held >= conformal.LEAST + int(self.windows.ahead[-1])

    @cached_property
    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        """Windows by series, held-out ones first, then time; and where each series begins."""
        late = np.arange(len(self.windows.starts)) >= self.windows.count
        order = np.lexsort((self.windows.starts, late, self.windows.series))
        first = np.searchsorted(self.windows.series[order], self.present)
        return order, np.append(first, len(order))

    @cached_property
    def tested(self) -> np.ndarray:
        """Whether a present series has a test window, here or in an earlier part."""
        length = np.diff(self._order[1])
        return (length > self.own_held) | np.array([past.tested for past in self.pasts], bool)

    def own(self, place: int) -> np.ndarray:
        """Return the positions of the held-out windows of a present series, (windows,)."""
        order, first = self._order
        return order[first[place] : first[place] + self.own_held[place]]

    def batches(self, enough: bool, most: int) -> Iterator[Batch]:
        """Deal the series that are to be followed, those of similar length together.

        A series without a test window so far is followed only where one may come, and then as if
        its held-out windows were enough.
        """
        first = self._order[1]
        begin = first[:-1] + (0 if enough else self.own_held)
        length = first[1:] - begin
        wanted = (self.enough | ~self.tested) == enough
        wanted &= (length > 0) if self.more else self.tested
        places = np.flatnonzero(wanted)
        places = places[np.argsort(length[places], kind="stable")]
        while len(places):
            fit = np.maximum.accumulate(length[places] + 1) * (np.arange(len(places)) + 1) <= most
            alone = self.more or self.past  # what is carried differs in length
            count = 1 if alone else max(1, int(fit.sum()))
            yield self._batch(places[:count], begin, length, enough)
            places = places[count:]

    def _batch(
        self, places: np.ndarray, begin: np.ndarray, length: np.ndarray, enough: bool
    ) -> Batch:
        """Lay out some series."""
        order, ends = self._order[0], length[places]
        moment = np.arange(ends.max() + (0 if self.more else 1))
        inside = moment < ends[:, None]  # (series, moments)
        place = np.where(inside, begin[places, None] + moment, 0)
        place = order[place] if len(order) else place
        ticks = (
            np.where(inside, self.windows.ticks[place], 0) if len(order) else np.zeros_like(place)
        )
        moments = np.where(moment == ends[:, None], self.newest[self.present[places], None], ticks)
        # where the held-out windows are too few, following begins with the first test window
        pasts = tuple(
            past if enough or past.tested else Past(past.held)
            for past in (self.pasts[number] for number in places)
        )
        ahead = self.windows.ahead[self.steps]
        known = np.empty((*moments.shape, len(ahead)), np.int32)
        for row, (own, past) in enumerate(zip(inside, pasts, strict=True)):
            origins = np.concatenate([past.ticks, ticks[row, own]])
            # at tick t an outcome of tick t is known, and no later one
            until = moments[row, :, None] - ahead
            known[row] = past.count - len(past.ticks) + np.searchsorted(origins, until, "right")
        known[moment > ends[:, None]] = -1
        return Batch(
            self.present[places],
            np.where(inside, place, -1)[:, : ends.max()],
            np.where(inside & (place >= self.windows.count), place - self.windows.count, -1),
            ends,
            moments,
            known,
            pasts,
            not enough,
        )

    def after(self) -> dict[int, Past]:
        """Return what later parts need to know of the series, this part among the earlier ones."""
        found = dict(self.past)
        for place, (code, past) in enumerate(zip(self.present.tolist(), self.pasts, strict=True)):
            held = past.held + int(self.own_held[place])
            found[code] = replace(past, held=held, tested=bool(self.tested[place]))
        for batch in (*self.batches(True, 1), *self.batches(False, 1)):
            code, past = int(batch.codes[0]), batch.past[0]
            ticks = np.concatenate([past.ticks, batch.moments[0]])
            count = past.count + int(batch.ends[0])
            first = len(ticks) - (count - int(batch.known[0, -1].min()))
            found[code] = replace(found[code], count=count, ticks=ticks[first:])
        return found


def newest(table: Table) -> np.ndarray:
    """Return the tick of the newest row of each series, (series,)."""
    rows, found = windows.origins(table), np.zeros(len(table.names), int)
    found[table.series[rows]] = table.tick[rows]
    return found
