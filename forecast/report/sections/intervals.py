"""How sure the forecasts are, and whether rightly: intervals, quantiles, probabilities."""

from typing import TYPE_CHECKING

import numpy as np

from forecast.evaluation import scores
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.significance.wording import measured, number
from forecast.metrics import coverage
from forecast.metrics.point import mean
from forecast.report.charts import OTHERS, Axis, Bars, Line, Rule, chart, samples
from forecast.report.page import render
from forecast.report.sections.slices import Part, parts

if TYPE_CHECKING:
    from forecast.evaluation.outcome import Outcome

BINS = 10
"""Groups of probabilities in a reliability diagram."""


Ends = tuple[str, float, np.ndarray, np.ndarray]
"""What an interval is called, its level, and where it begins and ends."""

_LOOKS = ("model", *OTHERS)
"""Most levels of the intervals that are listed."""


def section(outcome: "Outcome") -> str:
    """Draw what there is of coverage and reliability; nothing where forecasts are bare values."""
    test = outcome.test
    ends = bands(outcome)[: len(_LOOKS)]
    if not ends and test.table.task == "regression":
        return ""
    looks = {label: look for (label, *_), look in zip(ends, _LOOKS, strict=False)}
    found = {}
    for part in parts(test):
        charts = []
        if ends:
            charts.append(_coverage(test, part, ends, outcome.season))
            charts.append(_width(test, part, ends, outcome.season))
        if test.quantiles is not None:
            charts.append(_levels(test, part, test.quantiles))
        if test.table.task != "regression":
            charts += _probabilities(test, part)
        found[part.name] = charts
    return render(
        "intervals",
        rows=_coverage_rows(outcome, ends),
        followed=outcome.followed,
        looks=samples(looks) if len(ends) > 1 else {},
        drawn=found,
    )


