"""Forecasts become numbers under stable names."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from forecast import metrics
from forecast.data.scale import Scaler
from forecast.data.table import Table
from forecast.evaluation.forecasts import Forecasts

PLAIN = {
    "mae": metrics.mae,
    "rmse": metrics.rmse,
    "bias": metrics.bias,
    "smape": metrics.smape,
    "wape": metrics.wape,
    "r2": metrics.r2,
}
"""Metrics in the targets' unit, or without one, that need only truth and forecast."""


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
    true, values = forecasts.true, forecasts.values
    std = scaler.output_std[forecasts.series][:, None]  # (windows, 1, targets)
    absolute, square = _scales(train, forecasts, season)
    found = {f"test/{name}": float(metric(true, values)) for name, metric in PLAIN.items()}
    found |= {
        "test/mase": float(metrics.mase(true, values, absolute)),
        "test/rmsse": float(metrics.rmsse(true, values, square)),
        "test/mae_z": float(metrics.mae(true / std, values / std)),
        "test/mse_z": float(metrics.mse(true / std, values / std)),
        "test/windows": float(len(values)),
    }
    if len(forecasts.table.targets) > 1:
        for i, target in enumerate(forecasts.table.targets):
            for name, metric in PLAIN.items():
                found[f"test_{target}/{name}"] = float(metric(true[..., i], values[..., i]))
            own, said = true[..., i], values[..., i]
            found[f"test_{target}/mase"] = float(metrics.mase(own, said, absolute[..., i]))
            found[f"test_{target}/rmsse"] = float(metrics.rmsse(own, said, square[..., i]))
    return found


def by_step(forecasts: Forecasts) -> np.ndarray:
    """Return the MAE of every step of the horizon, (horizon,), over windows and targets."""
    return metrics.mae(forecasts.true, forecasts.values, axis=(0, 2))


def by_series(forecasts: Forecasts) -> dict[str, float]:
    """Return the MAE of every series that has windows, over windows, steps and targets."""
    names = forecasts.table.names
    return {
        names[code]: float(
            metrics.mae(
                forecasts.true[forecasts.series == code], forecasts.values[forecasts.series == code]
            )
        )
        for code in np.unique(forecasts.series)
    }


def per_target(forecasts: Forecasts) -> pd.DataFrame:
    """Return one row for each target with its metrics."""
    return pd.DataFrame(
        [
            {"target": target}
            | {
                name: float(metric(forecasts.true[..., i], forecasts.values[..., i]))
                for name, metric in PLAIN.items()
            }
            for i, target in enumerate(forecasts.table.targets)
        ]
    )


def series_table(model: Forecasts, baselines: Mapping[str, Forecasts]) -> pd.DataFrame:
    """Return one row for each series: the MAE of the model and of every baseline."""
    columns = {"model": by_series(model)} | {
        name: by_series(other) for name, other in baselines.items()
    }
    return pd.DataFrame(columns).rename_axis("series").reset_index()


def skills(model: Forecasts, baselines: Mapping[str, Forecasts]) -> dict[str, float]:
    """Return `skill/<baseline>`: the share of each baseline's MAE that is gone."""
    own = metrics.mae(model.true, model.values)
    return {
        f"skill/{name}": float(metrics.skill(own, metrics.mae(other.true, other.values)))
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
