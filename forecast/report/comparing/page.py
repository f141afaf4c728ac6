"""The page that compares runs: which is best and how surely, what differs, and what mattered."""

import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from forecast.evaluation.significance import wording
from forecast.evaluation.significance.multiple import count_tested, reversed_verdict
from forecast.evaluation.significance.pairs import probability
from forecast.evaluation.significance.ranks import Ranking
from forecast.evaluation.significance.wording import number
from forecast.metrics import skill
from forecast.report.comparing import effects
from forecast.report.comparing.curves import curves
from forecast.report.comparing.effects import Varied
from forecast.report.comparing.entries import Compared, Pair
from forecast.report.page import render

SHOWN = 50
"""Runs in the table until all are asked for."""

COLUMNS = 8
"""Most settings that have a column, and an axis."""

BESIDE = 6
"""Runs of which each has a column in the table of what differs."""


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
        of=f"{found.error} of the {'first' if found.named else 'best'}",
        which="runs" if found.named else "best runs",
        coordinates=len(found.entries) > 2 and bool(varied),
        error=f"{found.error}{found.unit}",
        chosen=found.chosen,
        verdicts=_verdicts(found),
        correction=correction(found.corrected),
        untested=found.untested,
        ranks=_ranks(found.ranking),
        differences=_differences(found),
        constants=shared,
        effects=[one.strip(errors) for one in varied if one.explains] if len(errors) > 7 else [],
        curves=curves(found.entries, found.chosen),
        heads=[head for head, _ in _columns(found)],
        rows=[[cell(n) for _, cell in _columns(found)] for n in range(len(found.entries))[:SHOWN]],
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
    if found.named or not (validation or test):
        text = f"{best.name}: {test} {found.error} on the test span" if test else best.name
    elif not validation:
        text = f"Best by {found.chosen}: {best.name}, with {test}"
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
            f"Marked †: {last:,} of an earlier version, whose validation error is that of the last "
            "epoch, since that of the epoch whose weights were kept is not recorded."
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
            pair.name
            if not pair.baseline or "baseline" in pair.name
            else f"{pair.name} (baseline)",
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


def _columns(found: Compared) -> list[tuple[str, Callable[[int], str]]]:
    """List the columns of the table of runs: a head, and what makes the text of a run's place."""
    entries, varied = found.entries, found.settings[0][:COLUMNS]

    def validation(place: int) -> str:
        return number(entries[place].validation) + ("†" if entries[place].last else "")

    columns = [("#", lambda n: str(n + 1)), ("run", lambda n: entries[n].name)]
    if any(math.isfinite(one.validation) for one in entries):
        columns.append((found.chosen, validation))
    if any(math.isfinite(one.test) for one in entries):
        columns.append((f"test {found.error}", lambda n: number(entries[n].test)))
    columns += [(one.short, partial(_value, one)) for one in varied]
    return [*columns, ("id", lambda n: entries[n].id)]


def _value(one: Varied, place: int) -> str:
    """Return the value of a setting of a run."""
    return one.texts[one.at[place]]


def _differences(found: Compared) -> dict[str, Any] | None:
    """Write what differs as cells: run by run of a few, counted of many."""
    varied = found.settings[0]
    if not varied:
        return None
    if len(found.entries) <= BESIDE:
        names = [entry.name for entry in found.entries]
        short = [name.split(" · ")[0] for name in names]
        heads = ["setting", *(short if len(set(short)) == len(short) else names)]
        cells = [[_value(one, n) for n in range(len(found.entries))] for one in varied]
        rows = [[one.key, *own] for one, own in zip(varied, cells, strict=True)]
        return {"heads": heads, "rows": rows, "kind": ""}
    counts = [effects.counted(one) for one in varied]
    heads = ["setting", "values (runs)", "explains"]
    if not any(one["explains"] for one in counts):
        heads = heads[:2]
    keys = ("key", "values", "explains")[: len(heads)]
    return {
        "heads": heads,
        "rows": [[one[key] for key in keys] for one in counts],
        "kind": "words",
    }


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
    }
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", " ").replace("\u2029", " ")
