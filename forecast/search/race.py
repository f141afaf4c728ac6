"""Trials against the clock: what each has cost, what is worth beginning, what is found already."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from forecast.data.table import Table
from forecast.evaluation import recipes
from forecast.evaluation.ensemble import HeldOut, Tried
from forecast.search import engine, ledger
from forecast.search.candidates import Candidate
from forecast.search.engine import Engine
from forecast.search.keys import trial_key
from forecast.search.ledger import Ledger
from forecast.search.trial import Arrays, Result, Rung, Trial
from forecast.tracking.mlflow.direct import DirectRun
from forecast.tracking.mlflow.store import Unreachable
from forecast.training.forecaster import Forecaster

SPENT = "forecast.spent_seconds"
"""Tag of a race: seconds of its budget that are gone, those of commands that were killed too."""

TICK = 5.0
"""Seconds between two times that these are written."""

SKETCHED = 50_000
"""Training windows of a sketch, about. With fewer, dropout and what else learns from little seem
better than they are; where there are no more, nothing is sketched."""

SLACK = 1.5
"""How many times as long as expected a trial may take."""

LEAST = 30.0
"""Seconds that every trial may take: the first one of an architecture is compiled."""

MOST = 0.15
"""Share of the budget that a trial may take of which nobody knows how long it will."""


class Budget:
    """Seconds that a command may take, those of earlier commands of the same race counted in.

    Args:
        seconds: All that may be spent.
        began: When this command began, by the clock.
        clock: Seconds since whenever.
    """

    def __init__(
        self, seconds: float, began: float | None = None, clock: Callable[[], float] = time.time
    ):
        self.seconds, self.clock = seconds, clock
        self.before = 0.0
        self._began = clock() if began is None else began

    @property
    def spent(self) -> float:
        """Seconds that are gone."""
        return self.before + self.clock() - self._began

    @property
    def left(self) -> float:
        """Seconds that are left; fewer than none where it has taken too long."""
        return self.seconds - self.spent


@contextmanager
def counted(budget: Budget, run: DirectRun) -> Iterator[None]:
    """Count what earlier commands of a race have spent, and write what is spent within the block.

    A command that is killed loses a few seconds of the count.
    """
    tags = run.store.client.get_run(run.id).data.tags
    budget.before = float(tags.get(SPENT, 0.0))
    over = threading.Event()

    def write() -> None:
        with suppress(Unreachable):  # the driver says so
            while not over.wait(TICK):
                run.tags({SPENT: f"{budget.spent:.1f}"})

    thread = threading.Thread(target=write, name="budget", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        run.tags({SPENT: f"{budget.spent:.1f}"})


class Shown(Protocol):
    """Who shows how far a race is."""

    def update(self, *, done: int, running: int, best: float, leader: str) -> None:
        """Show counts, the smallest error so far and whose it is."""
        ...


@dataclass(frozen=True, eq=False)
class Course:
    """The rows of a race.

    Attributes:
        data: Digest of the data.
        learned: First time stamp to learn from, and the first one of the held-out span.
        known: The first, and that of the test span: what members learn from in the end.
        origins: Rows of the held-out span whose futures are scored, (origins,).
        held: What came true, and what errors are divided by.
    """

    data: str
    learned: tuple[Any, Any]
    known: tuple[Any, Any]
    origins: np.ndarray
    held: HeldOut

    def trial(self, candidate: Candidate, table: Table, thinned: int = 1) -> Trial:
        """Return the trial of a candidate, learned from every so manieth training window."""
        spec = candidate.spec
        if thinned > 1:
            spec = recipes.applied(spec, {"window.stride": thinned * spec.window.stride})
        rung = Rung(1, 2, thinned, "windows") if thinned > 1 else Rung()
        return self._trial(replace(candidate, spec=spec), table, "forecasts", rung)

    def last(self, candidate: Candidate, table: Table, epochs: int, number: int) -> Trial:
        """Return the trial of a member's network, from all rows before the test span.

        Args:
            candidate: The member.
            table: That it reads.
            epochs: As many as its own trial has kept.
            number: Of the network, from 0: each has another seed.
        """
        seed = candidate.spec.training.seed + number
        changes = {"training.epochs": epochs, "training.seed": seed, "training.tail": 0}
        spec = recipes.applied(candidate.spec, {**changes, "training.patience": None})
        return self._trial(replace(candidate, spec=spec), table, "model", Rung())

    def _trial(self, candidate: Candidate, table: Table, returned: str, rung: Rung) -> Trial:
        """Name a trial by what it computes."""
        last = returned == "model"
        span, origins = (self.known, self.origins[:0]) if last else (self.learned, self.origins)
        rows = table.time[(table.time >= span[0]) & (table.time < span[1])]
        spec = candidate.spec
        key = trial_key(
            spec,
            data=f"{self.data} {candidate.table}",
            train=rows,
            scored=np.stack([table.series[origins], table.tick[origins]]),
            seed=spec.training.seed,
            epochs=spec.training.epochs,
        )
        return Trial(
            key=f"{key}-{returned}",
            candidate=candidate.number,
            fold=0,
            seed=spec.training.seed,
            spec=spec,
            table=candidate.table,
            train=span,
            origins=origins,
            rung=rung,
            returned=returned,
        )


@dataclass(eq=False)
class Race:
    """Runs trials of candidates, each within the time that is left for it.

    Attributes:
        course: Rows to learn from and to score.
        tables: Name to table, of all candidates.
        ledger: Where trials are written and found again.
        budget: What may be spent.
        shown: Who shows how far it is.
        keep: Writes a fitted forecaster of a candidate's table to a run of the ledger.
        seen: What was tried, in the order in which it was done.
        results: Key of each trial that is done to its result.
        keys: Name of each trial to its key.
    """

    course: Course
    tables: Mapping[str, Table]
    ledger: Ledger
    budget: Budget
    shown: Shown
    keep: Callable[[DirectRun, str, Forecaster], None]
    seen: list[Tried] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _expected: dict[str, float] = field(default_factory=dict)
    _runs: dict[str, DirectRun] = field(default_factory=dict)
    _until: float = 0.0

    def run(
        self, trials: Mapping[str, Trial], expected: Mapping[str, float], until: float, on: Engine
    ) -> dict[str, Result]:
        """Run trials until all are done, or no other would be done in time.

        Args:
            trials: Name to trial, the most important first.
            expected: Name to the seconds that it will take, about; 0 where nobody knows.
            until: Seconds of the budget that may be gone then.
            on: Who runs them.

        Returns:
            Name to result, of those that are done.
        """
        by_key = {trial.key: name for name, trial in trials.items()}
        self._names |= by_key
        self.keys |= {name: key for key, name in by_key.items()}
        self._expected |= {trials[name].key: seconds for name, seconds in expected.items()}
        self._until = until
        every = list({trial.key: trial for trial in trials.values()}.values())
        for key, result in self._known([t for t in every if t.key not in self.results]).items():
            self._note(key, result)
        missing = [self._limited(trial) for trial in every if trial.key not in self.results]
        if missing:  # what has failed once would fail again, and cost its seconds again
            failed = ledger.failed(self.ledger, missing)
            missing = [trial for trial in missing if trial.key not in failed]
            for key, reason in failed.items():
                self._failed(key, reason)
        if missing:
            on.execute(missing, self.tables, self, in_order=True)
        return {name: self.results[key] for key, name in by_key.items() if key in self.results}

    def begin(self, trial: Trial) -> engine.Answer:
        """Claim a trial, unless it would not be done in time."""
        if self.budget.spent + self._expected.get(trial.key, 0.0) > self._until:
            return "done"
        run = self.ledger.begin(trial)
        if run is None:
            return "wait"
        self._runs[trial.key] = run
        self._show()
        return "run"

    def checkpoint(self, trial: Trial) -> Arrays | None:
        """Say that no trial goes on from another."""
        del trial
        return None

    def finish(self, trial: Trial, result: Result) -> None:
        """Write a score, forecasts or a model."""
        run = self._runs.pop(trial.key)
        if result.forecaster is not None:
            self.keep(run, trial.table, result.forecaster)
            result = replace(result, forecaster=None)
        self.ledger.finish(run, result)
        self._note(trial.key, result)

    def fail(self, trial: Trial, reason: str) -> None:
        """Write a failure; the race goes on."""
        self.ledger.fail(self._runs.pop(trial.key), reason)
        self._failed(trial.key, reason)

    def _known(self, trials: Sequence[Trial]) -> dict[str, Result]:
        """Look up trials that are done, with all that they have returned."""
        found = dict[str, Result]()
        scored = [trial for trial in trials if trial.returned == "forecasts"]
        for key, result in self.ledger.finished(scored).items():
            values = ledger.forecasts(self.ledger.store, key)
            if values is not None:
                found[key] = replace(result, forecasts=values)
        for trial in trials:
            if trial.returned == "model" and (done := self.ledger.look_up(trial)) is not None:
                found[trial.key] = done
        return found

    def _limited(self, trial: Trial) -> Trial:
        """Give a trial the most time that it may take."""
        expected = self._expected.get(trial.key, 0.0)
        unknown = 0.0 if expected else MOST * self.budget.seconds
        return replace(trial, limit=max(LEAST, unknown, SLACK * expected))

    def _failed(self, key: str, reason: str) -> None:
        """Note a failure, and show it."""
        whole = not self._names[key].endswith(SKETCH)
        self.seen.append(Tried(self._names[key], np.inf, whole, 0.0, self.budget.spent, reason))
        self._show()

    def _note(self, key: str, result: Result) -> None:
        """Keep a result, and show it."""
        if result.forecasts is not None:
            error = self.course.held.error(result.forecasts)
            name, spent = self._names[key], self.budget.spent
            whole = not self._names[key].endswith(SKETCH)
            self.seen.append(Tried(name, error, whole, result.seconds, spent))
        self.results[key] = result
        self._show()

    def _show(self) -> None:
        """Tell who shows it."""
        best = min(self.seen, key=lambda one: one.error, default=None)
        self.shown.update(
            done=len(self.seen),
            running=len(self._runs),
            best=best.error if best else np.inf,
            leader=best.name if best else "",
        )


SKETCH = " sketch"
"""End of the name of a candidate that has seen some of the windows."""
