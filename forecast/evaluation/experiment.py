"""The one story: fit, score, compare. It knows no tracker and prints nothing."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone

from forecast.data import clock, windows
from forecast.data.scale import Scaler
from forecast.data.split import Holdout
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation import preparation, scores
from forecast.evaluation.baselines import by_name
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals import calibration
from forecast.evaluation.intervals.calibration import Intervals, Spans
from forecast.evaluation.outcome import Outcome as Outcome
from forecast.evaluation.outcome import Spec as Spec
from forecast.evaluation.preparation import learnable as learnable
from forecast.evaluation.significance import pairs
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
    table: Table,
    callbacks: Sequence["keras.callbacks.Callback"] = (),
    *,
    epochs: int | None = None,
    cuts: Holdout | None = None,
    forecaster: Forecaster | None = None,
    stage: "Stage | None" = None,
) -> Outcome:
    """Fit on what lies before the test span, then score the test span beside baselines.

    Args:
        spec: What to do.
        table: The data.
        callbacks: Keras callbacks, called after every epoch.
        epochs: None keeps the validation span for stopping; a number trains that many epochs on
            training and validation rows alike, as the winner of a sweep does.
        cuts: What `prepare` has returned, where it was called before.
        forecaster: Fitted before on what the cuts leave to learn from; None fits one.
        stage: Checkpoint from which an interrupted training goes on, and who saves it; None
            trains in one piece.

    Returns:
        The outcome.

    Raises:
        InputError: A span is too short for one window.
    """
    watch = Stopwatch()
    cuts = cuts or prepare(spec, table)
    if forecaster is None:
        watch.begin("fit")
        forecaster = fit(spec, table, cuts, callbacks, epochs=epochs, stage=stage)
    return evaluate(spec, table, cuts, forecaster, refit=epochs is not None, watch=watch)


def fit(
    spec: Spec,
    table: Table,
    cuts: Holdout,
    callbacks: Sequence["keras.callbacks.Callback"] = (),
    *,
    epochs: int | None = None,
    stage: "Stage | None" = None,
) -> Forecaster:
    """Train on what lies before the test span.

    Args:
        spec: What to train.
        table: The data.
        cuts: Where its spans begin.
        callbacks: As for `run`.
        epochs: Likewise.
        stage: Likewise.

    Returns:
        The fitted forecaster.
    """
    training, (rows, tail) = spec.training, learnable(table, cuts)
    if epochs is not None:
        training, tail = clone(training).set_params(epochs=epochs), 0
    forecaster = Forecaster(spec.model, spec.window, training, scaling=spec.scaling)
    return forecaster.fit(table, rows=rows, tail=tail, callbacks=callbacks, stage=stage)


def evaluate(
    spec: Spec,
    table: Table,
    cuts: Holdout,
    forecaster: Forecaster,
    *,
    refit: bool = False,
    watch: Stopwatch | None = None,
) -> Outcome:
    """Score the test span: forecasts of the model, its intervals, baselines, verdicts.

    Args:
        spec: What was trained.
        table: The data.
        cuts: Where its spans begin.
        forecaster: Fitted on what the cuts leave to learn from.
        refit: Whether it learned from train and validation alike.
        watch: What has measured the stages so far; None begins with this one.

    Returns:
        The outcome.
    """
    watch = watch or Stopwatch()
    watch.begin("score")
    season = spec.season or clock.season(table.frequency)
    test = score_model(forecaster, table, starts=cuts.scored(table, spec.window))
    watch.begin("intervals")
    held = None if refit else hold_out(spec, forecaster, test, cuts)
    watch.begin("baselines")
    learned = cuts.learned_rows(table) if refit else cuts.train_rows(table)
    before = test.starts[:0] if held is None else held.starts
    both = by_name.forecasts(
        spec,
        table,
        learned,
        forecaster.scaler_,
        np.concatenate([before, test.starts]),
        validation=windows.starts(table, spec.window, within=cuts.validation_rows(table)),
        refit=refit,
    )
    others = {name: found.beside(test) for name, found in both.items()}
    watch.begin("intervals")
    spans: dict[str, Spans] = {"": (test, held)}
    for name, found in both.items():
        spans[name] = others[name], found.beside(held) if held else None
    around = put_intervals(spec, spans, forecaster.scaler_)
    own_intervals = around.pop("", None)
    watch.begin("baselines")
    train = table.take(cuts.train_rows(table))
    own, each = scores.beside(test, others, train, forecaster.scaler_, season)
    own = scores.calibrated(own, test, own_intervals)
    for name, found in others.items():
        each[name] = scores.calibrated(each[name], found, around.get(name))
    return Outcome(
        spec,
        table,
        cuts,
        season,
        forecaster,
        test,
        others,
        own,
        each,
        pairs.verdicts(test, others),
        refit,
        watch.end(),
        own_intervals,
        around,
    )


def prepare(spec: Spec, table: Table) -> Holdout:
    """Cut the table and make sure of what can be known before training: settings, spans, shapes.

    Args:
        spec: Window and spans.
        table: The data.

    Returns:
        Where validation and test begin.

    Raises:
        InputError: The model cannot be built, or a span has no window; the message counts rows and
            windows of all three.
    """
    cuts = preparation.prepare(spec, table)
    runtime.start(spec.training.threads)  # which keeps TensorFlow, imported next, quiet
    from forecast.training import losses
    from forecast.training.fit import preflight

    losses.check_quantiles(spec.training.quantiles)
    preflight(spec.model, spec.training, table, spec.window)
    return cuts


def score_model(forecaster: Forecaster, table: Table, *, starts: np.ndarray) -> Forecasts:
    """Forecast some windows.

    Args:
        forecaster: Fitted.
        table: Rows, with those before the scored ones as context.
        starts: The windows, (windows,).

    Returns:
        The forecasts.
    """
    from forecast.training import losses

    window = forecaster.window or Window()
    levels = tuple((forecaster.training or Training()).quantiles)
    if not levels:
        return Forecasts(table, window, starts, forecaster.predict_windows(table, starts))
    every = forecaster.predict_quantiles(table, starts)
    return Forecasts(table, window, starts, losses.point_forecast(every, levels), every, levels)


def hold_out(
    spec: Spec, forecaster: Forecaster, test: Forecasts, cuts: Holdout
) -> Forecasts | None:
    """Forecast the validation windows, which intervals are calibrated on.

    Args:
        spec: Whether there are to be intervals.
        forecaster: Fitted on other rows.
        test: Its forecasts of the test windows.
        cuts: Where the validation span lies.

    Returns:
        The forecasts; None where no intervals are asked for, or the table has no values.
    """
    table = test.table
    if spec.interval is None or table.task != "regression":
        return None
    starts = windows.starts(table, spec.window, within=cuts.validation_rows(table))
    return score_model(forecaster, table, starts=starts)


def put_intervals(spec: Spec, spans: Mapping[str, Spans], scaler: Scaler) -> dict[str, Intervals]:
    """Put intervals around the test forecasts of model and baselines, all by one method.

    Args:
        spec: What to cover, and how.
        spans: Name to test and validation forecasts; None for those of a refit, which has learned
            from the validation span.
        scaler: Of the model.

    Returns:
        Name to intervals, where there are some.
    """
    test = next(iter(spans.values()))[0]
    if spec.interval is None or test.table.task != "regression":
        return {}
    return calibration.calibrate_all(spans, scaler, spec.interval, spec.calibration)
