"""Scores of point forecasts.

Every score takes arrays of one shape, by custom (windows, horizon, targets), and divides one sum by
one count, so a score never depends on how windows were batched. Where the truth is NaN, nothing is
counted; where only the forecast is NaN, the score is NaN, since silence must not pay. `axis` keeps
the other axes: `axis=(0, 2)` gives one value for each step of the horizon.
"""

import numpy as np

from forecast.metrics import sums
from forecast.metrics.sums import Axis, Spread, Sum, spread, summed


def absolute(true: np.ndarray, predicted: np.ndarray, axis: Axis = None) -> Sum:
    """Sum the absolute errors."""
    return summed(np.abs(predicted - true), true, axis)


def squared(true: np.ndarray, predicted: np.ndarray, axis: Axis = None) -> Sum:
    """Sum the squared errors."""
    return summed((predicted - true) ** 2, true, axis)


def signed(true: np.ndarray, predicted: np.ndarray, axis: Axis = None) -> Sum:
    """Sum the errors."""
    return summed(predicted - true, true, axis)


def size(true: np.ndarray, predicted: np.ndarray, axis: Axis = None) -> Sum:
    """Sum the sizes of what came true."""
    del predicted
    return summed(np.abs(true), true, axis)


def symmetric(true: np.ndarray, predicted: np.ndarray, axis: Axis = None) -> Sum:
    """Sum the symmetric percentage errors, 0 where forecast and truth are both zero."""
    both = np.abs(true) + np.abs(predicted)
    return summed(2 * np.abs(predicted - true) / np.where(both == 0, 1, both), true, axis)


def deviations(true: np.ndarray, predicted: np.ndarray, axis: Axis = None) -> Spread:
    """Describe how far what came true lies from its mean."""
    del predicted
    return spread(true, axis)


def absolute_scaled(true: np.ndarray, predicted: np.ndarray, scale: np.ndarray) -> Sum:
    """Sum the absolute errors in units of a scale."""
    return summed(np.abs(predicted - true) / scale, true + scale)


def squared_scaled(true: np.ndarray, predicted: np.ndarray, scale: np.ndarray) -> Sum:
    """Sum the squared errors in units of a scale."""
    return summed((predicted - true) ** 2 / scale, true + scale)


def mae(true: np.ndarray, predicted: np.ndarray, axis: Axis = None) -> np.ndarray:
    """Mean absolute error, in the target's unit.

    Args:
        true: Truth.
        predicted: Forecast of the same shape.
        axis: Axes to average over; None means all.

    Returns:
        Σ|predicted − true| / count.

    >>> float(mae(np.array([1.0, np.nan]), np.array([3.0, 9.0])))
    2.0
    """
    return absolute(true, predicted, axis).mean


def mse(true: np.ndarray, predicted: np.ndarray, axis: Axis = None) -> np.ndarray:
    """Mean squared error, in the square of the target's unit.

    Args:
        true: Truth.
        predicted: Forecast of the same shape.
        axis: Axes to average over; None means all.

    Returns:
        Σ(predicted − true)² / count.
    """
    return squared(true, predicted, axis).mean


def rmse(true: np.ndarray, predicted: np.ndarray, axis: Axis = None) -> np.ndarray:
    """Root of the mean squared error, in the target's unit.

    Args:
        true: Truth.
        predicted: Forecast of the same shape.
        axis: Axes to average over; None means all.

    Returns:
        The root of `mse`.

    >>> float(rmse(np.array([0.0, 0.0]), np.array([1.0, 7.0])))
    5.0
    """
    return sums.root(squared(true, predicted, axis))


def bias(true: np.ndarray, predicted: np.ndarray, axis: Axis = None) -> np.ndarray:
    """Mean error, in the target's unit; positive means the forecast is too high.

    Args:
        true: Truth.
        predicted: Forecast of the same shape.
        axis: Axes to average over; None means all.

    Returns:
        Σ(predicted − true) / count.

    >>> float(bias(np.array([1.0, 1.0]), np.array([2.0, 4.0])))
    2.0
    """
    return signed(true, predicted, axis).mean


def wape(true: np.ndarray, predicted: np.ndarray, axis: Axis = None) -> np.ndarray:
    """Weighted absolute percentage error, a share: 0.1 means 10 % of the total.

    Args:
        true: Truth.
        predicted: Forecast of the same shape.
        axis: Axes to sum over; None means all.

    Returns:
        Σ|predicted − true| / Σ|true|; infinite where the truth is all zero and missed.

    >>> float(wape(np.array([10.0, 30.0]), np.array([12.0, 30.0])))
    0.05
    """
    return sums.ratio(absolute(true, predicted, axis), size(true, predicted, axis))


