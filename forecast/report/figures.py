"""Pictures of forecasts, errors and folds as PNG files."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from forecast.data import windows
from forecast.evaluation import scores
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals.calibration import Intervals
from forecast.evaluation.scores import Measured
from forecast.report.canvas import escape_mathtext
from forecast.report.sections.slices import ranked_series
from forecast.report.sections.strip import leads

if TYPE_CHECKING:
    from forecast.evaluation.backtest import Backtest
    from forecast.evaluation.outcome import Outcome

# Okabe & Ito's palette: colour-blind readers can distinguish it, on screen and in print
TRUE, MODEL, OTHERS = "#222222", "#0072B2", ("#E69F00", "#009E73", "#CC79A7", "#56B4E9")
PANELS = 4
"""Most series shown below each other."""

WINDOWS = 21
"""Most forecasts shown of a series."""

SEASONS = 14
"""Seasons that the picture of one series shows, such as days."""


def forecast(outcome: "Outcome") -> Figure:
    """Draw the newest two weeks of one series, small: truth, forecasts and their interval.

    It is legible at its own size, 672 x 312 pixels at 120 dpi, in which pages show it. The series
    has the median error.
    """
    test = outcome.test
    code = ranked_series(test)["median"]
    most = max(1, SEASONS * outcome.season // test.window.horizon)
    figure = Figure(figsize=(5.6, 2.6), layout="constrained")
    panel = figure.subplots()
    _series_panel(panel, outcome, code, most)
    where = f"{test.table.names[code]}: " if len(test.table.names) > 1 else ""
    plain(panel, f"{where}{test.table.targets[0]}{test.table.unit(0)}; newest forecasts")
    panel.title.set_fontsize(10)
    panel.tick_params(labelsize=9)
    panel.xaxis.get_offset_text().set_fontsize(9)
    panel.legend(
        *panel.get_legend_handles_labels(),
        loc="upper center",
        bbox_to_anchor=(0.5, -0.13),
        ncols=3,
        frameon=False,
        fontsize=9,
    )
    dates(panel)
    return figure


def forecasts(outcome: "Outcome") -> Figure:
    """Draw forecasts over the truth: for some series, the newest windows of the test span."""
    test = outcome.test
    codes = np.unique(test.series)[:PANELS]
    figure = Figure(figsize=(11, 1 + 2.6 * len(codes)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(len(codes), 1, sharex=True))
    for panel, code in zip(axes, codes, strict=True):
        _series_panel(panel, outcome, code, WINDOWS)
        plain(panel, f"{test.table.names[code]}: {test.table.targets[0]}{test.table.unit(0)}")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=3, frameon=False)
    dates(axes[-1])
    figure.suptitle(f"Forecasts of {test.window.horizon} steps on the test span", x=0.01, ha="left")
    return figure


def error_by_horizon(outcome: "Outcome") -> Figure:
    """Draw the headline error against the steps ahead, model and baselines."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    steps = np.arange(1, outcome.test.window.horizon + 1)
    marker = "o" if len(steps) == 1 else None
    own = outcome.measured[""].by_step
    for name, colour in zip(outcome.baselines, OTHERS, strict=False):
        other = outcome.measured[name].by_step
        axes.plot(steps, other, color=colour, marker=marker, label=name)
    axes.plot(steps, own, color=MODEL, lw=2.5, marker=marker, label=outcome.spec.model.name)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("steps ahead")
    unit = outcome.test.table.common_unit
    axes.set_ylabel(escape_mathtext(f"{outcome.test.headline.name}{unit}"))
    axes.legend(frameon=False)
    plain(axes, "Error by horizon, test span")
    return figure


def reliability(measured: Measured, intervals: Intervals) -> Figure:
    """Draw what intervals covered: of every level, and of the chosen one at every step."""
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    whole, by_step = figure.subplots(1, 2)
    levels, shares = zip(*sorted(intervals.observed.items()), strict=True)
    whole.plot([0, 1], [0, 1], color=TRUE, lw=1, ls=":", label="as promised")
    whole.plot(levels, shares, color=MODEL, lw=2.2, marker="o", label=intervals.method)
    whole.set(xlim=(0, 1), ylim=(0, 1), xlabel="promised share", ylabel="covered share")
    whole.legend(frameon=False)
    plain(whole, "Coverage of intervals by level, test span")
    found = measured.covered_by_step
    steps = np.arange(1, len(found) + 1)
    by_step.axhline(intervals.level, color=TRUE, lw=1, ls=":")
    by_step.plot(steps, found, color=MODEL, lw=2.2, marker="." if len(steps) <= 48 else None)
    by_step.set_ylim(min(intervals.level - 0.1, found.min() - 0.02), 1)
    by_step.xaxis.set_major_locator(MaxNLocator(integer=True))
    by_step.set(xlabel="steps ahead", ylabel="covered share")
    plain(by_step, f"Intervals of {scores.percent(intervals.level)}% by horizon")
    return figure


