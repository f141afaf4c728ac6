"""Transforms of targets: their names, where they hold, there and back, and the best power.

Each is a Box-Cox transform of the value, or of the value plus one: (x^p − 1) / p, the logarithm
where the power p is 0. Values are 0 or more, so no forecast that is brought back lies below.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from forecast.errors import InputError, nearest
from forecast.vocabulary import TRANSFORMS

if TYPE_CHECKING:
    from forecast.data.table import Table

MOST_POWER = 2.0
"""Powers are from 0, since the inverse of a negative one has no value beyond some forecast."""

FARTHEST = 700.0
"""Size of a logarithm beyond which a forecast is brought back no further."""

MOST_KEPT = 400_000
"""Rows from which a power is estimated; of more about half as many, evenly spread."""

GOLDEN = 0x9E3779B1
"""The golden ratio's part behind the point, in units of 2^-32, made odd."""

DIGITS = 4
"""Of an estimated power."""

NONE, ALL = "none", "*"
"""A target that stays as it is; all targets, before a file has told their names."""


def by_target(asked: Any, targets: Sequence[str]) -> dict[str, str]:
    """Say how each target is transformed, of those that are; one word is for all of them.

    >>> by_target("log", ("a", "b")), by_target({"a": "sqrt", "b": "none"}, ("a", "b"))
    ({'a': 'log', 'b': 'log'}, {'a': 'sqrt'})
    """
    if asked is None or isinstance(asked, str):
        asked = dict.fromkeys(targets, asked)
    if not isinstance(asked, Mapping):
        raise InputError(
            f"data.transform must be a name or pairs of targets and names, got {asked!r}: try "
            "log1p, or {load: log1p}"
        )
    return {name: own for name, own in asked.items() if own not in (None, NONE)}


def check(asked: Mapping[str, str], targets: Sequence[str], task: str) -> None:
    """Refuse transforms of what is no target, of unknown names, or of probabilities."""
    if asked and task != "regression":
        raise InputError(
            "data.transform must be empty where data.events or data.classes ask for probabilities, "
            f"got {dict(asked)}: leave it out"
        )
    for name, own in asked.items():
        if name not in targets and ALL not in targets:
            raise InputError(
                f"data.transform must name targets, got {name!r}: {nearest(name, targets)}"
            )
        if str(own).partition(":")[0] not in TRANSFORMS:
            raise InputError(
                f"data.transform must be one of {', '.join(TRANSFORMS)}, got {own!r} for {name!r}: "
                f"{nearest(str(own), TRANSFORMS)}"
            )
        kind, colon, power = str(own).partition(":")
        if colon and (kind != "boxcox" or not _is_power(power)):
            raise InputError(
                f"data.transform.{name} must be a name, or boxcox: and a power from 0 to "
                f"{MOST_POWER:g}, got {own!r}: try boxcox:0.3"
            )


def _is_power(text: str) -> bool:
    """Tell whether a text is a power that can be inverted."""
    try:
        return 0 <= float(text) <= MOST_POWER
    except ValueError:
        return False


def numbers(name: str) -> tuple[float, float]:
    """Return the power of a transform and what is added to the value; 1 leaves it as it is.

    >>> numbers("log1p"), numbers("boxcox:0.3"), numbers("")
    ((0.0, 1.0), (0.3, 0.0), (1.0, 0.0))
    """
    kind, _, power = name.partition(":")
    if kind == "boxcox":
        return float(power), 0.0
    return {"": (1.0, 0.0), "log": (0.0, 0.0), "log1p": (0.0, 1.0), "sqrt": (0.5, 0.0)}[kind]


def outside(values: np.ndarray, name: str) -> np.ndarray:
    """Tell which values a transform is not of.

    >>> outside(np.array([-1.0, 0, 1, np.nan]), "log1p").tolist()
    [True, False, False, False]
    """
    if not name:
        return np.zeros(np.shape(values), bool)
    logarithm = name == "boxcox" or numbers(name) == (0.0, 0.0)
    return values <= 0 if logarithm else values < 0


def forward(values: np.ndarray, power: float, shift: float) -> np.ndarray:
    """Transform values; what it is not of is missing.

    >>> forward(np.array([1.0, np.e, 0]), 0.0, 0.0).tolist()
    [0.0, 1.0, nan]
    """
    if power == 1:
        return values
    known = np.where(values > 0 if power == 0 and not shift else values >= 0, values, np.nan)
    if power == 0:
        return np.log1p(known) if shift else np.log(known)
    return ((known + shift) ** power - 1) / power


def inverse(values: np.ndarray, power: float, shift: float) -> np.ndarray:
    """Bring transformed values back; none is below 0, and of a logarithm none is 0.

    >>> inverse(np.array([0.0, -9]), 0.5, 0.0).tolist()
    [1.0, 0.0]
    """
    if power == 1:
        return values
    if power == 0:
        near = np.clip(values, -FARTHEST, FARTHEST)
        return np.maximum(np.expm1(near), 0.0) if shift else np.exp(near)
    with np.errstate(over="ignore"):
        found = np.maximum(power * values + 1, 0.0) ** (1 / power) - shift
    return np.clip(found, 0.0, np.exp(FARTHEST))


