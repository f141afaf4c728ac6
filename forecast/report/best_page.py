"""The report of a search for the best forecast: members, what was tried, the test span."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.evaluation.ensemble import Tried
from forecast.evaluation.outcome import headline
from forecast.report import run_page
from forecast.report.charts import OTHERS, Axis, Dots, Line, chart
from forecast.report.page import render
from forecast.report.run_page import Head
from forecast.report.sections import errors, examples, intervals, scores, strip

if TYPE_CHECKING:
    from forecast.evaluation.outcome import Outcome


@dataclass(frozen=True)
class Search:
    """What is told of a search.

    Attributes:
        lead: How the weights were chosen.
        heads: Of the table of members.
        members: Its rows, the greatest weight first.
        commands: Member to the command that trains it alone.
        tried: In time order.
        budget: Seconds that could be spent.
    """

    lead: str
    heads: Sequence[str]
    members: Sequence[Sequence[str]]
    commands: Mapping[str, str]
    tried: Sequence[Tried]
    budget: float


def page(
    title: str,
    found: Search,
    outcome: "Outcome",
    facts: Mapping[str, str] = {},
    command: str = "",
) -> str:
    """Write the report of a search, with the test span of its ensemble."""
    head = Head(headline(outcome), [found.lead], strip.section(outcome))
    about = {**facts, "window": run_page.window(outcome)}
    sections = [
        ("Members", members(found)),
        ("What was tried", tried(found)),
        ("The ensemble on the test span", scores.section(outcome)),
        ("Where the errors occur", errors.section(outcome)),
        ("Uncertainty", intervals.section(outcome)),
        ("Best and worst windows", examples.section(outcome)),
        ("Setup", _setup(about, outcome, command)),
    ]
    return run_page.page(title, [section for section in sections if section[1]], head)


def _setup(about: Mapping[str, str], outcome: "Outcome", command: str) -> str:
    """Tell data, spans, versions and the command."""
    spans = run_page.spans(outcome)
    return render("summary", known=about, spans=spans, settings={}, command=command)


def members(found: Search) -> str:
    """Write the members with the commands that train each alone."""
    return render(
        "best",
        said="The forecast is the weighted mean of these.",
        title="Members",
        heads=found.heads,
        rows=found.members,
        commands=list(found.commands.items()),
        drawn=[],
    )


def tried(found: Search) -> str:
    """Write all that was tried, the best first, and draw what the seconds have brought."""
    ranked = sorted(found.tried, key=lambda one: (not one.whole, one.error))
    rows = [
        (
            one.name,
            "all" if one.whole else "some",
            one.trouble.removeprefix(LATE) or f"{one.error:.4f}",
            f"{one.seconds:.1f}",
            f"{one.at:.0f}",
        )
        for one in ranked
    ]
    return render(
        "best",
        said="Errors on the validation span, which nothing here has learned from, divided "
        "by the mean absolute difference from one season to the next in the training rows.",
        title="What was tried",
        heads=["", "training windows", "scaled error", "seconds", "done after s"],
        rows=rows,
        commands=[],
        drawn=[_gain(found)],
    )


FAR = 2
"""Errors as shares of the smallest that are drawn."""

LATE = "OutOfTimeError: "
"""Name of the error that a trial ends with which takes too long."""


def _gain(found: Search) -> str:
    """Draw the error of each whole training against the time, and the smallest so far."""
    whole = sorted((one for one in found.tried if one.whole), key=lambda one: one.at)
    least = min((one.error for one in whole), default=np.inf)
    done = [one for one in whole if one.error <= FAR * least < np.inf]
    if not done:
        return ""
    times, each = [one.at for one in done], [one.error for one in done]
    return chart(
        "Scaled error by seconds spent",
        [
            Dots("trained whole", times, each, OTHERS[0]),
            Line("smallest so far", times, np.minimum.accumulate(each), "model", dots=True),
        ],
        x=Axis("seconds of the budget"),
        note=f"The budget is {found.budget:.0f} s. Errors beyond {FAR:g} times the smallest are "
        "left out.",
    )
