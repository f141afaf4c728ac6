"""A regressor of scikit-learn on the flattened window."""

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.multioutput import MultiOutputRegressor

from forecast.data import ahead, windows
from forecast.data.scale import Scaler
from forecast.data.table import Table
from forecast.data.windows import Window

MOST = 20_000
"""Windows that a regressor learns from; more are thinned evenly."""

CELLS = 50_000_000
"""Values in all of them together: a wide window leaves room for fewer."""


def regression(
    model: Any,
    table: Table,
    window: Window,
    train: np.ndarray,
    starts: np.ndarray,
    *,
    scaler: Scaler,
) -> np.ndarray:
    """Let a regressor map the flattened standardised window to the horizon.

    It sees what a network sees, the known future too, but not the number of the series.

    Args:
        model: Of scikit-learn, not yet fitted.
        table: Rows.
        window: Shape of a sample.
        train: Windows to learn from, (train windows,).
        starts: Windows to forecast, (windows,).
        scaler: What standardises, learned on training rows.

    Returns:
        (windows, horizon, targets), original units.
    """
    inputs = ahead.seen(scaler.inputs(table), table, window)
    outputs = scaler.outputs(table)
    most = min(MOST, max(1, CELLS // (window.timesteps * inputs.shape[1])))
    train = train[:: max(1, -(-len(train) // most))]
    # in double precision: a long look-back's neighbouring columns are almost equal
    known = _flat(inputs, train, window).astype(np.float64)
    future = _flat(outputs, train, window, future=True)
    single = future.shape[1] == 1 and not isinstance(model, MultiOutputRegressor)
    with warnings.catch_warnings():
        # a baseline that has not converged is still one, and the terminal is not its place
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(known, future[:, 0] if single else future)
    parts = [model.predict(_flat(inputs, part, window)) for part in windows.batches(starts, most)]
    shape = (len(starts), window.horizon, len(table.targets))
    return scaler.invert(np.concatenate(parts).reshape(shape), table.series[starts])


def _flat(
    rows: np.ndarray, starts: np.ndarray, window: Window, *, future: bool = False
) -> np.ndarray:
    """Copy windows and flatten each, (windows, steps·columns)."""
    cut = windows.outputs if future else windows.inputs
    return cut(rows, starts, window).reshape(len(starts), -1)
