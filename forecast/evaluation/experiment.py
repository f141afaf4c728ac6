"""The one story: fit, score, compare. It knows no tracker and prints nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone

from forecast.data import clock
from forecast.data.blocks import Blocks
from forecast.data.scale import Scaled
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation import parts, preparation
from forecast.evaluation.baselines import by_name
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.gathered import Gathered, Shown
from forecast.evaluation.intervals.calibration import (
    Calibration,
    Intervals,
    Spans,
    steps_apart,
)
from forecast.evaluation.outcome import Outcome as Outcome
from forecast.evaluation.outcome import Spec as Spec
from forecast.evaluation.parts import Part
from forecast.evaluation.preparation import Prepared as Prepared
from forecast.evaluation.preparation import learnable as learnable
from forecast.evaluation.scores import Scale
from forecast.training import runtime
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Training

if TYPE_CHECKING:
    import keras

    from forecast.training.state import Stage
import time


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


def run(
    spec: Spec,
    table: Table | Blocks,
    callbacks: Sequence["keras.callbacks.Callback"] = (),
    *,
    prepared: Prepared | None = None,
    forecaster: Forecaster | None = None,
    whole: bool = False,
) -> Outcome:
    """Fit on what lies before the test span, then score the test span beside baselines.

    Args:
        spec: What to do.
        table: The data; `Blocks` are read part by part where they do not fit the memory.
        callbacks: Keras callbacks, called after every epoch.
        prepared: What `prepare` has returned for the same experiment; None prepares it.
        forecaster: Fitted before on what the cuts leave to learn from; None fits one.
        whole: As for `evaluate`.

    Returns:
        The outcome.

    Raises:
        InputError: A span is too short for one window.
    """
    watch = Stopwatch()
    prepared = prepared or prepare(spec, table)
    if forecaster is None:
        watch.begin("fit")
        forecaster = fit(prepared, callbacks)
    return evaluate(prepared, forecaster, watch=watch, whole=whole)


def fit(
    prepared: Prepared,
    callbacks: Sequence["keras.callbacks.Callback"] = (),
    *,
    stage: "Stage | None" = None,
) -> Forecaster:
    """Train on what lies before the test span.

    Args:
        prepared: What to train on what.
        callbacks: As for `run`.
        stage: Checkpoint from which an interrupted training continues, and who saves it; None
            trains in one piece.

    Returns:
        The fitted forecaster.
    """
    spec, training = prepared.spec, prepared.spec.training
    if prepared.epochs is not None:
        training = clone(training).set_params(epochs=prepared.epochs)
    forecaster = Forecaster(spec.model, spec.window, training, scaling=spec.scaling)
    network, prepared.network = prepared.network, None
    return forecaster.learn(prepared.learned, network=network, callbacks=callbacks, stage=stage)


Keep = Callable[[Mapping[str, Forecasts], Mapping[str, Intervals]], None]
"""Takes the forecasts of a part by forecaster, and the intervals around them; the model is ""."""


def evaluate(
    prepared: Prepared,
    forecaster: Forecaster,
    *,
    watch: Stopwatch | None = None,
    keep: Keep | None = None,
    whole: bool = False,
) -> Outcome:
    """Score the test span: forecasts of the model, its intervals, baselines, verdicts.

    Windows are taken in parts of bounded size, of which sums are kept, and the forecasts of those
    that are shown.

    Args:
        prepared: What was trained on what.
        forecaster: Fitted on what the cuts leave to learn from.
        watch: What has measured the stages so far; None begins with this one.
        keep: Is called with all forecasts of each part; None where nobody wants them.
        whole: Take all windows as one part, and show all.

    Returns:
        The outcome.
    """
    watch = watch or Stopwatch()
    watch.begin("score")
    spec, table, survey = prepared.spec, prepared.table, prepared.survey
    season = spec.season or clock.season(table.frequency)
    scaler, rows = forecaster.scaler_, prepared.scaled(forecaster.scaler_)
    around = spec.interval is not None and table.task == "regression"
    held = prepared.validation if around and not prepared.refit else prepared.test[:0]
    shown, every = prepared.test, [Part(held, prepared.test)]
    if not whole:
        shown = parts.shown(table, spec.window, prepared.test, prepared.known)
        every = parts.cut(table, spec.window, held, prepared.test)
    forecasters = _Forecasters(prepared, forecaster, rows, held, watch)
    if survey is None:
        scale = Scale.of(table.take(prepared.cuts.train_rows(table)), scaler, season)
    else:
        scale = survey.scale(scaler)
    found = Gathered(scale, Shown(table, shown))
    calibration, alone = None, survey is None and len(every) == 1
    if spec.interval is not None and around:
        count = len(held) + len(prepared.test)
        if survey is not None:
            kinds = ("validation", "test") if len(held) else ("test",)
            count = sum(survey.windows[kind] for kind in kinds)
        apart = steps_apart(spec.window, 0 if whole else count, len(table.targets), season)
        calibration = Calibration(spec.interval, spec.calibration, scaler, apart)
        if not alone:  # of one part all are the sample
            asked = np.concatenate([held, prepared.test])
            some = parts.shown(table, spec.window, asked, prepared.known)
            before, later = (own[np.isin(own, some)] for own in (held, prepared.test))
            calibration.pool(forecasters.spans(Part(before, later)))
    pairs = ((rows, part) for part in every)
    for block, part in pairs if survey is None else survey.parts(scaler, held=len(held) > 0):
        own = forecasters.spans(part, block)
        watch.begin("intervals")
        ends: dict[str, Intervals] = {}
        if calibration is not None:
            if alone:
                calibration.pool(own)
            codes = None if block is rows else numbers(block.table)
            ends = calibration.put(own, goes_on=part.goes_on, more=part.more, codes=codes)
        if not len(part.test):
            continue
        watch.begin("score")
        forecasts = {name: test for name, (test, _) in own.items()}
        spoken = found.add(forecasts, ends)
        if keep is not None:
            keep(forecasts, spoken)
    return found.outcome(
        spec=spec,
        table=table,
        cuts=prepared.cuts,
        season=season,
        forecaster=forecaster,
        refit=prepared.refit,
        seconds=watch.end(),
        of_all=None if survey is None else survey.extent,
    )


def numbers(block: Table) -> np.ndarray:
    """Number the series of a block among all, (series,)."""
    return np.arange(len(block.names)) + block.first_series


class _Forecasters:
    """The model and all baselines, which have learned, and the clock of what they do."""

    def __init__(
        self,
        prepared: Prepared,
        forecaster: Forecaster,
        rows: Scaled,
        held: np.ndarray,
        watch: Stopwatch,
    ):
        self._model, self._rows, self._watch = forecaster, rows, watch
        self._held = len(held) > 0
        watch.begin("baselines")
        survey = prepared.survey
        self._baselines = by_name.learn(
            prepared.spec,
            rows,
            prepared.known,
            np.concatenate([held, prepared.test]) if survey is None else survey.asked,
            train=prepared.train,
            validation=prepared.validation,
            refit=prepared.refit,
            shares=None if survey is None else survey.shares,
        )

    def spans(self, part: Part, block: Scaled | None = None) -> dict[str, Spans]:
        """Forecast a part, and its held-out windows where there are some in any part."""
        rows = self._rows if block is None else block
        self._watch.begin("score")
        test = score_model(self._model, rows, part.test)
        before = score_model(self._model, rows, part.held) if self._held else None
        found: dict[str, Spans] = {"": (test, before)}
        self._watch.begin("baselines")
        every = self._baselines.forecast(
            np.concatenate([part.held, part.test]), rows, numbers(rows.table)
        )
        for name, both in every.items():
            found[name] = both.beside(test), both.beside(before) if before else None
        return found


def prepare(
    spec: Spec,
    table: Table | Blocks,
    *,
    epochs: int | None = None,
    memory: int | None = None,
) -> Prepared:
    """Cut the table and make sure of what can be known before training: settings, spans, shapes.

    Args:
        spec: Window and spans.
        table: The data; `Blocks` are read part by part where they do not fit the memory.
        epochs: None keeps the validation span for stopping; a number trains that many epochs on
            training and validation rows alike, as the winner of a sweep does.
        memory: Bytes that `Blocks` may take; None means a sixteenth of the machine's.

    Returns:
        What `run` takes.

    Raises:
        InputError: The model cannot be built, or a span has no window; the message counts rows and
            windows of all three.
    """
    prepared = preparation.prepare(spec, table, epochs=epochs, memory=memory)
    runtime.start(spec.training.threads)  # which keeps TensorFlow, imported next, quiet
    from forecast.training import losses
    from forecast.training.fit import preflight

    losses.check_quantiles(spec.training.quantiles)
    prepared.network = preflight(spec.model, spec.training, prepared.table, spec.window)
    return prepared


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
