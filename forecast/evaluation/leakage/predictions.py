"""Forecasts of every kind, held against another future behind their origins."""

from collections.abc import Iterator

import numpy as np

from forecast.data import windows
from forecast.data.table import Table
from forecast.evaluation.leakage import perturb
from forecast.evaluation.leakage.case import Case, Check
from forecast.evaluation.leakage.checks import forecast
from forecast.evaluation.leakage.perturb import first
from forecast.training.forecaster import BATCH

LEAST = 3
"""Moments at which they lie, at least; at one moment every series has an origin."""

CELLS = 10_000_000
"""Values of the table times moments: wide tables are changed at fewer moments."""


def predictions(case: Case, origins: int) -> Iterator[Check]:
    """Forecast from some origins, and again with everything after one of them changed.

    Args:
        case: The experiment.
        origins: How many, about.

    Yields:
        For the network and every baseline whether its forecasts are as they were.
    """
    table, window = case.table, case.window
    time = table.time[case.scored + window.timesteps - 1]  # of the origins
    moments = np.unique(time)
    count = min(max(LEAST, origins // len(table.names)), max(LEAST, CELLS // table.inputs.size))
    moments = moments[np.unique(np.linspace(0, len(moments) - 1, count).astype(int))]
    each = [case.scored[time == moment][:origins] for moment in moments]
    starts, own = np.concatenate(each), np.repeat(moments, [len(part) for part in each])
    middle = len(moments) // 2
    many = _newest(case, moments[middle])  # whole batches too, or one pass over all rows
    before, all_before = _forecasts(case, table, starts), case.network(table, many)
    moved = dict.fromkeys(before, "")
    for number, moment in enumerate(moments):
        wild = _after(case, moment, 10 + number)
        # the same windows in the same places of a batch, so that equal means equal to the last bit
        for name, values in _forecasts(case, wild, starts).items():
            where = first(before[name], values, own == moment)
            if where and not moved[name]:
                moved[name] = f"the forecast of {forecast(case, starts, where)}"
        if number == middle and not moved[case.name]:
            where = first(all_before, case.network(wild, many), np.ones(len(many), bool))
            if where:
                moved[case.name] = f"the forecast of {forecast(case, many, where)}"
    for name, offender in moved.items():
        more = f", and from {len(many)} at once" if name == case.name else ""
        compared = f"forecasts from {len(starts)} origins{more}"
        yield Check(name, "rows after each origin", compared, not offender, offender)


def _forecasts(case: Case, table: Table, starts: np.ndarray) -> dict[str, np.ndarray]:
    """Forecast windows by the network and by every baseline, (windows, horizon, targets, …)."""
    others = case.baselines(table, case.learned.scaler, starts, case.stop)
    return {case.name: case.network(table, starts)} | others


def _after(case: Case, moment: np.datetime64, number: int) -> Table:
    """Perturb all rows after a moment; what is known of the rows predicted from it stays."""
    table, reach = case.table, case.window.lead + case.window.horizon
    spared = table.tick <= table.tick[table.time == moment].max() + reach
    return perturb.table(table, table.time > moment, case.rng(number), spared=spared)


def _newest(case: Case, moment: np.datetime64) -> np.ndarray:
    """List the last windows with origins up to a moment, neighbours and more than one batch."""
    every = windows.starts(case.table, case.window, truth="none")
    return every[case.table.time[every + case.window.timesteps - 1] <= moment][-BATCH - 1 :]
