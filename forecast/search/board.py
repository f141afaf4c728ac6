"""What is done, what runs and what failed, while it happens."""

from collections.abc import Sequence
from typing import Protocol

from forecast.search import engine, leaderboard
from forecast.search.candidates import Candidate
from forecast.search.leaderboard import Standing
from forecast.search.ledger import Ledger, checkpoint
from forecast.search.strategies import Asked
from forecast.search.trial import Arrays, Result, Trial
from forecast.tracking.mlflow.direct import DirectRun


class Watcher(Protocol):
    """Who shows how far a sweep is."""

    def update(self, *, done: int, running: int, failed: int, best: float) -> None:
        """Show counts and the best mean so far."""
        ...


class Board:
    """Writes what happens to the ledger and keeps the count.

    Args:
        ledger: Open.
        watcher: Told of every change.

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
        self._best = float("inf")
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
        self._best = min((standing.mean for standing in self.rank()[:1]), default=float("inf"))
        self._show()

    def _show(self) -> None:
        """Tell the watcher."""
        self.watcher.update(
            done=len(self.results),
            running=len(self._runs),
            failed=len(self.errors),
            best=self._best,
        )
