"""Some test windows, as they came out best and worst."""

from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.significance.wording import measured
from forecast.report.charts import OTHERS, Axis, Band, Line, Mark, Rule, chart, samples
from forecast.report.page import render
from forecast.report.sections.intervals import Ends, bands

if TYPE_CHECKING:
    from forecast.evaluation.outcome import Outcome

COUNT = 3
"""Windows of each kind."""

PAST = 4
"""Horizons of look-back that are drawn at most, and never fewer rows than two seasons."""


def section(outcome: "Outcome") -> str:
    """Draw the best and the worst windows."""
    errors = _errors(outcome)
    model, beside = outcome.spec.model.name, _beside(outcome)
    ends = bands(outcome)[:1]
    looks = {"truth": "true", model: "model"} | ({beside: OTHERS[0]} if beside else {})
    looks |= {ends[0][0]: "band"} if ends else {}
    kinds = {
        title: [
            _picture(outcome, window, target, beside, ends)
            for window, target in chosen(outcome.test, sign * errors)
        ]
        for title, sign in (("Worst", -1), ("Best", 1))
    }
    return render("examples", looks=samples(looks), kinds=kinds)


def chosen(test: Forecasts, errors: np.ndarray, count: int = COUNT) -> list[tuple[int, int]]:
    """Choose windows of small error that lie far from each other in time.

    Neighbours share most of their hours, and so do windows of several series at one time: after
    the first, each is the best of those an eighth of the span away, or as far as there are any.

    Shapes: `errors` (windows, targets).
    """
    ticks = test.table.tick[test.origins]
    order = np.argsort(np.where(np.isfinite(errors), errors, np.inf), axis=None, kind="stable")
    order = order[: np.isfinite(errors).sum()]
    windows, targets = np.unravel_index(order, errors.shape)
    span, found = int(np.ptp(ticks)), list[int]()
    for apart in (span // 8, test.window.horizon, 1):
        free = np.ones(len(order), bool)
        for place in found:
            free &= np.abs(ticks[windows] - ticks[windows[place]]) >= max(1, apart)
        while len(found) < count and free.any():
            place = int(free.argmax())
            found.append(place)
            free &= np.abs(ticks[windows] - ticks[windows[place]]) >= max(1, apart)
    return [(int(windows[place]), int(targets[place])) for place in found]


def _errors(outcome: "Outcome") -> np.ndarray:
    """Return the headline error of each window and target; of several targets on one scale."""
    test = outcome.test
    errors = np.asarray(test.error(axis=1))  # (windows, targets)
    if errors.shape[1] == 1 or test.table.task != "regression":
        return errors
    return errors / outcome.forecaster.scaler_.output_std[test.series]


def _beside(outcome: "Outcome") -> str | None:
    """Return the baseline drawn beside the model."""
    return next(iter(outcome.baselines), None)


def _picture(
    outcome: "Outcome", position: int, target: int, beside: str | None, ends: list[Ends]
) -> str:
    test = outcome.test
    table, window = test.table, test.window
    origin = int(test.origins[position])
    past = min(window.timesteps, max(PAST * window.horizon, 2 * outcome.season))
    ahead = np.arange(1, window.horizon + 1) + window.lead
    steps = np.arange(1 - past, ahead[-1] + 1)
    marks: list[Mark] = [Rule(0, upright=True)]
    marks += [
        Band(name, ahead, low[position, :, target], high[position, :, target])
        for name, _, low, high in ends
    ]
    if beside:
        other = outcome.baselines[beside]  # perhaps of fewer windows
        for values in other.values[other.starts == test.starts[position], :, target]:
            marks.append(Line(beside, ahead, values, OTHERS[0], dots=len(ahead) == 1))
    marks.append(Line("truth", steps, table.outputs[origin + steps, target], "true"))
    predicted = test.values[position, :, target]
    marks.append(Line(outcome.spec.model.name, ahead, predicted, dots=len(ahead) <= 3))
    own = slice(target, target + 1)
    true, values = test.true[position, :, own], test.values[position, :, own]
    error = measured(float(test.headline.of(true, values)), table.unit(target), 3)
    where = table.names[test.series[position]]
    return chart(
        f"{where}: {table.targets[target]}" if len(table.names) > 1 else table.targets[target],
        marks,
        x=Axis("rows from the origin", season=outcome.season),
        note=f"after {stamp(table.time[origin])}, {test.headline.name} {error}",
    )


def stamp(time: Any) -> str:
    """Write a time stamp to the minute, or a row's number.

    >>> stamp(np.datetime64("2024-03-01T06:00:00", "ns")), stamp(np.int64(7))
    ('2024-03-01 06:00', '7')
    """
    return str(time)[:16].replace("T", " ")