def bands(outcome: "Outcome") -> list[Ends]:
    """List the intervals that there are: the calibrated ones, then those between quantiles."""
    test, intervals = outcome.test, outcome.intervals
    found: list[Ends] = []
    if intervals is not None:
        name = f"{number(100 * intervals.level, 3)} %, {intervals.method}"
        found.append((name, intervals.level, intervals.lower, intervals.upper))
        if intervals.inner is not None:
            inner = intervals.inner
            name = f"{number(100 * inner.level, 3)} %, {intervals.method}"
            found.append((name, inner.level, inner.lower, inner.upper))
    levels = test.levels if test.quantiles is not None else ()
    for low in range(len(levels) // 2):
        high = len(levels) - 1 - low
        if test.quantiles is not None and abs(levels[low] + levels[high] - 1) < 1e-9:
            level = levels[high] - levels[low]
            ends = test.quantiles[..., low], test.quantiles[..., high]
            found.append((f"{number(100 * level, 3)} %, quantiles", level, *ends))
    return found


def reliability(
    true: np.ndarray, predicted: np.ndarray, bins: int = BINS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group probabilities and compare each group with what happened.

    Source: Murphy & Winkler 1977.

    >>> mean, share, count = reliability(np.array([0.0, 1.0, 1.0]), np.array([0.1, 0.9, 1.0]), 2)
    >>> mean.round(2).tolist(), share.tolist(), count.tolist()
    ([0.1, 0.95], [0.0, 1.0], [1, 2])
    """
    known = np.isfinite(true)
    happened, chance = true[known], predicted[known]
    group = np.minimum((chance * bins).astype(int), bins - 1)
    count = np.bincount(group, minlength=bins)
    there = count > 0
    sums = [np.bincount(group, values, bins)[there] for values in (chance, happened)]
    return sums[0] / count[there], sums[1] / count[there], count[there]


def _coverage_rows(outcome: "Outcome", ends: list[Ends]) -> list[tuple[str, str, str, str]]:
    unit, intervals = outcome.table.common_unit, outcome.intervals
    steps = slice(None) if intervals is None else intervals.steps
    true, rows = outcome.test.true[:, steps], []
    for name, level, *both in ends:
        low, high = (end[:, steps] for end in both)
        known = _within(true, low)
        held = f"{100 * float(coverage(known, low, high)):.1f} %"
        wide = measured(float(mean(high - low, known, None)), unit)
        rows.append((name, f"{100 * level:.1f} %", held, wide))
    for name, found in outcome.baseline_intervals.items():
        own, key = outcome.baseline_scores[name], scores.percent(found.level)
        held = f"{100 * own[f'test/coverage_{key}']:.1f} %"
        wide = measured(own[f"test/width_{key}"], unit)
        rows.append((f"around {name}", f"{100 * found.level:.1f} %", held, wide))
    return rows


def _within(true: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Return the truth, NaN where there is no interval yet."""
    return np.where(np.isfinite(low), true, np.nan)


def _coverage(test: Forecasts, part: Part, ends: list[Ends], season: int) -> str:
    steps = np.arange(1, test.window.horizon + 1)
    lines = []
    for (name, _, low, high), look in zip(ends, _LOOKS, strict=False):
        true = part.of(_within(test.true, low))
        held = coverage(true, part.of(low), part.of(high), (0, 2))
        lines.append(Line(name, steps, held, look, dots=True))
    return chart(
        "Coverage by steps ahead",
        [*(Rule(level) for _, level, _, _ in ends), *lines],
        x=Axis("steps ahead", season=season),
        y=Axis(high=1.0),
        note="Share of actual values inside. Below its dashed line an interval is too narrow.",
    )


def _width(test: Forecasts, part: Part, ends: list[Ends], season: int) -> str:
    steps = np.arange(1, test.window.horizon + 1)
    lines = []
    for (name, _, low, high), look in zip(ends, _LOOKS, strict=False):
        true = part.of(_within(test.true, low))
        wide = mean(part.of(high) - part.of(low), true, (0, 2))
        lines.append(Line(name, steps, wide, look, dots=True))
    return chart(
        f"Width by steps ahead{part.unit}",
        lines,
        x=Axis("steps ahead", season=season),
        y=Axis(low=0.0),
        note="Mean width: with equal coverage, narrower is better.",
    )


def _levels(test: Forecasts, part: Part, quantiles: np.ndarray) -> str:
    true, every = part.of(test.true), part.of(quantiles)
    below = mean(
        (true[..., None] <= every).astype(float),
        np.broadcast_to(true[..., None], every.shape),
        (0, 1, 2),
    )
    return chart(
        "Reliability of the quantiles",
        [
            Line("as it should be", (0, 1), (0, 1), "rule"),
            Line("actual values below", test.levels, below, dots=True),
        ],
        x=Axis("level", 0.0, 1.0),
        y=Axis(low=0.0, high=1.0),
        note="Share of actual values below each quantile; the dashed line is perfect.",
    )


def _probabilities(test: Forecasts, part: Part) -> list[str]:
    predicted, share, count = reliability(part.of(test.true), part.of(test.values))
    whole, grid = count.sum(), (np.arange(BINS) + 0.5) / BINS
    held = np.zeros(BINS)
    held[np.minimum((predicted * BINS).astype(int), BINS - 1)] = count / whole
    return [
        chart(
            "Reliability of the probabilities",
            [
                Line("as it should be", (0, 1), (0, 1), "rule"),
                Line("actual share", predicted, share, dots=True),
            ],
            x=Axis("probability given", 0.0, 1.0),
            y=Axis(low=0.0, high=1.0),
            note="How often it happened when given this probability; the dashed line is perfect.",
        ),
        chart(
            "Sharpness of the probabilities",
            [Bars("share of the forecasts", grid, held, 0.9 / BINS)],
            x=Axis("probability given", 0.0, 1.0),
            y=Axis(low=0.0),
            note="Share of the forecasts in each tenth; near 0 and 1 they are sharp.",
        ),
    ]
