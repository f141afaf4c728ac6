"""The error that settings may be chosen by: that of the validation span."""

import math

from forecast.metrics.headline import Headline
from forecast.training.forecaster import Forecaster


def validation_error(fitted: Forecaster, headline: Headline) -> float | None:
    """Return the error of the epoch whose weights were kept, on the windows that chose it.

    Early stopping goes by the loss as trained, on standardised values; this is the headline error
    of the same windows at the same epoch in original units, so that trainings of different losses
    and scalings compare.

    Args:
        fitted: The forecaster.
        headline: The error that models of its task are compared by.

    Returns:
        The error; None where no rows were kept for stopping, as in the refit of a winner.
    """
    values = fitted.history_.get(f"val_{headline.key}")
    if not values:
        return None
    error = float(values[fitted.best_epoch_ - 1])
    return error if math.isfinite(error) else None
