"""`forecast sweep`: a grid over time-ordered folds, resumable, with a leaderboard."""

import shlex
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np

from forecast import metrics, process
from forecast.cli import links, recipe
from forecast.cli.commands import train
from forecast.cli.config.compose import Request
from forecast.cli.config.recorded import CONFIG
from forecast.cli.console import busy, console, print_table, say, show_outcome
from forecast.cli.progress import TERMINAL, TrialProgress
from forecast.errors import InputError, nearest
from forecast.evaluation import experiment
from forecast.evaluation.outcome import Outcome, headline
from forecast.evaluation.significance import wording
from forecast.report import comparison
from forecast.search import candidates, leaderboard, space, strategies
from forecast.search import plan as plans
from forecast.search import sweep as sweeps
from forecast.search.candidates import Builder, Composed
from forecast.search.leaderboard import Standing
from forecast.search.ledger import Ledger, bury
from forecast.search.plan import Plan
from forecast.search.strategies import Everything, Halving, Strategy, Tpe
from forecast.search.sweep import Finished
from forecast.tracking import folders
from forecast.tracking.mlflow import pages
from forecast.tracking.mlflow.client import RetryingClient
from forecast.tracking.mlflow.direct import DirectRun
from forecast.tracking.mlflow.store import Store, no_retries
from forecast.tracking.run import ending
from forecast.vocabulary import RESOURCES, STRATEGIES
from forecast.workflows import describe, gates, load, standings
from forecast.workflows.load import Loaded
from forecast.workflows.recording import Training
from forecast.workflows.settings import SweepConfig
from forecast.workflows.training import before_scores, provenance, record_training, tracking

POLL = 1.0
"""Seconds between two looks at what another driver does."""


@no_retries()  # the ledger asks again itself
def run_sweep(request: Request) -> float:
    """Run what is missing of a sweep, rank it, refit the winner and score it once on test."""
    settings = request.settings
    gates.check_gates(settings)
    with busy("data", "reading"):
        data = load.load(settings, whole=True)
    say("data", train.summary(data))
    builder = Builder(_compose(request, data))
    strategy = _strategy(settings.sweep, builder)
    plan = Plan(
        strategy,
        builder.tables,
        data.digest,
        settings.sweep.folds,
        settings.sweep.seeds,
        settings.sweep.workers,
        settings.sweep.scheduler,
    )
    plans.check_plan(plan)
    for number, fold in enumerate(plan.parts, start=1):
        learned = (data.table.time >= fold.first) & (data.table.time < fold.cut)
        train.warn(data.table, learned, f"the training rows of fold {number}")
    # others read the ledger meanwhile, so it is written directly and its server must be there
    store = Store(settings.tracking.uri, settings.tracking.experiment or data.name)
    store.client = RetryingClient(store.client, settings.tracking.uri)
    name = settings.tracking.run_name or _title(settings.sweep, strategy)
    tags = {"forecast.version": version(process.DISTRIBUTION), "forecast.data_digest": data.digest}
    ledger = Ledger.open(store, plans.key(plan), name, tags, resume=settings.sweep.resume)
    with ending(ledger.parent) as parent:
        parent.keep(request.yaml, CONFIG)
        with TrialProgress(strategy.most * plan.folds * plan.seeds) as progress:
            finished = sweeps.run_sweep(plan, ledger, progress)
        run_id, outcome = _report(name, ledger, finished, data, request)
    say("sweep", parent.id)
    say("run", run_id)
    links.show(settings.tracking, run_id, parent.id)
    train.say_next(run_id, outcome)
    return sweeps.winner(finished).mean


