"""`forecast train`: one model, scored beside baselines, tracked."""

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from forecast.cli import links, recipe, resume
from forecast.cli.config import recorded
from forecast.cli.config.compose import Request
from forecast.cli.console import busy, say, say_left_out, show_outcome
from forecast.cli.progress import TERMINAL
from forecast.data import asked, scale
from forecast.data.fetch import conceal
from forecast.data.table import Table
from forecast.evaluation import experiment
from forecast.evaluation.outcome import Outcome, strongest, validation_error
from forecast.evaluation.preparation import without_window
from forecast.evaluation.significance import wording
from forecast.evaluation.significance.pairs import probability
from forecast.evaluation.survey import Survey
from forecast.tracking.journalled import Journalled
from forecast.tracking.mlflow import pages, registry
from forecast.tracking.mlflow.store import client
from forecast.tracking.run import ending
from forecast.tracking.tracker import Tracker
from forecast.workflows import environment, gates, load, training, workers
from forecast.workflows.load import Loaded
from forecast.workflows.recording import Recorded, Training
from forecast.workflows.training import tracking

FOLDER = "runs"
"""Of runs, where `tracking.folder` names no other."""


def run_train(request: Request) -> float | None:
    """Train, score, track; print what came out."""
    settings = request.settings
    found = trained(request)
    tracked = found.run
    if found.outcome is not None:
        show_outcome(found.outcome)
    say("run", tracked.id)
    links.show(settings.tracking, tracked.id)
    outcome = found.complete()
    if settings.register:
        headline = outcome.test.headline.key
        score = {"forecast.score": f"{headline} {outcome.scores[f'test/{headline}']:.6g}"}
        made = registry.register(
            client(settings.tracking.uri), settings.register, tracked.id, score
        )
        say("registered", f"{settings.register} version {made}, {registry.CHALLENGER}")
        say("next", f"forecast promote registered={settings.register}  ·  forecast ui")
    else:
        say_next(tracked.id, outcome)
    return validation_error(outcome.forecaster, outcome.test.headline)


def say_next(run_id: str, outcome: Outcome | None) -> None:
    """Say how to forecast, and to try something else where a baseline does better."""
    best = strongest(outcome) if outcome else None
    if outcome and best and (verdict := outcome.verdicts.get(best)):
        if wording.word(outcome.scores[f"skill/{best}"], verdict) == "worse":
            better = f"{best} has a smaller error ({probability(verdict.p)})"
            say("next", f"{better}: vary model, window or training, or use {best}")
    say("next", f"forecast predict run={run_id}  ·  forecast ui")


def trained(
    request: Request,
    *,
    kind: str = "train",
    tags: Mapping[str, str] | None = None,
    relatives: Mapping[str, str] | None = None,
    go_on: str | None = None,
) -> Recorded:
    """Train, score and track, with a line for each stage."""
    settings = request.settings
    gates.check_gates(settings)
    workers.check(settings)
    again, tags = command("train", request.overrides), dict(tags or {})
    with busy("data", "reading"):
        data = load.load(settings)
    if kind == "train" and not settings.resume:
        request, data, chosen = recipe.followed(request, data)
        settings, tags = request.settings, tags | chosen
    spec = load.spec(settings)
    with busy("data", "looking through"):
        prepared = experiment.prepare(spec, data.content, memory=load.memory(settings))
    say("data", summary(data))
    if prepared.survey is not None:
        say("data", blocks(prepared.survey))
    if prepared.survey is None:
        say_left_out(without_window(prepared.table, spec.window), spec.window.span)
    warn(prepared.table, prepared.known, "the training rows")
    name = settings.tracking.run_name or pages.title(spec)
    if settings.resume:
        resume.check_same_data(settings.resume, Path(settings.tracking.folder), data)

    def called(outcome: Outcome) -> str:
        return pages.result(name, pages.scored(outcome)) if kind == "train" else name

    every = identity(data) | {recorded.COMMAND: again} | tags
    with (
        tracking(settings.tracking, data.name, TERMINAL) as tracker,
        ending(begin(tracker, name, data, request, kind, every)) as tracked,
    ):
        return training.record_training(
            tracker,
            tracked,
            Training(
                settings=settings,
                params=request.flat,
                data=data,
                prepared=prepared,
                name=name,
                again=again,
                go_on=lambda run: go_on or _resumes(run, settings.tracking.folder),
                final=None if settings.tracking.run_name and kind == "train" else called,
                relatives=relatives,
                progress=TERMINAL,
            ),
        )


def begin(
    tracker: Tracker,
    name: str,
    data: Loaded,
    request: Request,
    kind: str,
    tags: Mapping[str, str],
) -> Journalled:
    """Begin a run with what is known before training, or take up an interrupted one."""
    settings = request.settings
    if settings.register:
        registry.check_registry(client(settings.tracking.uri), settings.register)
    if settings.resume:
        tracked = tracker.again(settings.resume)
        resume.keep_changes(tracked, request)
        return tracked
    tracked = tracker.begin(name, kind=kind, tags=tags)
    tracked.params(training.before_scores(question(request, data)))
    tracked.keep(request.yaml, recorded.CONFIG)  # the last, since no run goes on without it
    return tracked


def _resumes(run: Journalled, folder: str) -> str:
    """Return the command that goes on with a run."""
    elsewhere = f" tracking.folder={shlex.quote(folder)}" if folder != FOLDER else ""
    return f"forecast train resume={run.id}{elsewhere}"


def command(name: str, overrides: Iterable[str]) -> str:
    """Write the command that does the same again, without secrets, wherever its runs are kept.

    >>> command("train", ["model=lstm", "data.targets=[temp, dewp]", "tracking.uri=sqlite:///my.db"])
    "forecast train model=lstm 'data.targets=[temp, dewp]'"
    """
    own = ("tracking", "register=")
    kept = [text for text in overrides if not text.lstrip("+~").startswith(own)]
    return conceal(shlex.join(["forecast", name, *kept]))


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
    return environment.tags() | {"forecast.data_digest": data.digest}


def warn(table: Table, rows: np.ndarray, where: str) -> None:
    """Say what some training rows never show: events, classes, a column's movement.

    Shapes: `rows` (rows,).
    """
    for name in asked.missing_classes(table.outputs[rows], table.targets, table.task):
        say("warning", f"{where} contain no {name}: its probability cannot be learned")
    for column, series in scale.moving_later(table, rows).items():
        if series:
            more = f" and {len(series) - 3} more" if len(series) > 3 else ""
            among = f" of {', '.join(series[:3])}{more}"
            then = "it is scaled as in the other series"
        else:
            among, then = "", "nothing is learned from it, and the model ignores the change"
        say("warning", f"{column}{among} is constant in {where} but varies later: {then}")


def summary(data: Loaded) -> str:
    """Say in one line what was read."""
    names = ", ".join(data.names[:3]) + (" …" if len(data.names) > 3 else "")
    first, last = (str(stamp)[:10] for stamp in data.ends)
    return (
        f"{data.name}: {data.counted} of {len(data.names):,} series ({names}), "
        f"frequency {data.frequency}, {first} to {last}" + load.without_names(data.columns)
    )


def blocks(found: Survey) -> str:
    """Say how a table is read that does not fit the memory."""
    rows, names = len(found.drawn), found.drawn.names
    series = len(np.unique(found.drawn.series))
    return (
        f"larger than data.memory: read in {len(found.learned):,} blocks; baselines learn from "
        f"{rows:,} rows of {series:,} of {len(names):,} series"
    )
