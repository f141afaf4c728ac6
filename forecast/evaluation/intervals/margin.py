"""How far an interval reaches beyond what it is put around; what a served model keeps of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecast.data.scaling.bounds import Pair as Bound
from forecast.data.scaling.bounds import clipped
from forecast.data.scaling.transform import UNMOVED, Kinds
from forecast.errors import InputError, nearest
from forecast.vocabulary import CALIBRATIONS

Pair = tuple[float, float]
"""Levels of the two quantiles that an interval is put around."""


@dataclass(frozen=True)
class Reach:
    """How far an interval reaches beyond its base, as it stood when the outcomes ended.

    Attributes:
        level: Share that is to be covered.
        method: How it was found.
        between: Levels of the quantiles that are the base; None means the forecast itself.
        values: (series, horizon, targets), in the units of the targets once transformed; NaN where
            too little was known.
    """

    level: float
    method: str
    between: Pair | None
    values: np.ndarray

    def around(
        self,
        every: np.ndarray,
        levels: Sequence[float],
        middle: np.ndarray,
        series: np.ndarray,
        kinds: Kinds = UNMOVED,
        bounds: Sequence[Bound] = (),
    ) -> tuple[np.ndarray, np.ndarray]:
        """Put intervals around forecasts, within the bounds of their targets.

        Shapes: `every` (windows, horizon, targets, levels), `middle` (windows, horizon, targets),
        `series` (windows,); returns (windows, horizon, targets).
        """
        low, high = base(every, levels, middle, self.between)
        return widened(low, high, middle, self.values[series], kinds, bounds)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; what is not known is null."""
        values = self.values.astype(object)
        values[np.isnan(self.values)] = None
        return {
            "level": self.level,
            "method": self.method,
            "between": self.between and list(self.between),
            "reach": values.tolist(),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Reach":
        """Read it back from plain data."""
        between = plain["between"]
        values = np.asarray(plain["reach"], float)  # null becomes NaN
        return cls(plain["level"], plain["method"], tuple(between) if between else None, values)


def check_interval(level: float | None, method: str, quantiles: Sequence[float], task: str) -> None:
    """Refuse what cannot be calibrated, before training."""
    if level is None:
        return
    if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0 < level < 1:
        raise InputError(
            f"evaluation.interval must be a share between 0 and 1, or null for none, got "
            f"{level!r}: try 0.9"
        )
    if method not in CALIBRATIONS:
        raise InputError(
            f"evaluation.calibration must be one of {', '.join(CALIBRATIONS)}, got {method!r}: "
            f"{nearest(method, CALIBRATIONS)}"
        )
    if method == "cqr" and task == "regression" and pair(level, quantiles) is None:
        low, high = (1 - level) / 2, (1 + level) / 2
        raise InputError(
            f"evaluation.calibration=cqr must have training.quantiles with {low:.4g} and "
            f"{high:.4g}, got {list(quantiles)}: add them, with 0.5, or write adaptive or split"
        )


def pair(level: float, quantiles: Sequence[float]) -> Pair | None:
    """Find the two quantiles with a level between them and equal shares on either side.

    >>> pair(0.9, (0.05, 0.5, 0.95)), pair(0.8, (0.05, 0.5, 0.95))
    ((0.05, 0.95), None)
    """
    found = [
        next((q for q in quantiles if abs(q - end) < 1e-9), None)
        for end in ((1 - level) / 2, (1 + level) / 2)
    ]
    return (found[0], found[1]) if found[0] is not None and found[1] is not None else None


def base(
    every: np.ndarray, levels: Sequence[float], middle: np.ndarray, between: Pair | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the two quantiles of a pair, or the forecast twice."""
    if between is None:
        return middle, middle
    low, high = (every[..., list(levels).index(end)] for end in between)
    return low, high


def widened(
    low: np.ndarray,
    high: np.ndarray,
    middle: np.ndarray,
    by: np.ndarray,
    kinds: Kinds = UNMOVED,
    bounds: Sequence[Bound] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Move both ends of a base outwards, no further in than the forecast.

    Of transformed targets the ends are moved on their scale, so that none leaves what they can be.
    They are clipped to the bounds of the targets, between which the truth lies.
    """
    if kinds.move:
        low, high = (
            kinds.inverse(kinds.within(end) + way) for end, way in ((low, -by), (high, by))
        )
        by = np.zeros(())
    ends = np.minimum(low - by, middle), np.maximum(high + by, middle)
    return clipped(ends[0], bounds), clipped(ends[1], bounds)
