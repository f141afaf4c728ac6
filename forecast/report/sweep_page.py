"""The report of a sweep: the leaderboard, what mattered, and how its winner forecasts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from forecast.evaluation.outcome import headline
from forecast.evaluation.significance.wording import against, measured, number
from forecast.metrics import skill
from forecast.report import run_page
from forecast.report.charts import Axis, Dots, Line, Mark, Rule, chart
from forecast.report.comparison import ABSENT, LABELS, Row, text_of, varied
from forecast.report.page import render
from forecast.report.run_page import Head
from forecast.report.sections import scores, strip
from forecast.report.sections.findings import findings

if TYPE_CHECKING:
    from forecast.evaluation.outcome import Outcome

FEW = 3
"""Fewer folds say little about the spread between them."""

SETTINGS = 8
"""Most settings that have a picture of their own."""


WIDTH, HEIGHT = 1120, 300
LEFT, RIGHT, TOP, BOTTOM = 40, 1000, 14, 256
"""The ground of the picture within its drawing."""

MOST = 200
"""Most candidates that are drawn: the best."""


@dataclass(frozen=True)
class Ranked:
    """What a sweep found.

    Attributes:
        rows: Candidates, the best first.
        baselines: Name to error on the same origins.
        error: What people call the error.
        unit: Its unit, as a caption ends.
        folds: How many.
        origins: On which all are compared.
        heads: Of the leaderboard as cells.
        cells: Its rows.
    """

    rows: Sequence[Row]
    baselines: Mapping[str, float]
    error: str
    unit: str
    folds: int
    origins: int
    heads: Sequence[str]
    cells: Sequence[Sequence[str]]


def page(
    title: str,
    found: Ranked,
    winner: "Outcome",
    facts: Mapping[str, str] = {},
    command: str = "",
) -> str:
    """Write the report of a sweep, with the test span of its retrained winner."""
    head = Head(_lead(found), [*_worth(found), *_winner(winner)], strip.section(winner))
    sections = [
        ("Leaderboard", leaderboard(found)),
        ("What mattered", mattered(found)),
        ("The winner on the test span", scores.section(winner)),
        ("Setup", run_page.summary(winner, facts, command)),
    ]
    return run_page.page(title, [section for section in sections if section[1]], head)


def leaderboard(found: Ranked) -> str:
    """Write the table of the candidates, and draw the best ones with their folds."""
    return render(
        "leaderboard",
        heads=found.heads,
        rows=found.cells,
        drawn=_folds(found),
        origins=found.origins,
    )


def mattered(found: Ranked) -> str:
    """Draw all candidates through their settings, then the error against each setting."""
    finished = [row for row in found.rows if np.isfinite(row.mean)]
    settings = varied(finished)
    if len(finished) < 2 or not settings:
        return ""
    drawn = [
        _setting(finished, name, texts, found) for name, texts in [*settings.items()][:SETTINGS]
    ]
    return render(
        "mattered", whole=coordinates(finished, f"{found.error}{found.unit}"), drawn=drawn
    )


def _lead(found: Ranked) -> str:
    """Say who won, and by how much."""
    best, rival = found.rows[0], min(found.baselines, key=lambda name: found.baselines[name])
    gained = float(skill(best.mean, found.baselines[rival]))
    spread = f" ± {best.scores.std(ddof=1):.2g}" if len(best.scores) > 1 else ""
    mean = measured(best.mean, found.unit, 4).replace(" ", f"{spread} ", 1)
    mean = mean if " " in mean or not spread else mean + spread
    return (
        f"{mean} {found.error} by {best.name}, the best of {len(found.rows):,} candidates on "
        f"{found.origins:,} origins of {found.folds} folds; {against(rival, gained, None)}."
    )


def _worth(found: Ranked) -> list[str]:
    """Say what a reader of the leaderboard should know."""
    told = []
    if found.folds < FEW:
        told.append(
            f"{found.folds} folds say little about the spread: take the order as a hint, or set "
            "sweep.folds=3 or more."
        )
    tied = [row.name for row in found.rows[1:] if row.tied]
    if tied:
        names = ", ".join(tied[:3]) + (f" and {len(tied) - 3} more" if len(tied) > 3 else "")
        told.append(f"Within fold noise of the best: {names}.")
    failed = sum(not np.isfinite(row.mean) for row in found.rows)
    if failed:
        told.append(f"{failed} of {len(found.rows)} candidates failed; the table says why.")
    rival = min(found.baselines, key=lambda name: found.baselines[name])
    if found.rows[0].mean > found.baselines[rival]:
        told.append(f"No candidate is better than {rival}: search other settings, or use {rival}.")
    return told


def _winner(winner: "Outcome") -> list[str]:
    """Say how the winner did on the test span."""
    return [f"Retrained and scored once on the test span: {headline(winner)}", *findings(winner)]


def _folds(found: Ranked) -> str:
    """Draw the error of the best candidates in each trial, beside the best baseline."""
    finished = [row for row in found.rows if np.isfinite(row.mean)][:12]
    if not finished:
        return ""
    names = {float(place): f"{place}." for place in range(1, len(finished) + 1)}
    count = max(len(row.scores) for row in finished)
    marks: list[Mark] = [Rule(min(found.baselines.values()))]
    for n in range(count):
        each = [row.scores[n] if n < len(row.scores) else np.nan for row in finished]
        marks.append(Dots(f"trial {n + 1}", list(names), each, "o0 d0"))
    marks.append(Line("mean", list(names), [row.mean for row in finished], "model", dots=True))
    return chart(
        f"{found.error} of the best candidates{found.unit}",
        marks,
        x=Axis("rank", names=names),
        note="The line joins means; squares are single folds and seeds. Dashed: best baseline.",
    )


def _setting(rows: Sequence[Row], name: str, texts: Sequence[str], found: Ranked) -> str:
    """Draw the error of every candidate against one setting, and the mean at each value."""
    places = [texts.index(text_of(row.point.get(name, ABSENT))) for row in rows]
    means = [
        float(np.mean([row.mean for row, at in zip(rows, places, strict=True) if at == place]))
        for place in range(len(texts))
    ]
    best = min(range(len(texts)), key=lambda place: means[place])
    every = -(-len(texts) // 6)
    return chart(
        f"{found.error} by {name}{found.unit}",
        [
            Dots("candidate", places, [row.mean for row in rows], "o0 d0"),
            Line("mean", range(len(texts)), means, "model", dots=True),
        ],
        x=Axis(name, names={float(n): text for n, text in [*enumerate(texts)][::every]}),
        note=f"Best on average: {texts[best]} ({number(means[best])}).",
    )


def coordinates(rows: Sequence[Row], error: str) -> str:
    """Draw candidates, the best first and bold, each fainter than the one before."""
    shown = rows[:MOST]
    settings = varied(shown)
    count = len(settings)
    across = [LEFT + n * (RIGHT - LEFT) / max(1, count) for n in range(count + 1)]
    low, high = shown[0].mean, max(row.mean for row in shown)
    parts = []
    for place, row in reversed(list(enumerate(shown))):
        heights = [
            _height(texts.index(text_of(row.point.get(name, ABSENT))) / (len(texts) - 1))
            for name, texts in settings.items()
        ]
        # the smaller the error, the higher
        share = (row.mean - low) / (high - low) if high > low else 0.0
        ends = zip(across, [*heights, _height(1 - share)], strict=True)
        path = "L".join(f"{x:.0f} {y:.0f}" for x, y in ends)
        look = "model" if place == 0 else "other"
        faint = "" if place == 0 else f' style="opacity:{0.85 - 0.6 * share:.2f}"'
        parts.append(f'<path class="line {look}" d="M{path}"{faint}/>')
    for x, (name, texts) in zip(across, settings.items(), strict=False):
        parts.append(f'<path class="rule" d="M{x:.0f} {TOP}V{BOTTOM}"/>')
        for text in texts[:: -(-len(texts) // LABELS)]:
            y = _height(texts.index(text) / (len(texts) - 1))
            parts.append(_text(x + 7, y + 4, text))
        parts.append(_text(x, BOTTOM + 24, name, "middle" if x > LEFT else "start"))
    parts.append(f'<path class="rule" d="M{RIGHT} {TOP}V{BOTTOM}"/>')
    for share in (0.0, 0.5, 1.0) if high > low else (1.0,):
        text = number(high - share * (high - low))
        parts.append(_text(RIGHT + 7, _height(share) + 4, text))
    parts.append(_text(RIGHT, BOTTOM + 24, f"mean {error}", "middle"))
    label = f"Settings of {len(shown)} candidates and their mean {error}; best: {shown[0].name}"
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
    return f"{head}{''.join(parts)}</svg>"


def _height(share: float) -> float:
    return BOTTOM - share * (BOTTOM - TOP)


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'
