"""Scores beside baselines: in one sentence, in a table, and of each series and target."""

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from forecast.evaluation import scores
from forecast.evaluation.page import Html, measured, number, table
from forecast.evaluation.report.parts import forecasters
from forecast.evaluation.significance import wording
from forecast.metrics import skill

if TYPE_CHECKING:
    from forecast.evaluation.experiment import Outcome

COLUMNS = {
    "test/mae": "MAE",
    "test/rmse": "RMSE",
    "test/mase": "MASE",
    "test/smape": "sMAPE",
    "test/bias": "bias",
    "test/r2": "R²",
    "test/crps": "CRPS",
    "test/brier": "Brier",
    "test/log_loss": "log loss",
    "test/auc": "AUC",
    "test/accuracy": "accuracy",
}
"""Metric to its heading, of those that a run has."""

COVERED = "test/coverage_"
"""Of which neither more nor less is better."""

HIGHER = ("test/r2", "test/auc", "test/accuracy")
"""Of which more is better; of a bias the smallest is, and less of all others."""

SHOWN, MOST = 10, 300
"""Rows shown at once, and those that unfold below them."""


def headline(outcome: "Outcome") -> str:
    """Say in a sentence how large the error is, compared with the best baseline and persistence.

    Args:
        outcome: What the experiment found.

    Returns:
        Plain text, such as "3.68 °F MAE over 24 steps; 5.9 % less error than ridge (p 0.0025); 34 %
        less error than persistence (p <0.001)."
    """
    head, test = outcome.test.headline, outcome.test
    own = outcome.scores[f"test/{head.key}"]
    steps = test.window.horizon
    text = f"{measured(own, test.table.common_unit, 3)} {head.name} over "
    text += f"{steps} steps" if steps > 1 else "one step"
    names = dict.fromkeys(filter(None, (strongest(outcome), "persistence")))
    return wording.sentence(
        text,
        {
            name: (outcome.scores[f"skill/{name}"], outcome.verdicts.get(name))
            for name in names
            if name in outcome.baseline_scores
        },
    )


def strongest(outcome: "Outcome") -> str | None:
    """Return the best baseline: against it the model has the smallest skill.

    Of baselines on the same windows that is the one with the smallest headline error; of one that
    was scored on fewer, its error is set against the model's on those.
    """
    key = f"test/{outcome.test.headline.key}"

    def rank(name: str) -> tuple[float, float]:
        skill = outcome.scores[f"skill/{name}"]
        return (skill if not np.isnan(skill) else 0.0), outcome.baseline_scores[name][key]

    return min(outcome.baseline_scores, key=rank, default=None)


def section(outcome: "Outcome") -> Html:
    """Write the table of scores, and those of targets and series.

    Args:
        outcome: What the experiment found.

    Returns:
        Markup.
    """
    parts = [_overall(outcome)]
    if len(outcome.table.targets) > 1:
        found = {
            name: dict(zip(other.table.targets, other.error(axis=(0, 1)).tolist(), strict=True))
            for name, other in forecasters(outcome).items()
        }
        parts.append(_each(outcome, "target", found))
    by_series = {name: scores.by_series(other) for name, other in forecasters(outcome).items()}
    if len(by_series[outcome.spec.model.name]) > 1:
        parts.append(_each(outcome, "series", by_series))
    return Html("".join(parts))


