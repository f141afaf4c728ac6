"""The page that compares runs: which is best and how surely, what differs, and what mattered."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from forecast.evaluation.significance import wording
from forecast.evaluation.significance.multiple import corrected, count_tested, reversed_verdict
from forecast.evaluation.significance.pairs import Verdict, probability
from forecast.evaluation.significance.ranks import Ranking
from forecast.evaluation.significance.wording import number
from forecast.metrics import skill
from forecast.report import compare_charts, compare_effects
from forecast.report.compare_effects import Varied
from forecast.report.page import render

SHOWN = 50
"""Runs in the table until all are asked for."""

COLUMNS = 8
"""Most settings that have a column, and an axis."""


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
        baselines: Baseline to its error on the test span.
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
    baselines: Mapping[str, float] = field(default_factory=dict)
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
        return compare_effects.settings([entry.params for entry in self.entries], self.errors)

    @cached_property
    def corrected(self) -> list[Pair]:
        """The pairs with p values corrected for their number."""
        found = corrected([pair.verdict for pair in self.pairs])
        return [replace(pair, verdict=own) for pair, own in zip(self.pairs, found, strict=True)]


def page(found: Compared) -> str:
    """Write the page of compared runs."""
    errors, (varied, shared) = found.errors, found.settings
    reference = found.entries[0]
    return render(
        "compare",
        title=found.title,
        lead=headline(found),
        notes=[*found.notes, *_last(found)],
        reference=reference.name,
        error=f"{found.error}{found.unit}",
        chosen=found.chosen,
        verdicts=_verdicts(found),
        correction=correction(found.corrected),
        untested=found.untested,
        ranks=_ranks(found.ranking),
        differences=[compare_effects.counted(one) for one in varied],
        constants=shared,
        effects=[one.strip(errors) for one in varied if one.explains] if len(errors) > 7 else [],
        curves=compare_charts.curves(found.entries, found.chosen),
        heads=[one.short for one in varied[:COLUMNS]],
        rows=[_row(entry, n, varied[:COLUMNS]) for n, entry in enumerate(found.entries[:SHOWN])],
        count=len(found.entries),
        data=_data(found, varied[:COLUMNS], errors),
        shown=SHOWN,
    )


def headline(found: Compared) -> str:
    """Say which run is best, and how surely it is better than the next and the best baseline."""
    best = found.entries[0]
    validation, test = (
        wording.measured(value, found.unit) if math.isfinite(value) else ""
        for value in (best.validation, best.test)
    )
    if found.named or not validation:
        text = f"{best.name}: {test} {found.error} on the test span" if test else best.name
    else:
        text = f"Best by {found.chosen}: {best.name}, with {validation}"
        text += f", and {test} {found.error} on the test span" if test else ""
    clauses = []
    pairs = found.corrected
    if rival := next((pair for pair in pairs if not pair.baseline), None):
        clauses.append(_against("" if found.named else "the next run, ", rival))
    if rival := min((p for p in pairs if p.baseline), key=lambda p: p.error, default=None):
        clauses.append(_against("the best baseline, ", rival))
    return f"{text}{': ' if clauses else ''}{'; '.join(clauses)}."


def _against(role: str, rival: Pair) -> str:
    """Compare the best run with another in a clause."""
    gain = float(skill(rival.reference, rival.error))
    return wording.against(f"{role}{rival.name}", gain, reversed_verdict(rival.verdict))


def correction(pairs: Sequence[Pair]) -> str:
    """Say for how many comparisons p values were corrected."""
    count = count_tested([pair.verdict for pair in pairs])
    if count < 2:
        return ""
    return (
        f"p values are corrected for {count} comparisons (Holm): the probability that any of them "
        "is called different by chance alone is at most 5 %."
    )


def _last(found: Compared) -> list[str]:
    """Say of how many runs only the last epoch is known, and of lower test errors elsewhere."""
    notes = []
    if last := sum(entry.last for entry in found.entries):
        notes.append(
            f"{last:,} runs of an earlier version kept no validation error of the epoch whose "
            "weights they kept; theirs is that of their last epoch (marked †)."
        )
    best = found.entries[0]
    lower = [entry for entry in found.entries if entry.test < best.test]
    if lower and not found.named and math.isfinite(best.validation):
        lowest = min(lower, key=lambda entry: entry.test)
        notes.append(
            f"The lowest test {found.error}, {number(lowest.test)}, is that of {lowest.name}. "
            "Choosing by it would use the test set for selection, and the number would be too good."
        )
    return notes


def _verdicts(found: Compared) -> list[list[str]]:
    """Write the tests as cells."""
    return [
        [
            f"{pair.name} (baseline)" if pair.baseline else pair.name,
            number(pair.error),
            number(pair.reference),
            f"{100 * pair.skill:+.1f} %".replace("-", "−"),
            wording.cell(pair.skill, pair.verdict),
            f"{pair.verdict.origins:,}",
        ]
        for pair in found.corrected
    ]


def _ranks(ranking: Ranking | None) -> dict[str, Any] | None:
    """Write average ranks as cells, best first, each with those that it does not differ from."""
    if ranking is None or math.isnan(ranking.p):
        return None
    order = sorted(range(len(ranking.models)), key=lambda place: ranking.average[place])
    rows = []
    for place in order:
        name = ranking.models[place]
        near = {other for group in ranking.groups if name in group for other in group} - {name}
        rows.append([name, f"{ranking.average[place]:.2f}", ", ".join(sorted(near)) or "–"])
    return {"rows": rows, "p": probability(ranking.p), "cases": ranking.cases}


def _row(entry: Entry, place: int, varied: Sequence[Varied]) -> list[str]:
    """Write a run as cells."""
    mark = "†" if entry.last else ""
    values = [one.texts[one.at[place]] for one in varied]
    shown = [number(entry.validation) + mark, number(entry.test)]
    return [str(place + 1), entry.name, *shown, *values, entry.id]


def _data(found: Compared, varied: Sequence[Varied], errors: Sequence[float]) -> str:
    """Write what the page's script draws, column by column; no text of it can end the script."""

    def numbers(values: Sequence[float]) -> list[float | None]:
        return [float(f"{value:.5g}") if math.isfinite(value) else None for value in values]

    data = {
        "error": found.error,
        "chosen": found.chosen,
        "names": [entry.name for entry in found.entries],
        "ids": [entry.id for entry in found.entries],
        "validation": numbers([entry.validation for entry in found.entries]),
        "test": numbers([entry.test for entry in found.entries]),
        "last": [n for n, entry in enumerate(found.entries) if entry.last],
        "errors": numbers(errors),
        "columns": [one.column() for one in varied],
        "baselines": {name: number(value) for name, value in found.baselines.items()},
    }
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", " ").replace("\u2029", " ")
