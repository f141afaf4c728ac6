"""Verdicts in words: every page, table and terminal line takes its sentence from here."""

import math
from collections.abc import Mapping

import numpy as np

from forecast.evaluation.significance.pairs import FEW, SAME, Verdict, probability

MIXED = "mixed"
"""Word of a verdict where the error over all windows and the mean over origins differ in sign."""

Compared = tuple[float, Verdict | None]
"""Skill against a baseline and the verdict on the model; None where nothing was tested."""


def word(skill: float, verdict: Verdict) -> str:
    """Return the word of a verdict, unless the errors that stand with it say the opposite.

    The test weighs origins alike, a score weighs values alike. Where windows are absent or hold
    holes the two may differ in sign, and then neither forecaster is called better.

    >>> word(0.1, Verdict(-0.2, -3.0, 0.003, 500)), word(-0.1, Verdict(-0.2, -3.0, 0.003, 500))
    ('better', 'mixed')
    """
    found = verdict.word
    agrees = {"better": skill > 0, "worse": skill < 0}.get(found, True)
    return found if agrees else MIXED


def cell(skill: float, verdict: Verdict | None) -> str:
    """Write a verdict for a table.

    >>> cell(0.1, Verdict(-0.2, -3.0, 0.003, 500)), cell(0.1, Verdict(-0.2, -1.0, 0.32, 500))
    ('better, p = 0.003', 'no significant difference (p = 0.32)')
    """
    if verdict is None:
        return ""
    if word(skill, verdict) == MIXED:
        return f"{MIXED}, {probability(verdict.p)}"
    return str(verdict)


def against(name: str, skill: float, verdict: Verdict | None) -> str:
    """Compare an error with that of a baseline in a clause.

    >>> against("ridge", 0.059, Verdict(-0.2, -3.0, 0.0025, 500))
    '5.9 % less error than ridge (p = 0.0025)'
    >>> against("ridge", 0.03, Verdict(-0.1, -1.4, 0.15, 500))
    'no significant difference from ridge (−3 %, p = 0.15)'
    >>> against("ridge", -0.12, None)
    '12 % more error than ridge (not tested)'
    """
    if verdict is None:
        return f"{_difference(name, skill)} (not tested)"
    found = word(skill, verdict)
    if found == FEW:
        return f"{_difference(name, skill)} ({FEW})"
    p = probability(verdict.p)
    if found == SAME:
        change = f"{_signed(skill)}, " if np.isfinite(skill) else ""
        return f"{SAME} from {name} ({change}{p})"
    if found == MIXED:
        other = "less" if verdict.word == "better" else "more"
        return f"{_difference(name, skill)}, but {other} with equal weights for all origins ({p})"
    return f"{_difference(name, skill)} ({p})"


def sentence(error: str, compared: Mapping[str, Compared]) -> str:
    """Say how large an error is and how it compares.

    >>> print(sentence("3.81 °F MAE", {"ridge": (0.03, Verdict(-0.1, -1.4, 0.15, 500))}))
    3.81 °F MAE; no significant difference from ridge (−3 %, p = 0.15).
    """
    clauses = [against(name, skill, verdict) for name, (skill, verdict) in compared.items()]
    return "; ".join([error, *clauses]) + "."


def _difference(name: str, skill: float) -> str:
    """Write by how much an error is smaller or larger."""
    if np.isneginf(skill):
        return f"more error than {name}, which has none"
    if not np.isfinite(skill) or skill == 0:
        return f"the same error as {name}"
    return f"{_share(skill)} {'less' if skill > 0 else 'more'} error than {name}"


def _signed(skill: float) -> str:
    """Write the change of the error with its sign."""
    if skill == 0:
        return "0 %"
    return f"{'−' if skill > 0 else '+'}{_share(skill)}"


def _share(skill: float) -> str:
    """Write a share in percent: a decimal below 10, none above.

    >>> _share(0.0591), _share(-0.03), _share(0.1249), _share(0.0001)
    ('5.9 %', '3 %', '12 %', '<0.1 %')
    """
    size = 100 * abs(skill)
    if size < 0.05:
        return "<0.1 %"
    return f"{size:.0f} %" if size >= 9.95 else f"{size:.1f}".removesuffix(".0") + " %"


def number(value: float, digits: int = 4) -> str:
    """Write a number with the digits that mean something.

    >>> number(3.75123), number(-0.5), number(123456.7), number(float("nan"))
    ('3.751', '−0.5', '123,457', '–')
    """
    if not math.isfinite(value):
        return "–"
    text = f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"
    return text.replace("-", "−", 1) if text.startswith("-") else text


def measured(value: float, unit: str, digits: int = 4) -> str:
    """Write a number with its unit.

    >>> measured(3.75123, ", °F", 3), measured(0.5, "")
    ('3.75 °F', '0.5')
    """
    return f"{number(value, digits)} {unit.removeprefix(', ')}".rstrip()
