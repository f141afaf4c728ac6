"""Moments of a training that runs of any length have in common: shares of its epochs."""

from collections.abc import Iterable


def shares(count: int) -> list[int]:
    """List shares of the epochs in per cent, evenly from the start to the end.

    >>> shares(6), shares(1)
    ([0, 20, 40, 60, 80, 100], [100])
    """
    return [round(100 * number / (count - 1)) for number in range(count)] if count > 1 else [100]


def at_shares(epochs: Iterable[int], count: int) -> dict[int, int]:
    """Find the epoch nearest to each share of the last one; of two as near the earlier.

    >>> at_shares([0, 4, 8, 12, 15], 6), at_shares([0, 1], 3)
    ({0: 0, 20: 4, 40: 4, 60: 8, 80: 12, 100: 15}, {0: 0, 50: 0, 100: 1})
    """
    known = sorted(epochs)
    return {
        share: min(known, key=lambda epoch: abs(100 * epoch - share * known[-1]))
        for share in shares(count)
        if known
    }
