"""The parts of a report: everything, then targets and series of their own."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.evaluation.forecasts import Forecasts
from forecast.report.charts import OTHERS

if TYPE_CHECKING:
    from forecast.evaluation.outcome import Outcome

MOST = 8
"""Targets, and series, that have pictures of their own: those with the largest error."""


@dataclass(frozen=True)
class Part:
    """Some windows and targets.

    Attributes:
        name: What a person calls it.
        windows: Mask (windows,).
        targets: Of all targets.
        unit: Of its errors, as a caption ends.
        alike: Whether its errors have one scale, so that they may lie in one picture.
    """

    name: str
    windows: np.ndarray
    targets: slice
    unit: str
    alike: bool

    def of(self, values: np.ndarray) -> np.ndarray:
        """Return what belongs to it of (windows, horizon, targets, …)."""
        own = values[:, :, self.targets]
        return own if self.windows.all() else own[self.windows]

    def among(self, test: Forecasts, found: Forecasts) -> "Part":
        """Return the same part of forecasts that may be of fewer windows, in their order."""
        if np.array_equal(found.starts, test.starts):
            return self
        own = test.starts[self.windows]
        return replace(self, windows=np.isin(found.starts, own))


def parts(test: Forecasts) -> list[Part]:
    """List all together, then each of several targets, then each of several series."""
    table, whole = test.table, np.ones(len(test.starts), bool)
    count = len(table.targets)
    probabilities = table.task != "regression"
    alike = count == 1 or probabilities or bool(table.common_unit)
    names = test.by_series
    several = [word for word, n in (("targets", count), ("series", len(names))) if n > 1]
    everything = f"all {' and '.join(several) or 'series'}"
    found = [Part(everything, whole, slice(None), table.common_unit, alike)]
    if count > 1:
        for i in _largest(test.error(axis=(0, 1))):
            one = slice(i, i + 1)
            found.append(Part(f"target {table.targets[i]}", whole, one, table.unit(i), True))
    if len(names) > 1:
        codes = [code for code, name in enumerate(table.names) if name in names]
        for n in _largest(np.array(list(names.values()))):
            mine = test.series == codes[n]
            label = f"series {table.names[codes[n]]}"
            found.append(Part(label, mine, slice(None), table.common_unit, alike))
    return found


def ranked_series(test: Forecasts) -> dict[str, int]:
    """Return the series of the largest, the median and the smallest error by these words.

    Of two the larger one is the median; of one all three are the same.
    """
    errors = test.by_series
    known = [name for name, error in errors.items() if np.isfinite(error)] or list(errors)
    order = sorted(known, key=lambda name: -errors[name])
    middle = order[(len(order) - 1) // 2]
    found = {"worst": order[0], "median": middle, "best": order[-1]}
    return {word: test.table.names.index(name) for word, name in found.items()}


def looks(outcome: "Outcome") -> dict[str, str]:
    """Return how model and baselines are drawn, the model first."""
    others = {name: OTHERS[n % len(OTHERS)] for n, name in enumerate(outcome.baselines)}
    return {outcome.spec.model.name: "model"} | others


def forecasters(outcome: "Outcome") -> dict[str, Forecasts]:
    """Return all whose forecasts are compared, the model first."""
    return {outcome.spec.model.name: outcome.test} | outcome.baselines


def _largest(errors: np.ndarray) -> list[int]:
    """Return positions of the largest, largest first."""
    return np.argsort(-np.nan_to_num(errors), kind="stable")[:MOST].tolist()
