"""Forecasts become numbers under stable names."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from forecast import metrics
from forecast.data.scale import Scaler
from forecast.data.table import Table
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals.calibration import Intervals
from forecast.metrics.catalogue import PLAIN
from forecast.metrics.point import mean


def overall(forecasts: Forecasts, train: Table, scaler: Scaler, season: int) -> dict[str, float]:
    """Score forecasts over all windows, steps and targets, and by target."""
    found = {
        "test/windows": float(len(forecasts.values)),
        "test/holes": float(np.isnan(forecasts.true).sum()),
    }
    if forecasts.table.task != "regression":
        return found | _of_probabilities(forecasts)
    return found | _of_values(forecasts, train, scaler, season) | _of_quantiles(forecasts)


def beside(
    model: Forecasts,
    baselines: Mapping[str, Forecasts],
    train: Table,
    scaler: Scaler,
    season: int,
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Score a model and its baselines alike."""
    own = overall(model, train, scaler, season) | skills(model, baselines)
    return own, {name: overall(found, train, scaler, season) for name, found in baselines.items()}


def calibrated(
    found: Mapping[str, float], forecasts: Forecasts, intervals: Intervals | None
) -> dict[str, float]:
    """Add the scores of calibrated intervals to those of the model."""
    if intervals is None:
        return dict(found)
    every = dict(found) | _of_intervals("test", forecasts, intervals, slice(None))
    if len(forecasts.table.targets) > 1:
        for i, target in enumerate(forecasts.table.targets):
            own = _of_intervals(f"test_{target}", forecasts, intervals, slice(i, i + 1))
            every |= {key: own[key] for key in own if "winkler" not in key and "crps" not in key}
    return every


def _of_intervals(
    head: str, forecasts: Forecasts, intervals: Intervals, part: slice
) -> dict[str, float]:
    """Score the intervals of some targets, where there are intervals."""
    low, high = intervals.lower[..., part], intervals.upper[..., part]
    true = _within(forecasts, intervals)[..., part]
    level = percent(intervals.level)
    return {
        f"{head}/crps": float(mean(intervals.crps[..., part], true, None)),
        f"{head}/coverage_{level}": float(metrics.coverage(true, low, high)),
        f"{head}/width_{level}": float(metrics.width(true, low, high)),
        f"{head}/winkler_{level}": float(metrics.winkler(true, low, high, intervals.level)),
    }


def _within(forecasts: Forecasts, intervals: Intervals) -> np.ndarray:
    """Return the truth, NaN where a forecast has no interval yet, (windows, horizon, targets).

    Where there is no forecast either, the truth stays: silence must not pay.
    """
    early = np.isnan(intervals.lower) & np.isfinite(forecasts.values)
    return np.where(early, np.nan, forecasts.true)


def percent(level: float) -> str:
    """Write a level as keys end.

    >>> percent(0.9), percent(0.975)
    ('90', '97.5')
    """
    return f"{100 * level:.3g}"


def coverage_by_step(forecasts: Forecasts, intervals: Intervals) -> np.ndarray:
    """Return the covered share of every step of the horizon, (horizon,)."""
    true = _within(forecasts, intervals)
    return metrics.coverage(true, intervals.lower, intervals.upper, axis=(0, 2))


def _of_values(forecasts: Forecasts, train: Table, scaler: Scaler, season: int) -> dict[str, float]:
    """Score forecasts in the targets' units, and without them."""
    true, values = forecasts.true, forecasts.values
    std = scaler.output_std[forecasts.series][:, None]  # (windows, 1, targets)
    absolute, square = _scales(train, forecasts, season)
    found = {f"test/{name}": float(metric(true, values)) for name, metric in PLAIN.items()}
    found |= {
        "test/mase": float(metrics.mase(true, values, absolute)),
        "test/rmsse": float(metrics.rmsse(true, values, square)),
        "test/mae_z": float(metrics.mae(true / std, values / std)),
        "test/mse_z": float(metrics.mse(true / std, values / std)),
    }
    if len(forecasts.table.targets) > 1:
        for i, target in enumerate(forecasts.table.targets):
            for name, metric in PLAIN.items():
                found[f"test_{target}/{name}"] = float(metric(true[..., i], values[..., i]))
            own, predicted = true[..., i], values[..., i]
            found[f"test_{target}/mase"] = float(metrics.mase(own, predicted, absolute[..., i]))
            found[f"test_{target}/rmsse"] = float(metrics.rmsse(own, predicted, square[..., i]))
    return found


