"""Scores as plain NumPy: sums and counts, holes left out."""

from forecast.metrics.point import (
    bias,
    mae,
    mase,
    mse,
    naive_scale,
    r2,
    rmse,
    rmsse,
    skill,
    smape,
    wape,
)

__all__ = [
    "bias",
    "mae",
    "mase",
    "mse",
    "naive_scale",
    "r2",
    "rmse",
    "rmsse",
    "skill",
    "smape",
    "wape",
]