def _overall(outcome: "Outcome") -> Html:
    model, key = outcome.spec.model.name, f"test/{outcome.test.headline.key}"
    verdicts = outcome.verdicts
    every = {model: outcome.scores} | outcome.baseline_scores
    names = sorted(every, key=lambda name: every[name][key])
    titles = COLUMNS | _interval_columns(outcome)
    columns = [column for column in titles if column in outcome.scores]
    best = {
        column: _best(column, [every[name].get(column) for name in names]) for column in columns
    }
    first, *others = sorted(columns, key=lambda column: column != key)
    against = ["skill", "verdict"] if verdicts else ["skill"]
    # what the errors mean comes before the other scores, which may be wider than the page
    heads = ["", titles[first], *against, *(titles[column] for column in others)]
    rows = []
    for name in names:
        skill = outcome.scores.get(f"skill/{name}", np.nan)
        cells = [_score(every[name].get(column), best[column]) for column in (first, *others)]
        row = [Html(f"<b>{escape(name)}</b>") if name == model else name, cells[0]]
        row.append("" if name == model else percent(skill))
        if verdicts:
            row.append(wording.cell(skill, verdicts.get(name)))
        rows.append([*row, *cells[1:]])
    unit = outcome.table.common_unit
    where = f"Test span, {len(outcome.test.starts):,} windows{unit}; best first. "
    told = "★ marks the best of a column. Skill is the share of a baseline's error that is gone."
    return Html(f'<p class="note">{escape(where + told)}</p>' + table(heads, rows))


def _interval_columns(outcome: "Outcome") -> dict[str, str]:
    """Return metric to heading of what intervals covered, and of their score."""
    if outcome.intervals is None:
        return {}
    level = scores.percent(outcome.intervals.level)
    return {
        f"{COVERED}{level}": f"inside {level} %",
        f"test/winkler_{level}": "interval score",
    }


def _each(outcome: "Outcome", kind: str, found: Mapping[str, Mapping[str, float]]) -> Html:
    """List series or targets: the largest error first, of unlike units the smallest skill."""
    model, best = outcome.spec.model.name, strongest(outcome)
    own = found[model]
    compared = _compared(outcome, kind, best)
    gained = {
        name: float(skill(compared[name], found[best][name])) if name in compared and best else 0.0
        for name in own
    }
    alike = (
        kind == "series" or bool(outcome.table.common_unit) or outcome.table.task != "regression"
    )
    order = sorted(own, key=lambda name: -own[name] if alike else gained[name])
    most = float(np.nanmax([0.0, *own.values()]))
    rows = [
        [
            name,
            Html(_bar(own[name] / most) if alike and 0 < own[name] <= most else ""),
            *(number(errors[name]) if name in errors else "" for errors in found.values()),
            percent(gained[name]),
        ]
        for name in order[:MOST]
    ]
    heads = [kind, "", *found, f"skill against {best}"]
    text = f"The {'largest error' if alike else 'smallest skill'} first."
    if len(order) > MOST:
        text += f" {len(order) - MOST:,} more are in scores_by_series.csv or per_target.parquet."
    shown: str = table(heads, rows[:SHOWN])
    if rows[SHOWN:]:
        shown += f"<details><summary>{len(rows) - SHOWN} more</summary>"
        shown += table(heads, rows[SHOWN:]) + "</details>"
    title = f"{outcome.test.headline.name} by {kind}{outcome.table.common_unit}"
    return Html(f'<h3>{escape(title)}</h3><p class="note">{text}</p>{shown}')


def _compared(outcome: "Outcome", kind: str, best: str | None) -> Mapping[str, float]:
    """Return the model's errors by target or series, on the windows of the best baseline."""
    if best is None:
        return {}
    model = outcome.test.beside(outcome.baselines[best])
    if kind == "series":
        return scores.by_series(model)
    return dict(zip(model.table.targets, model.error(axis=(0, 1)).tolist(), strict=True))


def _bar(share: float) -> str:
    return f'<span class="share" style="width:{6 * share:.2f}rem"></span>'


def _best(column: str, values: list[float | None]) -> float:
    known = np.array([value for value in values if value is not None])
    known = known[np.isfinite(known)]
    if len(known) < 2 or column.startswith(COVERED):
        return np.nan  # a single value is no best
    rank = -known if column in HIGHER else np.abs(known) if column == "test/bias" else known
    return float(known[rank.argmin()])


def _score(value: float | None, best: float) -> str:
    if value is None:
        return ""
    return Html(f"<b>{number(value)}&nbsp;★</b>") if value == best else number(value)


def percent(share: float) -> str:
    """Write a share with its sign.

    >>> percent(0.0541), percent(-0.2)
    ('+5.4 %', '−20.0 %')
    """
    return f"{100 * share:+.1f} %".replace("-", "−") if np.isfinite(share) else "–"
