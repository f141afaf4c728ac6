"""Run the trials of a sweep, show their progress, and rank the candidates."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from forecast.data import scale
from forecast.data.table import card
from forecast.errors import InputError
from forecast.evaluation.baselines import by_name
from forecast.metrics.headline import HEADLINES
from forecast.search import engine, leaderboard
from forecast.search.candidates import Candidate
from forecast.search.engine import Engine
from forecast.search.leaderboard import Standing
from forecast.search.ledger import Ledger, beating, checkpoint
from forecast.search.plan import Plan, trials
from forecast.search.strategies import Asked
from forecast.search.trial import Arrays, Result, Trial
from forecast.tracking.mlflow import description
from forecast.tracking.mlflow.description import Place
from forecast.tracking.mlflow.direct import DirectRun


class Watcher(Protocol):
    """Who shows how far a sweep is."""

    def start(self, workers: int | None) -> None:
        """Show that workers are started; None means those of a cluster that runs."""
        ...

    def update(self, *, done: int, running: int, failed: int, best: float, leader: str) -> None:
        """Show counts, the best mean so far and whose it is."""
        ...


class Board:
    """Writes what happens to the ledger and keeps the count.

    Attributes:
        reused: Trials that were finished before.
        ran: Trials that were not.
    """

    def __init__(self, ledger: Ledger, watcher: Watcher):
        self.ledger, self.watcher = ledger, watcher
        self.candidates: dict[int, Candidate] = {}
        self.trials: dict[tuple[int, int, int, int], Trial] = {}
        self.results: dict[str, Result] = {}
        self.errors: dict[str, str] = {}
        self.reused = self.ran = 0
        self._best, self._leader = float("inf"), ""
        self._runs: dict[str, DirectRun] = {}

    def open(self, asked: Asked, trials: Sequence[Trial]) -> list[Trial]:
        """Take in a round, look up what is finished and return what is missing."""
        self.candidates |= {candidate.number: candidate for candidate, _ in asked}
        self.ledger.admit(self.candidates.values())
        known = {trial.key for trial in self.trials.values()}
        new = {trial.key: trial for trial in trials if trial.key not in known}
        self.trials |= {(t.candidate, t.rung.number, t.fold, t.seed): t for t in trials}
        found = self.ledger.finished(list(new.values()))
        self.results |= found
        self.reused += len(found)
        missing = [trial for key, trial in new.items() if key not in found]
        self.ran += len(missing)
        self._scored()
        return missing

    def rank(self, asked: Asked | None = None) -> list[Standing]:
        """Rank candidates by what they have done so far: those asked for, or all."""
        ranked = [c for c, _ in asked] if asked is not None else list(self.candidates.values())
        return leaderboard.rank(ranked, list(self.trials.values()), self.results, self.errors)

    def begin(self, trial: Trial) -> engine.Answer:
        """Claim a trial, unless another driver has it or has finished it."""
        run = self.ledger.begin(trial)
        if run is None:
            done = self.ledger.look_up(trial)
            if done is None:
                return "wait"
            self.results[trial.key] = done
            self._scored()
            return "done"
        self._runs[trial.key] = run
        self._show()
        return "run"

    def checkpoint(self, trial: Trial) -> Arrays | None:
        """Look up where the trial before this one has ended."""
        return checkpoint(self.ledger.store, trial.previous) if trial.previous else None

    def finish(self, trial: Trial, result: Result) -> None:
        """Write a score."""
        self.ledger.finish(self._runs.pop(trial.key), result)
        self.results[trial.key] = result
        self._scored()

    def fail(self, trial: Trial, reason: str) -> None:
        """Write a failure; the sweep goes on."""
        self.ledger.fail(self._runs.pop(trial.key), reason)
        self.errors[trial.key] = reason
        self._show()

    def _scored(self) -> None:
        """Look who leads now."""
        for standing in self.rank()[:1]:
            self._best, self._leader = standing.mean, standing.candidate.name
        self._show()

    def _show(self) -> None:
        """Tell the watcher."""
        self.watcher.update(
            done=len(self.results),
            running=len(self._runs),
            failed=len(self.errors),
            best=self._best,
            leader=self._leader,
        )


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


def run_sweep(plan: Plan, ledger: Ledger, watcher: Watcher) -> Finished:
    """Run what is missing and rank everything."""
    board = Board(ledger, watcher)
    with ExitStack() as until_the_end:
        workers: Engine | None = None
        for asked in plan.strategy.rounds(board.rank):
            missing = board.open(asked, trials(plan, asked))
            if missing:
                if workers is None:
                    watcher.start(None if plan.scheduler else plan.workers or os.cpu_count())
                    workers = until_the_end.enter_context(_working(plan, ledger))
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
        beating(ledger.claims, ledger.owner),
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
        baselines = by_name.learn(spec, scale.Scaled(table, scaler), learned, starts)
        for name, forecasts in baselines.forecast(starts).items():
            found.setdefault(name, []).append(float(forecasts.error()))
    means = {name: float(np.mean(errors)) for name, errors in found.items()}
    parent.metrics({f"{head}{name}": error for name, error in means.items()})
    return means


def winner(finished: Finished) -> Standing:
    """Return the best candidate."""
    standings = finished.standings
    if standings and np.isfinite(standings[0].mean):
        return standings[0]
    first = standings[0].errors[0] if standings else "no point could be built"
    raise InputError(
        "sweep.grid must hold a candidate that can be trained, got only failures, the first: "
        f"{first}"
    )
