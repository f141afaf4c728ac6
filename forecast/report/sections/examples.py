"""Some test windows, as they came out best and worst."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.data import clock
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.significance.wording import measured
from forecast.report.charts import OTHERS, Axis, Band, Line, Mark, Rule, chart, outward, samples
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
    found = {
        title: chosen(outcome.test, sign * errors) for title, sign in (("Worst", -1), ("Best", 1))
    }
    drawn = {each: _marks(outcome, *each, beside, ends) for some in found.values() for each in some}
    axes = _axes(outcome, drawn)
    kinds = {
        title: [_picture(outcome, *each, drawn[each], axes[each]) for each in some]
        for title, some in found.items()
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
    return errors / outcome.forecaster.scaler_.spread[test.series]


def _beside(outcome: "Outcome") -> str | None:
    """Return the baseline drawn beside the model."""
    return next(iter(outcome.baselines), None)


def _scale(outcome: "Outcome") -> tuple[float, str, int]:
    """Tell how long a row is, in what, and how many of these a natural turn has."""
    days = clock.days(outcome.table.frequency)
    if days < 1:
        return days * 24, "hours", 24
    return (1.0, "days", 7) if days == 1 else (1.0, "rows", outcome.season)


def _axes(outcome: "Outcome", drawn: Mapping[tuple[int, int], Sequence[Mark]]) -> dict[Any, Axis]:
    """Give the windows of one series and target one scale."""
    groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for window, target in drawn:
        group = groups.setdefault((int(outcome.test.series[window]), target), [])
        group.append((window, target))
    axes: dict[Any, Axis] = {}
    for group in groups.values():
        low, high = Axis().ends(mark.reach()[1] for each in group for mark in drawn[each])
        axis = Axis("", *outward(low, high))
        axes |= dict.fromkeys(group, axis)
    return axes


def _marks(
    outcome: "Outcome", position: int, target: int, beside: str | None, ends: list[Ends]
) -> list[Mark]:
    """Draw truth, forecast, interval and a baseline against the time from the forecast on."""
    test, each = outcome.test, _scale(outcome)[0]
    table, window = test.table, test.window
    origin = int(test.origins[position])
    past = min(window.timesteps, max(PAST * window.horizon, 2 * outcome.season))
    ahead = np.arange(1, window.horizon + 1) + window.lead
    steps = np.arange(1 - past, ahead[-1] + 1)
    marks: list[Mark] = [Rule(0, upright=True)]
    marks += [
        Band(name, ahead * each, low[position, :, target], high[position, :, target])
        for name, _, low, high in ends
    ]
    if beside:
        other = outcome.baselines[beside]  # perhaps of fewer windows
        for values in other.values[other.starts == test.starts[position], :, target]:
            marks.append(Line(beside, ahead * each, values, OTHERS[0], dots=len(ahead) == 1))
    marks.append(Line("truth", steps * each, table.outputs[origin + steps, target], "true"))
    predicted = test.values[position, :, target]
    marks.append(Line(outcome.spec.model.name, ahead * each, predicted, dots=len(ahead) <= 3))
    return marks


def _picture(outcome: "Outcome", position: int, target: int, marks: Sequence[Mark], y: Axis) -> str:
    """Draw a window."""
    test, (_, what, turn) = outcome.test, _scale(outcome)
    table, origin = test.table, int(test.origins[position])
    began = f"{'' if table.time.dtype.kind == 'M' else 'row '}{stamp(table.time[origin])}"
    own = slice(target, target + 1)
    true, values = test.true[position, :, own], test.values[position, :, own]
    error = measured(float(test.headline.of(true, values)), table.unit(target), 3)
    where = table.names[test.series[position]]
    return chart(
        f"{where}: {table.targets[target]}" if len(table.names) > 1 else table.targets[target],
        marks,
        x=Axis(f"{what} from {began}", season=turn),
        y=y,
        note=f"{test.headline.name} {error}",
    )


def stamp(time: Any) -> str:
    """Write a time stamp to the minute, or a row's number.

    >>> stamp(np.datetime64("2024-03-01T06:00:00", "ns")), stamp(np.int64(7))
    ('2024-03-01 06:00', '7')
    """
    return str(time)[:16].replace("T", " ")
