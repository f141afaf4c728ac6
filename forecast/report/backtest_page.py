"""The report of a backtest: all folds together, and what they have in common."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.evaluation import scores as numbers
from forecast.evaluation.outcome import headline, strongest
from forecast.evaluation.significance.wording import cell, measured, number
from forecast.report import run_page
from forecast.report.charts import Axis, Line, Rule, chart, samples
from forecast.report.page import render
from forecast.report.run_page import Head
from forecast.report.sections import errors, examples, intervals, scores, strip
from forecast.report.sections.examples import stamp
from forecast.report.sections.findings import findings, unconverged
from forecast.report.sections.scores import percent
from forecast.report.sections.slices import looks
from forecast.report.sections.strip import Fold

if TYPE_CHECKING:
    from forecast.evaluation.backtest import Backtest

UNEVEN = 1.25
"""Largest error of a fold, in smallest ones, that is worth a sentence."""


def page(title: str, found: "Backtest", facts: Mapping[str, str] = {}, command: str = "") -> str:
    """Write the report of a backtest."""
    overall = found.overall
    known = dict(facts) | {
        "folds": f"{len(found.folds)}, {found.plan.scheme}, "
        f"{sum(fold.refits for fold in found.folds)} trainings"
    }
    marks = [Fold(fold.begin, f"fold {fold.number}") for fold in found.folds]
    told = [*_worth(found), *findings(overall, whole=True)]
    head = Head(headline(overall), told, strip.section(overall, marks))
    sections = [
        ("Scores and baselines", scores.section(overall)),
        ("Folds", folds(found)),
        ("Where the errors occur", errors.section(overall)),
        ("Uncertainty", intervals.section(overall)),
        ("Best and worst windows", examples.section(overall)),
        ("Setup", run_page.summary(overall, known, command)),
    ]
    return run_page.page(title, [section for section in sections if section[1]], head)


def folds(found: "Backtest") -> str:
    """Write a row for each fold, and draw errors and coverage of all."""
    overall = found.overall
    rival, unit = strongest(overall), overall.table.common_unit
    error, key = overall.test.headline.name, f"test/{overall.test.headline.key}"
    level = numbers.percent(overall.intervals.level) if overall.intervals else ""
    shared = not all(fold.refits for fold in found.folds)
    heads = ["fold", "from", "to", *(["model of"] if shared else []), "windows", f"{error}{unit}"]
    heads += [f"skill against {rival}", "verdict"] if rival else []
    heads += [f"inside {level} %"] if level else []
    rows = []
    for fold, outcome in zip(found.folds, found.outcomes, strict=True):
        row = [f"fold {fold.number}", stamp(fold.begin), stamp(fold.last)]
        row += [f"fold {fold.fitted}"] if shared else []
        row += [f"{outcome.windows:,}", number(outcome.scores[key])]
        if rival:
            skill = outcome.scores[f"skill/{rival}"]
            row += [percent(skill), cell(skill, outcome.verdicts.get(rival))]
        if level:
            held = outcome.scores.get(f"test/coverage_{level}")
            row += [f"{100 * held:.1f} %" if held is not None else ""]
        rows.append(row)
    drawn = [_errors(found, key)]
    drawn += [_coverage(found, level)] if level else []
    return render("folds", heads=heads, rows=rows, looks=samples(looks(overall)), drawn={"": drawn})


def _errors(found: "Backtest", key: str) -> str:
    """Draw the error of each fold, model and baselines."""
    overall, folds_ = found.overall, [fold.number for fold in found.folds]
    look = looks(overall)
    lines = []
    for name, own in look.items():
        each = [
            outcome.scores[key] if own == "model" else outcome.baseline_scores[name][key]
            for outcome in found.outcomes
        ]
        lines.append(Line(name, folds_, each, own, dots=True))
    return chart(
        f"{overall.test.headline.name} by fold{overall.table.common_unit}",
        lines[::-1],
        x=_axis(found),
        y=Axis(low=0.0),
        note="A model that is better in some folds only may owe it to chance.",
    )


def _coverage(found: "Backtest", level: str) -> str:
    """Draw how much of the truth the intervals of each fold held."""
    key, overall = f"test/coverage_{level}", found.overall
    held = [outcome.scores.get(key, np.nan) for outcome in found.outcomes]
    nominal = overall.intervals.level if overall.intervals else np.nan
    return chart(
        f"Share inside the {level} % intervals by fold",
        [Rule(nominal), Line("inside", [fold.number for fold in found.folds], held, dots=True)],
        x=_axis(found),
        y=Axis(high=1.0),
        note="Below the dashed line the intervals of a fold are too narrow.",
    )


def _axis(found: "Backtest") -> Axis:
    """Name few folds by their first day."""
    every = -(-len(found.folds) // 5)
    names = {float(f.number): str(f.begin)[:10] for f in found.folds[::every]}
    return Axis("first time stamp of the fold", names=names)


def _worth(found: "Backtest") -> Sequence[str]:
    """Say how folds differ, and which trainings ended too early."""
    told = []
    late = [n for n, outcome in _fitted(found) if unconverged(outcome)]
    if late:
        one = f"fold{'s' * (len(late) > 1)} {_listed(late)}"
        which = "every fold" if len(late) == len(_fitted(found)) else one
        told.append(
            f"In {which} the best epoch was the last: the training has not converged; "
            "raise training.epochs."
        )
    each = np.array([outcome.measured[""].error for outcome in found.outcomes])
    if len(each) > 1 and each.max() > UNEVEN * each.min() > 0:
        high, low = int(each.argmax()), int(each.argmin())
        head, unit = found.overall.test.headline.name, found.overall.table.common_unit
        told.append(
            f"Folds differ: {head} {measured(each[low], unit, 3)} in fold {low + 1} and "
            f"{measured(each[high], unit, 3)} in fold {high + 1}."
        )
    return told


def _fitted(found: "Backtest") -> list[tuple[int, Any]]:
    """List the folds that have a model of their own."""
    pairs = zip(found.folds, found.outcomes, strict=True)
    return [(fold.number, outcome) for fold, outcome in pairs if fold.refits]


def _listed(values: Sequence[int]) -> str:
    *most, last = map(str, values)
    return f"{', '.join(most)} and {last}" if most else last
