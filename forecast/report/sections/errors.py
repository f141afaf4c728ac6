"""Where the error is: along the horizon, around the clock, in the residuals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.data import clock, windows
from forecast.data.table import Table
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.significance.wording import number
from forecast.metrics import bias
from forecast.report.charts import Axis, Bars, Line, Rule, chart, samples
from forecast.report.page import render
from forecast.report.sections.slices import Part, forecasters, looks, parts

if TYPE_CHECKING:
    from forecast.evaluation.outcome import Outcome

BINS = 41
"""Bars of a histogram."""

SAMPLE = 500_000
"""Residuals that a histogram counts; windows are thinned evenly to about as many."""

LAGS = 100
"""Most lags of an autocorrelation."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CLOCKS: dict[str, tuple[str, dict[float, str]]] = {
    "hour": ("hour of day", {hour: f"{hour:02}" for hour in range(0, 24, 3)}),
    "weekday": ("weekday", dict(enumerate(_DAYS))),
    "month": ("month", dict(enumerate(_MONTHS, 1))),
}


@dataclass(frozen=True)
class Profile:
    """How the headline error of a part is spread.

    Attributes:
        by_step: Of each step, (horizon,).
        by_clock: Hour (0 to 23), weekday (0 is Monday) or month (1 to 12) of the predicted time
            stamps to error; empty without a clock.
    """

    by_step: np.ndarray
    by_clock: Mapping[int, float]


def section(outcome: "Outcome") -> str:
    """Draw errors by step and clock, and residuals, for everything and for its parts."""
    every = parts(outcome.test)
    each = {
        name: profiles(found, [part.among(outcome.test, found) for part in every])
        for name, found in forecasters(outcome).items()
    }
    drawn = {}
    for n, part in enumerate(every):
        own = {name: found[n] for name, found in each.items()}
        drawn[part.name] = _pictures(outcome, part, own)
    return render("pictures", looks=samples(looks(outcome)), drawn=drawn)


def profiles(found: Forecasts, every: Sequence[Part]) -> list[Profile]:
    """Spread the headline error over steps and clock; each forecast is looked at once."""
    known = np.isfinite(found.true)
    errors = np.where(known, found.headline.of(found.true, found.values, ()), 0.0)
    turn = cycle(found.table)
    if turn:
        index = pd.DatetimeIndex(found.table.time)
        stamps = np.asarray(index.day_of_week if turn == "weekday" else getattr(index, turn))
        keys = stamps[windows.future_rows(found.starts, found.window)]  # (windows, horizon)
    spread = []
    for part in every:
        total, count = part.of(errors).sum(axis=2), part.of(known).sum(axis=2)
        clocked: dict[int, float] = {}
        if turn:
            own = keys[part.windows].ravel()
            sums, counts = (np.bincount(own, of.ravel()) for of in (total, count))
            clocked = {int(key): float(sums[key] / counts[key]) for key in np.flatnonzero(counts)}
        with np.errstate(invalid="ignore"):
            spread.append(Profile(total.sum(axis=0) / count.sum(axis=0), clocked))
    return spread


def cycle(table: Table) -> str | None:
    """Tell which round of the clock shows most: of hours, of weekdays, or of months."""
    days = clock.days(table.frequency)
    return "hour" if days < 1 else "weekday" if days < 7 else "month" if days < 360 else None


def autocorrelation(residuals: np.ndarray, lags: int) -> np.ndarray:
    """Correlate a series with itself, holes left out.

    Shapes: `residuals` (ticks, columns); returns (lags,).

    >>> autocorrelation(np.array([[1.0], [-1.0], [1.0], [-1.0]]), 2).tolist()
    [-0.75, 0.5]
    """
    known = np.isfinite(residuals)
    count = np.maximum(known.sum(axis=0), 1)
    middle = np.where(known, residuals, 0).sum(axis=0) / count
    rest = np.where(known, residuals - middle, 0.0)
    whole = (rest**2).sum(axis=0)
    moves = whole > 0
    if not moves.any():
        return np.full(lags, np.nan)
    rest, whole = rest[:, moves], whole[moves]
    return np.array(
        [((rest[lag:] * rest[:-lag]).sum(axis=0) / whole).mean() for lag in range(1, lags + 1)]
    )


