"""The one story: fit, score, compare. It knows no tracker and prints nothing."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone

from forecast.data import clock
from forecast.data.blocks import Blocks
from forecast.data.table import Table
from forecast.evaluation import parts, preparation
from forecast.evaluation.baselines import by_name
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.gathered import Gathered, Shown
from forecast.evaluation.intervals.calibration import Calibration, Intervals, steps_apart
from forecast.evaluation.outcome import Outcome as Outcome
from forecast.evaluation.outcome import Spec as Spec
from forecast.evaluation.parts import Part
from forecast.evaluation.preparation import Prepared as Prepared
from forecast.evaluation.preparation import learnable as learnable
from forecast.evaluation.scales import Scale
from forecast.evaluation.scoring import Before, Piece, Scorer, Stopwatch, pieces_scored
from forecast.parallel.pool import HERE, Pool
from forecast.training import runtime
from forecast.training.forecaster import Forecaster

if TYPE_CHECKING:
    from forecast.training.course import Callbacks
    from forecast.training.state import Stage


def run(
    spec: Spec,
    table: Table | Blocks,
    callbacks: "Callbacks" = (),
    *,
    prepared: Prepared | None = None,
    forecaster: Forecaster | None = None,
    whole: bool = False,
) -> Outcome:
    """Fit on what lies before the test span, then score the test span beside baselines.

    Args:
        spec: What to do.
        table: The data; `Blocks` are read part by part where they do not fit the memory.
        callbacks: Keras callbacks, called after every epoch; or a function, as `Forecaster.fit`
            takes it.
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
    callbacks: "Callbacks" = (),
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
    return forecaster.learn(
        prepared.first,
        again=lambda: prepared.learned,
        network=network,
        callbacks=callbacks,
        stage=stage,
    )


Keep = Callable[[Mapping[str, Forecasts], Mapping[str, Intervals]], None]
"""Takes the forecasts of a part by forecaster, and the intervals around them; the model is ""."""


def evaluate(
    prepared: Prepared,
    forecaster: Forecaster,
    *,
    watch: Stopwatch | None = None,
    keep: Keep | None = None,
    whole: bool = False,
    pool: Pool = HERE,
) -> Outcome:
    """Score the test span: forecasts of the model, its intervals, baselines, verdicts.

    Windows are taken in parts of bounded size, of which sums are kept, and the forecasts of those
    that are shown.

    Args:
        prepared: What was trained on what.
        forecaster: Fitted on what the cuts leave to learn from.
        watch: What has measured the stages so far; None begins with this one.
        keep: Is called with all forecasts of each part; None where nobody wants them. Where other
            processes score, it hears of a baseline of more than `parts.KEPT` values nothing.
        whole: Take all windows as one part, and show all.
        pool: Who forecasts and scores the parts.

    Returns:
        The outcome.
    """
    watch = watch or Stopwatch()
    watch.begin("score")
    spec, table, survey = prepared.spec, prepared.table, prepared.survey
    honest = not prepared.refit or forecaster.first_ is not None
    held = prepared.validation if _followed(prepared) and honest else prepared.test[:0]
    drawn, every = prepared.test, [Part(held, prepared.test)]
    if not whole:
        drawn = parts.shown(table, spec.window, prepared.test, prepared.known)
        every = parts.cut(table, spec.window, held, prepared.test)
    scorer = _scorer(prepared, forecaster, held, watch, whole=whole)
    rows, shown = prepared.scaled(forecaster.scaler_), Shown(table, drawn)
    if survey is None and len(every) == 1:
        scorer.alone, pool = True, HERE
    elif scorer.calibration is not None:
        asked = np.concatenate([held, prepared.test])
        some = parts.shown(table, spec.window, asked, prepared.known)
        before, later = (own[np.isin(own, some)] for own in (held, prepared.test))
        scorer.calibration.pool(scorer.forecast((rows, Part(before, later))))
    pieces: Iterable[Piece] = ((rows, part) for part in every)
    if survey is not None:
        pieces = survey.parts(forecaster.scaler_, held=scorer.held)
    kept = _kept(prepared, scorer) if keep is not None else frozenset()
    found = Gathered(scorer.scale, shown)
    for scored in pieces_scored(pool, scorer, pieces, shown, kept):
        if "" not in scored.measured:  # no window of the test span
            continue
        found.take(scored)
        if keep is not None:
            some_of = {name: own for name, own in scored.forecasts.items() if name in kept}
            keep(some_of, scored.ends)
    return found.outcome(
        spec=spec,
        table=table,
        cuts=prepared.cuts,
        season=_season(prepared),
        forecaster=forecaster,
        refit=prepared.refit,
        seconds=watch.end(),
        of_all=None if survey is None else survey.extent,
    )


def _season(prepared: Prepared) -> int:
    """Return the rows of a season."""
    return prepared.spec.season or clock.season(prepared.table.frequency)


def _followed(prepared: Prepared) -> bool:
    """Tell whether there are intervals."""
    return prepared.spec.interval is not None and prepared.table.task == "regression"


def _windows(prepared: Prepared) -> dict[str, int]:
    """Count the windows of validation and test span, of a table of any size."""
    if prepared.survey is not None:
        return prepared.survey.windows
    return {"validation": len(prepared.validation), "test": len(prepared.test)}


def _scorer(
    prepared: Prepared,
    forecaster: Forecaster,
    held: np.ndarray,
    watch: Stopwatch,
    *,
    whole: bool,
) -> Scorer:
    """Let the baselines learn, and return what scores any windows.

    Shapes: `held` (held-out windows,).
    """
    spec, table, survey = prepared.spec, prepared.table, prepared.survey
    scaler, season = forecaster.scaler_, _season(prepared)
    watch.begin("baselines")
    asked = np.concatenate([held, prepared.test]) if survey is None else survey.asked
    baselines = by_name.learn(
        spec,
        prepared.scaled(scaler),
        prepared.known,
        asked,
        train=prepared.train,
        validation=prepared.validation,
        refit=prepared.refit,
        shares=None if survey is None else survey.shares,
    )
    before, first = None, forecaster.first_
    if first is not None and len(held):  # what has not learned the held-out windows
        rows, known = prepared.scaled(first.scaler_), prepared.cuts.train_rows(table)
        learned = by_name.learn(spec, rows, known, asked, validation=prepared.validation)
        before = Before(first, learned, rows)
    watch.begin("score")
    if survey is None:
        train = table.take(prepared.cuts.train_rows(table))
        scale = Scale.of(train, scaler, season)
    else:
        scale = survey.scale(scaler)
    calibration = None
    if spec.interval is not None and _followed(prepared):
        count = _windows(prepared)
        number = count["test"] + (count["validation"] if len(held) else 0)
        apart = 1 if whole else steps_apart(spec.window, number, len(table.targets), season)
        calibration = Calibration(spec.interval, spec.calibration, scaler, apart)
    return Scorer(forecaster, baselines, scale, len(held) > 0, calibration, watch, before=before)


def _kept(prepared: Prepared, scorer: Scorer) -> frozenset[str]:
    """Name the forecasters of which all forecasts are kept: the model, and who has few."""
    values = _windows(prepared)["test"] * prepared.spec.window.horizon * len(prepared.table.targets)
    others = scorer.baselines.learned.items()
    return frozenset(["", *(name for name, own in others if values <= parts.KEPT or own.of_sample)])


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
