"""The one story: fit, score, compare. It knows no tracker and prints nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from forecast.data import clock, windows
from forecast.data.scale import Scaler
from forecast.data.split import Cut, Holdout
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation import preparation, scores
from forecast.evaluation.baselines import rivals
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals import calibration
from forecast.evaluation.intervals.calibration import Intervals, Spans
from forecast.evaluation.preparation import learnable as learnable
from forecast.evaluation.significance import pairs
from forecast.evaluation.significance.pairs import Verdict
from forecast.evaluation.stopwatch import Stopwatch
from forecast.training import runtime
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training

if TYPE_CHECKING:
    import keras

    from forecast.training.state import Stage


@dataclass(frozen=True)
class Spec:
    """Everything an experiment depends on, beside the table.

    Attributes:
        model: Architecture.
        window: Shape of a sample.
        training: How to train.
        scaling: "series" or "global".
        validation: Span that stops training, before the test span.
        test: Span at the end, scored once.
        season: Rows of a season; None follows from the frequency.
        baselines: Beside persistence and seasonal naive, which are always there: rules, boosted
            trees and classical models by name.
        regressors: Baselines on the flattened window: name in scikit-learn to its settings. Of a
            ridge without an alpha it is chosen on the validation windows.
        interval: Share of the truth that prediction intervals are to cover; None for none.
        calibration: How they are made: "split", "cqr" or "adaptive".
    """

    model: Model
    window: Window
    training: Training
    scaling: str = "series"
    validation: Cut = 0.1
    test: Cut = 0.2
    season: int | None = None
    baselines: tuple[str, ...] = ("boosted_trees",)
    regressors: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"ridge": {}})
    interval: float | None = 0.9
    calibration: str = "adaptive"


@dataclass(frozen=True)
class Outcome:
    """What an experiment found.

    Attributes:
        spec: What was asked.
        table: The data.
        cuts: Where validation and test began.
        season: Rows of a season.
        forecaster: The fitted estimator.
        test: Forecasts of every test window, by the model.
        baselines: The same by each baseline.
        scores: Final metrics of the model, by name.
        baseline_scores: Final metrics of each baseline, by name.
        verdicts: Whether the model is better than each baseline, by name.
        refit: Whether it learned from train and validation alike, without stopping.
        seconds: How long each stage took.
        intervals: Around the test forecasts; None for probabilities, where none were asked for, and
            where too little is known, as in a refit with few test windows.
        baseline_intervals: Around those of each baseline, by the same method.
    """

    spec: Spec
    table: Table
    cuts: Holdout
    season: int
    forecaster: Forecaster
    test: Forecasts = field(repr=False)
    baselines: dict[str, Forecasts] = field(repr=False)
    scores: dict[str, float]
    baseline_scores: dict[str, dict[str, float]]
    verdicts: dict[str, Verdict]
    refit: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    intervals: Intervals | None = field(default=None, repr=False)
    baseline_intervals: dict[str, Intervals] = field(default_factory=dict, repr=False)

    def _repr_html_(self) -> str:
        """Show the scores in a notebook as the report of a run does."""
        from forecast.evaluation.report import scoreboard

        return f"<p>{escape(scoreboard.headline(self))}</p>{scoreboard.section(self)}"


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
        stage: From where an interrupted training goes on, and who keeps where it stands; None
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
    both = rivals.forecasts(
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
