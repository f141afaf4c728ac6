"""The space of a sweep: lists of values, ranges to draw from, and the points that they hold."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy import stats
from sklearn.model_selection import ParameterGrid, ParameterSampler

from forecast.errors import InputError

FIXED = (
    "window.horizon",
    "window.lead",
    "data.targets",
    "data.path",
    "data.query",
    "data.table",
    "training.seed",
)
"""Keys that change the question, or are replicates; a sweep of them would compare nothing."""

DISTRIBUTIONS: dict[str, Callable[..., Any]] = {
    "uniform": lambda low, high: stats.uniform(low, high - low),
    "loguniform": stats.loguniform,
    "randint": lambda low, high: stats.randint(low, high + 1),
}

GROUPS = ("model", "data", "training", "split", "evaluation", "tracking", "experiment")

DECIDING = ("data", "window")
"""Groups whose keys decide which origins a candidate can predict."""

Point = dict[str, Any]
"""Override to value, groups of the configuration first."""


@dataclass(frozen=True)
class Range:
    """Numbers to draw from.

    Attributes:
        name: A key of `DISTRIBUTIONS`.
        low: Least value.
        high: Greatest value, itself included for "randint".
    """

    name: str
    low: Any
    high: Any


Grid = dict[str, list[Any] | Range]
"""Override to what it may be."""


def read(grid: Any) -> list[Grid]:
    """Read what a person wrote into `sweep.grid`.

    >>> read({"training.learning_rate": {"loguniform": [1e-4, 1e-2]}})
    [{'training.learning_rate': Range(name='loguniform', low=0.0001, high=0.01)}]
    """
    grids = grid if isinstance(grid, (list, tuple)) else [grid]
    if not any(grids) or not all(isinstance(one, dict) for one in grids):
        raise InputError(
            f"sweep.grid must hold keys with lists of values, got {grid!r}: try "
            "{training.learning_rate: [1e-3, 3e-4]}"
        )
    return [{key: _values(key, asked) for key, asked in one.items()} for one in grids]


def points(grids: list[Grid]) -> list[Point]:
    """List every point of grids that hold lists alone.

    >>> points(read({"model.units": [[8], [16]], "model": ["lstm"]}))
    [{'model': 'lstm', 'model.units': [8]}, {'model': 'lstm', 'model.units': [16]}]
    """
    for one in grids:
        for key, values in one.items():
            if isinstance(values, Range):
                raise InputError(
                    f"sweep.grid.{key} must be a list of values, got a range: "
                    "write a list, or draw from it with sweep.strategy=random"
                )
    return _in_order(ParameterGrid(grids))


def sampled(grids: list[Grid], count: int, seed: int) -> list[Point]:
    """Draw points, from each grid alike often.

    >>> sampled(read({"training.learning_rate": {"loguniform": [1e-4, 1e-2]}}), 1, 0)
    [{'training.learning_rate': 0.001252}]
    """
    spaces = [
        {
            key: DISTRIBUTIONS[values.name](values.low, values.high)
            if isinstance(values, Range)
            else values
            for key, values in one.items()
        }
        for one in grids
    ]
    most = count if has_ranges(grids) else min(count, len(ParameterGrid(spaces)))
    drawn = ParameterSampler(spaces, most, random_state=seed)
    return _in_order(
        {key: rounded(v) if isinstance(v, np.generic) else v for key, v in point.items()}
        for point in drawn
    )


def has_ranges(grids: list[Grid]) -> bool:
    """Tell whether anything is drawn, so that points cannot be listed."""
    return any(isinstance(values, Range) for one in grids for values in one.values())


def corners(grids: list[Grid]) -> list[Point]:
    """List points that together show whether a space can be built, and what all can predict.

    Keys that decide which origins can be predicted are combined; of the others each value, or each
    end of a range, is taken once.

    >>> corners(read({"window.timesteps": {"randint": [8, 48]}, "model.units": [[8]]}))
    [{'model.units': [8], 'window.timesteps': 8}, {'model.units': [8], 'window.timesteps': 48}]
    """
    found: list[Point] = []
    for one in grids:
        ends = {
            key: [values.low, values.high] if isinstance(values, Range) else values
            for key, values in one.items()
        }
        first = {key: values[0] for key, values in ends.items()}
        deciding = [key for key in ends if key.split(".")[0] in DECIDING]
        for values in product(*(ends[key] for key in deciding)):
            found.append(first | dict(zip(deciding, values, strict=True)))
        found += [first | {key: value} for key, values in ends.items() for value in values]
    return _in_order(found)


def in_order(point: Mapping[str, Any]) -> Point:
    """Put groups before their keys, since a group chosen later would replace them."""
    return {key: point[key] for key in sorted(point, key=lambda key: (key not in GROUPS, key))}


def rounded(value: Any) -> Any:
    """Write a drawn number with four digits, which say enough and can be read.

    >>> rounded(np.float64(0.00125243211)), rounded(np.int64(24))
    (0.001252, 24)
    """
    value = value.item() if isinstance(value, np.generic) else value
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _in_order(points: Iterable[Mapping[str, Any]]) -> list[Point]:
    """Order each point and leave out what was there already."""
    found: list[Point] = []
    for point in points:
        ordered = in_order(point)
        if ordered not in found:
            found.append(ordered)
    return found


def _values(key: str, asked: Any) -> list[Any] | Range:
    """Check what a key may be."""
    if key in FIXED:
        raise InputError(
            f"sweep.grid must not hold {key}: it changes the question, or is a replicate "
            "(sweep.seeds); start one sweep for each value instead"
        )
    if isinstance(asked, list):
        if not asked:
            raise InputError(
                f"sweep.grid.{key} must hold values, got none: add one or drop the key"
            )
        return asked
    if isinstance(asked, dict) and len(asked) == 1:
        [(name, ends)] = asked.items()
        ordered = isinstance(ends, list) and len(ends) == 2 and ends[0] < ends[1]
        if name in DISTRIBUTIONS and ordered and (name != "loguniform" or ends[0] > 0):
            return Range(name, *ends)
    ranges = ", ".join(f"{{{name}: [low, high]}}" for name in DISTRIBUTIONS)
    raise InputError(
        f"sweep.grid.{key} must be a list of values or one of {ranges}, got {asked!r}: "
        f"write [{asked}] for one value"
    )
