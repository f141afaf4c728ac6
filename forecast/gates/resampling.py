"""How sure a change of an error is: blocks of windows are resampled, since windows share rows."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import numpy as np

from forecast.errors import InputError

Interval = tuple[float, float]
"""Both ends of the interval of a relative change: (0.01, 0.05) is 1 % to 5 % more."""

Key = TypeVar("Key", bound=Hashable)

LEVEL = 0.95
"""Share of the resampled changes that an interval holds."""

DRAWS = 2000
"""Times that the windows are drawn."""

FEW = 5
"""Fewer blocks than this say nothing about how much blocks differ."""

_CELLS = 2_000_000
"""Numbers that are held at once while blocks are added up."""


@dataclass(frozen=True)
class Sample:
    """Windows, and which of them lie so close that their errors go together.

    Attributes:
        origins: Position of each window in time, (windows,); windows of two series may share one.
        length: Positions in time that a block spans: as many as two windows may share rows over.
        weights: Known values of each window, (windows,); None counts all windows alike.
    """

    origins: np.ndarray = field(repr=False)
    length: int
    weights: np.ndarray | None = field(default=None, repr=False)

    def average(self, losses: np.ndarray) -> float:
        """Average the losses of the windows, (windows,), each as often as it has known values."""
        weights = self._weights
        known = weights > 0
        return float(np.average(losses[known], weights=weights[known]))

    def intervals(
        self, whole: np.ndarray, parts: Mapping[Key, np.ndarray], *, seed: int = 0
    ) -> dict[Key, Interval]:
        """Resample how much an error changes against another on the same windows.

        Blocks of neighbouring origins are drawn with replacement, the last followed by the first
        (Politis & Romano 1992), until as many origins are drawn as there are; both errors are
        averaged over what was drawn, and the interval lies between quantiles of their ratio less 1.

        Args:
            whole: Losses to compare with, (windows,).
            parts: Key to other losses of the same windows, (windows,).
            seed: Of the draws, which are the same for every key.

        Returns:
            `{key: (low, high)}`; nothing where there are fewer than five blocks, and no key whose
            ratio is not a number.
        """
        places, position = np.unique(self.origins, return_inverse=True)
        block = self._block(places)
        if len(places) < FEW * block or not parts:
            return {}
        weights = self._weights
        columns = [
            np.where(weights > 0, losses, 0) * weights for losses in (whole, *parts.values())
        ]
        sums = np.zeros((len(places), len(columns)))  # (origins, errors)
        np.add.at(sums, position, np.stack(columns, axis=1))
        drawn = _draw(_blocks(sums, block), -(-len(places) // block), seed)  # (draws, errors)
        with np.errstate(divide="ignore", invalid="ignore"):
            changes = drawn[:, 1:] / drawn[:, :1] - 1
        tail = (1 - LEVEL) / 2
        ends = np.quantile(changes, [tail, 1 - tail], axis=0)
        return {
            key: (float(low), float(high))
            for key, low, high in zip(parts, *ends, strict=True)
            if np.isfinite([low, high]).all()
        }

    @property
    def _weights(self) -> np.ndarray:
        return np.ones(len(self.origins)) if self.weights is None else self.weights

    def _block(self, places: np.ndarray) -> int:
        """Count the origins of a block: those that lie, on average, within its length."""
        if self.length < 1:
            raise InputError(f"length: must be at least 1, received {self.length}; leave it out")
        apart = (places[-1] - places[0]) / max(1, len(places) - 1)
        return max(1, round(self.length / apart)) if apart else 1


def block_length(span: int, window: int, horizon: int) -> int:
    """Choose how many positions in time a block spans.

    >>> block_length(2000, 96, 24), block_length(500, 96, 24), block_length(100, 96, 24)
    (96, 50, 24)
    """
    return min(window, max(horizon, span // 10))


def _blocks(sums: np.ndarray, block: int) -> np.ndarray:
    """Add up each run of neighbouring origins, the first behind the last, (origins, errors)."""
    around = np.concatenate([np.zeros_like(sums[:1]), sums, sums[: block - 1]]).cumsum(axis=0)
    return around[block:] - around[:-block]


def _draw(blocks: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Add up some blocks, drawn with replacement, again and again, (draws, errors)."""
    generator = np.random.default_rng(seed)
    chosen = generator.integers(len(blocks), size=(DRAWS, count))
    found = np.empty((DRAWS, blocks.shape[1]))
    for some in np.array_split(np.arange(DRAWS), -(-chosen.size * blocks.shape[1] // _CELLS)):
        found[some] = blocks[chosen[some]].sum(axis=1)
    return found


Verdict = Literal["used", "unused", "hurts"]


@dataclass(frozen=True)
class Change:
    """Relative change of an error.

    Attributes:
        share: 0.03 is 3 % more error without the part.
        interval: Of that share, from a bootstrap; None where there is none.
        margin: Share used as the uncertainty if there is no interval, and below which a
            part is worth nothing.
    """

    share: float
    interval: Interval | None = None
    margin: float = 0.01

    @property
    def verdict(self) -> Verdict:
        """Say whether the part helps, does nothing beyond chance, or hurts.

        >>> Change(-0.03, (-0.05, -0.01)).verdict, Change(-0.03, (-0.07, 0.02)).verdict
        ('hurts', 'unused')
        """
        low, high = self.interval or (self.share - self.margin, self.share + self.margin)
        if high < 0:
            return "hurts"
        return "unused" if low <= 0 or high <= self.margin else "used"

    @property
    def sure(self) -> bool:
        """Whether the verdict comes from an interval."""
        return self.interval is not None

    def __str__(self) -> str:
        """Write it with what the brackets hold.

        >>> print(Change(-0.033, (-0.054, -0.011)))
        −3.3 % (95 % interval −5.4 to −1.1 %)
        >>> print(Change(0.004))
        +0.4 %
        """
        return self.signed.replace("(", f"({100 * LEVEL:g} % interval ")

    @property
    def signed(self) -> str:
        """Write it short, for lists.

        >>> Change(0.004, (-0.009, 0.018)).signed
        '+0.4 % (−0.9 to +1.8 %)'
        """
        ends = "" if self.interval is None else " ({} to {} %)".format(*map(_sign, self.interval))
        return f"{_sign(self.share)} %{ends}"


def _sign(share: float) -> str:
    """Write per cent with a sign."""
    text = f"{100 * share:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text