class Kinds(NamedTuple):
    """How each target is transformed, (targets,) each; of none where no target is.

    Attributes:
        power: Of the transform; 1 leaves values as they are.
        shift: What is added before.
    """

    power: np.ndarray
    shift: np.ndarray

    @classmethod
    def of(cls, names: Sequence[str]) -> "Kinds":
        """Read names, of each target one."""
        return cls(*np.array([numbers(name) for name in names]).T) if names else UNMOVED

    @property
    def move(self) -> bool:
        """Whether any value is moved."""
        return len(self.power) > 0

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Transform values, (…, targets)."""
        return self._each(forward, values)

    def inverse(self, values: np.ndarray) -> np.ndarray:
        """Bring transformed values back, (…, targets)."""
        return self._each(inverse, values)

    def within(self, values: np.ndarray) -> np.ndarray:
        """Transform forecasts, those below 0 as if they were 0, (…, targets)."""
        return self.forward(np.maximum(values, 0.0)) if self.move else values

    def some(self, targets: slice) -> "Kinds":
        """Return those of some targets."""
        return Kinds(self.power[targets], self.shift[targets])

    def inputs(self, table: "Table") -> np.ndarray:
        """Return a table's inputs, the targets among them transformed, (rows, features)."""
        if not self.move:
            return table.inputs
        found = table.inputs.copy()
        for place, power, shift in zip(table.target_positions, *self, strict=True):
            if place >= 0:
                found[:, place] = forward(found[:, place], power, shift)
        return found

    def _each(self, move: Callable[..., np.ndarray], values: np.ndarray) -> np.ndarray:
        if not self.move:
            return values
        parts = [move(values[..., n], *own) for n, own in enumerate(zip(*self, strict=True))]
        return np.stack(parts, axis=-1)


UNMOVED = Kinds(np.zeros(0), np.zeros(0))
"""What leaves all targets as they are."""


def refuse_outside(table: "Table") -> None:
    """Refuse training rows with values that their transform is not of."""
    for place, name in enumerate(table.transforms):
        bad = outside(table.outputs[:, place], name)
        if not bad.any():
            continue
        row, target = int(bad.argmax()), table.targets[place]
        kind = name.partition(":")[0]
        least = "above 0" if outside(np.zeros(1), name)[0] else "0 or more"
        moment = str(table.time[row])[:16].replace("T", " ")
        negative = (table.outputs[:, place] < 0).any()
        cure = "" if negative else f"write {{{target}: log1p}}, which knows 0, or "
        raise InputError(
            f"data.transform.{target} must be of values {least} for {kind}, got "
            f"{table.outputs[row, place]:g} in {int(bad.sum()):,} of {len(table):,} training rows, "
            f"first in {table.names[table.series[row]]} at {moment}: {cure}leave it out"
        )


def estimated(tables: Iterable["Table"], facts: "Table", per: str) -> tuple[str, ...]:
    """Name the transforms of a table, with the powers that training rows make most likely.

    The rows may come block by block. Values of each series, or of all where they share a scale, are
    taken to be normal around a mean of their own once transformed (Box & Cox 1964), so neither unit
    nor level of a series has a say.
    """
    if "boxcox" not in facts.transforms:
        return facts.transforms
    kept = _Thinned()
    for table in tables:
        refuse_outside(table)
        number = table.series + table.first_series
        kept.add(np.column_stack([number if per == "series" else 0 * number, table.outputs]))
    rows = kept.rows()
    return tuple(
        f"boxcox:{_likeliest(rows[:, 1 + place], rows[:, 0].astype(int)):g}"
        if name == "boxcox"
        else name
        for place, name in enumerate(facts.transforms)
    )


class _Thinned:
    """Rows spread evenly over all that come in parts, the same ones however they are cut."""

    def __init__(self) -> None:
        self._kept: tuple[np.ndarray, ...] = ()
        self._seen, self._below = 0, 1 << 32

    def add(self, rows: np.ndarray) -> None:
        """Take in some rows."""
        # multiples of the golden ratio lie evenly between 0 and 1, in step with no season
        place = (np.arange(self._seen, self._seen + len(rows)) * GOLDEN) % (1 << 32)
        self._seen += len(rows)
        both = ((place, rows), self._kept) if self._kept else ((place, rows),)
        place, rows = (np.concatenate(part) for part in zip(*reversed(both), strict=True))
        while (near := place < self._below).sum() > MOST_KEPT:
            self._below //= 2
        self._kept = place[near], rows[near]

    def rows(self) -> np.ndarray:
        """Return what was kept."""
        return self._kept[1]


def _likeliest(values: np.ndarray, series: np.ndarray) -> float:
    """Return the power from 0 to `MOST_POWER` under which values are most likely normal.

    Shapes: `values` (rows,), `series` (rows,).
    """
    from scipy.optimize import minimize_scalar

    good = np.isfinite(values)
    logs, code = np.log(values[good]), np.unique(series[good], return_inverse=True)[1]
    count = np.bincount(code)
    logs = logs - (np.bincount(code, logs) / count)[code]  # less that of the geometric mean

    def unlikely(power: float) -> float:
        moved = np.expm1(power * logs) / power if power else logs
        apart = moved - (np.bincount(code, moved) / count)[code]
        square = np.bincount(code, apart**2)
        some = square > 0  # a constant series fits any power
        return float((count[some] / 2 * np.log(square[some] / count[some])).sum())

    if not (np.bincount(code, logs**2) > 0).any():
        return 1.0
    found = minimize_scalar(unlikely, bounds=(0, MOST_POWER), method="bounded").x
    best = min((0.0, float(found), MOST_POWER), key=unlikely)
    return round(best, DIGITS)
