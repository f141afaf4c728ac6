"""The newest training rows decide when training stops: which they are, and whose windows."""

import numpy as np

from forecast.data import split, windows
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError


def stopping_rows(table: Table, rows: np.ndarray, tail: split.Cut) -> np.ndarray:
    """Choose the newest of some rows.

    Args:
        table: The data.
        rows: Mask (rows,) of the rows that may be learned from.
        tail: Share, time stamps or first date; 0 chooses none.

    Returns:
        Mask (rows,).

    Raises:
        InputError: Nothing would be left on one side of the cut.
    """
    if not isinstance(tail, str) and tail == 0:
        return np.zeros(len(table), bool)
    stamps = split.distinct(table.time[rows])
    return rows & (table.time >= split.cut(table, stamps, "training.tail", tail))


def deal(
    table: Table, window: Window, rows: np.ndarray, stopping: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Deal windows to training and stopping; no training window predicts a stopping row.

    Args:
        table: The data.
        window: Shape of a sample; its stride thins training windows only.
        rows: Mask (rows,) of the rows that may be read at all.
        stopping: Mask (rows,) of those among them that are kept for stopping.

    Returns:
        First rows of the training windows and of the stopping windows, (windows,) each.

    Raises:
        InputError: One of both would have none.
    """
    given = np.flatnonzero(rows)
    own, late = table.take(rows), stopping[rows]
    # what training rows hold decides about the order, and not what is kept for stopping
    train = windows.by_content(own, windows.starts(own, window, within=~late), ~late)
    train = train[:: window.stride]
    stop = windows.by_content(own, windows.starts(own, window, within=late), ~late)
    for name, found, count in (
        ("training", train, int((~late).sum())),
        ("stopping", stop, int(late.sum())),
    ):
        if not len(found) and count:
            raise InputError(
                f"window.timesteps={window.timesteps} and window.horizon={window.horizon} must "
                f"fit the {name} span, got {count} rows of {len(table.names)} series without "
                "one unbroken window: take a smaller window or more rows"
            )
    # taking rows never joins what was apart, so a window of the taken rows is one of the table
    return given[train].astype(np.int32), given[stop].astype(np.int32)