def learning_curve(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw training and stopping loss against the epoch, the best epoch marked."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    epochs = np.arange(1, len(history["loss"]) + 1)
    axes.plot(epochs, history["loss"], color=OTHERS[0], marker=".", label="training loss")
    if stopping := history.get("val_loss"):
        axes.plot(epochs, stopping, color=MODEL, marker=".", label="validation loss")
        best = int(np.argmin(np.nan_to_num(stopping, nan=np.inf)))
        axes.plot(epochs[best], stopping[best], "o", ms=9, mfc="none", color=TRUE, label="kept")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.legend(frameon=False)
    plain(axes, "Learning curve, standardised values")
    return figure


def prediction(history: pd.DataFrame, forecast: pd.DataFrame, units: Mapping[str, str]) -> Figure:
    """Draw the newest rows and the forecast that follows them."""
    every = forecast.groupby(["series", "target"], sort=False)
    groups = list(islice(every, 2 * PANELS))
    clockless = bool(forecast.time.isna().all())
    figure = Figure(figsize=(10, 1 + 2.4 * len(groups)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(len(groups), 1, sharex=True))
    for panel, ((series, target), ahead) in zip(axes, groups, strict=True):
        past = history[(history.series == series) & (history.target == target)]
        before, after = past.time, ahead.time
        if clockless:  # steps, of which the newest row is 0
            before, after = pd.Series(np.arange(1 - len(past), 1)), ahead.step
        panel.plot(before, past.value, color=TRUE, lw=1.2, label="known")
        joined = [*past.value.tail(1), *ahead.forecast]
        panel.plot([*before.tail(1), *after], joined, color=MODEL, lw=2.2, label="forecast")
        if "lower" in ahead:
            panel.fill_between(
                after, ahead.lower, ahead.upper, color=MODEL, alpha=0.2, lw=0, label="interval"
            )
        elif levels := [name for name in ahead.columns if name.startswith("q0")]:
            ends = ahead[levels[0]], ahead[levels[-1]]
            label = f"{levels[0]} to {levels[-1]}"
            panel.fill_between(after, *ends, color=MODEL, alpha=0.2, lw=0, label=label)
        unit = units.get(str(target))
        plain(panel, f"{series}: {target}" + (f", {unit}" if unit else ""))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=3, frameon=False)
    if clockless:
        axes[-1].set_xlabel("steps from the newest row")
    elif forecast.time.dtype.kind == "M":
        dates(axes[-1])
    if every.ngroups > len(groups):
        figure.text(0, 0, f"the first {len(groups)} of {every.ngroups:,}", va="bottom", fontsize=9)
    return figure


def _series_panel(panel: Any, outcome: "Outcome", code: int, most: int) -> None:
    """Draw one series: the truth as a line, the newest windows that do not overlap as forecasts.

    Around each is its interval, or else what lies between its outer quantiles.
    """
    test, intervals = outcome.test, outcome.intervals
    window, table = test.window, test.table
    low, high, level = None, None, None
    if intervals is not None:
        low, high, level = intervals.lower, intervals.upper, scores.percent(intervals.level)
    elif test.quantiles is not None:
        low, high = test.quantiles[..., 0], test.quantiles[..., -1]
    mine = apart(test, np.flatnonzero(test.series == code))[-most:]
    first = test.starts[mine] + window.timesteps + window.lead
    rows = np.arange(first[0] - window.horizon, first[-1] + window.horizon)
    rows = rows[table.series[rows] == code]
    # what is missing is a hole in the table too, so the line breaks there
    panel.plot(table.time[rows], table.outputs[rows, 0], color=TRUE, lw=1, label="true")
    label = f"forecast, {window.horizon} steps" if window.horizon > 1 else "forecast"
    for position, begin in zip(mine, first, strict=True):
        ahead = np.arange(begin, begin + window.horizon)
        panel.plot(
            table.time[ahead],
            test.values[position, :, 0],
            color=MODEL,
            lw=1.8,
            marker="." if window.horizon == 1 else None,
            label=label if position == mine[0] else None,
        )
        if low is not None and high is not None:
            ends = low[position, :, 0], high[position, :, 0]
            named = f"{level}% interval" if level and position == mine[0] else None
            panel.fill_between(table.time[ahead], *ends, color=MODEL, alpha=0.2, lw=0, label=named)
        panel.axvline(table.time[begin], color=TRUE, lw=0.5, alpha=0.15)


def apart(test: Forecasts, mine: np.ndarray) -> np.ndarray:
    """Choose windows from the newest on so that no two predict one row."""
    chosen: list[int] = []
    for position in mine[::-1]:
        if not chosen or test.starts[chosen[-1]] - test.starts[position] >= test.window.horizon:
            chosen.append(int(position))
    return np.array(chosen[::-1])


def plain(axes: Any, title: str) -> None:
    """Title on the left, no box."""
    axes.set_title(escape_mathtext(title), loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)


def dates(axes: Any) -> None:
    """Write dates shortly, where the axis has dates."""
    if not isinstance(axes.xaxis.get_major_locator(), AutoDateLocator):
        return
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)
    formatter.formats[2] = formatter.zero_formats[2] = "%d %b"  # a day alone says too little
    formatter.zero_formats[3] = "%d %b"
    axes.xaxis.set_major_formatter(formatter)


