"""The best forecast in a given time: race candidates, average the winners, serve their mean."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from forecast.data import scale
from forecast.data.scale import Scaled
from forecast.data.schema import Schema
from forecast.data.table import Table
from forecast.errors import InputError
from forecast.evaluation import ensemble
from forecast.evaluation.baselines import by_name
from forecast.evaluation.baselines.by_name import Baselines
from forecast.evaluation.ensemble import Ensemble, Tried, Windows
from forecast.search import engine
from forecast.search.candidates import Candidate, Composed
from forecast.search.engine import Engine
from forecast.search.ledger import Ledger, beating
from forecast.search.portfolio import PLAIN, Idea, Portfolio
from forecast.search.race import SKETCH, SKETCHED, Budget, Course, Race, Shown
from forecast.search.trial import Result
from forecast.serving import bundle
from forecast.tracking.mlflow.direct import DirectRun
from forecast.training.forecaster import Forecaster
from forecast.workflows.loaded import Loaded

RULES = ("persistence", "seasonal_naive")
TREES = "boosted_trees"
"""Baselines that may be members: a bundle can keep them."""

BUNDLE = "bundle"
"""Artifact of a trial that learned a member: what predicts."""

SKETCHES, WHOLE = 0.35, 0.62
"""Shares of the time of a race after which no sketch is begun, and no whole training."""

DEAREST = 0.4
"""Share of the time for whole trainings that one of them may take."""

CLOSING = 12.0
"""Seconds for report and model at the end, about."""

NETWORKS = 5
"""Most networks of a member."""

SLOWER = 1.3
"""How many times as long as its trial a member takes to learn once more, from more rows."""


@dataclass(frozen=True, eq=False)
class Asked:
    """What the best forecast of is sought.

    Attributes:
        data: What was read.
        base: The configuration as it stands, composed.
        compose: Overrides to what they make of it.
        schemas: Name of each composed table to what its columns mean.
        typed: Keys that somebody has set, which no candidate changes.
        overrides: As they were typed.
        workers: Processes; None is one a core.
        scheduler: Address of a Dask scheduler; None starts one here.
    """

    data: Loaded
    base: Composed
    compose: Callable[[list[str]], Composed]
    schemas: Mapping[str, Schema]
    typed: Sequence[str]
    overrides: Sequence[str]
    workers: int | None = None
    scheduler: str | None = None


@dataclass(eq=False)
class Search:
    """A search on its way.

    Attributes:
        asked: What is sought.
        on: Windows that decide and score.
        portfolio: Candidates.
        race: Trials against the clock.
        tell: Hears, in words, what begins.
    """

    asked: Asked
    on: Windows
    portfolio: Portfolio
    race: Race
    tell: Callable[[str], None]
    held: dict[str, np.ndarray] = field(default_factory=dict)
    ideas: dict[str, Idea] = field(default_factory=dict)
    took: float = 0.0

    def baselines(self, learned: np.ndarray, starts: np.ndarray) -> Baselines:
        """Let the baselines learn that may be members, and their scale; (rows,) is a mask."""
        spec, table = self.on.spec, self.on.table
        rows = Scaled(table, scale.fit(table.take(learned), spec.scaling))
        return by_name.learn(spec, rows, learned, starts)

    def try_baselines(self) -> None:
        """Forecast the held-out span with the baselines."""
        began = self.race.budget.spent
        learned = self.baselines(self.on.learned, self.on.held)
        for name, found in learned.forecast(self.on.held).items():
            if len(found.starts) == len(self.on.held):
                self.held[name] = found.values.astype(np.float32)
                error, spent = self.race.course.held.error(self.held[name]), self.race.budget.spent
                self.race.seen.append(Tried(name, error, True, spent - began, spent))
        self.took = self.race.budget.spent - began

    def try_networks(self, engine: Engine) -> None:
        """Race candidates: sketches of all, then whole trainings of those that did well."""
        begin, end = self.race.budget.spent, self.race.budget.seconds - self.closing
        first = self.portfolio.first()
        windows = int(self.on.learned.sum())
        thinned = max(1, round(windows / SKETCHED))
        until = begin + SKETCHES * (end - begin)
        part = f", each from one window in {thinned}" if thinned > 1 else ""
        self.tell(f"a first look at {len(first)} candidates{part}")
        sketches = self._run(first, thinned, {}, until, engine)
        errors = {idea: self._error(result) for idea, result in sketches.items()}
        order = self.portfolio.next(errors) if errors else first
        fastest = min((result.seconds for result in sketches.values()), default=0.0)
        by_model: dict[str, float] = {}
        for idea, result in sketches.items():
            by_model[idea.model] = max(result.seconds, by_model.get(idea.model, 0.0))
        expected = {idea: thinned * by_model.get(idea.model, fastest) for idea in order}
        until = begin + WHOLE * (end - begin)
        most = DEAREST * (until - self.race.budget.spent)
        order = [idea for idea in order if expected[idea] <= most or idea.model == PLAIN]
        self.tell(f"whole trainings of the best, as many as fit of {len(order)}")
        self._run(order, 1, expected, until, engine)

    @property
    def closing(self) -> float:
        """Seconds that must be left to learn the baselines once more, score, and write."""
        return CLOSING + 2.5 * self.took

    def _run(
        self,
        ideas: Sequence[Idea],
        thinned: int,
        expected: Mapping[Idea, float],
        until: float,
        on: Engine,
    ) -> dict[Idea, Result]:
        """Run the trials of some ideas."""
        end = SKETCH if thinned > 1 else ""
        made = {f"{idea}{end}": self._candidate(idea) for idea in ideas}
        named = {f"{idea}{end}": idea for idea in ideas}
        usable = {name: own for name, own in made.items() if own is not None}
        self.race.ledger.admit(usable.values())
        trials = {
            name: self.race.course.trial(own, self.race.tables[own.table], thinned)
            for name, own in usable.items()
        }
        times = {name: expected.get(named[name], 0.0) for name in trials}
        found = self.race.run(trials, times, until, on)
        if thinned == 1:
            for name, result in found.items():
                if result.forecasts is not None:
                    self.held[name], self.ideas[name] = result.forecasts, named[name]
        return {named[name]: result for name, result in found.items()}

    def _candidate(self, idea: Idea) -> Candidate | None:
        """Compose a candidate whose rows are those of the others; None if they are not."""
        try:
            own = self.portfolio.candidate(idea)
        except InputError:  # a variation that these data do not allow
            return None
        table = self.portfolio.tables[own.table]
        same = len(table) == len(self.on.table) and (table.time == self.on.table.time).all()
        return own if same else None

    def _error(self, result: Result) -> float:
        """Return the scaled error of a trial."""
        if result.forecasts is None:
            return float("inf")
        return self.race.course.held.error(result.forecasts)

    def weigh(self) -> Ensemble:
        """Choose the weights, of members that a bundle can keep."""
        kinds = {name: idea.model for name, idea in self.ideas.items()}
        members = {n: own for n, own in self.held.items() if n in kinds or n in (*RULES, TREES)}
        return ensemble.weigh(members, self.race.course.held, kinds)

    def learn_members(self, found: Ensemble, engine: Engine) -> dict[str, list[str]]:
        """Learn the networks of an ensemble once more, from all rows before the test span.

        First one of each member, then a second one of each, as long as there is time.

        Returns:
            Member to the keys of the trials that have learned its networks.
        """
        names = [name for name in found.weights if name in self.ideas]
        until = self.race.budget.seconds - self.closing
        self.tell(f"learning {len(names)} members once more, from all rows before the test span")
        trials = {
            f"{name}{ONCE_MORE} {number + 1}": self.race.course.last(
                self.portfolio.candidate(self.ideas[name]),
                self.table(name),
                self._result(name).best_epoch,
                number,
            )
            for number in range(NETWORKS)
            for name in names
        }
        times = {
            f"{name}{ONCE_MORE} {number + 1}": SLOWER * self._result(name).seconds
            for number in range(NETWORKS)
            for name in names
        }
        if names:  # the first one is learned in any case
            times[f"{names[0]}{ONCE_MORE} 1"] = 0.0
        done = self.race.run(trials, times, max(until, self.race.budget.spent + 1), engine)
        kept: dict[str, list[str]] = {}
        for label in done:
            kept.setdefault(label.rpartition(ONCE_MORE)[0], []).append(trials[label].key)
        return kept

    def point(self, name: str) -> Mapping[str, Any]:
        """Return what a member changes of the configuration."""
        return self.portfolio.candidate(self.ideas[name]).point

    def table(self, name: str) -> Table:
        """Return the table that a member reads."""
        return self.portfolio.tables[self.portfolio.candidate(self.ideas[name]).table]

    def _result(self, name: str) -> Result:
        """Return the whole trial of a candidate."""
        return self.race.results[self.race.keys[name]]


ONCE_MORE = " once more"
"""End of the name of a trial that learns a member from all rows before the test span."""


def begin(
    asked: Asked, ledger: Ledger, budget: Budget, shown: Shown, tell: Callable[[str], None]
) -> Search:
    """List the windows that decide, and prepare the race."""
    base = asked.base
    if base.table.task != "regression":
        raise InputError(
            "data.targets must be values for forecast best, which averages forecasts, got "
            f"{base.table.task}: leave out data.events and data.classes, or use forecast sweep"
        )
    portfolio = Portfolio(asked.compose, asked.typed, base)
    on = Windows.of(base.spec, base.table, portfolio.longest())
    cuts, first = on.cuts, base.table.time.min()
    course = Course(
        asked.data.digest,
        (first, cuts.validation),
        (first, cuts.test),
        on.origins(on.held),
        on.held_out(),
    )

    def keep(run: DirectRun, table: str, learned: Forecaster) -> None:
        with TemporaryDirectory() as folder:
            place = Path(folder) / BUNDLE
            bundle.save(place, learned, asked.schemas[table], {"run_id": run.id})
            run.keep(place, BUNDLE)

    race = Race(course, portfolio.tables, ledger, budget, shown, keep)
    return Search(asked, on, portfolio, race, tell)


def run(search: Search) -> tuple[Ensemble, dict[str, list[str]]]:
    """Race candidates, weigh those that did well, and learn their networks once more.

    Returns:
        The ensemble, and the trials that learned the networks of its members, by their keys.
    """
    race, asked = search.race, search.asked
    with (
        beating(race.ledger.claims, race.ledger.owner),
        engine.cluster(asked.scheduler, asked.workers) as workers,
    ):
        search.tell("baselines")
        search.try_baselines()
        search.try_networks(workers)
        found = search.weigh()
        return found, search.learn_members(found, workers)
