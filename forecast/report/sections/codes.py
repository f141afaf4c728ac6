"""Numbers as short text, which the script of a page reads back."""

import math

import numpy as np

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
"""Five bits a character; those of the second half say that more follow."""

MISSING, AGAIN = ".~"
"""Before a count: so many values are missing, or equal to the one before."""


def encode(values: np.ndarray) -> str:
    """Write whole numbers as differences, five bits a character, and runs as their length.

    Neighbours in time are alike, so most values take one or two characters. A difference is written
    as twice its size, one less if it is negative, its lowest bits first.

    >>> encode(np.array([3, 2, 2, 2, 2])), encode(np.array([np.nan, np.nan, 20.0]))
    ('GB~D', '.CoB')
    """
    known = np.isfinite(values)
    whole = np.round(np.where(known, values, 0)).astype(np.int64)
    text, last, at = list[str](), 0, 0
    for begin, end in _runs(known, whole):
        if not known[begin]:
            text.append(MISSING + _number(end - begin))
            continue
        change = int(whole[begin]) - last
        at = begin
        if change:
            text.append(_number(2 * change if change > 0 else -2 * change - 1))
            at += 1
        last = int(whole[begin])
        if end - at == 1:
            text.append(_number(0))
        elif end > at:
            text.append(AGAIN + _number(end - at))
    return "".join(text)


def unit(values: np.ndarray, most: int) -> tuple[float, float]:
    """Return where to begin counting and a round step, of which values need at least so many.

    >>> unit(np.array([12.3, 80.0, np.nan]), 4000), unit(np.array([np.nan]), 4000)
    ((12.3, 0.01), (0.0, 1.0))
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    span = high - low or abs(low)
    if not 0 < span < math.inf:
        return low, 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    step = power * max(n for n in (1, 2, 5) if n * power <= span / most * (1 + 1e-9))
    return float(f"{math.floor(low / step + 1e-6) * step:.12g}"), float(f"{step:.12g}")


def _runs(known: np.ndarray, whole: np.ndarray) -> list[tuple[int, int]]:
    """Return where values that are missing, or equal, begin and end."""
    if not len(whole):
        return []
    turns = (whole[1:] != whole[:-1]) | (known[1:] != known[:-1])
    ends = [*(np.flatnonzero(turns) + 1).tolist(), len(whole)]
    return list(zip([0, *ends], ends, strict=False))


def _number(value: int) -> str:
    """Write a number of 0 or more."""
    text = ""
    while value >= 32:
        text += ALPHABET[32 + value % 32]
        value //= 32
    return text + ALPHABET[value]
