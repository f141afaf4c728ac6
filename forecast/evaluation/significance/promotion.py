"""Whether a challenger takes the champion's place: only if it is better, and not by noise."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.errors import InputError
from forecast.evaluation.significance import stored, wording
from forecast.evaluation.significance.aligned import Common, common
from forecast.evaluation.significance.stored import Stored
from forecast.metrics.headline import Headline


@dataclass(frozen=True)
class Decision:
    """What was decided.

    Attributes:
        promoted: Whether the challenger takes the place.
        why: A clause.
        shared: What both have forecast, champion first; None where they cannot be compared.
    """

    promoted: bool
    why: str
    shared: Common | None = None


def decide(
    champion: Stored | pd.DataFrame, challenger: Stored | pd.DataFrame, headline: Headline
) -> Decision:
    """Hold the stored forecasts of a challenger against those of the champion."""
    old, new = stored.of(champion), stored.of(challenger)
    if other := _other_question(old, new):
        return Decision(False, f"the two answer different questions: {other}")
    try:
        shared = common([old, new], headline)
    except InputError as error:
        return Decision(False, f"the two cannot be compared: {error}")
    verdict = shared.verdict(1, 0)
    before, now = shared.error
    change = (now - before) / before if before else np.sign(now)
    how = f"{abs(change):.1%} {'lower' if change < 0 else 'higher'}" if change else "the same"
    words = wording.cell(-change, verdict)
    why = f"its {headline.name} is {how} on the {verdict.origins:,} common origins: {words}"
    return Decision(wording.word(-change, verdict) == "better", why, shared)


def used(earlier: int) -> str:
    """Say how often origins have decided before, since each decision wears a test span out.

    >>> used(0), used(1), used(7)
    ('the first decision on them', '1 earlier decision on them', '7 earlier decisions on them')
    """
    if not earlier:
        return "the first decision on them"
    return f"{earlier} earlier decision{'s' if earlier > 1 else ''} on them"


def _other_question(champion: Stored, challenger: Stored) -> str:
    """Say what one is asked that the other is not; nothing where both are asked the same."""
    (before, begins), (now, beside) = champion.first_steps, challenger.first_steps
    asked = champion.contents.targets, challenger.contents.targets
    for column, of in (("target", asked), ("step", (before, now))):
        own, its = map(sorted, of)
        if own != its:
            shown = (f"{column}s {_span(values)}" for values in (its, own))
            return " for ".join(shown)
    if gone := sorted(set(champion.contents.series) - set(challenger.contents.series)):
        return f"only the champion forecasts {', '.join(map(str, gone[:5]))}"
    begins, beside = begins.align(beside, join="inner")
    if (begins != beside).any():
        return "their first steps are at different distances from the origin"
    return ""


def _span(values: list[object]) -> str:
    """Write a few values, or the first and the last of many."""
    if len(values) > 5:
        return f"{values[0]} to {values[-1]}"
    return ", ".join(map(str, values))
