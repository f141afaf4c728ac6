"""Forecasts of rows that memory does not hold: a stream of rows, and of forecasts."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from forecast.data.asked import target_names
from forecast.data.sources.source import Source
from forecast.data.stored.pieces import pieces
from forecast.data.table import Table, listed
from forecast.errors import InputError
from forecast.parallel.pool import HERE, Pool
from forecast.serving import stream, unseen
from forecast.serving.model import Bundle, arrow, refuse_short_history
from forecast.serving.newest import Newest, UnsortedError
from forecast.serving.stream import Part, Stream
from forecast.training.forecaster import BATCH
from forecast.workflows.loaded import shown_size

COPIES = 6
"""Memory of rows that are read at once, in tables of eight bytes a value."""

SURELY = 64
"""Memory that a byte of a file may take, at most; what fits then is not counted."""

MOST = 2**31
"""Memory of rows that are read at once, at most; of more, parts are faster."""

Span = tuple[str | None, str | None]


@dataclass(frozen=True)
class Asked:
    """What is to be forecast.

    Attributes:
        source: New rows.
        history: Whether from every row, or from the newest one of every series.
        span: First and last moment of the rows that count.
        memory: Bytes that may be taken.
        shown: How many series are drawn to be shown.
    """

    source: Source
    history: bool
    span: Span
    memory: int
    shown: int = 12


@dataclass
class Predicted:
    """What a stream of forecasts was.

    Attributes:
        count: Forecasts, each of a horizon.
        lacking: Series without one.
        named: The first of them.
        drawn: Newest rows of the series that were drawn, by their numbers.
        series: Series with a forecast.
        new: Series that training has not seen, and that have none for it.
    """

    count: int = 0
    series: int = 0
    lacking: int = 0
    named: list[str] = field(default_factory=list)
    drawn: dict[int, Table] = field(default_factory=dict)
    new: list[str] = field(default_factory=list)

    def table(self) -> Table:
        """Return the rows of the series that were drawn, in their order."""
        return stream.joined([self.drawn[number] for number in sorted(self.drawn)])


def fits(source: Source, memory: int) -> bool:
    """Tell whether all rows may be read at once."""
    memory = min(memory, MOST)
    if source.size is not None and source.size * SURELY <= memory:
        return True
    rows, columns, bound = 0, source.columns(), source.most()
    if bound is not None and bound * (len(columns) + 3) * 8 * COPIES <= memory:
        return True
    for batch in source.batches(columns[:1]):
        rows += len(batch)
        if rows * (len(columns) + 3) * 8 * COPIES > memory:
            return False
    return True


def refuse_more(source: Source, memory: int) -> None:
    """Refuse more rows than fit, where a forecast may read all rows of a series."""
    if source.size is not None and source.size * SURELY <= memory:
        return
    columns = source.columns()
    rows = sum(len(batch) for batch in source.batches(columns[:1]))
    asked = rows * (len(columns) + 3) * 8 * COPIES
    if asked > memory:
        raise InputError(
            f"data.memory must hold all rows where run= is more than one network, or none, or "
            f"window.horizon another one than in training, got {shown_size(memory)} for {rows:,} "
            f"rows: write data.memory={-(-asked // 2**20)}MiB, or send fewer series at a time"
        )


def in_parts(
    bundle: Bundle,
    asked: Asked,
    put: Callable[[int, pa.Table], None],
    *,
    done: int = 0,
    again: Callable[[], None] | None = None,
    pool: Pool = HERE,
) -> Predicted:
    """Forecast part by part.

    Args:
        bundle: What forecasts.
        asked: What is to be forecast.
        put: Takes the number of a part, and its rows.
        done: So many parts need no forecast.
        again: Forgets all parts, where rows turn out not to be sorted; without it they are sorted
            before anything is forecast.
        pool: Who forecasts the parts.
    """
    if again is not None:
        try:
            return _run(bundle, asked, put, done, pool, sort=False)
        except UnsortedError:
            again()
            done = 0
    return _run(bundle, asked, put, done, pool, sort=True)


def _run(
    bundle: Bundle,
    asked: Asked,
    put: Callable[[int, pa.Table], None],
    done: int,
    pool: Pool,
    *,
    sort: bool,
) -> Predicted:
    """Forecast rows that are sorted, or are to be sorted."""
    schema, window = bundle.schema, bundle.window
    made = schema.known_future and not schema.known_columns
    rows = Newest(schema, window, history=asked.history)
    batches = rows.of(asked.source, asked.memory, asked.span, sort=sort)
    found, draw = Predicted(), _Draw(bundle, asked.shown)
    flow = Stream(window, history=asked.history, ahead=window.lead + window.horizon if made else 0)
    features = bundle.scaler.input_mean.shape[1]
    outputs = len(target_names(schema)[0]) * (3 + len(bundle.quantiles))
    every = flow.parts(pieces(batches, schema), stream.size(window, features, outputs))

    def due() -> Iterator[tuple[int, Part]]:
        for number, part in enumerate(_known(every, bundle, found)):
            draw.look(part)
            found.count += len(part)
            if number >= done:
                yield number, part

    for (number, _), rows in pool.each(_forecast, bundle, due()):
        put(number, rows)
    if not found.count and found.new:
        raise InputError(
            f"data.memory must hold all rows of series that training has not seen, got "
            f"{shown_size(asked.memory)} and no other series than {listed(found.new, 3)}: send "
            "fewer of them at a time, or raise data.memory"
        )
    if not found.count:
        refuse_short_history(flow.last, window, schema.known_columns)
    found.lacking, found.named, found.drawn = flow.lacking, flow.named, draw.rows
    found.series = draw.seen
    return found


def _known(parts: Iterable[Part], bundle: Bundle, found: Predicted) -> Iterator[Part]:
    """Leave out windows of new series where a scale of their own would take all of their rows."""
    for part in parts:
        new = bundle.numbers(part.table.names) >= len(bundle.names)
        if not new.any() or unseen.one_for_all(bundle.scaler):
            yield part
            continue
        series = part.table.series[part.starts]
        named = [part.table.names[code] for code in np.unique(series[new[series]])]
        found.new += [name for name in named if name not in found.new[-1:]]
        if not new[series].all():
            yield Part(part.table, part.starts[~new[series]])


def _forecast(bundle: Bundle, numbered: tuple[int, Part]) -> pa.Table:
    """Forecast a part."""
    number, part = numbered
    # one that is all there is has the batches of a forecast at once
    batch = BATCH if number else min(BATCH, 1 << (len(part) - 1).bit_length())
    values = bundle.forecast_windows(part.table, part.starts, batch)
    return arrow(part.table, part.starts, bundle.window, values)


class _Draw:
    """Series drawn to be shown, by numbers that their own are mixed into."""

    def __init__(self, bundle: Bundle, most: int):
        self._bundle = bundle
        self._most = most
        self._last = -1
        self.seen = 0
        self.rows: dict[int, Table] = {}

    def look(self, part: Part) -> None:
        """Draw among the series of a part too, and keep the newest window of each."""
        series = part.table.series[part.starts]
        last = np.flatnonzero(np.diff(series, append=-1))  # the newest window of each
        number = self._bundle.numbers(part.table.names)[series[last]]
        self.seen += len(number) - (number[0] == self._last)
        self._last = int(number[-1])
        every = np.union1d(number, np.array([*self.rows], int))
        kept = {*every[np.argsort(_mixed(every), kind="stable")[: self._most]].tolist()}
        self.rows = {code: rows for code, rows in self.rows.items() if code in kept}
        for place in np.flatnonzero(np.isin(number, [*kept])):
            first = int(part.starts[last[place]])
            window = self._bundle.window
            length = window.span if part.table.known else window.timesteps
            rows = part.table.take(slice(first, first + length))
            self.rows[int(number[place])] = stream.named_alone(rows)


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Mix numbers, so that the least of them are a draw."""
    found = (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    return (found ^ (found >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
