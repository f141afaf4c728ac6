"""The story of a sweep: strategy, folds, the ledger, the engine, the leaderboard."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np

from forecast.data import scale
from forecast.data.card import card
from forecast.errors import InputError
from forecast.evaluation.baselines import rivals
from forecast.metrics.headline import HEADLINES
from forecast.search import engine, leaderboard, owners
from forecast.search.board import Board, Watcher
from forecast.search.engine import Engine
from forecast.search.leaderboard import Standing
from forecast.search.ledger import Ledger
from forecast.search.plan import Plan, trials
from forecast.tracking.mlflow import description
from forecast.tracking.mlflow.description import Place
from forecast.tracking.mlflow.direct import DirectRun


@dataclass(frozen=True)
class Finished:
    """What a sweep found.

    Attributes:
        standings: Candidates, best first.
        baselines: Baseline to its error on the same origins.
        origins: How many origins were scored, over all folds.
        reused: Trials that an earlier sweep had finished.
        ran: Trials that this one ran.
    """

    standings: list[Standing]
    baselines: dict[str, float]
    origins: int
    reused: int
    ran: int

    def _repr_html_(self) -> str:
        """Show the leaderboard in a notebook."""
        facts = {
            "origins": f"{self.origins:,}",
            "trials": f"{self.ran} run, {self.reused} reused",
            "baselines": ", ".join(f"{k} {error:.4g}" for k, error in self.baselines.items()),
        }
        board = leaderboard.frame(self.standings, self.baselines).set_index("rank")
        return card("Leaderboard", facts, board)


def run(plan: Plan, ledger: Ledger, watcher: Watcher) -> Finished:
    """Run what is missing and rank everything.

    Args:
        plan: What to do.
        ledger: Open.
        watcher: Shows progress.

    Returns:
        The ranking.
    """
    board = Board(ledger, watcher)
    with ExitStack() as until_the_end:
        workers: Engine | None = None
        for asked in plan.strategy.rounds(board.rank):
            missing = board.open(asked, trials(plan, asked))
            if missing:
                workers = workers or until_the_end.enter_context(_working(plan, ledger))
                workers.execute(missing, plan.tables, board)
    standings = board.rank()
    for standing in standings:
        _close(ledger.candidate(standing.candidate.number), standing, ledger.parent.id)
    return Finished(
        standings,
        _baselines(plan, ledger.parent),
        sum(len(fold.origins) for fold in plan.parts),
        board.reused,
        board.ran,
    )


@contextmanager
def _working(plan: Plan, ledger: Ledger) -> Iterator[Engine]:
    """Have workers, and show signs of life as long as they work."""
    with (
        owners.beating(ledger.claims, ledger.owner),
        engine.cluster(plan.scheduler, plan.workers) as workers,
    ):
        yield workers


def _close(run: DirectRun, standing: Standing, parent: str) -> None:
    """Write a candidate's scores by fold and what it is, and close its run, once."""
    if run.store.client.get_run(run.id).info.status == "FINISHED":
        return
    key = f"cv/{standing.headline}"
    run.series({key: {fold: float(error) for fold, error in enumerate(standing.scores, start=1)}})
    run.metrics({f"{key}_mean": standing.mean, f"{key}_std": standing.std})
    run.metrics({"model/parameters": standing.parameters, "time/trial_seconds": standing.seconds})
    place = Place("", run.store.experiment_id, relatives={"the sweep": parent})
    error = leaderboard.LABELS[standing.headline]
    note = description.of_candidate(standing.candidate.name, error, standing.scores.tolist(), place)
    run.tags({description.NOTE: note})
    if standing.errors:
        run.tags({"forecast.error": "; ".join(standing.errors)})
    if str(standing.rung):
        run.tags({"forecast.dropped": f"after {standing.rung}"})
    run.end("FAILED" if standing.errors else "FINISHED")


def _baselines(plan: Plan, parent: DirectRun) -> dict[str, float]:
    """Let the baselines learn from each fold's rows and forecast its origins; mean over folds.

    The sweep's own run keeps them, so that the same command need not fit them again.
    """
    # the longest look-back that a candidate has, so that ridge regression knows as much as any
    probe = max(plan.strategy.probes, key=lambda probe: probe.spec.window.timesteps)
    spec, table = probe.spec, plan.tables[probe.table]
    head = f"cv/{HEADLINES[table.task].key}_of_"
    kept = parent.store.client.get_run(parent.id).data.metrics
    if known := {k.removeprefix(head): v for k, v in kept.items() if k.startswith(head)}:
        return known
    found: dict[str, list[float]] = {}
    for fold in plan.parts:
        learned = (table.time >= fold.first) & (table.time < fold.cut)
        scaler = scale.fit(table.take(learned), spec.scaling)
        starts = fold.origins - spec.window.timesteps + 1
        said = rivals.forecasts(spec, table, learned, scaler, starts)
        for name, forecasts in said.items():
            found.setdefault(name, []).append(float(forecasts.error()))
    means = {name: float(np.mean(errors)) for name, errors in found.items()}
    parent.metrics({f"{head}{name}": error for name, error in means.items()})
    return means


def winner(finished: Finished) -> Standing:
    """Return the best candidate.

    Args:
        finished: A sweep.

    Returns:
        The leader.

    Raises:
        InputError: Every candidate failed.
    """
    standings = finished.standings
    if standings and np.isfinite(standings[0].mean):
        return standings[0]
    first = standings[0].errors[0] if standings else "no point could be built"
    raise InputError(
        "sweep.grid must hold a candidate that can be trained, got only failures, the first: "
        f"{first}"
    )
