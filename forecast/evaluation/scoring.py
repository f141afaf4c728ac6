"""Parts of the windows forecast and scored, each wherever it is given to."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from forecast.data.scale import Scaled
from forecast.data.windows import Window
from forecast.evaluation.baselines.by_name import Baselines
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.gathered import Scored, Shown, scored, some
from forecast.evaluation.intervals.calibration import Calibration, Intervals, Spans
from forecast.evaluation.parts import Part
from forecast.evaluation.scales import Scale
from forecast.parallel.pool import Pool
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Training

Piece = tuple[Scaled, Part]
"""Windows of a table, and its rows as a network reads them."""


class Stopwatch:
    """Measure stages, one after the other; `before` are the seconds of earlier ones."""

    def __init__(self, before: Mapping[str, float] | None = None) -> None:
        self._stage: str | None = None
        self._began = 0.0
        self._seconds = dict(before or {})

    def begin(self, stage: str) -> None:
        """End the stage before and begin this one."""
        self.end()
        self._stage, self._began = stage, time.perf_counter()

    def end(self) -> dict[str, float]:
        """End the running stage and return the seconds of all."""
        if self._stage:
            before = self._seconds.get(self._stage, 0.0)  # a stage may be gone on with
            self._seconds[self._stage] = before + time.perf_counter() - self._began
            self._stage = None
        return self._seconds


@dataclass(eq=False)
class Scorer:
    """What scores any windows: all that has been learned.

    Attributes:
        model: Fitted.
        baselines: Those that have learned.
        scale: What errors are divided by.
        held: Whether there are held-out windows, in any part.
        calibration: What puts intervals around the forecasts; None for none.
        watch: Measures what is done in this process.
        alone: Whether one part is all, and calibrates its series of few windows itself.
    """

    model: Forecaster
    baselines: Baselines
    scale: Scale
    held: bool
    calibration: Calibration | None
    watch: Stopwatch
    alone: bool = False
    _scaler: object = field(default=None, init=False)  # of the block that is calibrated

    def forecast(self, piece: Piece) -> dict[str, Spans]:
        """Forecast a part with model and baselines, and its held-out windows; the model is ""."""
        rows, part = piece
        self.watch.begin("score")
        test = score_model(self.model, rows, part.test)
        before = score_model(self.model, rows, part.held) if self.held else None
        found: dict[str, Spans] = {"": (test, before)}
        self.watch.begin("baselines")
        numbers = np.arange(len(rows.table.names)) + rows.table.first_series
        every = self.baselines.forecast(np.concatenate([part.held, part.test]), rows, numbers)
        for name, both in every.items():
            found[name] = both.beside(test), both.beside(before) if before else None
        return found

    def score(self, found: Mapping[str, Spans], piece: Piece) -> Scored:
        """Put intervals around the forecasts of a part, and sum what its scores follow from.

        A part that goes on must follow on the part before it.
        """
        (rows, part), around = piece, dict[str, Intervals]()
        self.watch.begin("intervals")
        if self.calibration is not None:
            if self.alone:
                self.calibration.pool(found)
            if not part.goes_on and rows.scaler is not self._scaler:
                self.calibration, self._scaler = self.calibration.beside(rows.scaler), rows.scaler
            around = self.calibration.put(found, goes_on=part.goes_on, more=part.more)
        self.watch.begin("score")
        return scored({name: test for name, (test, _) in found.items()}, around, self.scale)


@dataclass(frozen=True, eq=False)
class _Away:
    """A scorer in another process, and which of its forecasts are to come back.

    Attributes:
        scorer: What it does.
        shown: The windows that are shown.
        kept: Names of those of which all forecasts come back.
    """

    scorer: Scorer
    shown: Shown
    kept: frozenset[str]


def pieces_scored(
    pool: Pool, scorer: Scorer, pieces: Iterable[Piece], shown: Shown, kept: frozenset[str]
) -> Iterator[Scored]:
    """Score all parts in their order.

    Args:
        pool: Who does the work.
        scorer: What does it.
        pieces: The parts.
        shown: The windows of which all forecasts are needed.
        kept: Forecasters, by name, of which all forecasts of all windows are needed.
    """
    if not pool.apart:
        for piece in pieces:
            yield scorer.score(scorer.forecast(piece), piece)
        return
    away = _Away(scorer, shown, kept)
    for piece, found in pool.each(_work, away, (_cut(piece) for piece in pieces)):
        # what goes on from part to part is followed here, in their order
        yield found if isinstance(found, Scored) else scorer.score(found, piece)


def _work(away: _Away, piece: Piece) -> Scored | dict[str, Spans]:
    """Score a part that has a beginning and an end, or forecast one that has not."""
    found, part = away.scorer.forecast(piece), piece[1]
    if part.goes_on or part.more:
        return found
    made = away.scorer.score(found, piece)
    forecasts, around = dict(made.forecasts), dict(made.around)
    for name, own in made.forecasts.items():
        if name in away.kept:
            continue
        places, _ = away.shown.find(own.table, own.starts)
        forecasts[name] = own.at(own.starts[places])
        if name in around:
            around[name] = some(around[name], places)
    return replace(made, forecasts=forecasts, around=around)


def _cut(piece: Piece) -> Piece:
    """Leave out the series that have no window in a part."""
    rows, part = piece
    table, every = rows.table, np.concatenate([part.held, part.test])
    series = table.series[every]
    first, last = int(series.min()), int(series.max())
    begin, end = np.searchsorted(table.series, [first, last + 1]).tolist()
    own = replace(
        table.take(slice(begin, end)),
        series=table.series[begin:end] - first,
        names=table.names[first : last + 1],
        first_series=table.first_series + first,
        first_row=table.first_row + begin,
    )
    scaler = rows.scaler.part(slice(first, last + 1))
    return Scaled(own, scaler), replace(part, held=part.held - begin, test=part.test - begin)


def score_model(forecaster: Forecaster, rows: Scaled, starts: np.ndarray) -> Forecasts:
    """Forecast some windows.

    Args:
        forecaster: Fitted.
        rows: Standardised by its scale, with those before the scored ones as context.
        starts: The windows, (windows,).

    Returns:
        The forecasts.
    """
    from forecast.training import losses

    window, table = forecaster.window or Window(), rows.table
    levels = tuple((forecaster.training or Training()).quantiles)
    if not levels:
        return Forecasts(table, window, starts, forecaster.predict_windows(rows, starts))
    every = forecaster.predict_quantiles(rows, starts)
    return Forecasts(table, window, starts, losses.point_forecast(every, levels), every, levels)
