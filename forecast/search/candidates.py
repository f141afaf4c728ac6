"""A point of the space becomes a candidate: an experiment that can be run."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from forecast.data.table import Table
from forecast.errors import InputError, quoted
from forecast.evaluation import experiment
from forecast.evaluation.outcome import Spec
from forecast.search.space import GROUPS


@dataclass(frozen=True)
class Candidate:
    """One point of the space.

    Attributes:
        number: From 0, in the order in which points were listed or drawn.
        point: Override to value.
        spec: What it is an experiment of.
        table: Name of the table it reads, since candidates may differ in their features.
        params: Its whole configuration, flattened.
        title: What it is called in few words, where somebody has said it.
    """

    number: int
    point: Mapping[str, Any]
    spec: Spec
    table: str
    params: Mapping[str, Any]
    title: str = ""

    @property
    def name(self) -> str:
        """Read the point aloud: lstm units=[16] learning_rate=0.001."""
        return " ".join(
            _text(value) if key in GROUPS else f"{key.split('.')[-1]}={_text(value)}"
            for key, value in self.point.items()
        )

    @property
    def short(self) -> str:
        """Name the point in few letters, what differs first: 16 units, lr 0.001."""
        return self.title or ", ".join(_short(key, value) for key, value in self.point.items())


@dataclass(frozen=True)
class Composed:
    """What a list of overrides becomes.

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


class Builder:
    """Builds candidates and keeps the tables that they read.

    Attributes:
        tables: Name to table.
    """

    def __init__(self, compose: Callable[[list[str]], Composed]):
        self.compose = compose
        self.tables: dict[str, Table] = {}
        self._asked: dict[str, Any] = {}

    def build(self, number: int, point: Mapping[str, Any]) -> Candidate:
        """Build one candidate, its network included, so that a typing error costs no training."""
        try:
            made = self.compose(overrides(point))
            experiment.prepare(made.spec, made.table)
            self._same_question(made.spec)
        except InputError as error:
            raise InputError(f"sweep.grid point {' '.join(overrides(point))}: {error}") from error
        self.tables[made.name] = made.table
        return Candidate(number, point, made.spec, made.name, made.params)

    def all(self, points: Iterable[Mapping[str, Any]]) -> list[Candidate]:
        """Build candidates, numbered from 0."""
        return [self.build(number, point) for number, point in enumerate(points)]

    def _same_question(self, spec: Spec) -> None:
        """Refuse a candidate that does not predict the same rows as the first."""
        asked = {
            "window.horizon": spec.window.horizon,
            "window.lead": spec.window.lead,
            "split.validation": spec.validation,
            "split.test": spec.test,
        }
        self._asked = self._asked or asked
        for key, value in asked.items():
            if value != self._asked[key]:
                raise InputError(
                    f"{key} must be {self._asked[key]!r} as for the first point, got {value!r}: "
                    "scores of different questions cannot be compared; start a sweep for each"
                )


def overrides(point: Mapping[str, Any]) -> list[str]:
    """Write a point as overrides in Hydra's grammar.

    >>> overrides({"model": "lstm", "model.units": [8], "training.patience": None})
    ['model=lstm', 'model.units=[8]', 'training.patience=null']
    """
    return [f"{key}={_text(value)}" for key, value in point.items()]


def _text(value: Any) -> str:
    """Write a value in Hydra's grammar, which is JSON's but for strings."""
    if isinstance(value, list):  # of numbers, or of columns
        parts = (quoted(v, always=True) if isinstance(v, str) else _text(v) for v in value)
        return f"[{','.join(parts)}]"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


WORDS = {"units": "{} units", "filters": "{} filters", "learning_rate": "lr {}"}
"""How settings are called where there is little room; others by their last word."""


def _short(key: str, value: Any) -> str:
    """Name one setting of a point."""
    last = key.rpartition(".")[2]
    text = "-".join(map(_plain, value)) if isinstance(value, list) else _plain(value)
    return text if key in GROUPS else WORDS.get(last, f"{last} {{}}").format(text)


def _plain(value: Any) -> str:
    """Write a value; a small number without its zeros."""
    if isinstance(value, float) and 0 < abs(value) < 1e-3:
        head, _, power = f"{value:e}".partition("e")
        return f"{float(head):g}e{int(power)}"
    if value is None:
        return "null"
    return f"{value:g}" if isinstance(value, float) else str(value)
