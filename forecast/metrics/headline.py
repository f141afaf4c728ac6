"""Which error models of a task are compared and ranked by."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from forecast.metrics.point import absolute, mae, mse, squared
from forecast.metrics.sums import Sum


@dataclass(frozen=True)
class Headline:
    """The error by which models of one task are compared and ranked; lower is better.

    Attributes:
        key: In the names of metrics.
        name: In tables and pictures.
        of: Takes truth, forecast and axis.
        sums: Likewise; what the error is the mean of.
    """

    key: str
    name: str
    of: Callable[..., Any]
    sums: Callable[..., Sum]


PROBABILITY = Headline("brier", "Brier score", mse, squared)
"""Of probabilities: proper, as their absolute error is not (Brier 1950; averaged over classes)."""

HEADLINES = {
    "regression": Headline("mae", "MAE", mae, absolute),
    "event": PROBABILITY,
    "classes": PROBABILITY,
}
"""Task of a table to its headline."""
