"""What does not vary in the training rows, and does later."""

import numpy as np

from forecast.data import moments, scale
from forecast.data.table import Table


def moving_later(table: Table, rows: np.ndarray) -> dict[str, tuple[str, ...]]:
    """Name the columns that stand still in the training rows and move in the others.

    Args:
        table: The data.
        rows: Mask (rows,) of the training rows.

    Returns:
        Column to the series where it is so; no name where it stands still in all of them.

    >>> tick, zero = np.arange(4), np.zeros(4, int)
    >>> values = np.array([[1.0, 5], [2, 5], [3, 5], [4, 6]])
    >>> table = Table(values, values[:, :1], ("a", "b"), ("a",), zero, tick, tick)
    >>> moving_later(table, tick < 3)
    {'b': ()}
    """
    last = len(table.features) - table.indicators
    own = [n for n, name in enumerate(table.targets) if name not in table.features]
    values, names = table.inputs[:, :last], list(table.features[:last])
    if table.task == "regression" and own:  # of events and classes `task.lacking` tells
        values = np.column_stack([values, table.outputs[:, own]])
        names += [table.targets[n] for n in own]
    learned = moments.of_series(values[rows], table.take(rows))
    still = scale.still(learned)
    moves = still & learned.own & ~scale.still(moments.of_series(values, table))
    everywhere = (still | ~learned.own).all(axis=0)
    return {
        names[column]: ()
        if everywhere[column]
        else tuple(table.names[code] for code in np.flatnonzero(moves[:, column]))
        for column in np.flatnonzero(moves.any(axis=0))
    }
