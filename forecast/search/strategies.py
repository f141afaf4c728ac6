"""Which candidates are tried next, and how long, given how those before them did."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from forecast.search.candidates import Candidate
from forecast.search.leaderboard import Standing
from forecast.search.trial import Rung

RESOURCES = ("epochs", "rows")


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
