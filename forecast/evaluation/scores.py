"""Forecasts become numbers under stable names."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from forecast import metrics
from forecast.data.scale import Scaler
from forecast.data.table import Table
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals.calibration import Intervals
from forecast.metrics.point import PLAIN


def overall(forecasts: Forecasts, train: Table, scaler: Scaler, season: int) -> dict[str, float]:
    """Score forecasts over all windows, steps and targets, and by target.

    Args:
        forecasts: What was said.
        train: Training rows, the scale of MASE and RMSSE.
        scaler: The scale of `mae_z` and `mse_z`.
        season: Rows of a season.

    Returns:
        Metric to value: `test/<metric>`, and `test_<target>/<metric>` for each of several targets.
    """
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
    """Score a model and its baselines alike.

    Args:
        model: What it said.
        baselines: What each of them said about the same windows.
        train: Training rows, the scale of MASE and RMSSE.
        scaler: The scale of `mae_z` and `mse_z`.
        season: Rows of a season.

    Returns:
        Metric to value of the model, its skills among them, and of each baseline.
    """
    own = overall(model, train, scaler, season) | skills(model, baselines)
    return own, {name: overall(found, train, scaler, season) for name, found in baselines.items()}


def calibrated(
    found: Mapping[str, float], forecasts: Forecasts, intervals: Intervals | None
) -> dict[str, float]:
    """Add the scores of calibrated intervals to those of the model.

    Args:
        found: Metric to value.
        forecasts: What was said.
        intervals: Around it; None adds nothing.

    Returns:
        With coverage, width and interval score, such as `test/coverage_90`. Those of the model's
        own quantiles at the same level go on as `test/coverage_90_raw`. A model without quantiles
        gets its `test/crps` from the intervals of several levels.
    """
    if intervals is None:
        return dict(found)
    level = percent(intervals.level)
    raw = {f"test/{name}_{level}" for name in ("coverage", "width")}
    every = {f"{key}_raw" if key in raw else key: value for key, value in found.items()}
    every |= _of_intervals("test", forecasts, intervals, slice(None))
    if len(forecasts.table.targets) > 1:
        for i, target in enumerate(forecasts.table.targets):
            own = _of_intervals(f"test_{target}", forecasts, intervals, slice(i, i + 1))
            every |= {key: value for key, value in own.items() if "winkler" not in key}
    return {"test/crps": intervals.crps} | every


def _of_intervals(
    head: str, forecasts: Forecasts, intervals: Intervals, part: slice
) -> dict[str, float]:
    """Score the intervals of some targets, where there are intervals."""
    low, high = intervals.lower[..., part], intervals.upper[..., part]
    true = np.where(np.isfinite(low), forecasts.true[..., part], np.nan)
    level = percent(intervals.level)
    return {
        f"{head}/coverage_{level}": float(metrics.coverage(true, low, high)),
        f"{head}/width_{level}": float(metrics.width(true, low, high)),
        f"{head}/winkler_{level}": float(metrics.winkler(true, low, high, intervals.level)),
    }


def percent(level: float) -> str:
    """Write a level as keys end.

    >>> percent(0.9), percent(0.975)
    ('90', '97.5')
    """
    return f"{100 * level:.3g}"


def coverage_by_step(forecasts: Forecasts, intervals: Intervals) -> np.ndarray:
    """Return the covered share of every step of the horizon, (horizon,)."""
    true = np.where(np.isfinite(intervals.lower), forecasts.true, np.nan)
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
            own, said = true[..., i], values[..., i]
            found[f"test_{target}/mase"] = float(metrics.mase(own, said, absolute[..., i]))
            found[f"test_{target}/rmsse"] = float(metrics.rmsse(own, said, square[..., i]))
    return found


def _of_quantiles(forecasts: Forecasts) -> dict[str, float]:
    """Score quantiles, and the intervals between those that lie alike on both sides."""
    if forecasts.quantiles is None:
        return {}
    true, every, levels = forecasts.true, forecasts.quantiles, forecasts.levels
    found = {
        "test/crps": float(metrics.crps(true, every, levels)),
        "test/pinball": float(metrics.pinball(true, every, levels).mean()),
    }
    for low in range(len(levels) // 2):
        high = len(levels) - 1 - low
        if abs(levels[low] + levels[high] - 1) < 1e-9:
            ends = every[..., low], every[..., high]
            name = percent(levels[high] - levels[low])
            found[f"test/coverage_{name}"] = float(metrics.coverage(true, *ends))
            found[f"test/width_{name}"] = float((ends[1] - ends[0]).mean())
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
    names, error = forecasts.table.names, forecasts.headline.of
    return {
        names[code]: float(
            error(
                forecasts.true[forecasts.series == code], forecasts.values[forecasts.series == code]
            )
        )
        for code in np.unique(forecasts.series)
    }


def per_target(forecasts: Forecasts) -> pd.DataFrame:
    """Return one row for each target with its metrics."""
    rows = []
    for i, target in enumerate(forecasts.table.targets):
        own, said = forecasts.true[..., i : i + 1], forecasts.values[..., i : i + 1]
        if forecasts.table.task == "regression":
            found = {name: float(metric(own, said)) for name, metric in PLAIN.items()}
        else:
            found = {"brier": float(metrics.mse(own, said)), "auc": metrics.auc(own, said)}
        rows.append({"target": target} | found)
    return pd.DataFrame(rows)


def series_table(model: Forecasts, baselines: Mapping[str, Forecasts]) -> pd.DataFrame:
    """Return one row for each series: headline error of the model and of every baseline."""
    columns = {"model": by_series(model)} | {
        name: by_series(other) for name, other in baselines.items()
    }
    return pd.DataFrame(columns).rename_axis("series").reset_index()


def skills(model: Forecasts, baselines: Mapping[str, Forecasts]) -> dict[str, float]:
    """Return `skill/<baseline>`: the share of each baseline's headline error that is gone."""
    own = model.error()
    return {
        f"skill/{name}": float(metrics.skill(own, other.error()))
        for name, other in baselines.items()
    }


def _scales(train: Table, forecasts: Forecasts, season: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the naive scales of every window, (windows, 1, targets) each."""
    both = [
        metrics.naive_scale(_on_grid(train.take(train.series == code)), season)
        for code in range(len(train.names))
    ]
    absolute, square = (np.stack(part) for part in zip(*both, strict=True))
    return absolute[forecasts.series][:, None], square[forecasts.series][:, None]


def _on_grid(one: Table) -> np.ndarray:
    """Return one series' targets with holes at absent ticks, (ticks, targets)."""
    if not len(one):
        return one.outputs
    values = np.full((one.tick[-1] - one.tick[0] + 1, one.outputs.shape[1]), np.nan)
    values[one.tick - one.tick[0]] = one.outputs
    return values
