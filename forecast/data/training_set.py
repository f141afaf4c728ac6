"""What a fit learns from: the scale of training rows, training windows, stopping windows."""

from dataclasses import dataclass

import numpy as np

from forecast.data import scale, split
from forecast.data import tail as tails
from forecast.data.scale import Scaler
from forecast.data.table import Table
from forecast.data.windows import Window


@dataclass(frozen=True)
class TrainingSet:
    """All that is fixed before the first step of a training.

    Attributes:
        scaler: Learned on the rows before the stopping rows.
        train: First rows of the training windows, (windows,).
        stop: First rows of the windows that decide when to stop, (windows,); none without them.
    """

    scaler: Scaler
    train: np.ndarray
    stop: np.ndarray


def training_set(
    table: Table, window: Window, rows: np.ndarray, tail: split.Cut, per: str = "series"
) -> TrainingSet:
    """Learn the scale and deal the windows; a fit and the proof that nothing leaks share this.

    Args:
        table: The data.
        window: Shape of a sample.
        rows: Mask (rows,) of the rows that may be learned from.
        tail: Newest of these kept for stopping: share, time stamps or first date; 0 keeps none.
        per: "series" or "global", see `data.scale.fit`.

    Returns:
        Scale and windows.

    Raises:
        InputError: Too few rows for one window, or a constant target.
    """
    stopping = tails.stopping_rows(table, rows, tail)
    scaler = scale.fit(table.take(rows & ~stopping), per)
    return TrainingSet(scaler, *tails.deal(table, window, rows, stopping))
