"""Quantiles of each target: their levels, their loss, where they stand among a model's outputs."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from forecast.errors import InputError

MEDIAN = 0.5


class Pinball(keras.losses.Loss):
    """Quantile loss, the mean over levels and targets.

    Source: Koenker & Bassett 1978.

    Args:
        levels: Of the quantiles, rising.
    """

    def __init__(self, levels: Sequence[float]):
        super().__init__(name="pinball")
        self.levels = tuple(levels)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of every step, (samples, horizon).

        >>> one = Pinball((0.1, 0.5)).call(ops.ones((1, 1, 1)), ops.zeros((1, 1, 2)))
        >>> round(float(one[0, 0]), 6)
        0.3
        """
        _, horizon, targets = y_true.shape
        said = ops.reshape(y_pred, (-1, horizon, targets, len(self.levels)))
        short = y_true[..., None] - said
        level = ops.convert_to_tensor(self.levels, short.dtype)
        return ops.mean(ops.maximum(level * short, (level - 1) * short), axis=(-2, -1))


def check(levels: Sequence[float]) -> None:
    """Refuse levels that are none; no level at all means one value.

    Args:
        levels: Of the quantiles.

    Raises:
        InputError: They do not rise between 0 and 1, or the median is not among them.
    """
    numbers = all(isinstance(q, (int, float)) and 0 < q < 1 for q in levels)
    if levels and not (numbers and list(levels) == sorted(set(levels)) and MEDIAN in levels):
        raise InputError(
            "training.quantiles must be rising numbers between 0 and 1 with the median, 0.5, among "
            f"them, got {list(levels)}: write such as [0.05, 0.5, 0.95]"
        )


def apart(values: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Give the levels an axis of their own.

    Args:
        values: (windows, horizon, targets·levels).
        levels: Of the quantiles; none means one value.

    Returns:
        (windows, horizon, targets, levels).
    """
    windows, horizon, outputs = values.shape
    each = max(1, len(levels))
    return values.reshape(windows, horizon, outputs // each, each)


def point(values: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Return the value that stands for all: the median, or the only one.

    Args:
        values: (windows, horizon, targets, levels).
        levels: Of the quantiles; none means one value.

    Returns:
        (windows, horizon, targets).

    >>> point(np.array([[[[1.0, 2.0, 4.0]]]]), (0.1, 0.5, 0.9)).tolist()
    [[[2.0]]]
    """
    return values[..., list(levels).index(MEDIAN) if levels else 0]
