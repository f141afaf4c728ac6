"""The report of a trained run: one page that loads nothing."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from forecast.report.charts import OTHERS, Axis, Line, Mark, Rule, chart, legend
from forecast.report.page import REPORT_STYLE, SCRIPT, Html, frame
from forecast.report.sections import errors, examples, intervals, scores, summary

if TYPE_CHECKING:
    from forecast.evaluation.outcome import Outcome


Section = tuple[str, str]
"""A title as text, and the content below it as markup."""


def page(title: str, sections: Iterable[Section], *, lead: str = "") -> str:
    """Write a report from its sections; later rooms add their own.

    >>> text = page("run", [("Scores", "<p>good</p>")], lead="3 < 4")
    >>> '<h2 id="s1">Scores</h2><p>good</p>' in text, "3 &lt; 4" in text, "http" in text
    (True, True, False)
    """
    found = list(sections)
    links = "".join(
        f'<a href="#s{number}">{escape(name)}</a>' for number, (name, _) in enumerate(found, 1)
    )
    body = "".join(
        f'<h2 id="s{number}">{escape(name)}</h2>{content}'
        for number, (name, content) in enumerate(found, 1)
    )
    opening = f'<p class="lead">{escape(lead)}</p>' if lead else ""
    return frame(
        title,
        f'<h1>{escape(title)}</h1>{opening}<nav class="contents">{links}</nav>{body}',
        style=REPORT_STYLE,
        script=SCRIPT,
    )


def sections(
    outcome: "Outcome", *, facts: Mapping[str, str] = {}, command: str = ""
) -> list[Section]:
    """Make the sections of an outcome; what makes no sense for its task is left out."""
    found = [
        ("Setup", summary.section(outcome, facts, command)),
        ("Scores and baselines", scores.section(outcome)),
        ("Where the errors occur", errors.section(outcome)),
        ("Uncertainty", intervals.section(outcome)),
        ("Best and worst windows", examples.section(outcome)),
        ("Learning curve", learning(outcome)),
    ]
    return [(title, content) for title, content in found if content]


def learning(outcome: "Outcome") -> Html:
    """Draw training and stopping loss against the epoch, the kept one marked."""
    history = outcome.forecaster.history_
    epochs = np.arange(1, len(history["loss"]) + 1)
    marks: list[Mark] = [Line("training loss", epochs, history["loss"], OTHERS[0], dots=True)]
    looks, note = {"training loss": OTHERS[0]}, "Standardised values."
    if stopping := history.get("val_loss"):
        marks += [Rule(outcome.forecaster.best_epoch_, upright=True)]
        marks += [Line("validation loss", epochs, stopping, "model", dots=True)]
        looks["validation loss"] = "model"
        note += " The dashed line marks the epoch whose weights were kept."
    drawn = chart("Loss by epoch", marks, x=Axis("epoch", season=1), note=note)
    return Html(f'{legend(looks)}<div class="charts">{drawn}</div>')
