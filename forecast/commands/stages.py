"""One training, recorded: the fit, then the stages behind it, each of which may fail alone."""

import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from forecast.commands import checkpoints, introduce, proof, versions
from forecast.commands.build import Loaded
from forecast.commands.config import Request
from forecast.commands.console import (
    baseline_lines,
    detail_tables,
    interval_line,
    result_line,
    say,
    score_table,
)
from forecast.commands.observe import Observer
from forecast.commands.progress import EpochProgress, during
from forecast.commands.terminal import busy, console
from forecast.data.address import concealed
from forecast.data.split import Holdout
from forecast.errors import Incomplete, InputError, cause
from forecast.evaluation import experiment, report
from forecast.evaluation.experiment import Outcome, Spec
from forecast.evaluation.stopwatch import Stopwatch
from forecast.serving import bundle, form, package
from forecast.tracking import record
from forecast.tracking.epochs import EpochMetrics
from forecast.tracking.journal import AFTER, EVALUATION, FIT, records, scored
from forecast.tracking.journalled import Journalled
from forecast.tracking.run import Run
from forecast.tracking.tracker import Tracker
from forecast.training.forecaster import Forecaster

OWN = ("data.path",)
"""Where a file lies that its digest names: no other baselines."""

BEHIND_SCORES = tuple(stage for stage in AFTER if stage != "model")
"""Stages that need what the evaluation finds."""

SIGNED = "MLmodel"
"""File of an MLflow model that says what it answers with."""

TRACEBACK = 4_000
"""Characters of a traceback's end that the tag of an error keeps."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Training:
    """A training to record.

    Attributes:
        request: Its configuration.
        data: What it sees.
        spec: What is trained.
        cuts: Where its spans begin.
        name: What pages call it.
        again: The command that repeats it.
        go_on: The command that makes what is missing, to its run.
        final: Name of the run once its scores are known; None leaves the one that it has.
        epochs: None keeps the validation span for stopping; a number learns from it too, as the
            winner of a sweep does.
        relatives: What another run is to this one, to its id.
    """

    request: Request
    data: Loaded
    spec: Spec
    cuts: Holdout
    name: str
    again: str
    go_on: Callable[[Journalled], str]
    final: Callable[[Outcome], str] | None = None
    epochs: int | None = None
    relatives: Mapping[str, str | None] | None = None

    @property
    def refit(self) -> bool:
        """Whether it learns from train and validation alike."""
        return self.epochs is not None

    @cached_property
    def spans(self) -> dict[str, str]:
        """Describe its rows."""
        return record.lineage(self.data.table, self.cuts)


@dataclass
class Recorded:
    """What has become of a training.

    Attributes:
        training: What was to be recorded.
        run: Its run, closed as FAILED where something is missing.
        outcome: What its evaluation found; None where that failed.
        failures: Stages that failed, or were left out since another did, to the reason.
        errors: Each failure for the run's tag.
    """

    training: Training
    run: Journalled
    outcome: Outcome | None = None
    failures: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def attempt(
        self, stages: Sequence[str], doing: str, work: Callable[[], Found], *, again: bool = False
    ) -> Found | None:
        """Do the work of stages, which may fail without an end to the command.

        Args:
            stages: What the work makes; it finishes them only where it is one.
            doing: The work, as in "the evaluation".
            work: Does it.
            again: Whether to do it although all are finished, since others need its result.

        Returns:
            What the work returns; None where it fails, or was finished before.
        """
        due = [stage for stage in stages if stage in self.run.missing()]
        if not due and not again:
            return None
        try:
            made = work()
        except Exception as error:  # whatever it is, model and other stages are worth more
            if not self.run.missing():
                raise
            self._failed(due or stages, doing, error)
            return None
        if stages == due and len(due) == 1:
            self.run.done(due[0])
        return made

    def follow(self, stage: str, other: str) -> None:
        """Count a stage as missing where one that it builds on is."""
        if other in self.failures:
            self.failures[stage] = self.failures[other]

    def show(self) -> None:
        """Print the scores, where there are any."""
        if self.outcome is not None:
            score_table(self.outcome)
            baseline_lines(self.outcome)
            detail_tables(self.outcome)
            console.print()
            result_line(self.outcome)
            interval_line(self.outcome)

    def close(self) -> None:
        """Write what is missing to the run, which then has failed and may be resumed."""
        self.run.tag_missing()
        if self.failures:
            self.run.tags({"forecast.error": "\n\n".join(self.errors)})
            self.run.end("FAILED")

    def complete(self) -> Outcome:
        """Return what the evaluation found.

        Raises:
            Incomplete: Something is missing: what, why, and how to go on.
        """
        if self.outcome is not None and not self.failures:
            return self.outcome
        run_id, reasons = self.run.id, dict[str, list[str]]()
        for stage, why in self.failures.items():
            reasons.setdefault(why, []).append(stage)
        lacking = "; ".join(f"{_listed(stages)} ({why})" for why, stages in reasons.items())
        kept = f"run {run_id} is trained"
        if "model" not in self.failures:
            kept += f" and predicts (`forecast predict run={run_id}`)"
        raise Incomplete(
            f"{kept}, but these are missing: {lacking}: go on with "
            f"`{self.training.go_on(self.run)}`{self._cure()}"
        )

    def _failed(self, stages: Sequence[str], doing: str, error: Exception) -> None:
        """Remember a failure, and log where it comes from for `--verbose`."""
        found = "".join(traceback.format_exception(error))
        logging.getLogger(__name__).debug("%s", concealed(found))
        kind = (
            "" if isinstance(error, InputError) or not str(error) else type(error).__name__ + ": "
        )
        self.failures |= dict.fromkeys(stages, f"{doing} failed, {kind}{cause(error)}")
        head = f"{doing}: {type(error).__name__}: {error}"
        self.errors.append(f"{head}\n{found[-TRACEBACK:]}")

    def _cure(self) -> str:
        """Say what needs less memory, where that was the cause and may still be changed."""
        short = any("MemoryError" in self.failures.get(stage, "") for stage in BEHIND_SCORES)
        told = records(self.run.journal.folder)
        if self.outcome is None and short and self.training.spec.interval and not scored(told):
            return "; with evaluation.interval=null behind it less memory is needed"
        return ""


def before_scores(params: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the settings of the evaluation: until it is written, `resume` may change them."""
    return {key: value for key, value in params.items() if not key.startswith(EVALUATION)}


