"""One way through the real rooms: raw rows to a table, a training, scores, verdicts, intervals."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.data import panel
from forecast.evaluation import experiment
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.outcome import Outcome

from .panels import Case

KEY = ["series", "origin", "time", "target"]
BOUNDS = ["forecast", "lower", "upper"]


@dataclass(frozen=True)
class Found:
    """What an experiment says.

    Attributes:
        forecasts: Forecaster to its values: forecast, lower and upper by `KEY`.
        scores: Forecaster to its scores by name; skills are the model's.
        verdicts: Baseline to the word about the model, and p.
        weights: Of the network.
        outcome: All of it.
    """

    forecasts: dict[str, pd.DataFrame]
    scores: dict[str, dict[str, float]]
    verdicts: dict[str, tuple[str, float]]
    weights: list[np.ndarray]
    outcome: Outcome


def run(case: Case) -> Found:
    """Train and score a case."""
    outcome = experiment.run(case.spec, panel.build(case.frame, case.schema))
    every = {"model": (outcome.test, outcome.intervals)} | {
        name: (found, getattr(outcome, "baseline_intervals", {}).get(name))
        for name, found in outcome.baselines.items()
    }
    return Found(
        {name: _values(*both) for name, both in every.items()},
        {"model": outcome.scores} | outcome.baseline_scores,
        {name: (verdict.word, verdict.p) for name, verdict in outcome.verdicts.items()},
        outcome.forecaster.model_.get_weights(),
        outcome,
    )


def _values(found: Forecasts, intervals: object) -> pd.DataFrame:
    """Forecast, lower and upper end by series, origin, time and target."""
    frame = found.frame(intervals).set_index(KEY).sort_index()
    return frame[[name for name in BOUNDS if name in frame]]


def same_forecasts(
    a: Found,
    b: Found,
    *,
    by: float = 1.0,
    plus: float = 0.0,
    within: float = 0.0,
) -> None:
    """Hold all values of two experiments against each other: b = a · by + plus.

    Args:
        a: First.
        b: Second, of the same forecasters, series, origins and targets.
        by: Factor of all values.
        plus: Added to all values, after the factor.
        within: Largest difference, as a share of the deviation of the first one's values of each
            series and target, or of a hundredth of that of all its series; 0 means to the bit.
    """
    assert a.forecasts.keys() == b.forecasts.keys()
    for name, one in a.forecasts.items():
        other = b.forecasts[name]
        assert one.index.equals(other.index), f"{name}: other origins"
        assert list(one) == list(other), f"{name}: other columns"
        wanted = one * by + plus
        if within == 0:
            assert wanted.equals(other), f"{name}: {largest(wanted, other)}"
            continue
        size = _deviation(one["forecast"]) * abs(by)
        gap = (wanted - other).abs().div(size, axis=0)
        assert (wanted.isna() == other.isna()).all(axis=None), f"{name}: other holes"
        assert (gap.fillna(0) <= within).all(axis=None), f"{name}: {gap.max().to_dict()}"


def _deviation(values: pd.Series) -> pd.Series:
    """The size that a difference is measured by, of every value."""
    own = values.groupby(level=["series", "target"]).transform("std")
    return own.clip(lower=values.groupby(level="target").transform("std") / 100)


def largest(a: pd.DataFrame, b: pd.DataFrame) -> dict[str, float]:
    """The largest difference of each column."""
    return (a - b).abs().max().to_dict()


def same_scores(
    a: Found, b: Found, *, within: float = 0.0, leave: tuple[str, ...] = (), by: float = 1.0
) -> None:
    """Hold the scores and verdicts of two experiments against each other.

    Args:
        a: First.
        b: Second.
        within: Largest difference as a share of the number; 0 means to the bit.
        leave: Ends of the keys that may differ.
        by: Factor of those that have the unit of the targets.
    """
    for name, own in a.scores.items():
        assert own.keys() == b.scores[name].keys()
        for key, value in own.items():
            if key.endswith(leave):
                continue
            other = b.scores[name][key]
            wanted = value * _power(key, by)
            close = (
                wanted == other or abs(wanted - other) <= within * max(abs(wanted), 1e-3 * within)
            ) or (np.isnan(wanted) and np.isnan(other))
            assert close, f"{name}, {key}: {wanted!r}, {other!r}"
    for name, (word, p) in a.verdicts.items():
        other_word, other_p = b.verdicts[name]
        assert np.isclose(p, other_p, rtol=0, atol=max(within, 1e-12), equal_nan=True), name
        if abs(np.nan_to_num(p, nan=1.0) - 0.05) > within:
            assert word == other_word, f"{name}: {word}, {other_word}"


def _power(key: str, by: float) -> float:
    """The factor of a score when all targets are multiplied."""
    metric = key.rpartition("/")[2]
    free = ("windows", "holes", "smape", "wape", "r2", "mase", "rmsse", "mae_z", "mse_z")
    if key.startswith("skill/") or metric in free or metric.startswith("coverage"):
        return 1.0
    return by
