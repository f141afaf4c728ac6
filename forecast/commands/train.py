"""`forecast train`: one model, scored beside baselines, tracked."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from forecast.commands import (
    build,
    checkpoints,
    introduce,
    links,
    observe,
    proof,
    recorded,
    resume,
    versions,
)
from forecast.commands.build import Loaded
from forecast.commands.config import Request
from forecast.commands.console import (
    baseline_lines,
    detail_tables,
    interval_line,
    say,
    score_table,
)
from forecast.commands.observe import Observer
from forecast.commands.progress import EpochProgress, during
from forecast.commands.terminal import busy, console
from forecast.commands.tracked import tracking
from forecast.data import task
from forecast.data.address import concealed
from forecast.data.table import Table
from forecast.evaluation import experiment, report
from forecast.evaluation.experiment import Outcome
from forecast.serving import bundle, package
from forecast.tracking import naming, record, registry
from forecast.tracking.epochs import EpochMetrics
from forecast.tracking.journalled import Journalled
from forecast.tracking.run import Run, ending
from forecast.tracking.store import client
from forecast.tracking.tracker import Tracker

OWN = ("evaluation.interval", "evaluation.calibration", "data.path")
"""What only the model is asked, and where a file lies that its digest names: no other baselines."""


def run(request: Request) -> float:
    """Train, score, track; print what came out.

    Args:
        request: The configuration.

    Returns:
        Headline error on the test span, so that Hydra's own sweepers can minimise it.
    """
    settings = request.settings
    tracked, outcome = trained(request)
    score_table(outcome)
    baseline_lines(outcome)
    detail_tables(outcome)
    console.print()
    interval_line(outcome)
    say("run", tracked.id)
    links.show(settings.tracking, tracked.id)
    headline = outcome.test.headline.key
    error = outcome.scores[f"test/{headline}"]
    if settings.register:
        score = {"forecast.score": f"{headline} {error:.6g}"}
        made = registry.register(
            client(settings.tracking.uri), settings.register, tracked.id, score
        )
        say("registered", f"{settings.register} version {made}, {registry.CHALLENGER}")
        say("next", f"forecast promote registered={settings.register}   ·   make ui")
    else:
        say("next", f"forecast predict run={tracked.id}   ·   make ui")
    return error


def trained(
    request: Request,
    *,
    kind: str = "train",
    tags: Mapping[str, str] | None = None,
    relatives: Mapping[str, str] | None = None,
) -> tuple[Journalled, Outcome]:
    """Train, score and track, with a line for each stage.

    Args:
        request: The configuration.
        kind: Of the run.
        tags: More tags of the run.
        relatives: What another run is to this one, to its id.

    Returns:
        The run, ended, and what its experiment found.
    """
    settings = request.settings
    observe.check(settings)
    spec = build.spec(settings)
    with busy("data", "reading"):
        data = build.load(settings)
    cuts = experiment.prepare(spec, data.table)
    say("data", summary(data))
    warn(data.table, cuts.train_rows(data.table), "the training rows")
    name = settings.tracking.run_name or naming.title(spec)
    again = command("train", request.overrides)
    if settings.resume:
        resume.check(settings.resume, Path(settings.tracking.folder), data)
    every = identity(data) | {recorded.COMMAND: again} | dict(tags or {})
    with (
        tracking(settings.tracking, data.name) as tracker,
        ending(begin(tracker, name, data, request, kind, every)) as tracked,
    ):
        epochs = EpochMetrics(tracked)
        observer = Observer(tracked, epochs, settings, spec, data.table, cuts)
        with EpochProgress(spec.training.epochs) as progress:
            outcome = experiment.run(
                spec,
                data.table,
                [progress, observer.callback, epochs],
                cuts=cuts,
                stage=checkpoints.stage(tracked, observer, spec.training.epochs),
            )
            seconds = outcome.seconds["fit"]
            best = outcome.forecaster.best_epoch_
            say("train", f"kept epoch {best} of {spec.training.epochs}, {seconds:.1f} s in all")
        with during("track", "model, leak proof, gates and report"):
            baselines = store_outcome(tracker, tracked, outcome, data, request)
            proof.prove(tracked, outcome, data)
            gates = observer.finish(outcome, name)
            tracked.keep(page(name, outcome, data, tracked.id, again, [gates]), "report.html")
            place = introduce.place(tracker, data.name, baselines, relatives)
            introduce.describe(tracker, tracked, outcome, again, place)
        if not settings.tracking.run_name:
            introduce.rename(tracker.store, tracked, f"{name} · {naming.scored(outcome)}")
        elif kind == "reproduce":
            introduce.rename(tracker.store, tracked, name)
    return tracked, outcome


def begin(
    tracker: Tracker,
    name: str,
    data: Loaded,
    request: Request,
    kind: str,
    tags: Mapping[str, str],
) -> Journalled:
    """Begin a run with what is known before training, or take up an interrupted one.

    Args:
        tracker: Where runs are written.
        name: What people read in the list.
        data: What it sees.
        request: The configuration.
        kind: Of the run.
        tags: Of the run.

    Returns:
        The run.
    """
    settings = request.settings
    if settings.register:
        registry.check(client(settings.tracking.uri), settings.register)
    if settings.resume:
        return tracker.again(settings.resume)
    tracked = tracker.begin(name, kind=kind, tags=tags)
    tracked.params(question(request, data))
    tracked.keep(request.yaml, recorded.CONFIG)  # the last, since no run goes on without it
    return tracked


def store_outcome(
    tracker: Tracker, tracked: Run, outcome: Outcome, data: Loaded, request: Request
) -> dict[str, Run]:
    """Write everything a trained run keeps.

    Args:
        tracker: Where baselines are written.
        tracked: The run.
        outcome: What the experiment found.
        data: What it saw.
        request: The configuration.

    Returns:
        Baseline to its run.
    """
    record.record(tracked, outcome)
    spans = record.lineage(outcome)
    tracked.data(data.name, data.digest, str(data.path), spans)
    tracked.params({"threads_used": outcome.forecaster.threads_})
    same_question = {
        key: value
        for key, value in request.flat.items()
        if key.split(".")[0] in ("data", "window", "split", "evaluation") and key not in OWN
    }
    baselines = record.record_baselines(tracker, outcome, data.name, data.digest, same_question)
    with TemporaryDirectory() as folder:
        facts = {"run_id": tracked.id, "data": data.name, "data_digest": data.digest, **spans}
        plain = Path(folder) / "bundle"
        reach = outcome.intervals.reach if outcome.intervals else None
        bundle.save(plain, outcome.forecaster, data.schema, facts, reach=reach)
        example = package.example(data.frame, data.schema, outcome.spec.window)
        levels = outcome.spec.training.quantiles
        model = package.package(
            Path(folder) / "model", plain, example, levels, interval=reach is not None
        )
        tracked.keep(model, "model")
    return baselines


def page(
    name: str,
    outcome: Outcome,
    data: Loaded,
    run_id: str,
    again: str,
    more: Sequence[tuple[str, str]],
) -> str:
    """Write the report of a run.

    Args:
        name: Of the run.
        outcome: What the experiment found.
        data: What it saw.
        run_id: Of the run.
        again: The command that repeats it.
        more: Sections of other rooms, title and markup.

    Returns:
        One page that needs nothing but itself.
    """
    libraries = {"TensorFlow": "tensorflow", "Keras": "keras", "NumPy": "numpy"}
    code = [f"forecast {version('forecast')} {versions.commit()}".rstrip()]
    code += [f"Python {python_version()}"]
    code += [f"{shown} {version(library)}" for shown, library in libraries.items()]
    known = {
        "data": f"{data.name}, sha256 {data.digest}…",
        "run": run_id,
        "versions": ", ".join(code),
    }
    found = report.sections(outcome, facts=known, command=again)
    return report.page(name, [*found, *more], lead=report.headline(outcome))


def command(name: str, overrides: Iterable[str]) -> str:
    """Write the command that does the same again, without secrets, wherever its runs are kept.

    >>> command("train", ["model=lstm", "data.targets=[temp, dewp]", "tracking.uri=sqlite:///my.db"])
    "forecast train model=lstm 'data.targets=[temp, dewp]'"
    """
    own = ("tracking", "register=")
    kept = [text for text in overrides if not text.lstrip("+~").startswith(own)]
    return concealed(shlex.join(["forecast", name, *kept]))


def question(request: Request, data: Loaded) -> dict[str, Any]:
    """Return the params of a run: the flattened configuration, groups without a say left out."""
    everything = request.flat
    kept = {
        key: value
        for key, value in everything.items()
        if key.split(".")[0] in ("data", "window", "model", "training", "split", "evaluation")
    }
    kept["model"] = kept.pop("model.name")
    kept["data.name"] = data.name
    return kept


def identity(data: Loaded) -> dict[str, str]:
    """Return the tags that say which code saw which data."""
    return versions.tags() | {"forecast.data_digest": data.digest}


def warn(table: Table, rows: np.ndarray, where: str) -> None:
    """Say which events or classes some training rows never show.

    Args:
        table: The data.
        rows: Mask (rows,).
        where: What these rows are called.
    """
    for name in task.lacking(table.outputs[rows], table.targets, table.task):
        say("warning", f"{where} hold no {name}: its probability is learned from nothing")


def summary(data: Loaded) -> str:
    """Say in one line what was read."""
    table = data.table
    names = ", ".join(table.names[:3]) + (" …" if len(table.names) > 3 else "")
    first, last = (str(stamp)[:10] for stamp in (table.time.min(), table.time.max()))
    return (
        f"{data.name}: {len(data.frame):,} rows of {len(table.names)} series ({names}), "
        f"frequency {table.frequency}, {first} to {last}"
    )
