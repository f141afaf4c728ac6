"""How sure a change of an error is: windows share rows, so blocks of them are drawn."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

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

    Args:
        span: Positions from the first origin to the last.
        window: Rows of a whole window, past and future: those closer than this share rows.
        horizon: Rows from the origin to the end of the forecast, over which errors share truths.

    Returns:
        The whole window; where fewer than ten of these fit, a tenth of the span, but never less
        than the horizon.

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
