"""Pictures of a backtest: its forecasts over the whole test span, and the error of every fold."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from forecast.data import windows
from forecast.evaluation.backtest import Backtest
from forecast.evaluation.figures import MODEL, OTHERS, PANELS, TRUE, apart, dates, plain
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.literal import literal

LABELS = 8
"""Most folds that are labelled with more than their number."""


def forecasts(found: Backtest) -> Figure:
    """Draw forecasts over the truth of the whole test span, with the beginning of every fold.

    Args:
        found: What the backtest found.

    Returns:
        A figure with a panel for each series, of some series.
    """
    test = found.overall.test
    codes = np.unique(test.series)[:PANELS]
    figure = Figure(figsize=(14, 1 + 2.6 * len(codes)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(len(codes), 1, sharex=True))
    for panel, code in zip(axes, codes, strict=True):
        _series_panel(panel, test, code)
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
    figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False)
    dates(axes[-1])
    title = (
        f"Forecasts of {test.window.horizon} steps that do not overlap, {len(found.folds)} folds"
    )
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def error_by_fold(found: Backtest) -> Figure:
    """Draw the headline error of every fold, model and baselines.

    Args:
        found: What the backtest found.

    Returns:
        A figure with one panel.
    """
    overall = found.overall
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    numbers = [fold.number for fold in found.folds]
    for (name, other), colour in zip(overall.baselines.items(), OTHERS, strict=False):
        errors = [float(outcome.baselines[name].error()) for outcome in found.outcomes]
        axes.plot(numbers, errors, color=colour, marker="o", ms=4, label=name)
        axes.axhline(float(other.error()), color=colour, lw=0.8, ls=":")
    own = [float(outcome.test.error()) for outcome in found.outcomes]
    axes.plot(numbers, own, color=MODEL, lw=2.5, marker="o", label=overall.spec.model.name)
    axes.axhline(float(overall.test.error()), color=MODEL, lw=0.8, ls=":")
    axes.set_ylim(bottom=0)
    shown = found.folds[:: -(-len(numbers) // LABELS)]
    places = [fold.number for fold in shown]
    axes.set_xticks(places, [f"{fold.number}\n{str(fold.begin)[:10]}" for fold in shown])
    axes.set_xlabel("fold and its first time stamp; dotted: all windows")
    axes.set_ylabel(literal(f"{overall.test.headline.name}{overall.table.common_unit}"))
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False)
    plain(axes, "Error by fold")
    return figure


def _series_panel(panel: Any, test: Forecasts, code: int) -> None:
    """Draw one series: the truth as a line, and forecasts that do not overlap, each a piece."""
    table = test.table
    mine = apart(test, np.flatnonzero(test.series == code))
    rows = windows.future_rows(test.starts[mine], test.window)  # (pieces, horizon)
    every = np.arange(rows.min(), rows.max() + 1)
    # what is missing is a hole in the table too, so the line breaks there
    panel.plot(table.time[every], table.outputs[every, 0], color=TRUE, lw=0.8, label="true")
    said = np.pad(test.values[mine, :, 0], ((0, 0), (0, 1)), constant_values=np.nan)
    panel.plot(  # one line, broken behind each piece
        table.time[np.c_[rows, rows[:, -1]]].ravel(),
        said.ravel(),
        color=MODEL,
        lw=1.3,
        marker="." if test.window.horizon == 1 else None,
        label="forecast",
    )
