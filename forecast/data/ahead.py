"""What is known ahead, laid beside the past by a shift of rows.

A window has one tensor of inputs, and what is known of its future must stand in it. So each row
carries, in extra columns, the known columns of a later row. With T timesteps, lead L and horizon H
there are J = ⌈H / T⌉ copies, and copy j of row r is row r + L + H − j·T. In a window that begins at
row s the newest row of copy 0 is then row s+T+L+H−1, the last one predicted, and the J·T values of
one column, oldest first, copy J−1 first, end with exactly those of the H predicted rows. The
oldest is row s + L + H − (J−1)·T, later than s, so a window reads nothing beyond its own span; and
since a window is unbroken over its span, a plain shift of the array serves all of them.
"""

import numpy as np

from forecast.data import clock
from forecast.data.table import Table
from forecast.data.windows import Window


def copies(window: Window) -> int:
    """Return how many extra columns one known column has."""
    return -(-window.horizon // window.timesteps)


def count(table: Table, window: Window) -> int:
    """Return how many extra columns `seen` makes."""
    return len(table.known) * copies(window)


def seen(values: np.ndarray, table: Table, window: Window, *, coded: bool = False) -> np.ndarray:
    """Make the rows that a model reads: known columns of later rows stand beside each row.

    Args:
        values: Inputs of the table, standardised or not, (rows, features).
        table: Says which columns are known ahead.
        window: Shape of a sample.
        coded: Whether the number of the row's series stands behind all other columns.

    Returns:
        (rows, features + extra columns); those stand, copy by copy, before the columns that say
        what is missing. Rows beyond the last one are zeros, and no window holds them.

    >>> rows = np.array([[1.0, 10], [2, 20], [3, 30], [4, 40]])
    >>> zero, tick = np.zeros(4, int), np.arange(4)
    >>> table = Table(rows, rows[:, :1], ("a", "b"), ("a",), zero, tick, tick, known=(1,))
    >>> seen(rows, table, Window(timesteps=2, horizon=1)).tolist()
    [[1.0, 10.0, 20.0], [2.0, 20.0, 30.0], [3.0, 30.0, 40.0], [4.0, 40.0, 0.0]]
    """
    parts = [values]
    if table.known:
        known, last = values[:, list(table.known)], values.shape[1] - table.indicators
        reach = window.lead + window.horizon
        later = [_later(known, reach - j * window.timesteps) for j in range(copies(window))]
        parts = [values[:, :last], *later, values[:, last:]]
    if coded:
        parts.append(table.series[:, None].astype(values.dtype))
    return np.concatenate(parts, axis=1) if len(parts) > 1 else values


def names(table: Table, window: Window, embedded: int = 0) -> tuple[str, ...]:
    """Name what a network reads of each row, for pictures and tables.

    Args:
        table: Columns.
        window: Shape of a sample.
        embedded: Learned columns that stand for the series.

    Returns:
        The names, those of extra columns such as "holiday_ahead", of the next copy
        "holiday_ahead_2", and of learned ones "series_1".
    """
    last = len(table.features) - table.indicators
    learned = [f"series_{number}" for number in range(1, embedded + 1)]
    later = [
        f"{table.features[place]}_ahead{f'_{copy}' if copy > 1 else ''}"
        for copy in range(1, copies(window) + 1)
        for place in table.known
    ]
    return (*table.features[:last], *learned, *later, *table.features[last:])


def lasting(table: Table, window: Window, *, coded: bool = False) -> list[int]:
    """List the columns of `seen` that are no past: what is ahead, the clock, what never changes.

    The clock of an older step follows from that of the newest, so nobody has to remember it.

    Args:
        table: Columns.
        window: Shape of a sample.
        coded: As for `seen`.

    Returns:
        Their positions.
    """
    extra, last = count(table, window), len(table.features) - table.indicators
    code = [len(table.features) + extra] if coded else []
    ticking = [n for n, name in enumerate(table.features) if name in clock.COLUMNS]
    return [*table.static, *ticking, *range(last, last + extra), *code]


def _later(values: np.ndarray, rows: int) -> np.ndarray:
    """Shift up, so that each row holds what stands some rows behind it."""
    found = np.zeros_like(values)
    found[: max(0, len(values) - rows)] = values[rows:]
    return found
