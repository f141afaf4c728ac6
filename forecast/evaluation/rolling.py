"""A rolling origin: which rows each fold learns from, and which windows it scores.

A window belongs to the fold in which its first predicted row lies; the rest of its future may lie
in the next fold, never behind the test span. So the folds together score what one test span of the
same rows scores, test rows − horizon + 1 windows a series at stride 1, and no fold's model has
learned from a row at or after the fold's start. See Tashman (2000), Out-of-sample tests of
forecasting accuracy, International Journal of Forecasting 16(4), for the schemes.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forecast.data import windows
from forecast.data.split import Holdout, distinct
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError, nearest
from forecast.evaluation import experiment
from forecast.evaluation.outcome import Spec
from forecast.vocabulary import SCHEMES


@dataclass(frozen=True)
class Plan:
    """How the test span is walked through.

    Attributes:
        folds: Parts of the test span, of nearly equal numbers of time stamps.
        scheme: "expanding" learns from all rows before a fold; "rolling" from as many time stamps
            as before the first fold, the newest.
        stride: Time stamps between two scored origins within a fold.
        refit: True fits a model for every fold, False one for all, k one for every k-th fold.
    """

    folds: int = 5
    scheme: str = "expanding"
    stride: int = 1
    refit: bool | int = True

    @property
    def period(self) -> int:
        """Folds that one fitted model forecasts.

        >>> Plan(5).period, Plan(5, refit=False).period, Plan(5, refit=2).period
        (1, 5, 2)
        """
        return self.folds if self.refit is False else int(self.refit)

    def check(self) -> None:
        """Refuse what is no plan."""
        for name, example in (("folds", 5), ("stride", 1)):
            value = getattr(self, name)
            if not _whole(value) or value < 1:
                raise InputError(
                    f"backtest.{name} must be a whole number of 1 or more, got {value!r}: "
                    f"try {example}"
                )
        if self.scheme not in SCHEMES:
            raise InputError(
                f"backtest.scheme must be one of {', '.join(SCHEMES)}, got {self.scheme!r}: "
                f"{nearest(str(self.scheme), SCHEMES)}"
            )
        if not isinstance(self.refit, bool) and (not _whole(self.refit) or self.refit < 1):
            raise InputError(
                "backtest.refit must be true, false or a whole number of 1 or more, got "
                f"{self.refit!r}: try 2 for a new model every second fold"
            )


@dataclass(frozen=True)
class RollingFold(Holdout):
    """One part of the test span, and what its model learns from.

    Attributes:
        validation: First time stamp of the stopping rows.
        test: First time stamp that its model has not learned from.
        number: From 1.
        fitted: Number of the fold before which its model was fitted; its own where it is refitted.
        first: First time stamp that its model learns from.
        begin: First time stamp of the part.
        last: Last time stamp of the part.
        stride: Time stamps between two scored origins.
    """

    number: int
    fitted: int
    first: np.datetime64
    begin: np.datetime64
    last: np.datetime64
    stride: int = 1

    @property
    def refits(self) -> bool:
        """Whether a model is fitted for this fold."""
        return self.fitted == self.number

    def train_rows(self, table: Table) -> np.ndarray:
        """Return the mask (rows,) of the training span."""
        return (table.time >= self.first) & (table.time < self.validation)

    def learned_rows(self, table: Table) -> np.ndarray:
        """Return the mask (rows,) of the training and validation spans."""
        return (table.time >= self.first) & (table.time < self.test)

    def test_rows(self, table: Table) -> np.ndarray:
        """Return the mask (rows,) of the part."""
        return (table.time >= self.begin) & (table.time <= self.last)

    def scored(self, table: Table, window: Window) -> np.ndarray:
        """Return the windows whose first predicted row lies in the part, (windows,)."""
        later = table.time >= self.begin
        found = windows.starts(table, window, within=later, truth="some")
        first = table.time[windows.future_rows(found, window)[:, 0]]
        # the same moments for all series, whatever holes they have
        place = np.searchsorted(distinct(table.time[self.test_rows(table)]), first)
        return found[(first <= self.last) & (place % self.stride == 0)]


def prepare(spec: Spec, table: Table, plan: Plan) -> tuple[RollingFold, ...]:
    """Cut the test span into folds and make sure of what can be known before training."""
    plan.check()
    cuts = experiment.prepare(spec, table).cuts
    stamps = distinct(table.time)
    before, stopping = (
        int(np.searchsorted(stamps, cuts.test)),
        len(distinct(table.time[cuts.validation_rows(table)])),
    )
    if plan.folds > len(stamps) - before:
        raise InputError(
            f"backtest.folds={plan.folds} must leave time stamps in every fold, got "
            f"{len(stamps) - before} in the test span: take fewer folds or a longer span "
            "(split.test)"
        )
    found: list[RollingFold] = []
    for number, part in enumerate(
        np.array_split(np.arange(before, len(stamps)), plan.folds), start=1
    ):
        begin, last = stamps[part[0]], stamps[part[-1]]
        if (number - 1) % plan.period:  # the same model goes on
            fold = replace(found[-1], number=number, begin=begin, last=last)
        else:
            first = stamps[part[0] - before if plan.scheme == "rolling" else 0]
            fold = RollingFold(
                validation=stamps[part[0] - stopping],
                test=begin,
                number=number,
                fitted=number,
                first=first,
                begin=begin,
                last=last,
                stride=plan.stride,
            )
        _check(fold, table, spec.window, plan)
        found.append(fold)
    return tuple(found)


def spans(fold: RollingFold, table: Table) -> dict[str, Any]:
    """Return the first and last time stamp of what a fold learns from, stops on and scores."""
    masks = {
        "train": fold.train_rows(table),
        "validation": fold.validation_rows(table),
        "test": fold.test_rows(table),
    }
    return {
        f"{name}_{end}": stamp
        for name, rows in masks.items()
        for end, stamp in (("from", table.time[rows].min()), ("to", table.time[rows].max()))
    }


def _check(fold: RollingFold, table: Table, window: Window, plan: Plan) -> None:
    """Make sure that a fold has windows to learn from, to stop on and to score."""
    learned = table.take(fold.learned_rows(table))
    count = {
        "train": len(windows.starts(learned, window, within=fold.train_rows(learned))),
        "validation": len(windows.starts(learned, window, within=fold.validation_rows(learned))),
        "test": len(fold.scored(table, window)),
    }
    if min(count.values()) == 0:
        found = ", ".join(f"{name} {number}" for name, number in count.items())
        raise InputError(
            f"backtest.folds={plan.folds} must leave windows of {window.timesteps} + "
            f"{window.lead + window.horizon} rows in every span of every fold, got in fold "
            f"{fold.number} ({fold.begin} to {fold.last}) windows: {found}; take fewer folds, "
            "other spans (split.validation, split.test) or a smaller window"
        )


def _whole(value: Any) -> bool:
    """Tell whether a value is a whole number."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
