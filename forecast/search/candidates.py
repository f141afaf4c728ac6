"""The points of a grid, written as the overrides that set them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.model_selection import ParameterGrid

from forecast.data.table import Table
from forecast.errors import InputError
from forecast.evaluation import experiment
from forecast.evaluation.experiment import Spec

FIXED = ("window.horizon", "window.lead", "data.targets", "data.path", "training.seed")
"""Keys that change the question, or are replicates; a sweep of them would compare nothing."""

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
    grids = grid if isinstance(grid, (list, tuple)) else [grid]
    for one in grids:
        for key, values in one.items():
            if key in FIXED:
                raise InputError(
                    f"sweep.grid must not hold {key}: it changes the question, or is a replicate "
                    "(sweep.seeds); start one sweep for each value instead"
                )
            if not isinstance(values, (list, tuple)) or not values:
                raise InputError(
                    f"sweep.grid.{key} must be a list of values, got {values!r}: write [{values}]"
                )
    found = [
        dict(sorted(point.items(), key=lambda item: (item[0] not in GROUPS, item[0])))
        for point in ParameterGrid([dict(one) for one in grids])
    ]
    if not found or found == [{}]:
        raise InputError("sweep.grid must hold at least one point, got none")
    return found


def overrides(point: Mapping[str, Any]) -> list[str]:
    """Write a point as overrides in Hydra's grammar.

    >>> overrides({"model": "lstm", "model.units": [8], "training.patience": None})
    ['model=lstm', 'model.units=[8]', 'training.patience=null']
    """
    return [f"{key}={_text(value)}" for key, value in point.items()]


def build(
    grid: Any, compose: Callable[[list[str]], Composed]
) -> tuple[list[Candidate], dict[str, Table]]:
    """Build every candidate before anything starts.

    Args:
        grid: See `points`.
        compose: Turns overrides into an experiment and its table.

    Returns:
        Candidates, and the tables they read.

    Raises:
        InputError: A point cannot be built; the message names it.
    """
    found, tables = [], {}
    for number, point in enumerate(points(grid)):
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
