"""In what the configurations of runs differ, and how much of the error each setting explains."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from forecast.evaluation.significance.wording import number

ABSENT = "–"
"""Stands for a setting that a run does not have."""

GROUPS = ("model", "window", "training", "data", "split", "backtest")
"""Params that are compared, in this order."""

ASIDE = ("data.path", "data.query", "data.table", "training.threads")
"""Params that change no forecast."""

BINS = 8
"""Most values of a setting that stand apart; more are parted into as many ranges."""

LISTED = 6
"""Most values that are listed with their counts."""

FEWEST = 8
"""Runs without which no setting can be said to explain anything."""

LEAST = 0.005
"""Share of the differences that a setting must explain to be shown."""


@dataclass(frozen=True)
class Varied:
    """A setting in which runs differ.

    Attributes:
        key: Its name.
        texts: Its values in their order.
        at: Place of each run's value among them, (runs,).
        places: Where each value is on an axis, 0 to 1, (values,).
        bins: Names of values, or of ranges of them.
        bin_of: Place of each value among the bins, (values,).
        explains: Share of the differences in rank between runs that its bins explain.
    """

    key: str
    texts: Sequence[str]
    at: np.ndarray
    places: np.ndarray
    bins: Sequence[str]
    bin_of: np.ndarray
    explains: float

    @property
    def short(self) -> str:
        """Its name without its group, where that is enough."""
        return self.key.rpartition(".")[2]

    def column(self) -> dict[str, Any]:
        """Return what the page's script draws."""
        return {
            "key": self.key,
            "short": self.short,
            "texts": list(self.texts),
            "at": self.at.tolist(),
            "places": [round(float(place), 4) for place in self.places],
            "bins": list(self.bins),
            "binOf": self.bin_of.tolist(),
        }

    def strip(self, errors: Sequence[float]) -> dict[str, Any]:
        """Return the error of each bin: how many, lowest, quartiles, and places on one scale."""
        values = np.asarray(errors, float)
        known = np.isfinite(values)
        low, high = float(values[known].min()), float(np.quantile(values[known], 0.95))
        span = (high - low) or 1.0
        rows, best = [], (math.inf, "")
        of_run = self.bin_of[self.at]
        for place, name in enumerate(self.bins):
            own = values[known & (of_run == place)]
            if not len(own):
                continue
            marks = [float(mark) for mark in np.quantile(own, (0, 0.25, 0.5, 0.75, 0.9))]
            best = min(best, (marks[2], name))
            rows.append(
                {
                    "name": name,
                    "count": f"{len(own):,}",
                    "lowest": number(marks[0]),
                    "median": number(marks[2]),
                    "at": [round(100 * min(1.0, (mark - low) / span), 1) for mark in marks],
                }
            )
        return {
            "key": self.key,
            "explains": f"{100 * self.explains:.0f} %",
            "best": best[1],
            "median": number(best[0]),
            "rows": rows,
        }


def settings(
    params: Sequence[Mapping[str, str]], errors: Sequence[float]
) -> tuple[list[Varied], dict[str, str]]:
    """Part settings into those in which runs differ and those that all share.

    Args:
        params: Of each run.
        errors: What they are ranked by, (runs,).

    Returns:
        What differs, those first that explain most of the error; the others with their value.
    """
    found, shared = [], {}
    for key in _keys(params):
        values = [own.get(key, ABSENT) for own in params]
        distinct = set(values)
        if len(distinct) == 1:
            shared[key] = distinct.pop()
            continue
        if len(distinct - {ABSENT}) == 1:
            continue  # what only some models have goes with the model
        texts = sorted(distinct, key=_order)
        place = {text: n for n, text in enumerate(texts)}
        at = np.array([place[value] for value in values])
        bins, bin_of = _bins(texts, at)
        share = explained(bin_of[at], errors) if len(errors) else 0.0
        found.append(Varied(key, texts, at, _places(texts), bins, bin_of, share))
    found.sort(key=lambda one: -one.explains)
    return found, shared


