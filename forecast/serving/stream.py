"""Windows to forecast, out of a table that comes piece by piece, in parts of a fixed number."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from forecast.data import clock, windows
from forecast.data.stamps import calendar
from forecast.data.stamps.calendar import Place
from forecast.data.stored.pieces import Piece
from forecast.data.table import Table, stacked
from forecast.data.windows import Window
from forecast.errors import InputError, shown
from forecast.training.forecaster import BATCH
from forecast.vocabulary import CALENDAR

CELLS = 4_000_000
"""Values that a part reads and writes, about; a few copies of them are held at once."""

MOST = 65_536
"""Windows of a part."""

SPACED = 5
"""Rows from one window to the next, at least, where each has rows of its own: of closer windows a
network without memory would forecast all rows between them, which only `history` asks for."""


@dataclass(frozen=True)
class Part:
    """Windows of a table.

    Attributes:
        table: Rows that hold them.
        starts: First input row of each, ascending, (windows,).
    """

    table: Table
    starts: np.ndarray

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.starts)


class Stream:
    """The windows of a table that comes piece by piece.

    Attributes:
        lacking: How many series had no window.
        named: Names of the first of them.
        last: The rows that were looked at last.
    """

    last: Table

    def __init__(self, window: Window, *, history: bool = False, ahead: int = 0):
        """Choose the windows of all rows (`history`), or the newest one of every series.

        `ahead` rows are put behind each series, of which only the calendar is known.
        """
        self.window, self.history, self.ahead = window, history, ahead
        self.lacking = 0
        self.named: list[str] = []
        self._until: int | None = None  # of the open series: tick of the last origin dealt with
        self._had = False  # whether it had a window

    def parts(self, pieces: Iterable[Piece], size: int) -> Iterator[Part]:
        """Yield all windows in parts of so many, the last of what is left."""
        held: list[Part] = []
        for found in self._found(pieces):
            held += [found] * bool(len(found))
            while sum(map(len, held)) >= size:
                every = _together(held)
                yield self._cut(every, slice(size))
                held = [self._cut(every, slice(size, None))] if len(every) > size else []
        if held:
            yield _together(held)

    def _found(self, pieces: Iterable[Piece]) -> Iterator[Part]:
        """Yield the windows of whole series, and of one that goes on those that are certain."""
        left: Table | None = None  # of the last series, which may go on
        for piece in pieces:
            table = piece.table
            if left is not None:
                if piece.late:
                    left = self._with_static(left, table)
                table = joined([left, table])
            first = int(np.searchsorted(table.series, table.series[-1]))
            if first:
                yield self._windows(table.take(slice(first)), ended=True)
            left = named_alone(table.take(slice(first, None)))
            if self.history and len(left) >= self.window.timesteps:
                yield self._windows(left, ended=False)
            left = self._needed(left)
        if left is not None:
            yield self._windows(left, ended=True)

    def _windows(self, table: Table, *, ended: bool) -> Part:
        """List the windows of a table that were not listed before."""
        table = named_alone(table)
        table = behind(table, self.ahead) if self.ahead else table
        self.last = table = table.padded(self.window.timesteps) if ended else table
        starts = (windows.every if self.history else windows.latest)(table, self.window)
        if self._until is not None:
            origin = starts + self.window.timesteps - 1
            starts = starts[(table.series[origin] > 0) | (table.tick[origin] > self._until)]
        has = np.bincount(table.series[starts], minlength=len(table.names)) > 0
        has[0] |= self._had
        if ended:
            lacking = np.flatnonzero(~has)
            self.lacking += len(lacking)
            self.named += [table.names[code] for code in lacking[: 5 - len(self.named)]]
            self._until, self._had = None, False
        else:
            self._had = bool(has[0])
            if (last := self._decided(table)) >= 0:
                self._until = int(table.tick[last])
        return Part(table, starts) if self.history else self._apart(table, starts)

    def _apart(self, table: Table, starts: np.ndarray) -> Part:
        """Give each window rows of its own, and leave out the others."""
        length = self._length(table)
        rows = np.minimum(starts[:, None] + np.arange(length), len(table) - 1)
        return Part(table.take(rows.ravel()), np.arange(len(starts)) * length)

    def _cut(self, part: Part, which: slice) -> Part:
        """Take some windows, and their rows."""
        starts = part.starts[which]
        rows = slice(int(starts[0]), int(starts[-1]) + self._length(part.table))
        return Part(named_alone(part.table.take(rows)), starts - starts[0])

    def _length(self, table: Table) -> int:
        """Return how many rows a window has where it has rows of its own."""
        return max(self.window.span if table.known else self.window.timesteps, SPACED)

    def _decided(self, table: Table) -> int:
        """Return the last row of one series that is no origin of a later window; -1 for none."""
        last = windows.origins(table)[-1:]
        if not table.known or not len(last):
            return int(last[0]) if len(last) else -1
        return min(int(last[0]), len(table) - 1 - self.window.lead - self.window.horizon)

    def _needed(self, table: Table) -> Table:
        """Leave out rows of a series that no later window reads."""
        if not len(windows.origins(table)):  # a later target may make origins of all rows
            first = 0 if self.history else max(0, len(table) - self.window.timesteps)
            return table.take(slice(first, None))
        first = self._decided(table) - self.window.timesteps + 1
        return table.take(slice(max(0, first), None))

    def _with_static(self, before: Table, table: Table) -> Table:
        """Give rows the static values that a later row of their series has stated."""
        if self._until is not None:
            raise InputError(
                "data.static must be stated in the first rows of a series that is too long for the "
                f"memory, got a value in a later row of series {shown(before.names[-1])}: write it "
                "in its first row, or leave out history=true"
            )
        constant = list(table.static)
        inputs = before.inputs.copy()
        inputs[:, constant] = table.inputs[0, constant]
        return replace(before, inputs=inputs)


def joined(tables: Sequence[Table]) -> Table:
    """Put tables behind each other; the last series of one may go on in the next."""
    if len(tables) == 1:
        return tables[0]
    series = []
    names: list[str] = []
    for table in tables:
        same = names[-1:] == list(table.names[:1])
        series.append(table.series + len(names) - same)
        names += table.names[same:]
    return stacked(tables, series, tuple(names))


def _together(parts: Sequence[Part]) -> Part:
    """Put parts behind each other."""
    before = np.cumsum([0, *(len(part.table) for part in parts)])
    starts = [part.starts + first for part, first in zip(parts, before, strict=False)]
    return Part(joined([part.table for part in parts]), np.concatenate(starts))


def named_alone(table: Table) -> Table:
    """Return a table that names no series before its first one or behind its last."""
    if not len(table):
        return replace(table, names=())
    first, last = int(table.series[0]), int(table.series[-1])
    return replace(table, series=table.series - first, names=table.names[first : last + 1])


def behind(table: Table, rows: int) -> Table:
    """Put rows behind every series of which only the calendar is known."""
    last = table.take(np.flatnonzero(np.diff(table.series, append=-1)))
    time = clock.following(last.time, str(table.frequency), rows).ravel()
    labels = [name for name in CALENDAR if {*calendar.columns(name)} <= {*table.features}]
    found, named = calendar.describe(time, labels, Place(table.zone, table.holidays))
    inputs = np.repeat(last.inputs, rows, axis=0)
    for place, name in enumerate(table.features):
        if place not in table.static:
            inputs[:, place] = found[:, named.index(name)] if name in named else np.nan
    return table.then(
        replace(
            last,
            inputs=inputs,
            outputs=np.full((len(inputs), table.outputs.shape[1]), np.nan),
            series=np.repeat(last.series, rows),
            tick=(last.tick[:, None] + np.arange(1, rows + 1)).ravel(),
            time=time,
        )
    )


def size(window: Window, features: int, outputs: int) -> int:
    """Choose how many windows a part has, a power of two; of one model always as many."""
    cells = window.span * features + window.horizon * outputs
    return min(MOST, max(BATCH, 1 << (CELLS // cells).bit_length() - 1 if CELLS > cells else 0))
