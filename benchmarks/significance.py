"""How often tests call equally good forecasters different: the tables of docs/evaluation.md.

`python -m benchmarks.significance` prints them; it takes some minutes.
"""

import sys
from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.signal import lfilter
from scipy.stats import t as student

from forecast.evaluation.significance.pairs import VARIANCES, diebold_mariano

STEPS = 24
ORIGINS = (200, 400, 1000, 1700)
SHIFT = 3.0
"""Difference of which the power is told, in standard errors of the mean."""


def overlap(rng: np.random.Generator, times: int, origins: int, lasting: float = 0.0) -> np.ndarray:
    """Loss differences of rows, averaged over the steps ahead of every origin, (times, origins).

    Args:
        rng: Draws the errors.
        times: Repetitions.
        origins: In each.
        lasting: Share of a row's difference that the next row keeps.
    """
    shape = (times, origins + STEPS + 300)
    rows = np.abs(rng.normal(size=shape)) - np.abs(rng.normal(size=shape))
    rows = lfilter([1], [1, -lasting], rows, axis=1)[:, 300:]
    sums = np.cumsum(rows, axis=1)
    return (sums[:, STEPS:] - sums[:, :-STEPS]) / STEPS


def forecasters(
    rng: np.random.Generator, times: int, origins: int, lasting: float = 0.98
) -> np.ndarray:
    """Differences of the MAE of two forecasters of one AR(1), each with a slow error of its own."""
    noise = rng.normal(size=(times, origins + STEPS + 1))
    own = [
        lfilter([1], [1, -lasting], rng.normal(size=(times, origins + 300)), axis=1)[:, 300:]
        * 1.5
        * np.sqrt(1 - lasting**2)
        for _ in range(2)
    ]
    error, gap = np.zeros((times, origins)), np.zeros((times, origins))
    for step in range(1, STEPS + 1):
        error = 0.95 * error + noise[:, step : step + origins]
        gap += np.abs(error - 0.95**step * own[0]) - np.abs(error - 0.95**step * own[1])
    return gap / STEPS


def wide_bartlett(gap: np.ndarray, horizons: int) -> np.ndarray:
    """Statistic of Bartlett's kernel as wide as some horizons, (times,)."""
    count = gap.shape[1]
    free = gap - gap.mean(axis=1, keepdims=True)
    width = horizons * STEPS
    total = (free**2).sum(axis=1)
    for lag in range(1, width):
        total += 2 * (1 - lag / width) * (free[:, lag:] * free[:, :-lag]).sum(axis=1)
    return gap.mean(axis=1) / np.sqrt(total / count**2)


def fixed_b(gap: np.ndarray) -> np.ndarray:
    """Whether Bartlett's kernel of 3 horizons rejects by Kiefer & Vogelsang's (2005) limit."""
    b = 3 * STEPS / gap.shape[1]
    limit = 1.96 + 2.9694 * b + 0.416 * b**2 - 0.5324 * b**3
    return np.abs(wide_bartlett(gap, 3)) > limit


def rule_of_thumb(gap: np.ndarray) -> np.ndarray:
    """Whether 0.4 n^(2/3) cosines reject, whatever the horizon (Lazarus et al. 2018)."""
    count = gap.shape[1]
    cosines = int(0.4 * count ** (2 / 3))
    phase = np.pi * (np.arange(count) + 0.5) / count
    mean = gap.mean(axis=1)
    weights = (gap - mean[:, None]) @ np.cos(np.outer(phase, np.arange(1, cosines + 1)))
    statistic = mean / np.sqrt(2 * (weights**2).mean(axis=1) / count**2)
    return 2 * student.sf(np.abs(statistic), cosines) < 0.05


def ours(variance: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the project's own test as a function of (times, origins)."""

    def rejects(gap: np.ndarray) -> np.ndarray:
        nothing = np.zeros(gap.shape[1])
        found = (diebold_mariano(row, nothing, STEPS, variance=variance) for row in gap)
        return np.array([verdict.p < 0.05 for verdict in found])

    return rejects


def with_gaps(gap: np.ndarray) -> np.ndarray:
    """Whether the project's test rejects where every fifth day of origins is absent."""
    place = np.flatnonzero(np.arange(gap.shape[1]) // STEPS % 5 != 2)
    nothing = np.zeros(len(place))
    found = (diebold_mariano(row[place], nothing, STEPS, position=place) for row in gap)
    return np.array([verdict.p < 0.05 for verdict in found])


WORLDS: dict[str, Callable[..., np.ndarray]] = {
    "overlap alone": overlap,
    "rows that depend on each other, 0.9": partial(overlap, lasting=0.9),
    "two forecasters, slow errors": forecasters,
    "rows that depend on each other, 0.97": partial(overlap, lasting=0.97),
}
TESTS = {
    **{variance: ours(variance) for variance in VARIANCES},
    "cosine, a fifth of the origins absent": with_gaps,
    "0.4 n^(2/3) cosines": rule_of_thumb,
    "Bartlett of 3 horizons, fixed-b limit": fixed_b,
}


def main(times: int) -> None:
    """Print a table for each world: rejections of equal and of unequal forecasters, %."""
    rng = np.random.default_rng(0)
    for world, draw in WORLDS.items():
        print(f"\n| {world} | " + " | ".join(f"{n:,}" for n in ORIGINS) + " |")
        print("|---|" + "---|" * len(ORIGINS))
        cells: dict[str, list[str]] = {name: [] for name in TESTS}
        for origins in ORIGINS:
            gap = draw(rng, times, origins)
            shift = SHIFT * gap.mean(axis=1).std()
            for name, test in TESTS.items():
                size, power = (100 * test(gap + more).mean() for more in (0, shift))
                cells[name].append(f"{size:.1f} : {power:.0f}")
        for name, row in cells.items():
            print(f"| {name} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
