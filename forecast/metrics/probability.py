"""Scores of probabilities and of quantiles.

As in `point`, each divides one sum by one count and leaves out what has no truth.
"""

from collections.abc import Sequence

import numpy as np

from forecast.metrics import sums
from forecast.metrics.sums import Axis, Sum, ranked, summed

TINY = 1e-7
"""Least probability that the logarithm is taken of: a certain forecast that fails costs 16."""


def logarithms(true: np.ndarray, predicted: np.ndarray, *, classes: bool = False) -> Sum:
    """Sum the negative logarithms of the probabilities given to what happened."""
    sure = np.clip(predicted, TINY, 1 - TINY)
    if classes:
        return summed(-(true * np.log(sure)).sum(axis=-1), true[..., 0])
    return summed(-np.where(true == 1, np.log(sure), np.log1p(-sure)), true)


def hits(true: np.ndarray, predicted: np.ndarray) -> Sum:
    """Count the windows and steps whose likeliest class is the one that happened."""
    hit = predicted.argmax(axis=-1) == true.argmax(axis=-1)
    return summed(hit.astype(float), true[..., 0])


def quantile_losses(
    true: np.ndarray, quantiles: np.ndarray, levels: Sequence[float], axis: Axis = None
) -> Sum:
    """Sum the quantile losses at each level, the last axis."""
    short = true[..., None] - quantiles  # how far the forecast is below the truth
    loss = np.maximum(np.asarray(levels) * short, (np.asarray(levels) - 1) * short)
    kept = tuple(range(true.ndim)) if axis is None else axis
    return summed(loss, np.broadcast_to(true[..., None], loss.shape), kept)


def inside(true: np.ndarray, low: np.ndarray, high: np.ndarray, axis: Axis = None) -> Sum:
    """Count how much of the truth lies in an interval, its ends included."""
    return summed(((true >= low) & (true <= high)).astype(float), true, axis)


def widths(true: np.ndarray, low: np.ndarray, high: np.ndarray, axis: Axis = None) -> Sum:
    """Sum the widths of intervals."""
    return summed(high - low, true, axis)


def interval_scores(
    true: np.ndarray, low: np.ndarray, high: np.ndarray, level: float, axis: Axis = None
) -> Sum:
    """Sum the interval scores."""
    outside = np.maximum(low - true, 0) + np.maximum(true - high, 0)
    return summed(high - low + 2 / (1 - level) * outside, true, axis)


def log_loss(true: np.ndarray, predicted: np.ndarray, *, classes: bool = False) -> np.ndarray:
    """Mean negative logarithm of the probability given to what happened, in nats.

    Args:
        true: 1 where it happened and 0 where not, (windows, horizon, targets).
        predicted: Probabilities of the same shape.
        classes: Whether the targets are classes of which one happens; else each is an event.

    Returns:
        One number; for classes per window and step, else per event.

    >>> round(float(log_loss(np.array([[[1.0]]]), np.array([[[0.5]]]))), 4)
    0.6931
    """
    return logarithms(true, predicted, classes=classes).mean


def auc(true: np.ndarray, predicted: np.ndarray) -> float:
    """Area under the ROC curve: how likely an event is given more than a non-event.

    Args:
        true: 1 where it happened and 0 where not, (windows, horizon, targets).
        predicted: Probabilities of the same shape.

    Returns:
        Mean over the targets that show both; NaN where none does.

    >>> auc(np.array([[[0.0], [1.0]]]), np.array([[[0.2], [0.3]]]))
    1.0
    """
    pairs = zip(true.T, predicted.T, strict=True)
    return sums.auc(*(ranked(own, chance) for own, chance in pairs))