def record_training(tracker: Tracker, tracked: Journalled, training: Training) -> Recorded:
    """Train, or take up a training that was begun, and do all that follows it.

    The model is kept as soon as the training ends. Whatever fails behind that leaves it, and what
    the other stages make.

    Args:
        tracker: Where baselines are written.
        tracked: The run.
        training: What to train and record.

    Returns:
        What has become of it; the run is closed where something is missing.
    """
    found = Recorded(training, tracked)
    observer, forecaster, watch = _fit(tracked, training)
    try:
        found.attempt(["model"], "writing the model", lambda: _keep_model(found, forecaster))
        found.outcome = found.attempt(
            BEHIND_SCORES,
            "the evaluation",
            lambda: _evaluate(training, forecaster, watch),
            again=True,
        )
        if found.outcome is not None:
            _after(tracker, found, found.outcome, observer)
    except KeyboardInterrupt:
        tracked.tag_missing()
        raise
    found.close()
    return found


def _fit(tracked: Journalled, training: Training) -> tuple[Observer, Forecaster, Stopwatch]:
    """Train, or bring back what an earlier command has trained."""
    epochs = EpochMetrics(tracked)
    spec, settings, table = training.spec, training.request.settings, training.data.table
    observer = Observer(tracked, epochs, settings, spec, table, training.cuts, refit=training.refit)
    count = training.epochs or spec.training.epochs
    stage = checkpoints.stage(tracked, observer, count)
    with EpochProgress(count) as progress:
        callbacks = [progress, observer.callback, epochs]
        began = time.perf_counter()
        forecaster = experiment.fit(
            spec, table, training.cuts, callbacks, epochs=training.epochs, stage=stage
        )
        seconds = time.perf_counter() - began
    if stage.begin is not None and stage.begin.ended:
        seconds, forecaster.threads_ = checkpoints.about_fit(tracked)
    else:
        checkpoints.keep_fit(tracked, observer, forecaster, seconds)
    if FIT in tracked.missing():
        tracked.done(FIT)
    say("train", f"kept epoch {forecaster.best_epoch_} of {count}, {seconds:.1f} s in all")
    return observer, forecaster, Stopwatch({"fit": seconds})