def _report(
    name: str, ledger: Ledger, finished: Finished, data: Loaded, request: Request
) -> tuple[str, Outcome | None]:
    """Write and print the leaderboard; refit the winner once.

    Returns:
        The id of its run, and what its evaluation found unless that was done before.
    """
    best, parent = sweeps.winner(finished), ledger.parent
    if not _refitted(parent):  # whoever has refitted the winner has kept the leaderboard before
        board = leaderboard.frame(finished.standings, finished.baselines)
        parent.keep(board, "leaderboard.csv")
        rows = leaderboard.rows(finished.standings)
        error = leaderboard.LABELS[finished.standings[0].headline]
        drawn = comparison.leaderboard(rows, finished.baselines, error)
        parent.keep(drawn, "leaderboard.png")
        parent.keep(comparison.coordinates(rows, error), "parallel_coordinates.png")
        head = f"cv/{best.headline}"
        parent.metrics({f"{head}_mean": best.mean, f"{head}_std": best.std})
        parent.metrics({"cv/origins": finished.origins})
    _show(finished)
    while not (found := _refitted(parent)):
        if ledger.claim("winner"):
            bury(ledger)
            outcome, run_id = _refit(parent, ledger.owner, best, data, request)
            result = headline(outcome)
            if not request.settings.tracking.run_name:
                kind, _, how = name.partition(" · ")
                score = f"{best.headline} {best.mean:.3g}"
                describe.rename(parent.store, parent, f"{kind} · {score} · {how}")
            parent.params(_seen(best))
            parent.metrics(standings.winning(best, outcome))
            again = train.command("sweep", request.overrides)
            facts, folds = provenance(data, parent.id), request.settings.sweep.folds
            text = standings.report(name, finished, folds, outcome, facts, again)
            parent.keep(text, "report.html")
            standings.describe(ledger, finished, run_id, data.name, again, result)
            # the last, since whoever finds these does no more
            parent.tags(
                {
                    "forecast.best_candidate": best.candidate.name,
                    "forecast.best_candidate_id": ledger.candidate(best.candidate.number).id,
                    "forecast.best_run_id": run_id,
                    "forecast.winner_result": result,
                    "forecast.winner_error": outcome.scores[f"test/{outcome.test.headline.key}"],
                }
            )
            return run_id, outcome
        time.sleep(POLL)  # another driver of the same sweep is at it
    result, run_id = found
    say("winner", f"{best.candidate.name}, scored before")
    say("result", result)
    return run_id, None


def _show(finished: Finished) -> None:
    """Print the leaderboard."""
    best = finished.standings[0]
    heads, rows = standings.board(finished)
    print_table(
        f"Leaderboard, {finished.origins:,} common origins, {finished.ran} trials run, "
        f"{finished.reused} reused",
        heads,
        rows,
    )
    console.print("= tied with the best within fold noise   * simplest of the tied")
    if np.isfinite(best.mean):
        naive = ", ".join(f"{k} {v:.4g}" for k, v in finished.baselines.items())
        console.print(f"on the same origins: {naive}\n")
        name = min(finished.baselines, key=lambda name: finished.baselines[name])
        skill = float(metrics.skill(best.mean, finished.baselines[name]))
        say("best", f"{best.candidate.name}: {wording.against(name, skill, None)}")


def _seen(best: Standing) -> dict[str, Any]:
    """Return the parameters of a winner by which its sweep stands beside trained runs."""
    heads = ("model", "window.", "training.")
    return {key: value for key, value in best.candidate.params.items() if key.startswith(heads)}


def _refitted(parent: DirectRun) -> tuple[str, str] | None:
    """Return the line on the winner's test error, and its run, once it is refitted."""
    known = parent.store.client.get_run(parent.id).data.tags
    if "forecast.winner_error" not in known:
        return None
    error = float(known["forecast.winner_error"])
    result = known.get("forecast.winner_result", f"test error {error:.4g}")  # of an older sweep
    return result, known["forecast.best_run_id"]