def first_steps(test: Forecasts, part: Part) -> np.ndarray:
    """Lay the residuals of the first predicted step on the grid of time.

    Returns (ticks, series and targets).
    """
    tick, series = test.table.tick[test.origins], test.series
    tick, series = tick[part.windows], series[part.windows]
    wrong = (part.of(test.values) - part.of(test.true))[:, 0]  # (windows, targets)
    codes, column = np.unique(series, return_inverse=True)
    grid = np.full((int(np.ptp(tick)) + 1, len(codes), wrong.shape[1]), np.nan)
    grid[tick - tick.min(), column] = wrong
    return grid.reshape(len(grid), -1)


def _pictures(outcome: "Outcome", part: Part, found: Mapping[str, Profile]) -> list[str]:
    charts = [_by_step(outcome, part, found)]
    turn = cycle(outcome.table)
    if turn:
        charts.append(_by_clock(outcome, part, found, turn))
    if outcome.table.task == "regression":
        charts.append(_residuals(outcome, part))
        if part.alike:
            charts.append(_histogram(outcome, part))
    return charts


def _by_step(outcome: "Outcome", part: Part, found: Mapping[str, Profile]) -> str:
    test, look = outcome.test, looks(outcome)
    steps = np.arange(1, test.window.horizon + 1)
    lines = [Line(name, steps, own.by_step, look[name], dots=True) for name, own in found.items()]
    return chart(
        f"{test.headline.name} by steps ahead{part.unit}",
        lines[::-1],  # the model above the others
        x=Axis("steps ahead", season=outcome.season),
        y=Axis(low=0.0),
        note="Errors usually grow with the step; where lines meet, the model adds nothing.",
    )


def _by_clock(outcome: "Outcome", part: Part, found: Mapping[str, Profile], turn: str) -> str:
    name, names = _CLOCKS[turn]
    look = looks(outcome)
    lines = [
        Line(who, list(own.by_clock), list(own.by_clock.values()), look[who], dots=True)
        for who, own in found.items()
    ]
    return chart(
        f"{outcome.test.headline.name} by {name}{part.unit}",
        lines[::-1],
        x=Axis(name, names={key: text for key, text in names.items() if key in lines[0].x}),
        y=Axis(low=0.0),
        note="Of the predicted time stamp; in UTC if the data have time zones.",
    )


def _residuals(outcome: "Outcome", part: Part) -> str:
    test = outcome.test
    grid = first_steps(test, part)
    lags = max(1, min(LAGS, max(10, 2 * outcome.season), len(grid) // 2))
    found = autocorrelation(grid, lags)
    count = float(np.isfinite(grid).sum(axis=0).mean())
    band = 1.96 / np.sqrt(max(count, 1))
    several = ", mean over series and targets" if grid.shape[1] > 1 else ""
    lead = test.window.lead
    natural = f"; up to lag {lead} that is natural, since {lead} rows are skipped" if lead else ""
    return chart(
        "Autocorrelation of the residuals of the first step",
        [Bars("autocorrelation", range(1, lags + 1), found, 0.5), Rule(band), Rule(-band)],
        x=Axis("lag, rows", season=outcome.season),
        note=(
            f"Bars beyond the dashed 95 % band (±{number(band, 2)}){several} are patterns that the "
            f"model has not captured{natural}."
        ),
    )


def _histogram(outcome: "Outcome", part: Part) -> str:
    test = outcome.test
    true, predicted = part.of(test.true), part.of(test.values)
    middle = float(bias(true, predicted))
    thin = max(1, true.size // SAMPLE)
    wrong = (predicted[::thin] - true[::thin]).ravel()
    wrong = wrong[np.isfinite(wrong)]
    if not len(wrong):
        return ""
    far = float(np.quantile(np.abs(wrong), 0.998)) or 1.0
    share, edges = np.histogram(np.clip(wrong, -far, far), BINS, (-far, far))
    width = edges[1] - edges[0]
    return chart(
        f"Residuals{part.unit}",
        [
            Bars("share", (edges[:-1] + edges[1:]) / 2, share / len(wrong), width),
            Rule(middle, upright=True),
        ],
        x=Axis("forecast − actual"),
        y=Axis(low=0.0),
        note=(
            f"Share of residuals; the dashed line is the bias, {number(middle, 3)}. The outermost "
            "bars include everything beyond."
        ),
    )
