"""What a forecaster must beat: the last value, the last season, and a plain regression."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
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


UNLEARNED = ("persistence", "seasonal_naive")
"""Those that read the newest rows alone; others depend on the rows that they learn from."""


def persistence(table: Table, window: Window, starts: np.ndarray) -> np.ndarray:
    """Repeat the last value known at the origin.

    Args:
        table: Rows.
        window: Shape of a sample.
        starts: First input row of every window, (windows,).

    Returns:
        (windows, horizon, targets), original units.
    """
    last = known_targets(table)[starts + window.timesteps - 1]
    return np.repeat(last[:, None], window.horizon, axis=1)


def seasonal_naive(table: Table, window: Window, starts: np.ndarray, season: int) -> np.ndarray:
    """Repeat the last season known at the origin.

    Args:
        table: Rows.
        window: Shape of a sample.
        starts: First input row of every window, (windows,).
        season: Rows of a season.

    Returns:
        (windows, horizon, targets), original units; the last value where none is known a season
        before.
    """
    origin = (starts + window.timesteps - 1)[:, None]
    steps = window.lead + 1 + np.arange(window.horizon)
    back = season * -(-steps // season)  # whole seasons, the fewest that reach the past
    # by tick, not by row: before its own unbroken rows a window may follow an absent stretch
    code = table.series[origin]
    reach = int(np.ptp(table.tick)) + int(back.max()) + 1
    place = (table.tick - table.tick.min()) + table.series * reach  # ascending
    wanted = place[origin] + steps - back
    row = np.searchsorted(place, wanted, side="right") - 1  # the row then, or the last before it
    inside = (row >= 0) & (table.series[row] == code) & (wanted >= code * reach)
    known = known_targets(table)
    found, last = known[row], known[origin]
    return np.where(inside[..., None] & ~np.isnan(found), found, last)


def climatology(
    table: Table, learned: np.ndarray, window: Window, starts: np.ndarray
) -> np.ndarray:
    """Repeat how often each event or class was there in the training rows of the series.

    Args:
        table: Rows.
        learned: Mask (rows,) of the training rows.
        window: Shape of a sample.
        starts: First input row of every window, (windows,).

    Returns:
        (windows, horizon, targets); over all series where a series has no training row.
    """
    known = pd.DataFrame(table.outputs[learned])
    own = known.groupby(table.series[learned]).mean().reindex(range(len(table.names)))
    share = own.fillna(known.mean()).to_numpy()[table.series[starts]]  # (windows, targets)
    return np.repeat(share[:, None], window.horizon, axis=1)


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


def known_targets(table: Table) -> np.ndarray:
    """Return the last value of every target that was known at each row, (rows, targets)."""
    return pd.DataFrame(table.outputs).groupby(table.series).ffill().to_numpy()


def _flat(
    rows: np.ndarray, starts: np.ndarray, window: Window, *, future: bool = False
) -> np.ndarray:
    """Copy windows and flatten each, (windows, steps·columns)."""
    cut = windows.outputs if future else windows.inputs
    return cut(rows, starts, window).reshape(len(starts), -1)
