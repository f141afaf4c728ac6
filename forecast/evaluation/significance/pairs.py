"""Whether one forecaster is better than another, or their errors only differ by chance."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import fft
from scipy.special import stdtr

from forecast.errors import InputError, nearest, shown
from forecast.evaluation.forecasts import Forecasts

LEVEL = 0.05
"""Below this p a difference counts as one."""

REACH = 2.5
"""Horizons of origins that each cosine takes: the fastest wave is twice as long, so it sees the
variance that overlapping horizons share. Chosen by the sizes in docs/evaluation.md."""

FEWEST = 2
"""Cosines without which there is no verdict; Student's t has as many degrees of freedom."""

SPARSE = 64
"""Places on the clock for each origin, above which they are no longer laid out one by one."""

VARIANCES = ("cosine", "rectangular", "bartlett")

SAME, FEW = "no significant difference", "too few origins to test"
"""Words of a verdict that is neither "better" nor "worse"."""


@dataclass(frozen=True)
class Verdict:
    """What a test of two forecasters found.

    Attributes:
        difference: Mean loss of the first minus that of the second; below 0 the first is better.
        statistic: That difference by its standard error; NaN where there is no test.
        p: How likely at least this statistic is for two equally good forecasters, both sides.
        origins: Origins that both have forecast.
    """

    difference: float
    statistic: float
    p: float
    origins: int

    @property
    def word(self) -> str:
        """What the first is compared with the second: better, worse, or one of `SAME`, `FEW`."""
        if np.isnan(self.p):
            return FEW
        if self.p >= LEVEL:
            return SAME
        return "better" if self.statistic < 0 else "worse"

    def __str__(self) -> str:
        """Write word and p: "better, p = 0.003" or "no significant difference (p = 0.15)"."""
        if np.isnan(self.p):
            return self.word
        shown = probability(self.p)
        return f"{self.word} ({shown})" if self.word == SAME else f"{self.word}, {shown}"


def probability(p: float) -> str:
    """Write a p value with two digits; it is neither rounded to 0 nor up to `LEVEL`.

    >>> probability(0.1534), probability(0.0499), probability(0.00004), probability(1.0)
    ('p = 0.15', 'p < 0.05', 'p < 0.001', 'p = 1')
    """
    if p < 0.001:
        return "p < 0.001"
    text = f"{p:.2g}"
    return f"p < {LEVEL:g}" if p < LEVEL <= float(text) else f"p = {text}"


def diebold_mariano(
    losses_a: np.ndarray,
    losses_b: np.ndarray,
    horizon: int,
    *,
    position: np.ndarray | None = None,
    variance: str = "cosine",
) -> Verdict:
    """Test whether two forecasters have the same expected loss.

    The variance of the mean difference allows for losses that depend on each other, since
    horizons of neighbouring origins overlap. "cosine" averages the squared weights of slow cosine
    waves and takes Student's t with as many degrees of freedom (Lazarus, Lewis, Stock & Watson
    2018); so few, and so slow, that they lie beyond the overlap. "rectangular" sums the
    autocovariances of `horizon` − 1 lags (Diebold & Mariano 1995), "bartlett" with falling weights;
    both with the correction of Harvey, Leybourne & Newbold (1997), and rectangular falls back on
    bartlett where the sum is no variance. The last two reject too often (docs/evaluation.md).

    Args:
        losses_a: Loss of the first at each origin, (origins,); NaN where there is none.
        losses_b: The same of the second, at the same origins.
        horizon: Rows from an origin to the last row that it predicts, so lead and horizon.
        position: Place of each origin on the clock of the rows, (origins,); None means that they
            follow on each other. It is needed where origins are absent.
        variance: "cosine", "rectangular" or "bartlett".

    Returns:
        The verdict on the first; p is NaN with fewer than 5 horizons of origins, or than 12.

    Raises:
        InputError: Shapes differ, two origins share a place, or the variance has no such name.

    >>> rng = np.random.default_rng(0)
    >>> good, bad = rng.normal(1, 0.1, 200), rng.normal(1.2, 0.1, 200)
    >>> print(diebold_mariano(good, bad, horizon=4))
    better, p < 0.001
    """
    place = np.arange(len(losses_a)) if position is None else np.asarray(position)
    _check(losses_a, losses_b, horizon, place, variance)
    gap = np.asarray(losses_a, float) - np.asarray(losses_b, float)
    known = ~np.isnan(gap)
    order = np.argsort(place[known])
    gap, place = gap[known][order], place[known][order]
    count = len(gap)
    if count <= horizon:
        return Verdict(float(gap.mean()) if count else np.nan, np.nan, np.nan, count)
    difference = float(gap.mean())
    if not np.any(gap):  # the same forecasts
        return Verdict(0.0, 0.0, 1.0, count)
    if variance == "cosine":
        freedom = _cosines(count, horizon)
        if freedom < FEWEST:
            return Verdict(difference, np.nan, np.nan, count)
        error = _cosine(gap - difference, place, freedom)
    else:
        freedom = count - 1
        correction = (count + 1 - 2 * horizon + horizon * (horizon - 1) / count) / count
        error = _kernel(gap - difference, place, horizon, variance) / correction
    with np.errstate(divide="ignore"):
        statistic = float(difference / np.sqrt(error))
    return Verdict(difference, statistic, float(2 * stdtr(freedom, -abs(statistic))), count)