def _refit(
    parent: DirectRun, owner: str, best: Standing, data: Loaded, request: Request
) -> tuple[Outcome, str]:
    """Train the winner on all rows before the test span, then open the test span, once.

    No rows are left to stop on, so it trains for as many epochs as its trials kept; but for one
    that chooses the epoch on the validation rows and then learns anew, as it does anywhere.
    """
    candidate = best.candidate
    epochs = None if candidate.spec.training.refit else best.epochs
    how = (
        "on train, then once more with validation" if epochs is None else "on train and validation"
    )
    count = candidate.spec.training.epochs if epochs is None else epochs
    say("winner", f"{candidate.name}, {count} epochs {how}")
    overrides = candidates.overrides(candidate.point)
    kept = [f"training.epochs={epochs}"] if epochs else []
    full = recipe.of_point(request, [*overrides, *kept], data.table)
    meaning = load.meaning_of(data, full.settings)
    own = replace(data, schema=meaning, content=load.build_table(data, full.settings))
    name = f"winner · {pages.title(candidate.spec)}"
    tags = {**train.identity(own), "forecast.owner": owner}
    spec, text = candidate.spec, full.yaml
    prepared = experiment.prepare(spec, own.table, epochs=epochs)
    with tracking(request.settings.tracking, data.name, TERMINAL) as tracker:
        left = folders.unfinished(tracker.folder, parent.id, CONFIG, text)
        if left is None:
            made = tracker.begin(name, kind="train", tags=tags, parent=parent)
        else:
            made = tracker.reopen(left, left.name)
        with ending(made) as tracked:
            if left is not None:
                tracked.tags({"forecast.owner": owner})
            else:
                tracked.params(before_scores(train.question(full, own)))
                if epochs:
                    tracked.tags({"forecast.refit": "train and validation, without stopping"})
                tracked.keep(text, CONFIG)
            again = train.command("sweep", request.overrides)
            training = Training(
                settings=full.settings,
                params=full.flat,
                data=own,
                prepared=prepared,
                name=name,
                again=again,
                go_on=lambda _: shlex.join(["forecast", "sweep", *request.overrides]),
                final=lambda outcome: pages.result(name, pages.scored(outcome)),
                relatives={"the sweep": parent.id},
                progress=TERMINAL,
            )
            found = record_training(tracker, tracked, training)
    if found.outcome is not None:
        show_outcome(found.outcome)
    return found.complete(), tracked.id


def _compose(request: Request, data: Loaded) -> Callable[[list[str]], Composed]:
    """Make what turns a point into an experiment; tables of equal schema are one."""
    tables = {load.schema_name(request.settings): data.table}

    def compose(overrides: list[str]) -> Composed:
        full = recipe.of_point(request, overrides, data.table)
        name = load.schema_name(full.settings)
        if name not in tables:
            tables[name] = load.build_table(data, full.settings)
        return Composed(load.spec(full.settings), name, tables[name], train.question(full, data))

    return compose


def _strategy(sweep: SweepConfig, builder: Builder) -> Strategy:
    """Choose a way through the space, with its candidates built."""
    for name, least in (("folds", 2), ("seeds", 1), ("samples", 1), ("batch", 1), ("factor", 2)):
        if getattr(sweep, name) < least:
            raise InputError(
                f"sweep.{name} must be a whole number of {least} or more, got "
                f"{getattr(sweep, name)}: try {max(least, 3)}"
            )
    if not 0 <= sweep.seed < 2**32:
        raise InputError(
            f"sweep.seed must be a whole number from 0 to {2**32 - 1:,}, got {sweep.seed}: try 0"
        )
    grids = space.read(sweep.grid)
    if sweep.strategy == "tpe":
        strategies.require()
        probes = builder.all(space.corners(grids))
        return Tpe(probes, grids, builder.build, sweep.samples, sweep.batch, sweep.seed)
    if sweep.strategy not in STRATEGIES:
        raise InputError(
            f"sweep.strategy must be one of {', '.join(STRATEGIES)}, got {sweep.strategy!r}: "
            f"{nearest(sweep.strategy, STRATEGIES)}"
        )
    if sweep.resource not in RESOURCES:
        raise InputError(
            f"sweep.resource must be one of {', '.join(RESOURCES)}, got {sweep.resource!r}: "
            f"{nearest(sweep.resource, RESOURCES)}"
        )
    draws = sweep.strategy == "random" or (sweep.strategy == "halving" and space.has_ranges(grids))
    points = space.sampled(grids, sweep.samples, sweep.seed) if draws else space.points(grids)
    found = builder.all(points)
    if sweep.strategy == "halving":
        return Halving(found, sweep.factor, sweep.resource)
    return Everything(found)


def _title(sweep: SweepConfig, strategy: Strategy) -> str:
    """Name a sweep for people."""
    count = sweep.samples if sweep.strategy == "tpe" else len(strategy.probes)
    how = "" if sweep.strategy == "grid" else f"{sweep.strategy} · "
    return f"sweep · {how}{count} candidates x {sweep.folds} folds"
