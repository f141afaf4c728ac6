"""Scores as sums and counts, holes left out."""

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
from forecast.metrics.probability import (
    accuracy,
    auc,
    coverage,
    crps,
    log_loss,
    pinball,
    width,
    winkler,
)

__all__ = [
    "accuracy",
    "auc",
    "bias",
    "coverage",
    "crps",
    "log_loss",
    "mae",
    "mase",
    "mse",
    "naive_scale",
    "pinball",
    "r2",
    "rmse",
    "rmsse",
    "skill",
    "smape",
    "wape",
    "width",
    "winkler",
]
