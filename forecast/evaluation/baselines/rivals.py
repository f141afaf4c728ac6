"""All baselines of an experiment: their names checked, the windows of its model forecast."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from forecast.data import clock, windows
from forecast.data.scale import Scaler
from forecast.data.table import Table
from forecast.errors import InputError, nearest
from forecast.evaluation.baselines import classical, regression, rules
from forecast.evaluation.baselines.classical import CLASSICAL
from forecast.evaluation.baselines.regressors import regressor
from forecast.evaluation.forecasts import Forecasts

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
        name: rules.RULES[name](table, window, starts, season)
        if name in rules.RULES
        else classical.classical(name, table, learned, window, starts, season)
        for name in (*rules.ALWAYS, *spec.baselines)
    }
    for name, settings in spec.regressors.items():
        model = regressor(name, settings)
        values[name] = regression.regression(model, table, window, train, starts, scaler=scaler)
    if table.task != "regression":  # a line leaves the range of probabilities
        values = {name: np.clip(found, 0, 1) for name, found in values.items()}
        values["climatology"] = rules.climatology(table, learned, window, starts)
    return {name: Forecasts(table, window, starts, found) for name, found in values.items()}


def check(names: Sequence[str]) -> None:
    """Refuse names of baselines that there are not, and those whose library is missing.

    Args:
        names: What is asked for beside those that are always there.

    Raises:
        InputError: There is no such baseline, or it needs statsmodels.
    """
    known = [*rules.RULES, *CLASSICAL]
    for name in names:
        if name not in known:
            raise InputError(
                f"evaluation.baselines must name baselines, got {name!r}: {nearest(name, known)}"
            )
        if name in CLASSICAL and find_spec("statsmodels") is None:
            raise InputError(
                f"evaluation.baselines={name} must find statsmodels, got none: "
                "pip install 'forecast[baselines]'"
            )
