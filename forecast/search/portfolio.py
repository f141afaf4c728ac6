"""Which candidates a race against the clock begins with, and which it goes on with."""

import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forecast.data import clock
from forecast.data.table import Table
from forecast.evaluation import recipes
from forecast.evaluation.baselines import rules
from forecast.search.candidates import Candidate, Composed, overrides

PLAIN = "mlp"
"""The architecture that trains fastest: variations are tried on it first."""

OTHERS = ("causal_cnn", "lstm", "nlinear", "nbeats")
"""Architectures beside it, in the order of what they cost and bring."""

KNOWN = ("hour_onehot", "weekday_onehot", "weekend")
"""What the clock says of the rows to predict, where rows are closer than a day."""

DAYS = ("weekday_onehot", "year")
"""The same of days."""

Changes = Mapping[str, Any]


@dataclass(frozen=True)
class Idea:
    """A candidate before it is composed.

    Attributes:
        model: Architecture.
        variations: Names of those that it has, of `Portfolio.variations`.
        settings: What else differs, such as the width.
        recipe: Whether it follows the recipe for structure; else the settings as they stand.
    """

    model: str
    variations: tuple[str, ...] = ()
    settings: Changes = field(default_factory=dict)
    recipe: bool = True

    def __str__(self) -> str:
        """Name it in few words, of letters that a key of MLflow may have."""
        more = [f"{key.split('.')[-1]} {_plain(value)}" for key, value in self.settings.items()]
        words = [*self.variations, *more, *([] if self.recipe else ["as it stands"])]
        return " ".join([self.model, *words])

    def __hash__(self) -> int:
        """Tell ideas apart by their names, since settings may be lists."""
        return hash(str(self))


class Portfolio:
    """Turns ideas into candidates of one table.

    Attributes:
        variations: Name to what it changes.
        tables: Name to table, of all candidates so far.
    """

    def __init__(
        self, compose: Callable[[list[str]], Composed], typed: Collection[str], base: Composed
    ):
        self._compose, self._typed = compose, {*typed}
        self._made: dict[str, Candidate] = {}
        self.tables: dict[str, Table] = {base.name: base.table}
        self._table, self._spec = base.table, base.spec
        seasons = rules.seasons(base.table.frequency)
        self._structure = recipes.structure(base.spec, base.table)
        self.variations = dict(self._variations(seasons))

    def first(self) -> list[Idea]:
        """List what a race begins with, the most promising first."""
        found = [Idea(PLAIN), Idea(OTHERS[0]), Idea(OTHERS[1])]
        found += [Idea(PLAIN, (name,)) for name in self.variations]
        found += [Idea(name) for name in OTHERS[2:]]
        return [*found, Idea("lstm", recipe=False)]

    def next(self, errors: Mapping[Idea, float]) -> list[Idea]:
        """List what is worth a whole training, by the errors of what a race began with.

        Every architecture has the two variations that helped the fast one most, then the first of
        them; what was tried follows by its error, then other widths and rates of the best.
        """
        plain = errors.get(Idea(PLAIN), np.inf)
        alone = {name: errors.get(Idea(PLAIN, (name,)), np.inf) for name in self.variations}
        good = [name for name in alone if alone[name] < GAIN * plain]
        good.sort(key=lambda name: alone[name])
        tried = sorted(errors, key=lambda idea: errors[idea])
        least = min(errors.values(), default=np.inf)
        models = dict.fromkeys(
            idea.model for idea in tried if idea.recipe and errors[idea] <= SLOW * least
        )
        found = [
            Idea(model, self._fit(model, good[:count]))
            for count in (2, 1)
            for model in models
            if len(good) >= count or count == 1
        ]
        found += [idea for idea in tried if errors[idea] <= FAR * least]
        return list(dict.fromkeys([*found, *self._wider(tried)]))

    def candidate(self, idea: Idea) -> Candidate:
        """Compose a candidate, once."""
        name = str(idea)
        if name not in self._made:
            point = self._point(idea)
            made = self._compose(overrides(point))
            self.tables.setdefault(made.name, made.table)
            number = zlib.crc32(name.encode())
            self._made[name] = Candidate(
                number, point, made.spec, made.name, made.params, title=name
            )
        return self._made[name]

    def longest(self) -> int:
        """Return the longest look-back that any candidate may have, in rows."""
        asked = [self._structure["window.timesteps"], self._spec.window.timesteps]
        asked += [own.get("window.timesteps", 0) for own in self.variations.values()]
        return max(asked) if "window.timesteps" not in self._typed else asked[1]

    def _point(self, idea: Idea) -> dict[str, Any]:
        """Write out all that differs from the configuration."""
        point: dict[str, Any] = {"model": idea.model}
        if idea.recipe:
            base = self._compose(overrides(point))
            point |= recipes.structure(base.spec, base.table)
        for name in idea.variations:
            point |= self.variations[name]
        point |= idea.settings
        return {key: own for key, own in point.items() if key not in self._typed}

    def _variations(self, seasons: Sequence[int]) -> Iterator[tuple[str, Changes]]:
        """List variations that make sense for the table."""
        table, past = self._table, self._structure["window.timesteps"]
        outputs = table.outputs[np.isfinite(table.outputs).all(axis=1)]
        if table.task == "regression" and len(outputs) and (outputs >= 0).all():
            yield "log1p", {"data.transform": "log1p"}
        yield "dropout 0.2", {"model.dropout": 0.2}
        if 16 * past <= np.bincount(table.series).max():
            yield "longer", {"window.timesteps": 2 * past, "training.epochs": 25}
        days = clock.days(table.frequency) if table.time.dtype.kind == "M" else np.inf
        if days <= 1 and not {"data.calendar", "data.known_future"} & self._typed:
            names = [*(KNOWN if days < 1 else DAYS)]
            known = {"data.calendar": names, "data.known_future": names}
            yield "clock", {**known, "model.decoder": "state"}
        elif table.known:
            yield "state decoder", {"model.decoder": "state"}
        if 1 < seasons[0] <= past // 2 and table.task == "regression":
            season = seasons[-1] if seasons[-1] <= past // 2 else seasons[0]
            yield (
                "seasonal start",
                {"model.normalization": "seasonal", "model.season": season},
            )

    def _fit(self, model: str, names: Iterable[str]) -> tuple[str, ...]:
        """Leave out variations that an architecture does not have."""
        flat = model in ("nlinear", "linear", "dlinear")
        return tuple(name for name in names if not (flat and name.startswith("dropout")))

    def _wider(self, found: Sequence[Idea]) -> Iterator[Idea]:
        """List other widths and rates of what has done best."""
        for idea in found[:3]:
            if idea.recipe and idea.model in WIDER:
                yield Idea(idea.model, idea.variations, WIDER[idea.model])
                yield Idea(idea.model, idea.variations, {"training.learning_rate": 5e-4})
                yield Idea(idea.model, idea.variations, {"training.epochs": 40})


GAIN = 0.997
"""Error beside that without a variation below which it is given to all architectures."""

FAR = 1.3
"""Errors as shares of the smallest beyond which nothing is trained whole as it was."""

SLOW = 1.6
"""The same for an architecture with what helped another: a deep one learns little from a sketch."""

WIDER: Mapping[str, Changes] = {
    "mlp": {"model.hidden": [512, 512]},
    "lstm": {"model.units": [256]},
    "causal_cnn": {"model.filters": 128},
}
"""Twice the width of the recipe for structure."""


def _plain(value: Any) -> str:
    """Write a value without brackets."""
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)
