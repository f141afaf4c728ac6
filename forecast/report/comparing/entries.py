"""Runs that are compared, and the tests between them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from forecast.evaluation.significance.multiple import corrected
from forecast.evaluation.significance.pairs import Verdict
from forecast.evaluation.significance.ranks import Ranking
from forecast.metrics import skill
from forecast.report.comparing import effects
from forecast.report.comparing.effects import Varied


@dataclass(frozen=True)
class Entry:
    """A run to compare.

    Attributes:
        id: Its id.
        name: What people read.
        validation: Error by which the best is chosen, NaN for none.
        test: Error on the test span, NaN for none.
        params: Its params.
        last: Whether `validation` is that of the last epoch, since that of the kept one is unknown.
        curve: Epoch to validation error, of a few.
        kept: Epoch whose weights were kept.
    """

    id: str
    name: str
    validation: float
    test: float
    params: Mapping[str, str]
    last: bool = False
    curve: Mapping[int, float] = field(default_factory=dict)
    kept: int = 0


@dataclass(frozen=True)
class Pair:
    """A run beside the reference, on the origins that both have forecast.

    Attributes:
        name: Of the run.
        id: Its id.
        error: Its error there.
        reference: Error of the reference there.
        verdict: On the run, uncorrected.
        baseline: Whether it is one.
    """

    name: str
    id: str
    error: float
    reference: float
    verdict: Verdict
    baseline: bool = False

    @property
    def skill(self) -> float:
        """Share of the reference's error that this run has less."""
        return float(skill(self.error, self.reference))


@dataclass(frozen=True)
class Compared:
    """What is known of runs that are compared.

    Attributes:
        title: Of the page.
        error: Name of the error, such as MAE.
        unit: Of the data, such as ", °F"; empty if targets differ in it.
        chosen: By which error the best is chosen, in words.
        entries: The runs, the best first, which all others are tested against.
        pairs: Tests against it.
        untested: Why runs could not be tested, to their names.
        ranking: Ranks over series, of few runs.
        notes: What was left out, in sentences.
        named: Whether the runs were named, so that the first is no best.
    """

    title: str
    error: str
    unit: str
    chosen: str
    entries: Sequence[Entry]
    pairs: Sequence[Pair] = ()
    untested: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ranking: Ranking | None = None
    notes: Sequence[str] = ()
    named: bool = False

    @cached_property
    def errors(self) -> list[float]:
        """What runs are ranked by: errors by which the best is chosen, of the test span if none."""
        found = [entry.validation for entry in self.entries]
        return found if any(map(math.isfinite, found)) else [one.test for one in self.entries]

    @cached_property
    def settings(self) -> tuple[list[Varied], dict[str, str]]:
        """What differs between the runs, and what they share."""
        return effects.settings([entry.params for entry in self.entries], self.errors)

    @cached_property
    def corrected(self) -> list[Pair]:
        """The pairs with p values corrected for their number."""
        found = corrected([pair.verdict for pair in self.pairs])
        return [replace(pair, verdict=own) for pair, own in zip(self.pairs, found, strict=True)]
