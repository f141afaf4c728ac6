"""The report of a trained run: one page that loads nothing."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from forecast.report.charts import OTHERS, Axis, Line, Mark, Rule, chart, samples
from forecast.report.page import render
from forecast.report.sections import errors, examples, intervals, scores, summary

if TYPE_CHECKING:
    from forecast.evaluation.outcome import Outcome


Section = tuple[str, str]
"""A title as text, and the content below it as markup."""


def page(title: str, sections: Iterable[Section], *, lead: str = "") -> str:
    """Write a report from its sections; later rooms add their own.

    >>> text = page("run", [("Scores", "<p>good</p>")], lead="3 < 4")
    >>> "<p>good</p>" in text, "3 &lt; 4" in text, "http" in text
    (True, True, False)
    """
    return render("report", title=title, lead=lead, sections=list(sections))


def sections(
    outcome: "Outcome", *, facts: Mapping[str, str] = {}, command: str = ""
) -> list[Section]:
    """Make the sections of an outcome; what makes no sense for its task is left out."""
    found = [
        ("What was trained on what", summary.section(outcome, facts, command)),
        ("Scores beside baselines", scores.section(outcome)),
        ("Where the error is", errors.section(outcome)),
        ("How sure it is", intervals.section(outcome)),
        ("Best and worst windows", examples.section(outcome)),
        ("Learning curve", learning(outcome)),
    ]
    return [(title, content) for title, content in found if content]


def learning(outcome: "Outcome") -> str:
    """Draw training and stopping loss against the epoch, the kept one marked."""
    history = outcome.forecaster.history_
    epochs = np.arange(1, len(history["loss"]) + 1)
    marks: list[Mark] = [Line("training loss", epochs, history["loss"], OTHERS[0], dots=True)]
    looks, note = {"training loss": OTHERS[0]}, "Standardised values."
    if stopping := history.get("val_loss"):
        marks += [Rule(outcome.forecaster.best_epoch_, upright=True)]
        marks += [Line("stopping loss", epochs, stopping, "model", dots=True)]
        looks["stopping loss"] = "model"
        note += " The dashed line marks the epoch whose weights were kept."
    drawn = chart("Loss by epoch", marks, x=Axis("epoch", season=1), note=note)
    return render("pictures", looks=samples(looks), drawn={"": [drawn]})
