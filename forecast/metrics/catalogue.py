"""What is known of each metric besides its formula: label, unit, which way is better, where shown.

The terminal, the report and the scoreboard read it: a metric in every run is its function and its
record.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from forecast.metrics import point, sums
from forecast.metrics.sums import Total


@dataclass(frozen=True)
class Metric:
    """A score of a run, `test/KEY`.

    Attributes:
        key: In the names of scores.
        label: Heading of its column.
        unit: "target" for that of the targets, "share", or nothing.
        better: Which value wins: the "lower", the "higher", or the one nearest to "zero".
        of: Its sums, each of truth, forecast and axis, where every run of values has it; none if a
            score needs more.
        value: How it follows from them.
        terminal: Whether the closing table of the terminal shows it.
        report: Whether the report and the notebook show it.
    """

    key: str
    label: str
    unit: Literal["target", "share", ""] = ""
    better: Literal["lower", "higher", "zero"] = "lower"
    of: tuple[Callable[..., Any], ...] = ()
    value: Callable[..., Any] = sums.mean
    terminal: bool = False
    report: bool = True


METRICS = (
    Metric("mae", "MAE", "target", of=(point.absolute,), terminal=True),
    Metric("rmse", "RMSE", "target", of=(point.squared,), value=sums.root, terminal=True),
    Metric("mase", "MASE", terminal=True),
    Metric("smape", "sMAPE", "share", of=(point.symmetric,)),
    Metric(
        "wape", "WAPE", "share", of=(point.absolute, point.size), value=sums.ratio, report=False
    ),
    Metric("bias", "bias", "target", better="zero", of=(point.signed,)),
    Metric("r2", "R²", better="higher", of=(point.squared, point.deviations), value=sums.explained),
    Metric("crps", "CRPS", "target", terminal=True),
    Metric("brier", "Brier", terminal=True),
    Metric("log_loss", "log loss", terminal=True),
    Metric("auc", "AUC", better="higher", terminal=True),
    Metric("accuracy", "accuracy", "share", better="higher", terminal=True),
)
"""In the order of columns."""

PLAIN = tuple(metric for metric in METRICS if metric.of)
"""What every run of values has, of truth and forecast alone."""


def plain(true: np.ndarray, predicted: np.ndarray) -> dict[str, Total]:
    """Sum what every run of values has, by key."""
    return {
        metric.key: Total(metric.value, tuple(part(true, predicted) for part in metric.of))
        for metric in PLAIN
    }
