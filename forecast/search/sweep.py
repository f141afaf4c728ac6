"""The story of a sweep: candidates, folds, the ledger, the engine, the leaderboard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from forecast import metrics
from forecast.data import scale, split
from forecast.data.table import Table
from forecast.errors import InputError
from forecast.evaluation import experiment
from forecast.evaluation.experiment import Spec
from forecast.search import engine, folds, keys, leaderboard, owners
from forecast.search.candidates import Candidate
from forecast.search.folds import Fold
from forecast.search.leaderboard import Standing
from forecast.search.ledger import Ledger
from forecast.search.trial import Result, Trial
from forecast.tracking.run import Run


@dataclass(frozen=True)
class Plan:
    """What a sweep does.

    Attributes:
        candidates: Points of the grid, built.
        tables: Name to table.
        data: Digest of the file.
        folds: Number of folds.
        seeds: Replicates of each trial.
        workers: Processes; None is one a core.
        scheduler: Address of a Dask scheduler; None starts one here.
    """

    candidates: Sequence[Candidate]
    tables: Mapping[str, Table]
    data: str
    folds: int
    seeds: int = 1
    workers: int | None = None
    scheduler: str | None = None


@dataclass(frozen=True)
class Finished:
    """What a sweep found.

    Attributes:
        standings: Candidates, best first.
        baselines: Baseline to its MAE on the same origins.
        origins: How many origins were scored, over all folds.
        reused: Trials that an earlier sweep had finished.
        ran: Trials that this one ran.
    """

    standings: list[Standing]
    baselines: dict[str, float]
    origins: int
    reused: int
    ran: int


class Watcher(Protocol):
    """Who shows how far a sweep is."""

    def update(self, *, done: int, running: int, failed: int, best: float) -> None:
        """Show counts and the best mean so far."""
        ...


def key(plan: Plan) -> str:
    """Name a sweep by what it asks: the same command finds it again."""
    return keys.digest(
        {
            "points": [dict(c.point) for c in plan.candidates],
            "trials": [trial.key for trial in trials(plan, cuts(plan))],
        }
    )


def cuts(plan: Plan) -> list[Fold]:
    """Cut the development rows, all before the test span, into folds."""
    spec = plan.candidates[0].spec
    table = plan.tables[plan.candidates[0].table]
    ahead = split.holdout(table, spec.validation, spec.test)
    development = ~ahead.test_rows(table)
    return folds.common(plan.candidates, plan.tables, development, split.Folds(plan.folds))


def trials(plan: Plan, parts: Sequence[Fold]) -> list[Trial]:
    """List candidate x fold x seed."""
    found = []
    for candidate in plan.candidates:
        table = plan.tables[candidate.table]
        for number, fold in enumerate(parts):
            inside = (table.time >= fold.first) & (table.time < fold.cut)
            scored = np.stack([table.series[fold.origins], table.tick[fold.origins]])
            for replicate in range(plan.seeds):
                seed = candidate.spec.training.seed + replicate
                name = keys.trial_key(
                    candidate.spec,
                    data=f"{plan.data} {candidate.table}",
                    train=table.time[inside],
                    scored=scored,
                    seed=seed,
                    epochs=candidate.spec.training.epochs,
                )
                span = (fold.first, fold.cut)
                found.append(
                    Trial(
                        name,
                        candidate.number,
                        number,
                        seed,
                        candidate.spec,
                        candidate.table,
                        span,
                        fold.origins,
                    )
                )
    return found


def run(plan: Plan, ledger: Ledger, watcher: Watcher) -> Finished:
    """Run what is missing and rank everything.

    Args:
        plan: What to do.
        ledger: Open.
        watcher: Shows progress.

    Returns:
        The ranking.
    """
    parts = cuts(plan)
    everything = trials(plan, parts)
    for candidate in plan.candidates:
        ledger.candidate(candidate)
    board = _Board(plan, everything, ledger, watcher)
    board.results |= ledger.finished(everything)
    reused = len(board.results)
    board.show()
    missing = [trial for trial in everything if trial.key not in board.results]
    if missing:
        with (
            owners.beating(ledger.claims, ledger.owner),
            engine.cluster(plan.scheduler, plan.workers) as client,
        ):
            engine.execute(client, missing, plan.tables, board)
    standings = leaderboard.rank(plan.candidates, everything, board.results, board.errors)
    for standing in standings:
        _close(ledger.candidate(standing.candidate), standing)
    return Finished(
        standings,
        _baselines(plan, parts),
        sum(len(fold.origins) for fold in parts),
        reused,
        len(missing),
    )


class _Board:
    """Writes what happens to the ledger and keeps the count."""

    def __init__(self, plan: Plan, everything: Sequence[Trial], ledger: Ledger, watcher: Watcher):
        self.plan, self.trials, self.ledger, self.watcher = plan, everything, ledger, watcher
        self.results: dict[str, Result] = {}
        self.errors: dict[str, str] = {}
        self._runs: dict[str, Run] = {}

    def begin(self, trial: Trial) -> engine.Answer:
        """Claim a trial, unless another driver has it or has finished it."""
        run = self.ledger.begin(trial)
        if run is None:
            done = self.ledger.look_up(trial)
            if done is None:
                return "wait"
            self.results[trial.key] = done
            self.show()
            return "done"
        self._runs[trial.key] = run
        self.show()
        return "run"

    def finish(self, trial: Trial, result: Result) -> None:
        """Write a score."""
        self.ledger.finish(self._runs.pop(trial.key), result)
        self.results[trial.key] = result
        self.show()

    def fail(self, trial: Trial, reason: str) -> None:
        """Write a failure; the sweep goes on."""
        self.ledger.fail(self._runs.pop(trial.key), reason)
        self.errors[trial.key] = reason
        self.show()

    def show(self) -> None:
        """Tell the watcher."""
        best = leaderboard.rank(self.plan.candidates, self.trials, self.results, self.errors)[0]
        self.watcher.update(
            done=len(self.results), running=len(self._runs), failed=len(self.errors), best=best.mean
        )


def _close(run: Run, standing: Standing) -> None:
    """Write a candidate's scores by fold and close it."""
    scores = {fold: float(mae) for fold, mae in enumerate(standing.scores, start=1)}
    run.series({"cv/mae": scores})
    run.metrics({"cv/mae_mean": standing.mean, "cv/mae_std": standing.std})
    run.metrics({"model/parameters": standing.parameters, "time/trial_seconds": standing.seconds})
    if standing.errors:
        run.tags({"forecast.error": "; ".join(standing.errors)})
    run.end("FAILED" if standing.errors else "FINISHED")


def _baselines(plan: Plan, parts: Sequence[Fold]) -> dict[str, float]:
    """Let the baselines learn from each fold's rows and forecast its origins; mean over folds."""
    spec: Spec = plan.candidates[0].spec
    table = plan.tables[plan.candidates[0].table]
    found: dict[str, list[float]] = {}
    for fold in parts:
        learned = (table.time >= fold.first) & (table.time < fold.cut)
        scaler = scale.fit(table.take(learned), spec.scaling)
        starts = fold.origins - spec.window.timesteps + 1
        said = experiment.score_baselines(spec, table, learned, scaler, starts)
        for name, forecasts in said.items():
            found.setdefault(name, []).append(float(metrics.mae(forecasts.true, forecasts.values)))
    return {name: float(np.mean(maes)) for name, maes in found.items()}


def winner(finished: Finished) -> Standing:
    """Return the best candidate.

    Args:
        finished: A sweep.

    Returns:
        The leader.

    Raises:
        InputError: Every candidate failed.
    """
    best = finished.standings[0]
    if not np.isfinite(best.mean):
        raise InputError(
            "sweep.grid must hold a candidate that can be trained, got only failures, the first: "
            f"{(best.errors or ('unknown',))[0]}"
        )
    return best
