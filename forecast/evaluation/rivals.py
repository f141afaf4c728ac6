"""All baselines of an experiment forecast the windows of its model."""

from typing import TYPE_CHECKING

import numpy as np

from forecast.data import clock, windows
from forecast.data.scale import Scaler
from forecast.data.table import Table
from forecast.evaluation import baselines, classical
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.regressors import regressor

if TYPE_CHECKING:
    from forecast.evaluation.experiment import Spec


def forecasts(
    spec: "Spec", table: Table, learned: np.ndarray, scaler: Scaler, starts: np.ndarray
) -> dict[str, Forecasts]:
    """Let every baseline forecast the model's own windows.

    Args:
        spec: Season and regressors.
        table: The data.
        learned: Mask (rows,) of the rows that regressors learn from.
        scaler: What standardises for it.
        starts: The windows, (windows,).

    Returns:
        Name to forecasts.
    """
    window = spec.window
    season = spec.season or clock.season(table.frequency)
    train = windows.starts(table, window, within=learned)[:: window.stride]
    values = {
        name: baselines.RULES[name](table, window, starts, season)
        if name in baselines.RULES
        else classical.classical(name, table, learned, window, starts, season)
        for name in (*baselines.ALWAYS, *spec.baselines)
    }
    for name, settings in spec.regressors.items():
        model = regressor(name, settings)
        values[name] = baselines.regression(model, table, window, train, starts, scaler=scaler)
    if table.task != "regression":  # a line leaves the range of probabilities
        values = {name: np.clip(found, 0, 1) for name, found in values.items()}
        values["climatology"] = baselines.climatology(table, learned, window, starts)
    return {name: Forecasts(table, window, starts, found) for name, found in values.items()}