def _evaluate(training: Training, forecaster: Forecaster, watch: Stopwatch) -> Outcome:
    """Score the test span, and say how long that took."""
    with during("evaluate", "test span, baselines and verdicts"):
        return experiment.evaluate(
            training.spec,
            training.data.table,
            training.cuts,
            forecaster,
            refit=training.refit,
            watch=watch,
        )


def _after(tracker: Tracker, found: Recorded, outcome: Outcome, observer: Observer) -> None:
    """Write what an evaluation has found, and study the network."""
    training, tracked = found.training, found.run
    began, lacking = time.perf_counter(), {*tracked.missing()}
    text = "model, leak proof, gates and report"
    with busy("track", text):
        found.attempt(["scores"], "writing the scores", lambda: _scores(found, outcome))
        baselines = found.attempt(
            ["baselines"],
            "writing the baselines",
            lambda: _baselines(tracker, training, outcome),
            again="description" in lacking,
        )
        found.follow("intervals", "model")
        if "intervals" not in found.failures:
            found.attempt(
                ["intervals"], "writing the intervals", lambda: _keep_intervals(found, outcome)
            )
        found.attempt(
            ["leak proof"], "the proof", lambda: proof.prove(tracked, outcome, training.data)
        )
        section = found.attempt(
            ["gates"],
            "the study of the gates",
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
        say("track", f"{text}, {time.perf_counter() - began:.1f} s")


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
    tracked.data(training.data.name, training.data.digest, str(training.data.path), training.spans)
    _send_model(found, interval=False)


def _send_model(found: Recorded, *, interval: bool) -> None:
    """Write the model that MLflow serves: all of it, then what intervals change."""
    training, tracked = found.training, found.run
    with TemporaryDirectory() as folder:
        source, window = tracked.journal.folder / package.NAME, training.spec.window
        model = package.package(
            Path(folder) / "model",
            source,
            package.example(training.data.frame, training.data.schema, window),
            training.spec.training.quantiles,
            interval=interval,
        )
        if interval:  # the weights have arrived before, or arrive first
            for path in [*model.rglob("*")]:
                if path.is_file() and path.name not in (SIGNED, form.FACTS):
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
    settings = found.training.request.flat
    found.run.params({k: v for k, v in settings.items() if k.startswith(EVALUATION)})
    record.record(found.run, outcome)


def _baselines(tracker: Tracker, training: Training, outcome: Outcome) -> dict[str, Run]:
    """Write each baseline as a run of its own, once for each question."""
    same_question = {
        key: value
        for key, value in training.request.flat.items()
        if key.split(".")[0] in ("data", "window", "split", "evaluation") and key not in OWN
    }
    data = training.data
    return record.record_baselines(tracker, outcome, data.name, data.digest, same_question)


def _describe(
    tracker: Tracker, found: Recorded, outcome: Outcome, baselines: Mapping[str, Run]
) -> None:
    """Write what the run is, and call it what it turned out to be."""
    training = found.training
    place = introduce.place(tracker, training.data.name, baselines, training.relatives)
    introduce.describe(tracker, found.run, outcome, training.again, place)
    if training.final is not None:
        introduce.rename(tracker.store, found.run, training.final(outcome))


def page(training: Training, outcome: Outcome, run_id: str, more: Sequence[tuple[str, str]]) -> str:
    """Write the report of a run.

    Args:
        training: What was trained.
        outcome: What the experiment found.
        run_id: Of the run.
        more: Sections of other rooms, title and markup.

    Returns:
        One page that needs nothing but itself.
    """
    libraries = {"TensorFlow": "tensorflow", "Keras": "keras", "NumPy": "numpy"}
    code = [f"forecast {version('forecast')} {versions.commit()}".rstrip()]
    code += [f"Python {python_version()}"]
    code += [f"{shown} {version(library)}" for shown, library in libraries.items()]
    known = {
        "data": f"{training.data.name}, sha256 {training.data.digest}…",
        "run": run_id,
        "versions": ", ".join(code),
    }
    found = report.sections(outcome, facts=known, command=training.again)
    return report.page(training.name, [*found, *more], lead=report.headline(outcome))


def _listed(names: Sequence[str]) -> str:
    """Join names as a sentence does.

    >>> _listed(["scores", "gates", "report"])
    'scores, gates and report'
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