def smape(true: np.ndarray, predicted: np.ndarray, axis: Axis = None) -> np.ndarray:
    """Symmetric absolute percentage error, a share between 0 and 2.

    Source: Makridakis 1993, in the form of the M4 competition, without its factor 100.

    Args:
        true: Truth.
        predicted: Forecast of the same shape.
        axis: Axes to average over; None means all.

    Returns:
        Mean of 2·|predicted − true| / (|predicted| + |true|), 0 where both are zero.

    >>> float(smape(np.array([1.0, 0.0]), np.array([3.0, 0.0])))
    0.5
    """
    return symmetric(true, predicted, axis).mean


def r2(true: np.ndarray, predicted: np.ndarray, axis: Axis = None) -> np.ndarray:
    """Share of the truth's variance that is explained; 0 is the truth's own mean, 1 is perfect.

    Args:
        true: Truth.
        predicted: Forecast of the same shape.
        axis: Axes to sum over; None means all.

    Returns:
        1 − Σ(predicted − true)² / Σ(true − mean)²; minus infinity where the truth is constant.
    """
    return sums.explained(squared(true, predicted, axis), spread(true, axis))


def mase(
    true: np.ndarray, predicted: np.ndarray, scale: np.ndarray, axis: Axis = None
) -> np.ndarray:
    """Mean absolute scaled error: below 1 beats the seasonal naive forecast of the training rows.

    Source: Hyndman & Koehler 2006.

    Args:
        true: Truth, (windows, horizon, targets).
        predicted: Forecast of the same shape.
        scale: First value of `naive_scale` for each window, (windows, 1, targets).
        axis: Axes to average over; None means all.

    Returns:
        Mean of |predicted − true| / scale, over what has a scale.
    """
    return mean(np.abs(predicted - true) / scale, true + scale, axis)


def rmsse(
    true: np.ndarray, predicted: np.ndarray, scale: np.ndarray, axis: Axis = None
) -> np.ndarray:
    """Root mean squared scaled error; below 1 beats the seasonal naive forecast.

    Source: the M5 competition, Makridakis et al. 2022.

    Args:
        true: Truth, (windows, horizon, targets).
        predicted: Forecast of the same shape.
        scale: Second value of `naive_scale` for each window, (windows, 1, targets).
        axis: Axes to average over; None means all.

    Returns:
        Root of the mean of (predicted − true)² / scale, over what has a scale.
    """
    return np.sqrt(mean((predicted - true) ** 2 / scale, true + scale, axis))


def naive_scale(values: np.ndarray, season: int) -> tuple[np.ndarray, np.ndarray]:
    """Error of the seasonal naive forecast within training rows, the scale of MASE and RMSSE.

    Args:
        values: One series on its regular grid, (rows, targets), NaN where missing.
        season: Rows of a season.

    Returns:
        Mean absolute and mean squared difference of rows one season apart, (targets,) each; NaN
        where it is zero or there are no such rows.

    >>> naive_scale(np.array([[1.0], [2.0], [4.0]]), season=1)
    (array([1.5]), array([2.5]))
    """
    step = values[season:] - values[:-season]
    absolute, square = mean(np.abs(step), step, 0), mean(step**2, step, 0)
    return np.where(absolute > 0, absolute, np.nan), np.where(square > 0, square, np.nan)


def skill(score: float | np.ndarray, baseline: float | np.ndarray) -> np.ndarray:
    """Share of a baseline's error that is gone; negative means worse than the baseline.

    Args:
        score: An error, such as an MAE.
        baseline: The baseline's, of the same shape.

    Returns:
        1 − score / baseline.

    >>> float(skill(3.0, 4.0))
    0.25
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1 - np.divide(score, baseline)


def mean(
    values: np.ndarray, known_by: np.ndarray, axis: Axis, *, keepdims: bool = False
) -> np.ndarray:
    """Divide the sum of the values whose truth is known by their count.

    Args:
        values: What is averaged.
        known_by: A number where the truth is known, else NaN; of the same shape.
        axis: Axes to average over; None means all.
        keepdims: Whether those axes stay, with length 1.

    Returns:
        The mean; NaN where nothing is known.
    """
    return summed(values, known_by, axis, keepdims=keepdims).mean
