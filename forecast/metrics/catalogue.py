"""What is known of each metric besides its formula: label, unit, which way is better, where shown.

The terminal, the report and the scoreboard read it: a metric in every run is its function and its
record.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from forecast.metrics import point


@dataclass(frozen=True)
class Metric:
    """A score of a run, `test/KEY`.

    Attributes:
        key: In the names of scores.
        label: Heading of its column.
        unit: "target" for that of the targets, "share", or nothing.
        better: Which value wins: the "lower", the "higher", or the one nearest to "zero".
        of: Takes truth, forecast and axis; every run of values has it. None if a score needs more.
        terminal: Whether the closing table of the terminal shows it.
        report: Whether the report and the notebook show it.
    """

    key: str
    label: str
    unit: Literal["target", "share", ""] = ""
    better: Literal["lower", "higher", "zero"] = "lower"
    of: Callable[..., Any] | None = None
    terminal: bool = False
    report: bool = True


METRICS = (
    Metric("mae", "MAE", "target", of=point.mae, terminal=True),
    Metric("rmse", "RMSE", "target", of=point.rmse, terminal=True),
    Metric("mase", "MASE", terminal=True),
    Metric("smape", "sMAPE", "share", of=point.smape),
    Metric("wape", "WAPE", "share", of=point.wape, report=False),
    Metric("bias", "bias", "target", better="zero", of=point.bias),
    Metric("r2", "R²", better="higher", of=point.r2),
    Metric("crps", "CRPS", "target", terminal=True),
    Metric("brier", "Brier", terminal=True),
    Metric("log_loss", "log loss", terminal=True),
    Metric("auc", "AUC", better="higher", terminal=True),
    Metric("accuracy", "accuracy", "share", better="higher", terminal=True),
)
"""In the order of columns."""

PLAIN = {metric.key: metric.of for metric in METRICS if metric.of}
"""What every run of values has, of truth and forecast alone."""