def _of_quantiles(forecasts: Forecasts) -> dict[str, float]:
    """Score a model's own quantiles, and the intervals between those alike on both sides.

    All but the quantile loss end in `_raw`: those without are of the calibrated intervals.
    """
    if forecasts.quantiles is None:
        return {}
    true, every, levels = forecasts.true, forecasts.quantiles, forecasts.levels
    found = {
        "test/crps_raw": float(metrics.crps(true, every, levels)),
        "test/pinball": float(metrics.pinball(true, every, levels).mean()),
    }
    for low in range(len(levels) // 2):
        high = len(levels) - 1 - low
        if abs(levels[low] + levels[high] - 1) < 1e-9:
            ends = every[..., low], every[..., high]
            name = percent(levels[high] - levels[low])
            found[f"test/coverage_{name}_raw"] = float(metrics.coverage(true, *ends))
            found[f"test/width_{name}_raw"] = float(metrics.width(true, *ends))
    return found


def _of_probabilities(forecasts: Forecasts) -> dict[str, float]:
    """Score probabilities of events, or of classes."""
    true, values, table = forecasts.true, forecasts.values, forecasts.table
    classes = table.task == "classes"
    found = {
        "test/brier": float(forecasts.error()),
        "test/log_loss": float(metrics.log_loss(true, values, classes=classes)),
        "test/auc": metrics.auc(true, values),
    }
    if classes:
        found["test/accuracy"] = float(metrics.accuracy(true, values))
    for row in per_target(forecasts).to_dict("records") if len(table.targets) > 1 else ():
        found |= {f"test_{row['target']}/{k}": v for k, v in row.items() if k != "target"}
    return found


def by_step(forecasts: Forecasts) -> np.ndarray:
    """Return the headline error of every step of the horizon, (horizon,)."""
    return forecasts.error(axis=(0, 2))


def by_series(forecasts: Forecasts) -> dict[str, float]:
    """Return the headline error of every series that has windows."""
    return forecasts.by_series


def per_target(forecasts: Forecasts) -> pd.DataFrame:
    """Return one row for each target with its metrics."""
    rows = []
    for i, target in enumerate(forecasts.table.targets):
        own, predicted = forecasts.true[..., i : i + 1], forecasts.values[..., i : i + 1]
        if forecasts.table.task == "regression":
            found = {name: float(metric(own, predicted)) for name, metric in PLAIN.items()}
        else:
            found = {
                "brier": float(metrics.mse(own, predicted)),
                "auc": metrics.auc(own, predicted),
            }
        rows.append({"target": target} | found)
    return pd.DataFrame(rows)


def series_table(model: Forecasts, baselines: Mapping[str, Forecasts]) -> pd.DataFrame:
    """Return one row for each series: headline error of the model and of every baseline."""
    columns = {"model": by_series(model)} | {
        name: by_series(other) for name, other in baselines.items()
    }
    return pd.DataFrame(columns).rename_axis("series").reset_index()


def skills(model: Forecasts, baselines: Mapping[str, Forecasts]) -> dict[str, float]:
    """Return `skill/<baseline>`: the share of each baseline's headline error that is gone.

    On the windows of the baseline, which may have forecast fewer than the model.
    """
    return {
        f"skill/{name}": float(metrics.skill(model.beside(other).error(), other.error()))
        for name, other in baselines.items()
    }


def skill_by_step(model: Forecasts, other: Forecasts) -> np.ndarray:
    """Return the skill of every step of the horizon, on the other's windows, (horizon,)."""
    return metrics.skill(by_step(model.beside(other)), by_step(other))


def _scales(train: Table, forecasts: Forecasts, season: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the naive scales of every window, (windows, 1, targets) each.

    Those of `metrics.naive_scale` of each series on its grid, for all series at once.
    """
    later, earlier = _apart(train, season)
    step = train.outputs[later] - train.outputs[earlier]  # (pairs, targets)
    known = ~np.isnan(step)
    series, count = train.series[later], len(train.names)
    pairs = _sums(series, known.astype(float), count)  # (series, targets)
    found = []
    for each in (np.abs(step), step**2):
        sums = _sums(series, np.where(known, each, 0.0), count)
        scale = np.where(sums > 0, sums, np.nan) / np.maximum(pairs, 1)
        found.append(scale[forecasts.series][:, None])
    return found[0], found[1]


def _apart(table: Table, ticks: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a series that lie so many ticks after another, and those others."""
    if not len(table):
        return np.zeros(0, int), np.zeros(0, int)
    span = int(np.ptp(table.tick)) + ticks + 1
    place = table.tick - table.tick.min() + table.series.astype(np.int64) * span  # ascending
    found = np.searchsorted(place, place - ticks)
    there = place[found] == place - ticks
    return np.flatnonzero(there), found[there]


def _sums(series: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Add the rows of each series, (series, columns); rows are sorted by series."""
    sums = np.zeros((count, values.shape[1]))
    first = np.flatnonzero(np.diff(series, prepend=-1))
    if len(first):
        sums[series[first]] = np.add.reduceat(values, first, axis=0)
    return sums