LABELS = 8
"""Most folds that are labelled with more than their number."""


def fold_forecasts(found: "Backtest") -> Figure:
    """Draw the forecasts of one lead over the whole test span, with the beginning of every fold."""
    test, ahead = found.overall.test, leads(found.overall.test.window.horizon)
    lead = ahead[len(ahead) // 2]
    codes = np.unique(test.series)[:PANELS]
    figure = Figure(figsize=(14, 1 + 2.6 * len(codes)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(len(codes), 1, sharex=True))
    for panel, code in zip(axes, codes, strict=True):
        _fold_panel(panel, found.overall, code, lead)
        for fold in found.folds:
            style = "-" if fold.refits else ":"  # a model of its own, or that of a fold before
            panel.axvline(fold.begin, color=TRUE, lw=1, ls=style, alpha=0.6)
        plain(panel, f"{test.table.names[code]}: {test.table.targets[0]}{test.table.unit(0)}")
    for fold in found.folds:
        axes[0].annotate(
            f" fold {fold.number}" if len(found.folds) <= LABELS else f" {fold.number}",
            (fold.begin, 1),
            xycoords=("data", "axes fraction"),
            va="top",
            fontsize=8,
        )
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=3, frameon=False)
    dates(axes[-1])
    steps = f"{lead} step{'s' * (lead > 1)} ahead"
    title = f"Forecasts {steps} over the whole test span, {len(found.folds)} folds"
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def error_by_fold(found: "Backtest") -> Figure:
    """Draw the headline error of every fold, model and baselines."""
    overall = found.overall
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    numbers = [fold.number for fold in found.folds]
    for (name, other), colour in zip(overall.baselines.items(), OTHERS, strict=False):
        errors = [outcome.measured[name].error for outcome in found.outcomes]
        axes.plot(numbers, errors, color=colour, marker="o", ms=4, label=name)
        axes.axhline(float(other.error()), color=colour, lw=0.8, ls=":")
    own = [outcome.measured[""].error for outcome in found.outcomes]
    axes.plot(numbers, own, color=MODEL, lw=2.5, marker="o", label=overall.spec.model.name)
    axes.axhline(float(overall.test.error()), color=MODEL, lw=0.8, ls=":")
    axes.set_ylim(bottom=0)
    shown = found.folds[:: -(-len(numbers) // LABELS)]
    places = [fold.number for fold in shown]
    axes.set_xticks(places, [f"{fold.number}\n{str(fold.begin)[:10]}" for fold in shown])
    axes.set_xlabel("fold and its first time stamp; dotted: all windows")
    axes.set_ylabel(escape_mathtext(f"{overall.test.headline.name}{overall.table.common_unit}"))
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False)
    plain(axes, "Error by fold")
    return figure


def _fold_panel(panel: Any, overall: "Outcome", code: int, lead: int) -> None:
    """Draw one series: the truth as a line, the forecasts of one lead, and their interval."""
    test, table, intervals = overall.test, overall.table, overall.intervals
    mine = np.flatnonzero(test.series == code)
    mine = mine[np.argsort(test.starts[mine], kind="stable")]
    rows = windows.future_rows(test.starts[mine], test.window)  # (windows, horizon)
    every = np.arange(rows.min(), rows.max() + 1)
    # what is missing is a hole in the table too, so the line breaks there
    panel.plot(table.time[every], table.outputs[every, 0], color=TRUE, lw=0.8, label="true")
    place = rows[:, lead - 1] - every[0]
    gap = int(np.median(np.diff(place))) if len(place) > 1 else 1  # of origins that are scored

    def line(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lay values on their rows, apart where one is missing."""
        breaks = np.flatnonzero(np.diff(place) > gap) + 1
        at = np.insert(place, breaks, place[breaks - 1])
        return table.time[every[at]], np.insert(values[mine, lead - 1, 0], breaks, np.nan)

    marker = "." if len(mine) == 1 else None
    panel.plot(*line(test.values), color=MODEL, lw=1.3, marker=marker, label="forecast")
    if intervals is not None:
        time, low = line(intervals.lower)
        label = f"{scores.percent(intervals.level)}% interval"
        high = line(intervals.upper)[1]
        panel.fill_between(time, low, high, color=MODEL, alpha=0.2, lw=0, label=label)