def counted(one: Varied) -> dict[str, Any]:
    """List the commonest values of a setting with how many runs have each."""
    counts = Counter(one.at.tolist())
    common = counts.most_common(LISTED)
    shown = sorted((at for at, _ in common))
    more = len(counts) - len(shown)
    values = [f"{one.texts[at]} ({counts[at]:,})" for at in shown]
    return {
        "key": one.key,
        "values": ", ".join(values) + (f", and {more:,} more" if more else ""),
        "explains": f"{100 * one.explains:.0f} %" if one.explains else "",
    }


def explained(groups: np.ndarray, errors: Sequence[float]) -> float:
    """Return the share of the differences in rank between runs that groups explain (ω²).

    It is corrected for the number of groups, so that a setting without effect explains nothing on
    average; ranks keep a few diverged runs from deciding.

    >>> explained(np.repeat([0, 1], 50), [*range(50), *range(50, 100)]) > 0.7
    True
    """
    values = np.asarray(errors, float)
    known = np.isfinite(values)
    groups, ranks = np.asarray(groups)[known], stats.rankdata(values[known])
    names, place = np.unique(groups, return_inverse=True)
    left = len(ranks) - len(names)
    if len(ranks) < FEWEST or left < 1 or len(names) < 2:
        return 0.0
    counts = np.bincount(place)
    means = np.bincount(place, ranks) / counts
    total = float(((ranks - ranks.mean()) ** 2).sum())
    between = float((counts * (means - ranks.mean()) ** 2).sum())
    noise = (total - between) / left
    share = (between - (len(names) - 1) * noise) / (total + noise) if total else 0.0
    return share if share >= LEAST else 0.0


def _keys(params: Sequence[Mapping[str, str]]) -> list[str]:
    """List the params that are compared."""
    keys: set[str] = set().union(*params)
    order = {group: place for place, group in enumerate(GROUPS)}
    kept = [key for key in keys if key.split(".")[0] in order and key not in ASIDE]
    return sorted(kept, key=lambda key: (order[key.split(".")[0]], key))


def _bins(texts: Sequence[str], at: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Part values into few: themselves, ranges of numbers with as many runs, or the commonest."""
    if len(texts) <= BINS:
        return list(texts), np.arange(len(texts))
    values = np.array([_number(text) for text in texts])
    if np.isfinite(values).sum() >= len(texts) - 1:  # one may be absent
        edges = np.unique(np.nanquantile(values[at], np.linspace(0, 1, BINS + 1)[1:-1]))
        of = np.where(np.isfinite(values), np.searchsorted(edges, values, side="left"), BINS)
        of = np.unique(of, return_inverse=True)[1]
        parts = [[text for text, own in zip(texts, of, strict=True) if own == n] for n in set(of)]
        return [_range(part) for part in parts], of
    common = [place for place, _ in Counter(at.tolist()).most_common(BINS - 1)]
    names = [texts[place] for place in common]
    known = {place: n for n, place in enumerate(common)}
    return [*names, "others"], np.array([known.get(n, len(common)) for n in range(len(texts))])


def _range(texts: Sequence[str]) -> str:
    """Name a range of numbers by its ends.

    >>> _range(["0.00123456", "0.2"]), _range(["5"])
    ('0.00123 to 0.2', '5')
    """
    ends = [text if text == ABSENT else f"{float(text):.3g}" for text in texts]
    return ends[0] if ends[0] == ends[-1] else f"{ends[0]} to {ends[-1]}"


def _places(texts: Sequence[str]) -> np.ndarray:
    """Place values on an axis: few evenly, many numbers by their size, by powers if they are far.

    >>> _places(["8", "16", "64"]).tolist()
    [0.0, 0.5, 1.0]
    """
    even = np.linspace(0, 1, len(texts))
    values = np.array([_number(text) for text in texts])
    if len(texts) <= BINS or not np.isfinite(values).all():
        return even
    if values.min() > 0 and values.max() / values.min() > 100:
        values = np.log(values)
    return (values - values.min()) / (values.max() - values.min())


def _number(text: str) -> float:
    """Read a number; NaN for what is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _order(text: str) -> tuple[int, list[float], str]:
    """Sort what is absent first, then numbers and lists of numbers by size, then texts."""
    if text in (ABSENT, "None"):
        return (0, [], text)
    parts = [_number(part) for part in text.strip("[]").split(",")]
    if all(map(math.isfinite, parts)):
        return (1, parts, text)
    return (2, [], text)
