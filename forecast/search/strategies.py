"""Which trials come next: grid, random points, halving, Optuna."""

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from forecast.errors import InputError
from forecast.search import space
from forecast.search.candidates import Candidate
from forecast.search.leaderboard import Standing
from forecast.search.space import Grid, Point, Range
from forecast.search.trial import Rung

if TYPE_CHECKING:
    import optuna


Asked = list[tuple[Candidate, Rung]]
Rank = Callable[[Asked], Sequence[Standing]]
"""Tells how candidates did that were asked for before, the best first."""


class Strategy(Protocol):
    """A way through a space."""

    @property
    def probes(self) -> Sequence[Candidate]:
        """Candidates whose common origins all others can predict too."""
        ...

    @property
    def most(self) -> int:
        """Most candidates tried, those of every rung added."""
        ...

    @property
    def smallest(self) -> Rung:
        """The least that a trial may spend."""
        ...

    @property
    def question(self) -> Mapping[str, Any]:
        """Plain values that make it another sweep if they change."""
        ...

    def rounds(self, rank: Rank) -> Iterator[Asked]:
        """Say what is tried next; when a round is asked for, that before it has been tried."""
        ...


@dataclass(frozen=True)
class Everything:
    """Every candidate, to the end: a grid, or points that were drawn before.

    Attributes:
        probes: The candidates.
    """

    probes: Sequence[Candidate]

    @property
    def most(self) -> int:
        """All of them, once."""
        return len(self.probes)

    @property
    def smallest(self) -> Rung:
        """Everything."""
        return Rung()

    @property
    def question(self) -> Mapping[str, Any]:
        """The points."""
        return {"points": [dict(candidate.point) for candidate in self.probes]}

    def rounds(self, rank: Rank) -> Iterator[Asked]:
        """One round of all."""
        del rank
        yield [(candidate, Rung()) for candidate in self.probes]