@dataclass(frozen=True)
class Losses:
    """Sums of what is lost from each origin; those of two parts of the windows add up.

    Series at one time are not independent, so they are no more than one observation: all values
    that are forecast from one tick are averaged, each alike and in its own unit, as the headline
    averages them. Those whose truth is not known have no say.

    Attributes:
        ticks: Origins on the clock of the rows, ascending, (origins,).
        total: Sum of the losses from each; NaN where something known was not forecast.
        count: How many values they are of.
    """

    ticks: np.ndarray
    total: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, loss: np.ndarray, count: np.ndarray, ticks: np.ndarray) -> "Losses":
        """Sum the losses of parts that share an origin.

        Args:
            loss: Mean loss of each part, such as a window, (parts,); NaN where nothing is known,
                or nothing was forecast of what is known, which takes the whole origin away.
            count: Values that each has averaged, (parts,).
            ticks: Origin of each on the clock of the rows, (parts,).

        Returns:
            The sums.
        """
        return cls._summed(np.where(count > 0, loss * count, 0.0), count, ticks)

    @classmethod
    def _summed(cls, total: np.ndarray, count: np.ndarray, ticks: np.ndarray) -> "Losses":
        places, at = np.unique(ticks, return_inverse=True)
        parts = (np.bincount(at, weights=part, minlength=len(places)) for part in (total, count))
        return cls(places, *parts)

    def __add__(self, other: "Losses") -> "Losses":
        """Return the sums of both."""
        pairs = zip(self._fields, other._fields, strict=True)
        total, count, ticks = (np.concatenate(both) for both in pairs)
        if len(self.ticks) and len(other.ticks) and self.ticks[-1] < other.ticks[0]:
            return Losses(ticks, total, count)  # the next ones of a long series
        return self._summed(total, count, ticks)

    @property
    def _fields(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.total, self.count, self.ticks

    @property
    def mean(self) -> pd.Series:
        """Tick of each origin to its loss, ascending."""
        with np.errstate(invalid="ignore"):
            return pd.Series(self.total / self.count, self.ticks)


def between(own: pd.Series, other: pd.Series, horizon: int) -> Verdict:
    """Test two forecasters whose losses are known by tick, as `by_origin` gives them.

    Args:
        own: Tick of each origin to the loss of the first.
        other: The same of the second; ticks of one alone are left out.
        horizon: Rows from an origin to the last row that it predicts.

    Returns:
        The verdict on the first.
    """
    first, second = own.align(other, join="inner")
    place = first.index.to_numpy()
    return diebold_mariano(first.to_numpy(), second.to_numpy(), horizon, position=place)


def verdicts(model: Forecasts, others: Mapping[str, Forecasts]) -> dict[str, Verdict]:
    """Test one forecaster against others on the origins that they share.

    Args:
        model: Its forecasts.
        others: Name to forecasts of others for windows of the same shape.

    Returns:
        Name to the verdict on the model.
    """
    own, reach = losses(model), model.window.lead + model.window.horizon
    return {name: between(own.mean, losses(each).mean, reach) for name, each in others.items()}


def losses(forecasts: Forecasts) -> Losses:
    """Sum the headline error over everything that is forecast from each time stamp."""
    count = (~np.isnan(forecasts.true)).sum(axis=(1, 2))  # (windows,)
    ticks = forecasts.table.tick[forecasts.origins]
    return Losses.of(forecasts.error(axis=(1, 2)), count, ticks)


def by_origin(loss: np.ndarray, count: np.ndarray, ticks: np.ndarray) -> pd.Series:
    """Average the losses of parts that share an origin, as `Losses` does.

    >>> by_origin(np.array([1.0, 4.0, np.nan]), np.array([1, 2, 0]), np.array([7, 7, 9]))
    7    3.0
    9    NaN
    dtype: float64
    """
    return Losses.of(loss, count, ticks).mean


def _cosines(count: int, horizon: int) -> int:
    """Return how many cosines there are: all that are slow, of these the best number for size."""
    return int(min(0.4 * count ** (2 / 3), count / (REACH * horizon)))


def _cosine(gap: np.ndarray, place: np.ndarray, cosines: int) -> float:
    """Return the variance of the mean by the weights of the slowest cosine waves.

    Where origins are absent the waves run on, and the deviation there is 0 (Parzen 1963).
    """
    at = place - place[0]  # (origins,)
    length = int(at[-1]) + 1
    if length <= SPARSE * len(gap):
        full = np.zeros(length)
        full[at] = gap
        weights = fft.dct(full, type=2)[1 : cosines + 1] / 2
    else:  # few origins far apart: wave by wave needs no room for what lies between
        phase = np.pi * (at + 0.5) / length
        weights = np.array([gap @ np.cos(phase * wave) for wave in range(1, cosines + 1)])
    return float(2 * (weights**2).mean() / len(gap) ** 2)


def _kernel(gap: np.ndarray, place: np.ndarray, horizon: int, variance: str) -> float:
    """Return the variance of the mean by autocovariances at true distances."""
    full = np.zeros(place[-1] - place[0] + 1)
    full[place - place[0]] = gap
    sums = np.array(
        [full[lag:] @ full[: len(full) - lag] for lag in range(min(horizon, len(full)))]
    )
    falling = 2 * (1 - np.arange(len(sums)) / horizon)
    for factors in ([np.full(len(sums), 2.0)] if variance == "rectangular" else []) + [falling]:
        total = factors @ sums - sums[0]  # lag 0 counts once
        if total > 0:
            break
    return float(total / len(gap) ** 2)


def _check(
    losses_a: np.ndarray, losses_b: np.ndarray, horizon: int, place: np.ndarray, variance: str
) -> None:
    """Refuse what cannot be compared."""
    shapes = [np.shape(part) for part in (losses_a, losses_b, place)]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise InputError(
            "losses_a, losses_b and position must be arrays of one shape (origins,), got "
            f"{', '.join(map(str, shapes))}: give one loss for each origin"
        )
    if horizon < 1:
        raise InputError(f"horizon must be 1 or more rows, got {shown(horizon)}: count from 1")
    if len(np.unique(place)) < len(place):
        raise InputError(
            "position must hold each place once, got some twice: average the losses of one origin"
        )
    if variance not in VARIANCES:
        raise InputError(
            f"variance must be one of {', '.join(VARIANCES)}, got {shown(variance)}: "
            f"{nearest(variance, VARIANCES)}"
        )
