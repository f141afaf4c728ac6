"""Scores beside baselines: in one sentence, in a table, and of each series and target."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forecast.evaluation.outcome import (
    RELATIVE,
    Outcome,
    best,
    columns,
    strongest,
    without_zero,
)
from forecast.evaluation.scores import Measured
from forecast.evaluation.significance import wording
from forecast.evaluation.significance.wording import number
from forecast.metrics import skill
from forecast.report.charts import Axis, Bars, Rule, chart
from forecast.report.page import render

SHOWN, MOST = 10, 300
"""Rows shown at once, and those that unfold below them; of more rows both ends are shown."""

BARS = 40
"""Of a histogram of errors."""


def section(outcome: Outcome) -> str:
    """Write the table of scores, and those of targets and series."""
    several = []
    every = {name or outcome.spec.model.name: own for name, own in outcome.measured.items()}
    if len(outcome.table.targets) > 1:
        found = {name: _by_target(outcome, own) for name, own in every.items()}
        several.append(_each(outcome, "target", found))
    by_series = {name: own.by_series for name, own in every.items()}
    if len(by_series[outcome.spec.model.name]) > 1:
        several.append(_each(outcome, "series", by_series))
    return render("scores", **_overall(outcome), several=several)


def _overall(outcome: Outcome) -> dict[str, Any]:
    """Return note, heads and rows of the scoreboard."""
    model, key = outcome.spec.model.name, f"test/{outcome.test.headline.key}"
    verdicts = outcome.verdicts
    every = {model: outcome.scores} | outcome.baseline_scores
    names = sorted(every, key=lambda name: every[name][key])
    titles = columns(outcome)
    leading = {
        column: best(column, [every[name].get(column) for name in names]) for column in titles
    }
    first, *others = titles
    against = ["skill", "verdict"] if verdicts else ["skill"]
    # what the errors mean comes before the other scores, which may be wider than the page
    heads = ["", titles[first], *against, *(titles[column] for column in others)]
    rows = []
    for name in names:
        skill = outcome.scores.get(f"skill/{name}", np.nan)
        compared = ["" if name == model else percent(skill)]
        if verdicts:
            compared.append(wording.cell(skill, verdicts.get(name)))
        cells = [_score(every[name].get(column), leading[column]) for column in titles]
        rows.append({"name": name, "own": name == model, "scores": cells, "against": compared})
    unit = outcome.table.common_unit
    where = f"Test span, {outcome.windows:,} windows{unit}; best first. "
    legend = "★ marks the best of a column. Skill: error reduction relative to the baseline."
    why = without_zero(outcome.table) if RELATIVE in outcome.scores else ""
    legend += f" sMAPE is left out: {why}." if why else ""
    return {"note": where + legend, "heads": heads, "board": rows}


def _each(outcome: Outcome, kind: str, found: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """List series or targets: the largest error first, of unlike units the smallest skill."""
    model, rival = outcome.spec.model.name, strongest(outcome)
    own = found[model]
    compared = _compared(outcome, kind, rival)
    gained = {
        name: float(skill(compared[name], found[rival][name]))
        if name in compared and rival
        else 0.0
        for name in own
    }
    alike = (
        kind == "series" or bool(outcome.table.common_unit) or outcome.table.task != "regression"
    )
    order = sorted(own, key=lambda name: -own[name] if alike else gained[name])
    most = float(np.nanmax([0.0, *own.values()]))
    first, last = (order[:MOST], []) if len(order) <= MOST else (order[:SHOWN], order[-SHOWN:])
    rows = []
    for name in [*first, *last]:
        texts = [number(errors[name]) if name in errors else "" for errors in found.values()]
        share = own[name] / most if alike and 0 < own[name] <= most else 0.0
        rows.append({"name": name, "share": share, "texts": [*texts, percent(gained[name])]})
    text = f"The {'largest error' if alike else 'smallest skill'} first."
    if last:
        text += (
            f" The first and the last {SHOWN} of {len(order):,}; all are in scores_by_series.csv "
            "or per_target.parquet."
        )
    title = f"{outcome.test.headline.name} by {kind}{outcome.table.common_unit}"
    heads = [kind, "", *found, f"skill against {rival}"]
    drawn = _distribution(outcome, kind, [own[name] for name in order]) if last else ""
    shown = len(rows) if last else SHOWN
    return {
        "title": title,
        "note": text,
        "heads": heads,
        "rows": rows,
        "shown": shown,
        "picture": drawn,
    }


def _distribution(outcome: Outcome, kind: str, errors: Sequence[float]) -> str:
    """Draw how many series or targets have which error."""
    known = np.array(errors)[np.isfinite(errors)]
    if not len(known) or not np.ptp(known):
        return ""
    most = float(np.quantile(known, 0.998))
    count, edges = np.histogram(np.minimum(known, most), BARS, (float(known.min()), most))
    middle = float(np.median(known))
    return chart(
        f"{outcome.test.headline.name} of {len(known):,} {kind if kind == 'series' else 'targets'}",
        [
            Bars("number", (edges[:-1] + edges[1:]) / 2, count, edges[1] - edges[0]),
            Rule(middle, upright=True),
        ],
        x=Axis(f"{outcome.test.headline.name}{outcome.table.common_unit}"),
        y=Axis(low=0.0),
        note=(
            f"The dashed line is the median, {number(middle, 3)}. The last bar includes all beyond."
        ),
    )


def _compared(outcome: Outcome, kind: str, best: str | None) -> Mapping[str, float]:
    """Return the model's errors by target or series, on the windows of the best baseline."""
    if best is None:
        return {}
    own = outcome.paired[best]
    return own.by_series if kind == "series" else _by_target(outcome, own)


def _by_target(outcome: Outcome, own: Measured) -> dict[str, float]:
    """Return the headline error of each target."""
    return dict(zip(outcome.table.targets, own.targets.mean.tolist(), strict=True))


def _score(value: float | None, best: float) -> dict[str, Any]:
    if value is None:
        return {"text": "", "best": False}
    return {"text": number(value), "best": value == best}


def percent(share: float) -> str:
    """Write a share with its sign.

    >>> percent(0.0541), percent(-0.2)
    ('+5.4 %', '−20.0 %')
    """
    return f"{100 * share:+.1f} %".replace("-", "−") if np.isfinite(share) else "–"
