"""The points of a grid, written as the overrides that set them."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from sklearn.model_selection import ParameterGrid, ParameterSampler

from forecast.data.table import Table
from forecast.errors import InputError
from forecast.evaluation import experiment
from forecast.evaluation.experiment import Spec

FIXED = ("window.horizon", "window.lead", "data.targets", "data.path", "training.seed")
"""Keys that change the question, or are replicates; a sweep of them would compare nothing."""

DISTRIBUTIONS: dict[str, Callable[..., Any]] = {
    "uniform": lambda low, high: stats.uniform(low, high - low),
    "loguniform": stats.loguniform,
    "randint": lambda low, high: stats.randint(low, high + 1),
}

GROUPS = ("model", "data", "training", "split", "evaluation", "tracking", "experiment")


@dataclass(frozen=True)
class Candidate:
    """One point of a grid.

    Attributes:
        number: From 0, in the grid's order.
        point: Override to value.
        spec: What it is an experiment of.
        table: Name of the table it reads, since candidates may differ in their features.
        params: The whole configuration it stands for, flattened.
    """

    number: int
    point: Mapping[str, Any]
    spec: Spec
    table: str
    params: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Read the point aloud."""
        return " ".join(f"{key.split('.')[-1]}={_text(value)}" for key, value in self.point.items())


@dataclass(frozen=True)
class Composed:
    """What a list of overrides stands for.

    Attributes:
        spec: The experiment.
        name: Name of its table.
        table: The table.
        params: The whole configuration, flattened.
    """

    spec: Spec
    name: str
    table: Table
    params: Mapping[str, Any]


def points(grid: Any) -> list[dict[str, Any]]:
    """List the points of a grid, groups of the configuration first.

    Args:
        grid: Key to list of values, or a list of such grids.

    Returns:
        One dict a point.

    Raises:
        InputError: The grid is empty, a value is no list, or a key changes the question.

    >>> points({"model.units": [[8], [16]], "model": ["lstm"]})
    [{'model': 'lstm', 'model.units': [8]}, {'model': 'lstm', 'model.units': [16]}]
    """
    grids = _grids(grid)
    for one in grids:
        for key, values in one.items():
            if not isinstance(values, list):
                raise InputError(
                    f"sweep.grid.{key} must be a list of values, got {values!r}: write [{values}]"
                )
    return _in_order(ParameterGrid(grids))


def sampled(grid: Any, count: int, seed: int) -> list[dict[str, Any]]:
    """Draw points from lists and distributions, groups of the configuration first.

    Args:
        grid: Key to list of values, or to a distribution: {uniform: [low, high]},
            {loguniform: [low, high]}, {randint: [low, high]} with both ends; or a list of such
            grids, each drawn from alike often.
        count: Points; fewer where lists hold no more.
        seed: Of the draws.

    Returns:
        One dict a point, no two alike.

    Raises:
        InputError: A value is neither list nor distribution, or a key changes the question.

    >>> sampled({"training.learning_rate": {"loguniform": [1e-4, 1e-2]}}, 1, 0)
    [{'training.learning_rate': 0.001252}]
    """
    if count < 1:
        raise InputError(f"sweep.samples must be a whole number of 1 or more, got {count}")
    spaces = [{key: _drawn(key, asked) for key, asked in one.items()} for one in _grids(grid)]
    lists = all(isinstance(values, list) for one in spaces for values in one.values())
    most = min(count, len(ParameterGrid(spaces))) if lists else count
    points = list(ParameterSampler(spaces, most, random_state=seed))
    for point in points:
        for key, value in point.items():
            if isinstance(value, np.generic):  # drawn: four digits say enough, and can be read
                point[key] = value.item() if value.dtype.kind == "i" else float(f"{value:.4g}")
    return _in_order(points)


def _drawn(key: str, asked: Any) -> Any:
    """Return a list, or the distribution of SciPy that a mapping names."""
    if isinstance(asked, list):
        return asked
    if isinstance(asked, dict) and len(asked) == 1:
        [(name, ends)] = asked.items()
        ordered = isinstance(ends, list) and len(ends) == 2 and ends[0] < ends[1]
        if name in DISTRIBUTIONS and ordered and (name != "loguniform" or ends[0] > 0):
            return DISTRIBUTIONS[name](*ends)
    raise InputError(
        f"sweep.grid.{key} must be a list of values or one of "
        f"{', '.join(f'{{{name}: [low, high]}}' for name in DISTRIBUTIONS)}, got {asked!r}"
    )


def _grids(grid: Any) -> list[dict[str, Any]]:
    """Return a list of grids, none of whose keys changes the question."""
    grids = [dict(one) for one in (grid if isinstance(grid, (list, tuple)) else [grid])]
    for one in grids:
        for key, values in one.items():
            if key in FIXED:
                raise InputError(
                    f"sweep.grid must not hold {key}: it changes the question, or is a replicate "
                    "(sweep.seeds); start one sweep for each value instead"
                )
            if isinstance(values, (list, tuple)) and not values:
                raise InputError(
                    f"sweep.grid.{key} must hold values, got none: add one or drop the key"
                )
    if not any(grids):
        raise InputError("sweep.grid must hold at least one point, got none")
    return grids


def _in_order(points: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Put groups before their keys, and leave out what was there already."""
    found: list[dict[str, Any]] = []
    for point in points:
        keys = sorted(point, key=lambda key: (key not in GROUPS, key))
        ordered = {key: point[key] for key in keys}
        if ordered not in found:
            found.append(ordered)
    return found


def overrides(point: Mapping[str, Any]) -> list[str]:
    """Write a point as overrides in Hydra's grammar.

    >>> overrides({"model": "lstm", "model.units": [8], "training.patience": None})
    ['model=lstm', 'model.units=[8]', 'training.patience=null']
    """
    return [f"{key}={_text(value)}" for key, value in point.items()]


def build(
    points: Sequence[Mapping[str, Any]], compose: Callable[[list[str]], Composed]
) -> tuple[list[Candidate], dict[str, Table]]:
    """Build every candidate before anything starts.

    Args:
        points: See `points` and `sampled`.
        compose: Turns overrides into an experiment and its table.

    Returns:
        Candidates, and the tables they read.

    Raises:
        InputError: A point cannot be built; the message names it.
    """
    found, tables = [], {}
    for number, point in enumerate(points):
        try:
            made = compose(overrides(point))
            experiment.prepare(made.spec, made.table)
        except InputError as error:
            raise InputError(f"sweep.grid point {' '.join(overrides(point))}: {error}") from error
        tables[made.name] = made.table
        found.append(Candidate(number, point, made.spec, made.name, made.params))
    same_question(found)
    return found, tables


def same_question(candidates: Sequence[Candidate]) -> None:
    """Refuse candidates that do not predict the same rows.

    Raises:
        InputError: Naming what differs.
    """
    first = candidates[0].spec.window
    for candidate in candidates[1:]:
        window = candidate.spec.window
        if (window.horizon, window.lead) != (first.horizon, first.lead):
            raise InputError(
                "sweep.grid must leave window.horizon and window.lead alone, got "
                f"{candidate.name}: scores of different questions cannot be compared"
            )


def _text(value: Any) -> str:
    """Write a value in Hydra's grammar, which is JSON's but for strings."""
    return value if isinstance(value, str) else json.dumps(value)
