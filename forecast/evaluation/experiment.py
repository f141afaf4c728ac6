"""The one story: fit, score, compare. It knows no tracker and prints nothing."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone

from forecast.data import clock
from forecast.data.scale import Scaled, Scaler
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation import preparation, scores
from forecast.evaluation.baselines import by_name
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals import calibration
from forecast.evaluation.intervals.calibration import Intervals, Spans
from forecast.evaluation.outcome import Outcome as Outcome
from forecast.evaluation.outcome import Spec as Spec
from forecast.evaluation.preparation import Prepared as Prepared
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
    prepared: Prepared | None = None,
    forecaster: Forecaster | None = None,
) -> Outcome:
    """Fit on what lies before the test span, then score the test span beside baselines.

    Args:
        spec: What to do.
        table: The data.
        callbacks: Keras callbacks, called after every epoch.
        prepared: What `prepare` has returned for the same experiment; None prepares it.
        forecaster: Fitted before on what the cuts leave to learn from; None fits one.

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
    return evaluate(prepared, forecaster, watch=watch)


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


def evaluate(
    prepared: Prepared, forecaster: Forecaster, *, watch: Stopwatch | None = None
) -> Outcome:
    """Score the test span: forecasts of the model, its intervals, baselines, verdicts.

    Args:
        prepared: What was trained on what.
        forecaster: Fitted on what the cuts leave to learn from.
        watch: What has measured the stages so far; None begins with this one.

    Returns:
        The outcome.
    """
    watch = watch or Stopwatch()
    watch.begin("score")
    spec, table, cuts, refit = prepared.spec, prepared.table, prepared.cuts, prepared.refit
    season = spec.season or clock.season(table.frequency)
    rows = prepared.scaled(forecaster.scaler_)
    test = score_model(forecaster, rows, prepared.test)
    watch.begin("intervals")
    held = None
    if spec.interval is not None and table.task == "regression" and not refit:
        held = score_model(forecaster, rows, prepared.validation)
    watch.begin("baselines")
    before = test.starts[:0] if held is None else held.starts
    both = by_name.forecasts(
        spec,
        rows,
        prepared.known,
        np.concatenate([before, test.starts]),
        train=prepared.train,
        validation=prepared.validation,
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
        spec=spec,
        table=table,
        cuts=cuts,
        season=season,
        forecaster=forecaster,
        test=test,
        baselines=others,
        scores=own,
        baseline_scores=each,
        verdicts=pairs.verdicts(test, others),
        refit=refit,
        seconds=watch.end(),
        intervals=own_intervals,
        baseline_intervals=around,
    )


def prepare(spec: Spec, table: Table, *, epochs: int | None = None) -> Prepared:
    """Cut the table and make sure of what can be known before training: settings, spans, shapes.

    Args:
        spec: Window and spans.
        table: The data.
        epochs: None keeps the validation span for stopping; a number trains that many epochs on
            training and validation rows alike, as the winner of a sweep does.

    Returns:
        What `run` takes.

    Raises:
        InputError: The model cannot be built, or a span has no window; the message counts rows and
            windows of all three.
    """
    prepared = preparation.prepare(spec, table, epochs=epochs)
    runtime.start(spec.training.threads)  # which keeps TensorFlow, imported next, quiet
    from forecast.training import losses
    from forecast.training.fit import preflight

    losses.check_quantiles(spec.training.quantiles)
    prepared.network = preflight(spec.model, spec.training, table, spec.window)
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