def accuracy(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Share of windows and steps whose likeliest class is the one that happened.

    Args:
        true: 1 in the column of the class, (windows, horizon, classes).
        predicted: Probabilities of the same shape.

    Returns:
        One number; of classes that are equally likely the first counts.

    >>> float(accuracy(np.array([[[0.0, 1.0]]]), np.array([[[0.4, 0.6]]])))
    1.0
    """
    return hits(true, predicted).mean


def pinball(
    true: np.ndarray, quantiles: np.ndarray, levels: Sequence[float], axis: Axis = None
) -> np.ndarray:
    """Quantile loss at each level, in the target's unit.

    Source: Koenker & Bassett 1978.

    Args:
        true: Truth, (windows, horizon, targets).
        quantiles: Forecasts, (windows, horizon, targets, levels).
        levels: Their levels, (levels,).
        axis: Axes of the truth to average over; None means all.

    Returns:
        (levels,), or with the axes that were kept before it.

    >>> pinball(np.array([[[3.0]]]), np.array([[[[1.0, 4.0]]]]), (0.1, 0.9)).round(3).tolist()
    [0.2, 0.1]
    """
    return quantile_losses(true, quantiles, levels, axis).mean


def crps(
    true: np.ndarray, quantiles: np.ndarray, levels: Sequence[float], axis: Axis = None
) -> np.ndarray:
    """Continuous ranked probability score from quantiles, in the target's unit.

    Twice the quantile loss, averaged over the levels, as GluonTS and scoringrules write it; of
    levels that lie evenly between 0 and 1 it comes near the integral over all levels. Two forecasts
    are compared by it at the same levels only. Source: Gneiting & Ranjan 2011, equation 3.

    Args:
        true: Truth, (windows, horizon, targets).
        quantiles: Forecasts, (windows, horizon, targets, levels).
        levels: Their levels, (levels,).
        axis: Axes of the truth to average over; None means all.

    Returns:
        One number, or one for each place of the axes that were kept. Of the median alone it is
        the absolute error.

    >>> float(crps(np.array([[[3.0]]]), np.array([[[[1.0]]]]), (0.5,)))
    2.0
    """
    return 2 * pinball(true, quantiles, levels, axis).mean(axis=-1)


def coverage(true: np.ndarray, low: np.ndarray, high: np.ndarray, axis: Axis = None) -> np.ndarray:
    """Share of the truth that lies in an interval, its ends included.

    Args:
        true: Truth.
        low: Lower end, of the same shape.
        high: Upper end.
        axis: Axes to average over; None means all.

    Returns:
        Between 0 and 1.

    >>> float(coverage(np.array([1.0, 5.0]), np.array([0.0, 0.0]), np.array([2.0, 2.0])))
    0.5
    """
    return inside(true, low, high, axis).mean


def width(true: np.ndarray, low: np.ndarray, high: np.ndarray, axis: Axis = None) -> np.ndarray:
    """Mean width of an interval, in the target's unit.

    Args:
        true: Truth; where it is missing nothing is counted.
        low: Lower end, of the same shape.
        high: Upper end.
        axis: Axes to average over; None means all.

    Returns:
        One number, or one for each place of the axes that were kept.

    >>> float(width(np.array([1.0, np.nan]), np.array([0.0, 0.0]), np.array([2.0, 9.0])))
    2.0
    """
    return widths(true, low, high, axis).mean


def winkler(
    true: np.ndarray, low: np.ndarray, high: np.ndarray, level: float, axis: Axis = None
) -> np.ndarray:
    """Interval score: the width, and 2/(1 − level) times how far the truth lies outside.

    Lowest in the mean for the interval between the true quantiles. Source: Winkler 1972; Gneiting &
    Raftery 2007, equation 43.

    Args:
        true: Truth.
        low: Lower end, of the same shape.
        high: Upper end.
        level: Share that the interval is to cover.
        axis: Axes to average over; None means all.

    Returns:
        In the target's unit; lower is better.

    >>> round(float(winkler(np.array([1.0, 5.0]), np.zeros(2), np.full(2, 4.0), 0.9)), 6)
    14.0
    """
    return interval_scores(true, low, high, level, axis).mean
