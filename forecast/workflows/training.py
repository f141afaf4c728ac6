"""Record a training: the fit, then scores, gates, proof and pages, stage by stage."""

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from forecast import process
from forecast.data.fetch import without_secrets
from forecast.errors import InputError, cause
from forecast.evaluation import experiment
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals.calibration import Intervals
from forecast.evaluation.outcome import Outcome
from forecast.evaluation.scoring import Stopwatch
from forecast.parallel.pool import HERE
from forecast.report import run_page
from forecast.serving import bundle, package, schema
from forecast.tracking import folders, record
from forecast.tracking.epochs import EpochMetrics
from forecast.tracking.journal import EVALUATION, FIT
from forecast.tracking.journalled import Journalled
from forecast.tracking.predictions import Predictions
from forecast.tracking.run import Run
from forecast.tracking.tracker import Tracker
from forecast.training.forecaster import Forecaster
from forecast.training.state import Checkpoint, Stage, Turn
from forecast.workflows import describe, environment, load, proof, workers
from forecast.workflows.gates import Observer
from forecast.workflows.load import Loaded
from forecast.workflows.progress import Progress, during
from forecast.workflows.recording import BEHIND_SCORES, Recorded, Training
from forecast.workflows.settings import TrackingConfig

OWN = ("data.path", "data.query", "data.table", "data.memory", *load.DIALECT)
"""Where rows lie that their digest names, and how they are read: no other baselines."""

FORECASTS = "forecasts"
"""Folder of a run's folder, where its forecasts lie until they are kept."""

SIGNED = "MLmodel"
"""File of an MLflow model that says what it answers with."""