@dataclass(frozen=True)
class Halving:
    """Successive halving (Jamieson & Talwalkar 2016): all a little, the best of them more.

    On epochs a survivor goes on from its weights, to the last bit as if it had never stopped; on
    rows it learns anew, so that its score does not depend on the rungs it has passed. Either way
    the last rung is the trial that a grid would run.

    Attributes:
        probes: The candidates.
        factor: One in so many goes on, and may spend so many times more.
        resource: "epochs" or "rows".
    """

    probes: Sequence[Candidate]
    factor: int = 3
    resource: str = "epochs"

    @property
    def rungs(self) -> list[Rung]:
        """List the rungs; on the last one there is at least one candidate.

        >>> [(r.number, round(r.share("epochs"), 2)) for r in Halving([None] * 9, 3).rungs]
        [(1, 0.11), (2, 0.33), (3, 1.0)]
        """
        of = 1
        while self.factor**of <= len(self.probes):
            of += 1
        return [Rung(number, of, self.factor, self.resource) for number in range(1, of + 1)]

    @property
    def sizes(self) -> list[int]:
        """Count the candidates of every rung.

        >>> Halving([None] * 20, 3).sizes
        [20, 7, 3]
        """
        found = [len(self.probes)]
        for _ in self.rungs[1:]:
            found.append(math.ceil(found[-1] / self.factor))
        return found

    @property
    def most(self) -> int:
        """All rungs added."""
        return sum(self.sizes)

    @property
    def smallest(self) -> Rung:
        """The first rung."""
        return self.rungs[0]

    @property
    def question(self) -> Mapping[str, Any]:
        """The points and how they are thinned out."""
        points = [dict(candidate.point) for candidate in self.probes]
        return {"points": points, "halving": [self.factor, self.resource]}

    def rounds(self, rank: Rank) -> Iterator[Asked]:
        """A round for every rung; a candidate that failed never goes on."""
        going = list(self.probes)
        for rung, size in zip(self.rungs, self.sizes, strict=True):
            asked = [(candidate, rung) for candidate in going[:size]]
            yield asked
            going = [s.candidate for s in rank(asked) if math.isfinite(s.mean)]


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tpe:
    """Optuna's sampler, asked for batches of one size; results go back in the order of asking.

    What it suggests next follows from the seed and the scores alone, so a sweep that was killed
    asks for the same points again and finds their trials in the ledger.

    Attributes:
        probes: Candidates at the corners of the space.
        grids: The space; of several grids one is chosen first.
        build: Makes a candidate of a number and a point.
        samples: Points asked for; one that was asked for before is not tried again.
        batch: Points asked for at once.
        seed: Of the sampler.
    """

    probes: Sequence[Candidate]
    grids: Sequence[Grid]
    build: Callable[[int, Point], Candidate]
    samples: int
    batch: int
    seed: int

    @property
    def most(self) -> int:
        """As many as are asked for."""
        return self.samples

    @property
    def smallest(self) -> Rung:
        """Everything."""
        return Rung()

    @property
    def question(self) -> Mapping[str, Any]:
        """The space and how it is walked."""
        grids = [{key: repr(values) for key, values in one.items()} for one in self.grids]
        return {"tpe": [grids, self.samples, self.batch, self.seed]}

    def rounds(self, rank: Rank) -> Iterator[Asked]:
        """A round for every batch."""
        study = _study(self.seed)
        known: dict[str, Candidate | None] = {}
        for begun in range(0, self.samples, self.batch):
            trials = [study.ask() for _ in range(min(self.batch, self.samples - begun))]
            wanted = [self._candidate(self._point(trial), known) for trial in trials]
            distinct = {candidate.number: candidate for candidate in wanted if candidate}
            asked = [(candidate, Rung()) for candidate in distinct.values()]
            yield asked
            means = {standing.candidate.number: standing.mean for standing in rank(asked)}
            for trial, candidate in zip(trials, wanted, strict=True):
                mean = means[candidate.number] if candidate else math.inf
                if math.isfinite(mean):
                    study.tell(trial, mean)
                else:
                    study.tell(trial, state=_failed())

    def _point(self, trial: "optuna.Trial") -> Point:
        """Let the sampler choose a grid, then a value for each of its keys."""
        number = 0
        if len(self.grids) > 1:
            number = trial.suggest_categorical("grid", list(range(len(self.grids))))
        own = self.grids[number]
        point = {key: _suggest(trial, f"{number}.{key}", own[key]) for key in sorted(own)}
        return space.in_order(point)

    def _candidate(self, point: Point, known: dict[str, Candidate | None]) -> Candidate | None:
        """Build a point, once; a combination that cannot be built counts as failed."""
        key = json.dumps(point)
        if key not in known:
            number = sum(candidate is not None for candidate in known.values())
            try:
                known[key] = self.build(number, point)
            except InputError as error:
                log.warning("left out: %s", error)
                known[key] = None
        return known[key]


def _suggest(trial: "optuna.Trial", name: str, values: list[Any] | Range) -> Any:
    """Ask for one value."""
    if isinstance(values, list):  # Optuna takes no lists as choices
        return json.loads(trial.suggest_categorical(name, [json.dumps(v) for v in values]))
    if values.name == "randint":
        return trial.suggest_int(name, values.low, values.high)
    number = trial.suggest_float(name, values.low, values.high, log=values.name == "loguniform")
    return space.rounded(number)


def require() -> None:
    """Make sure that Optuna is there, which is no dependency of anything else."""
    if find_spec("optuna") is None:
        raise InputError("sweep.strategy=tpe must find Optuna, got none: pip install 'optuna>=5'")


def _study(seed: int) -> "optuna.Study":
    """Begin a study that says nothing, unless all is to be heard."""
    import optuna

    if not log.isEnabledFor(logging.DEBUG):
        optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))


def _failed() -> "optuna.trial.TrialState":
    """Name the state of a trial without a score."""
    from optuna.trial import TrialState

    return TrialState.FAIL
