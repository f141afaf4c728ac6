"""What a forecaster must beat: rules that learn nothing, and a plain regression."""

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.multioutput import MultiOutputRegressor

from forecast.data import ahead, windows
from forecast.data.scale import Scaler
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError, nearest
from forecast.evaluation.classical import CLASSICAL

MOST = 20_000
"""Windows that a regressor learns from; more are thinned evenly."""

CELLS = 50_000_000
"""Values in all of them together: a wide window leaves room for fewer."""


def persistence(table: Table, window: Window, starts: np.ndarray, season: int = 1) -> np.ndarray:
    """Repeat the last value known at the origin.

    Args:
        table: Rows.
        window: Shape of a sample.
        starts: First input row of every window, (windows,).
        season: Not read.

    Returns:
        (windows, horizon, targets), original units.
    """
    del season
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
    row, there = _earlier(table, origin, back - steps)
    known = known_targets(table)
    found, last = known[row], known[origin]
    return np.where(there[..., None] & ~np.isnan(found), found, last)


def drift(table: Table, window: Window, starts: np.ndarray, season: int = 1) -> np.ndarray:
    """Draw the line from the first through the last value of the look-back on into the future.

    Source: Hyndman & Athanasopoulos, Forecasting: Principles and Practice, section 5.2.

    Args:
        table: Rows.
        window: Shape of a sample.
        starts: First input row of every window, (windows,).
        season: Not read.

    Returns:
        (windows, horizon, targets), original units; level where the look-back is one row, or begins
        before any known value.
    """
    del season
    known = known_targets(table)
    first, last = known[starts], known[starts + window.timesteps - 1]  # (windows, targets)
    slope = np.nan_to_num((last - first) / max(1, window.timesteps - 1))
    steps = window.lead + 1 + np.arange(window.horizon)
    return last[:, None] + slope[:, None] * steps[:, None]


def moving_average(table: Table, window: Window, starts: np.ndarray, season: int) -> np.ndarray:
    """Repeat the mean of the last season before the origin.

    Args:
        table: Rows.
        window: Shape of a sample.
        starts: First input row of every window, (windows,).
        season: Rows of a season; they may reach behind the look-back.

    Returns:
        (windows, horizon, targets), original units, holes left out; the last value where the season
        is all holes.
    """
    origin = starts + window.timesteps - 1
    before, there = _earlier(table, origin, np.full(len(starts), season))
    first = np.searchsorted(table.series, table.series[origin])
    after = np.where(there, before + 1, first)  # the first row of the season
    given = np.isfinite(table.outputs)
    sums, counts = (
        np.concatenate([np.zeros((1, values.shape[1])), values.cumsum(axis=0)])
        for values in (np.where(given, table.outputs, 0.0), given)
    )
    count = counts[origin + 1] - counts[after]  # (windows, targets)
    mean = (sums[origin + 1] - sums[after]) / np.maximum(count, 1)
    level = np.where(count > 0, mean, known_targets(table)[origin])
    return np.repeat(level[:, None], window.horizon, axis=1)


RULES = {rule.__name__: rule for rule in (persistence, seasonal_naive, drift, moving_average)}
"""Baselines that read the newest rows alone; others depend on the rows that they learn from."""

ALWAYS = ("persistence", "seasonal_naive")
"""Of these, the ones that nobody need ask for."""


def check(names: Sequence[str]) -> None:
    """Refuse names of baselines that there are not, and those whose library is missing.

    Args:
        names: What is asked for beside those that are always there.

    Raises:
        InputError: There is no such baseline, or it needs statsmodels.
    """
    known = [*RULES, *CLASSICAL]
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


def _earlier(table: Table, rows: np.ndarray, ticks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the rows that lie some ticks before others, or the last ones before that.

    By tick, not by row: before its own unbroken rows a window may follow an absent stretch.

    Args:
        table: Rows.
        rows: Of which shape (…).
        ticks: How far back, broadcast against them.

    Returns:
        Rows, and whether the series has one then; of the broadcast shape.
    """
    reach = int(np.ptp(table.tick)) + int(np.max(ticks, initial=0)) + 1
    place = (table.tick - table.tick.min()) + table.series * reach  # ascending
    code, wanted = table.series[rows], place[rows] - ticks
    found = np.searchsorted(place, wanted, side="right") - 1
    return found, (found >= 0) & (table.series[found] == code) & (wanted >= code * reach)


def known_targets(table: Table) -> np.ndarray:
    """Return the last value of every target that was known at each row, (rows, targets)."""
    return pd.DataFrame(table.outputs).groupby(table.series).ffill().to_numpy()


def _flat(
    rows: np.ndarray, starts: np.ndarray, window: Window, *, future: bool = False
) -> np.ndarray:
    """Copy windows and flatten each, (windows, steps·columns)."""
    cut = windows.outputs if future else windows.inputs
    return cut(rows, starts, window).reshape(len(starts), -1)