def before_scores(params: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the settings of the evaluation: until it is written, `resume` may change them."""
    return {key: value for key, value in params.items() if not key.startswith(EVALUATION)}


def record_training(tracker: Tracker, tracked: Journalled, training: Training) -> Recorded:
    """Train, or take up a training that was begun, and do all that follows it.

    The model is kept as soon as the training ends. Whatever fails behind that leaves it, and what
    the other stages make.
    """
    place = tracked.journal.folder / FORECASTS
    shutil.rmtree(place, ignore_errors=True)  # of a command that was killed
    found = Recorded(training, tracked, Predictions(place))
    observer, forecaster, watch = _fit(tracked, training)
    try:
        found.attempt(["model"], "writing the model", lambda: _keep_model(found, forecaster))
        found.outcome = found.attempt(
            BEHIND_SCORES,
            "the evaluation",
            lambda: _evaluate(found, forecaster, watch),
            again=True,
        )
        if found.outcome is not None:
            _after(tracker, found, found.outcome, observer)
    except KeyboardInterrupt:
        tracked.tag_missing()
        raise
    finally:
        shutil.rmtree(place, ignore_errors=True)
    found.close()
    return found


def _fit(tracked: Journalled, training: Training) -> tuple[Observer, Forecaster, Stopwatch]:
    """Train, or bring back what an earlier command has trained."""
    import keras

    epochs = EpochMetrics(tracked)
    prepared = training.prepared
    observer = Observer(tracked, epochs, training.settings, prepared, say=training.progress.say)
    chosen = prepared.spec.training
    count = prepared.epochs or chosen.epochs
    turns = Turn.all(chosen.seeds, refit=chosen.refit and prepared.epochs is None)
    stage = begin_stage(tracked, observer, count, turns, training.progress)
    with training.progress.epochs(count) as progress:

        def callbacks(turn: Turn) -> list[keras.callbacks.Callback]:
            if len(turns) == 1:
                return [progress, observer.callback, epochs]
            told = keras.callbacks.LambdaCallback(
                on_train_begin=lambda _: training.progress.say("train", str(turn))
            )
            if turn.name:
                return [told, progress, EpochMetrics(tracked, turn.name)]
            return [told, progress, observer.callback, epochs]

        began = time.perf_counter()
        forecaster = experiment.fit(prepared, callbacks, stage=stage)
        seconds = time.perf_counter() - began
    if stage.begin is not None and stage.begin.ended:
        seconds, forecaster.threads_ = about_fit(tracked)
    else:
        keep_fit(tracked, observer, forecaster, stage, seconds)
    if FIT in tracked.missing():
        tracked.done(FIT)
    kept = ", ".join(map(str, forecaster.best_epochs_))
    best = f"best epoch {kept} of {count}, {seconds:.1f} s in total"
    last = forecaster.best_epoch_ == count > 1 and not forecaster.averaged_[0]
    if last and prepared.epochs is None:
        best += f"; it was the last: more may find more (training.epochs={2 * count})"
    training.progress.say("train", best)
    return observer, forecaster, Stopwatch({"fit": seconds})


def _evaluate(found: Recorded, forecaster: Forecaster, watch: Stopwatch) -> Outcome:
    """Score the test span, keep all forecasts, and say how long that took."""
    prepared, kept = found.training.prepared, found.predictions
    count, done = prepared.spans()[-1].windows, 0
    with during(found.training.progress, "evaluate", "test span, baselines and verdicts") as show:

        def keep(forecasts: Mapping[str, Forecasts], around: Mapping[str, Intervals]) -> None:
            nonlocal done
            kept.put(forecasts, around)
            done += len(forecasts[""].starts)
            show(f"{done / count:.0%}")

        with workers.pool(found.training.settings) if prepared.large else nullcontext(HERE) as pool:
            outcome = experiment.evaluate(prepared, forecaster, watch=watch, keep=keep, pool=pool)
        kept.close()
    return outcome


def _after(tracker: Tracker, found: Recorded, outcome: Outcome, observer: Observer) -> None:
    """Write what an evaluation has found, and study the network."""
    training, tracked = found.training, found.run
    began, lacking = time.perf_counter(), {*tracked.missing()}
    text = "saved model, leakage test, gates and report"
    with training.progress.busy("track", text):
        found.attempt(["scores"], "writing the scores", lambda: _scores(found, outcome))
        baselines = found.attempt(
            ["baselines"],
            "writing the baselines",
            lambda: _baselines(tracker, found, outcome),
            again="description" in lacking,
        )
        found.follow("intervals", "model")
        if "intervals" not in found.failures:
            found.attempt(
                ["intervals"], "writing the intervals", lambda: _keep_intervals(found, outcome)
            )
        found.attempt(
            ["leak proof"],
            "the leakage test",
            lambda: proof.prove(tracked, outcome, training.drawn, say=training.progress.say),
        )
        section = found.attempt(
            ["gates"],
            "the analysis of the gates",
            lambda: observer.finish(outcome, training.name),
            again="report" in lacking,
        )

        def report_with(sections: Sequence[tuple[str, str]]) -> None:
            tracked.keep(page(training, outcome, tracked.id, sections), "report.html")

        def describe(runs: Mapping[str, Run]) -> None:
            _describe(tracker, found, outcome, runs)

        # what lacks a part is written as well, and once more when that is there
        report, description = ["report"], ["description"]
        report += [] if section else ["gates"]
        description += [] if baselines is not None else ["baselines"]
        found.attempt(report, "the report", lambda: report_with([section] if section else []))
        found.attempt(description, "the description", lambda: describe(baselines or {}))
        found.follow("report", "gates")
        found.follow("description", "baselines")
    if not found.failures:
        training.progress.say("track", f"{text}, {time.perf_counter() - began:.1f} s")


def _keep_model(found: Recorded, forecaster: Forecaster) -> None:
    """Write the bundle, which predicts from then on, and send it as MLflow's model."""
    training, tracked = found.training, found.run
    folder = tracked.journal.folder / package.NAME
    if not folder.is_dir():
        facts = {
            "run_id": tracked.id,
            "data": training.data.name,
            "data_digest": training.data.digest,
            **training.spans,
        }
        fresh = folder.with_name(f"{folder.name}.new")
        bundle.save(fresh, forecaster, training.data.schema, facts)
        fresh.rename(folder)  # so that it is whole once it is there
    tracked.params({"threads_used": forecaster.threads_})
    if training.prepared.survey is not None:  # which decides about the order of the windows
        tracked.params({load.MEMORY: load.memory(training.settings)})
    tracked.data(training.data.name, training.data.digest, training.data.place, training.spans)
    _send_model(found, interval=False)


def _send_model(found: Recorded, *, interval: bool) -> None:
    """Write the model that MLflow serves: all of it, then what intervals change."""
    training, tracked = found.training, found.run
    with TemporaryDirectory() as folder:
        source, window = tracked.journal.folder / package.NAME, training.spec.window
        model = package.package(
            Path(folder) / "model",
            source,
            package.example(training.drawn.raw.frame, training.data.schema, window),
            training.spec.training.quantiles,
            interval=interval,
        )
        if interval:  # the weights have arrived before, or arrive first
            inside = package.INSIDE / schema.INTERVALS
            if (model / inside).is_file():  # else an older version has begun the run
                tracked.keep(model / inside, f"model/{inside}")  # before the facts that name it
            for path in [*model.rglob("*")]:
                if path.is_file() and path.name not in (SIGNED, schema.FACTS):
                    path.unlink()
        tracked.keep(model, "model")


def _keep_intervals(found: Recorded, outcome: Outcome) -> None:
    """Give the forecasts of the bundle the intervals that the evaluation has calibrated."""
    if outcome.intervals is None:
        return
    folder = found.run.journal.folder / package.NAME
    bundle.add_intervals(folder, outcome.intervals.reach)
    _send_model(found, interval=True)


def _scores(found: Recorded, outcome: Outcome) -> None:
    """Write the settings of the evaluation, then scores, forecasts and pictures."""
    settings = found.training.params
    found.run.params({k: v for k, v in settings.items() if k.startswith(EVALUATION)})
    record.record(found.run, outcome, found.predictions)


def _baselines(tracker: Tracker, found: Recorded, outcome: Outcome) -> dict[str, Run]:
    """Write each baseline as a run of its own, once for each question."""
    training = found.training
    same_question = {
        key: value
        for key, value in training.params.items()
        if key.split(".")[0] in ("data", "window", "split", "evaluation") and key not in OWN
    }
    data = training.data
    about = record.Question(data.name, data.digest, same_question)
    return record.record_baselines(tracker, outcome, about, found.predictions)


def _describe(
    tracker: Tracker, found: Recorded, outcome: Outcome, baselines: Mapping[str, Run]
) -> None:
    """Write what the run is, and call it what it turned out to be."""
    training = found.training
    place = describe.place(tracker, training.data, baselines, training.relatives)
    describe.describe(tracker, found.run, outcome, training.again, place)
    if training.final is not None:
        describe.rename(tracker.store, found.run, training.final(outcome))


def page(training: Training, outcome: Outcome, run_id: str, more: Sequence[tuple[str, str]]) -> str:
    """Write the report of a run."""
    known = provenance(training.data, run_id)
    found = run_page.sections(outcome, facts=known, command=training.again, more=more)
    return run_page.page(training.name, found, run_page.head(outcome))


def provenance(data: Loaded, run_id: str) -> dict[str, str]:
    """Say which code saw which data, as a report ends."""
    libraries = {"TensorFlow": "tensorflow", "Keras": "keras", "NumPy": "numpy"}
    code = [f"forecast {version(process.DISTRIBUTION)} {environment.commit()}".rstrip()]
    code += [f"Python {python_version()}"]
    code += [f"{shown} {version(library)}" for shown, library in libraries.items()]
    return {
        "data": f"{data.name}, sha256 {data.digest}…",
        "run": run_id,
        "versions": ", ".join(code),
    }


@contextmanager
def tracking(settings: TrackingConfig, data: str, progress: Progress) -> Iterator[Tracker]:
    """Open the place of the runs; say once if the server is away."""
    folder = _made(Path(settings.folder))
    try:
        tracker = Tracker(settings.uri, settings.experiment or data, folder)
    except InputError:
        with suppress(OSError):
            folder.rmdir()  # which removes what is empty
        raise
    warned = tracker.trouble is not None
    where = without_secrets(settings.uri)
    if warned:
        progress.say(
            "warning",
            f"{where} does not answer ({tracker.trouble}): the run is kept in {settings.folder}/ "
            "and sent by the next command, or by `forecast sync`",
        )
    try:
        yield tracker
    except KeyboardInterrupt:
        # its runs of baselines are newer than the one that can be resumed
        own = (one for one in folders.runs(folder) if one.local_id in tracker.begun)
        if left := next((one for one in own if one.resumable), None):
            progress.say("resume", f"forecast train resume={left.run_id or left.local_id}")
        raise
    finally:
        tracker.close()
        for name, why in tracker.refused.items():
            kept = f"what was not sent stays in {settings.folder}/{name}"
            progress.say("warning", f"{where} rejects run {name} permanently ({why}): {kept}")
        if tracker.waiting and not warned:
            progress.say(
                "warning",
                f"{where} has not received everything ({tracker.trouble or 'it is slow'}): the "
                f"rest of {', '.join(tracker.waiting)} is kept in {settings.folder}/ and sent by "
                "the next command, or by `forecast sync`",
            )


def _made(folder: Path) -> Path:
    """Make the folder of runs, before a store is asked for anything."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError("it may not be written")
    except OSError as error:
        raise InputError(
            f"tracking.folder must be a folder that can be written, got {str(folder)!r} "
            f"({cause(error.strerror or error)}): name another"
        ) from error
    return folder


ABOUT = "fit"
"""Name of what is kept of a fit beside its weights: seconds and threads, as JSON."""


def begin_stage(
    tracked: Journalled,
    observer: Observer,
    epochs: int,
    turns: Sequence[Turn],
    progress: Progress,
) -> Stage:
    """Save the training state after every epoch, and resume from it."""
    left = tracked.last_checkpoint()
    begin = None
    if left is not None:
        observer.resume(left)
        begin = Checkpoint.read(left)
        if begin.ended:
            lacking = ", ".join(tracked.missing())
            progress.say("resume", f"the training is finished; missing: {lacking}")
        else:
            reached = f"after epoch {begin.epochs} of {epochs}"
            if len(turns) > 1:
                reached = f"{turns[len(begin.before)]}, {reached}"
            progress.say("resume", f"{reached}; your own callbacks start over")

    def keep(reached: Checkpoint) -> None:
        # gates are watched in the first training, which is over in those behind it
        seen = observer.whole() if reached.before else observer.state()
        tracked.checkpoint(reached.arrays() | seen)

    return Stage(epochs, begin, keep)


def keep_fit(
    tracked: Journalled, observer: Observer, forecaster: Forecaster, stage: Stage, seconds: float
) -> None:
    """Keep a finished training: its weights, and what the stages behind it need to know of it."""
    about = {"seconds": seconds, "threads": forecaster.threads_}
    over = {} if stage.over is None else stage.over.arrays()
    tracked.checkpoint(over | observer.whole() | {ABOUT: np.array(json.dumps(about))})
    tracked.done(FIT)


def about_fit(tracked: Journalled) -> tuple[float, int]:
    """Return the seconds and threads of a finished fit, which `keep_fit` has kept."""
    about = json.loads(str((tracked.last_checkpoint() or {})[ABOUT]))
    return about["seconds"], about["threads"]
