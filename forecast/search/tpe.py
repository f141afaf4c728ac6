"""Tree-structured Parzen estimators (Bergstra et al. 2011) choose points, batch by batch."""

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from forecast.errors import InputError
from forecast.search import space
from forecast.search.candidates import Candidate
from forecast.search.space import Grid, Point, Range
from forecast.search.strategies import Asked, Rank
from forecast.search.trial import Rung

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tpe:
    """Optuna's sampler, asked for batches of one size and told in the order of asking.

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
    """Make sure that Optuna is there, which is no dependency of anything else.

    Raises:
        InputError: It is not.
    """
    if find_spec("optuna") is None:
        raise InputError(
            "sweep.strategy=tpe must find Optuna, got none: pip install 'forecast[optuna]'"
        )


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
