"""What can be known before training and needs no network: settings, spans, windows, scale."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from forecast.data import clock, samples, split, windows
from forecast.data.samples import training_set
from forecast.data.split import Holdout
from forecast.data.table import Table
from forecast.errors import InputError
from forecast.evaluation.baselines import by_name, regression
from forecast.evaluation.intervals import margin

if TYPE_CHECKING:
    from forecast.evaluation.outcome import Spec

TRUTH: dict[str, windows.Truth] = {"train": "whole", "validation": "whole", "test": "some"}
"""Span to how much of what its windows predict must be known."""


@dataclass(frozen=True)
class Span:
    """A part of the table in time.

    Attributes:
        name: "train", "validation" or "test".
        first: Its first time stamp; None where it has no rows.
        rows: How many rows it has.
        windows: How many windows predict inside it.
    """

    name: str
    first: np.datetime64 | None
    rows: int
    windows: int


def prepare(spec: "Spec", table: Table) -> Holdout:
    """Cut the table and make sure that an experiment can be run on it, but for its network."""
    spec.window.check()
    spec.training.check()
    by_name.check_names(spec.baselines)
    for name, settings in spec.regressors.items():
        regression.check_regressor(name, settings)
    longest = int(np.bincount(table.series).max())
    if spec.season is not None and not 1 <= spec.season < longest:
        raise InputError(
            f"evaluation.season must be a whole number from 1 to below the {longest} rows of the "
            f"longest series, got {spec.season!r}: try {clock.season(table.frequency)}, "
            "or null"
        )
    margin.check_interval(spec.interval, spec.calibration, spec.training.quantiles, table.task)
    cuts = split.holdout(table, spec.validation, spec.test)
    found = spans(spec, table, cuts)
    if min(span.windows for span in found) == 0:
        counts = ", ".join(f"{span.name} {span.windows} in {span.rows} rows" for span in found)
        raise InputError(
            f"window.timesteps={spec.window.timesteps} and window.horizon={spec.window.horizon} "
            f"must leave a window in every span, got windows: {counts}: take a smaller window, "
            "other spans (split.validation, split.test) or more rows"
        )
    dealt = training_set(table, spec.window, *learnable(table, cuts), spec.scaling)
    if spec.training.stateful:
        samples.check_stateful(dealt.train, spec.window)
    return cuts


def spans(spec: "Spec", table: Table, cuts: Holdout) -> list[Span]:
    """Count rows and windows of each span."""
    masks = (cuts.train_rows(table), cuts.validation_rows(table), cuts.test_rows(table))
    return [
        Span(
            name,
            table.time[rows].min() if rows.any() else None,
            int(rows.sum()),
            len(windows.starts(table, spec.window, within=rows, truth=TRUTH[name])),
        )
        for name, rows in zip(TRUTH, masks, strict=True)
    ]


def learnable(table: Table, cuts: Holdout) -> tuple[np.ndarray, int]:
    """Tell what a fit may read.

    Returns (rows,).
    """
    return cuts.learned_rows(table), len(split.distinct(table.time[cuts.validation_rows(table)]))
