"""What an experiment is asked and what it finds: plain data, and the scoreboard of it."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.split import Cut, Holdout, distinct
from forecast.data.table import Table, card
from forecast.data.windows import Window
from forecast.evaluation import scores
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals.calibration import FOLLOWED, Intervals
from forecast.evaluation.scores import Measured
from forecast.evaluation.significance import wording
from forecast.evaluation.significance.pairs import Verdict
from forecast.metrics.catalogue import METRICS
from forecast.metrics.headline import Headline
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training

COLUMNS = {f"test/{metric.key}": metric for metric in METRICS if metric.report}
"""Columns of the scoreboard, of those metrics that a run has."""

COVERED = "test/coverage_"
"""Of which neither more nor less is better."""

RELATIVE = "test/smape"
"""Errors as shares of the values, which need a scale with a true zero."""

_DEGREES = re.compile(r"(°|deg(rees?)?)\s*(c|f|celsius|fahrenheit)\.?|celsius|fahrenheit", re.I)


@dataclass(frozen=True)
class Spec:
    """Everything an experiment depends on, beside the table.

    Attributes:
        model: Architecture.
        window: Shape of a sample.
        training: How to train.
        scaling: "series" or "global".
        validation: Span that stops training, before the test span.
        test: Span at the end, scored once.
        season: Rows of a season; None follows from the frequency.
        baselines: Beside persistence and seasonal naive, which are always there: rules, boosted
            trees and classical models by name.
        regressors: Baselines on the flattened window: name in scikit-learn to its settings. Of a
            ridge without an alpha it is chosen on the validation windows.
        interval: Share of the truth that prediction intervals are to cover; None for none.
        calibration: How they are made: "split", "cqr" or "adaptive".
    """

    model: Model
    window: Window
    training: Training
    scaling: str = "series"
    validation: Cut = 0.1
    test: Cut = 0.2
    season: int | None = None
    baselines: tuple[str, ...] = ("boosted_trees",)
    regressors: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"ridge": {}})
    interval: float | None = 0.9
    calibration: str = "adaptive"


@dataclass(frozen=True)
class Stretch:
    """Rows of one span.

    Attributes:
        name: "train", "validation" or "test".
        first: Its first time stamp.
        last: Its last one.
        stamps: How many there are.
        rows: Of all series.
    """

    name: str
    first: np.datetime64
    last: np.datetime64
    stamps: int
    rows: int


@dataclass(frozen=True)
class Extent:
    """How much a table holds.

    Attributes:
        rows: Of all series.
        first: Its first time stamp.
        last: Its last one.
        spans: Train, validation and test.
    """

    rows: int
    first: np.datetime64
    last: np.datetime64
    spans: tuple[Stretch, ...]

    @classmethod
    def of(cls, table: Table, cuts: Holdout) -> "Extent":
        """Count the rows of a table."""
        masks = {
            "train": cuts.train_rows(table),
            "validation": cuts.validation_rows(table),
            "test": cuts.test_rows(table),
        }
        spans = []
        for name, mask in masks.items():
            stamps = distinct(table.time[mask])
            spans.append(Stretch(name, stamps[0], stamps[-1], len(stamps), int(mask.sum())))
        return cls(len(table), table.time.min(), table.time.max(), tuple(spans))


@dataclass(frozen=True)
class Outcome:
    """What an experiment found.

    Attributes:
        spec: What was asked.
        table: The data; of a table larger than memory the rows that were drawn.
        cuts: Where validation and test began.
        season: Rows of a season.
        forecaster: The fitted estimator.
        test: Forecasts of the test windows that are shown, by the model: of all, or where these are
            many of those that `parts.shown` has drawn.
        baselines: The same by each baseline.
        measured: What the scores of all test windows follow from, by forecaster; that of the model
            is "".
        paired: The same of the model, on the windows of each baseline.
        scores: Final metrics of the model, by name.
        baseline_scores: Final metrics of each baseline, by name.
        verdicts: Whether the model is better than each baseline, by name.
        refit: Whether it learned from train and validation alike, without stopping.
        seconds: How long each stage took.
        intervals: Around the forecasts that are shown; None for probabilities, where none were
            asked for, and where too little is known, as in a refit with few test windows.
        baseline_intervals: Around those of each baseline, by the same method.
        of_all: How much a table holds that is larger than memory; None where `table` says it.
    """

    spec: Spec
    table: Table
    cuts: Holdout
    season: int
    forecaster: "Forecaster"
    test: Forecasts = field(repr=False)
    baselines: dict[str, Forecasts] = field(repr=False)
    measured: dict[str, Measured] = field(repr=False)
    paired: dict[str, Measured] = field(repr=False)
    scores: dict[str, float]
    baseline_scores: dict[str, dict[str, float]]
    verdicts: dict[str, Verdict]
    refit: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    intervals: Intervals | None = field(default=None, repr=False)
    baseline_intervals: dict[str, Intervals] = field(default_factory=dict, repr=False)
    of_all: Extent | None = None

    @cached_property
    def extent(self) -> Extent:
        """How much the whole table holds."""
        return self.of_all or Extent.of(self.table, self.cuts)

    @property
    def windows(self) -> int:
        """How many test windows were scored."""
        return self.measured[""].windows

    @property
    def sampled(self) -> str:
        """Say of which windows pictures are, where they are not of all; else empty."""
        if len(self.test.starts) == self.windows:
            return ""
        series, every = len(np.unique(self.test.series)), len(self.measured[""].series.summed[0])
        some = f", of {series:,} of {every:,} series" if series < every else ""
        return f"{len(self.test.starts):,} of {self.windows:,} windows{some}"

    @property
    def followed(self) -> str:
        """Say at which steps intervals are scored, where not at all; else empty."""
        if self.intervals is None or self.intervals.apart == 1:
            return ""
        horizon = self.test.window.horizon
        return (
            f"CRPS, coverage and width of intervals are measured at "
            f"{len(range(horizon)[self.intervals.steps])} of {horizon} steps, evenly spread, the "
            f"CRPS then scaled by the errors of all steps: at most {FOLLOWED:,} forecasts are "
            "followed at all levels"
        )

    def _repr_html_(self) -> str:
        """Show the scores in a notebook: one row per forecaster, the best first."""
        return card(headline(self), {}, board(self))


def headline(outcome: "Outcome") -> str:
    """Say in a sentence how large the error is, compared with the best baseline and persistence."""
    head, test = outcome.test.headline, outcome.test
    own = outcome.scores[f"test/{head.key}"]
    steps = test.window.horizon
    text = f"{wording.measured(own, test.table.common_unit, 3)} {head.name} over "
    text += f"{steps} steps" if steps > 1 else "one step"
    names = dict.fromkeys(filter(None, (strongest(outcome), "persistence")))
    return wording.sentence(
        text,
        {
            name: (outcome.scores[f"skill/{name}"], outcome.verdicts.get(name))
            for name in names
            if name in outcome.baseline_scores
        },
    )


def strongest(outcome: "Outcome") -> str | None:
    """Return the best baseline: against it the model has the smallest skill.

    Of baselines on the same windows that is the one with the smallest headline error; of one that
    was scored on fewer, its error is set against the model's on those.
    """
    key = f"test/{outcome.test.headline.key}"

    def rank(name: str) -> tuple[float, float]:
        skill = outcome.scores[f"skill/{name}"]
        return (skill if not np.isnan(skill) else 0.0), outcome.baseline_scores[name][key]

    return min(outcome.baseline_scores, key=rank, default=None)


def best(column: str, values: list[float | None]) -> float:
    """Return the best value of a column of the scoreboard; NaN where none is.

    A single value is no best, and neither a coverage nor a bias is: forecasters that are often
    wrong on both sides have none.
    """
    known = np.array([value for value in values if value is not None])
    known = known[np.isfinite(known)]
    better = COLUMNS[column].better if column in COLUMNS else "lower"
    if len(known) < 2 or column.startswith(COVERED) or better == "zero":
        return np.nan
    return float(known.max() if better == "higher" else known.min())


def without_zero(table: Table) -> str:
    """Say why shares of the values mean nothing, such as the sMAPE; empty where they do.

    >>> from types import SimpleNamespace
    >>> without_zero(SimpleNamespace(units=("°F",), outputs=np.array([[41.0]])))
    '°F has no true zero'
    >>> without_zero(SimpleNamespace(units=("kW",), outputs=np.array([[3.0], [-1.0]])))
    'values of zero or less occur'
    """
    for unit in table.units:
        if _DEGREES.fullmatch(unit.strip()):
            return f"{unit} has no true zero"
    return "values of zero or less occur" if (table.outputs <= 0).any() else ""


def columns(outcome: Outcome) -> dict[str, str]:
    """Return metric to heading of the scoreboard, the headline error first."""
    titles = {key: metric.label for key, metric in COLUMNS.items()}
    if outcome.intervals is not None:
        level = scores.percent(outcome.intervals.level)
        titles[f"{COVERED}{level}"] = f"inside {level} %"
        titles[f"test/winkler_{level}"] = "interval score"
    first = f"test/{outcome.test.headline.key}"
    if without_zero(outcome.table):
        titles.pop(RELATIVE, None)
    found = [key for key in titles if key in outcome.scores]
    return {key: titles[key] for key in sorted(found, key=lambda key: key != first)}


def board(outcome: Outcome) -> pd.DataFrame:
    """Return the scores of model and baselines, best first: a row per forecaster."""
    heads = columns(outcome)
    every = {outcome.spec.model.name: outcome.scores} | outcome.baseline_scores
    rows = {
        name: {heads[key]: found.get(key, np.nan) for key in heads} for name, found in every.items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return frame.sort_values(next(iter(heads.values())), kind="stable")


def validation_error(fitted: Forecaster, headline: Headline) -> float | None:
    """Return the error of the weights that were kept, on the windows that chose them.

    Early stopping goes by the loss as trained, on standardised values; this is the headline error
    of the same windows at the same epoch in original units, so that trainings of different losses
    and scalings compare.
    """
    error = float(fitted.validated_.get(f"val_{headline.key}", math.nan))
    return error if math.isfinite(error) else None
