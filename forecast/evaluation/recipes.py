"""Recipes: settings of training, model and look-back that belong together; validation chooses."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sklearn.base import clone

from forecast.data.blocks import Blocks
from forecast.data.table import Table
from forecast.evaluation import experiment
from forecast.evaluation.baselines import rules
from forecast.evaluation.outcome import Spec, validation_error
from forecast.metrics.headline import HEADLINES, Headline
from forecast.models import catalogue
from forecast.models.settings import Repairs

NOISE = "noise"
"""The settings as they stand by default: small and held back, for data that is mostly noise."""

STRUCTURE = "structure"
"""Wide, without dropout, trained until it stops learning: for data with much to learn."""


@dataclass(frozen=True)
class Choice:
    """What validation has chosen.

    Attributes:
        name: Of the recipe.
        changes: What it changes, such as {"model.units": [128]}.
        errors: Recipe to its headline error on the validation span.
        headline: That error.
    """

    name: str
    changes: Mapping[str, Any]
    errors: Mapping[str, float]
    headline: Headline

    def __str__(self) -> str:
        """Say what was tried, and what was chosen."""
        every = ", ".join(f"{recipe} {error:.4g}" for recipe, error in self.errors.items())
        return f"{self.name} ({self.headline.name} on the validation span: {every})"


THINNED = 3
"""Every which training window the trials of recipes learn from: enough to tell them apart."""

ALONE = {"training.seeds": 1, "training.refit": False}
"""One network tells the recipes apart, and its validation rows are not learned from."""

SLOW = {
    "training.optimizer": "Adam",
    "training.weight_decay": None,
    "training.schedule": "CosineDecay",
    "training.patience": None,  # which would stop in the cosine's hot phase
}
"""Trained to the end: the rate falls to zero over all epochs."""

WIDE: Mapping[type[Repairs], Mapping[str, Any]] = {
    catalogue.Recurrent: {
        "model.units": [128],
        "model.recurrent_dropout": 0.0,
        "model.linear_path": False,
    },
    catalogue.PatchRecurrent: {},
    catalogue.Hierarchical: {"model.inner": 64, "model.outer": 128},
    catalogue.ConvHeads: {"model.filters": 16, "model.units": 128},
    catalogue.CausalCnn: {"model.filters": 64},
    catalogue.Mlp: {"model.hidden": [256, 256]},
}
"""Settings of an architecture to what the recipe for structure makes of them."""

PATCHED = (catalogue.Recurrent, catalogue.CausalCnn)
"""Those that read a season as one step."""

FLAT = (catalogue.Linear, catalogue.SharedLinear, catalogue.Decomposed)

LINEAR = {
    "training.optimizer": "Adam",
    "training.weight_decay": None,
    "training.learning_rate": 1e-2,
    "training.schedule": "ExponentialDecay",
    "training.decay": 0.9,
    "training.epochs": 30,
    "training.patience": None,
}
"""Of models without a hidden layer, whose few weights stand a rate ten times as high."""


def structure(spec: Spec, table: Table | Blocks) -> dict[str, Any]:
    """Return what the recipe for structure changes of an experiment's settings.

    A recurrent or convolution network reads a season of the frequency, such as a day, as one step:
    that is several times as fast as row by row, and finds more.

    Args:
        spec: As it stands.
        table: The data; a look-back is at most an eighth of its longest series.

    Returns:
        Dotted keys and values.
    """
    kind = catalogue.architecture(spec.model.name).settings
    blocks = table if isinstance(table, Blocks) else Blocks.of(table)
    season, *longer = rules.seasons(blocks.facts.frequency)
    past = longer[0] if longer else 2 * season
    past = max(spec.window.timesteps, past if 8 * past <= blocks.longest else 0)
    if kind in FLAT:
        return {"window.timesteps": past, **LINEAR}
    settings = spec.model.get_params()
    found = {"window.timesteps": past, **SLOW, "training.epochs": 20, **WIDE.get(kind, {})}
    if "dropout" in settings:
        found["model.dropout"] = 0.0
    if kind in PATCHED and settings["patch"] == 1 and past >= 4 * season > 4:
        found |= {"model.patch": season, "training.learning_rate": 2e-3}
    return found


def applied(spec: Spec, changes: Mapping[str, Any]) -> Spec:
    """Return an experiment with some settings changed, by their dotted keys."""
    parts: dict[str, dict[str, Any]] = {"model": {}, "window": {}, "training": {}}
    for key, value in changes.items():
        part, _, name = key.partition(".")
        parts[part][name] = value
    return replace(
        spec,
        model=clone(spec.model).set_params(**parts["model"]),
        window=clone(spec.window).set_params(**parts["window"]),
        training=clone(spec.training).set_params(**parts["training"]),
    )


Hear = Callable[[str, int], Any]
"""Takes the name of a recipe and its epochs, and returns callbacks for its training."""


def choose(
    spec: Spec,
    table: Table | Blocks,
    *,
    kept: Collection[str] = (),
    memory: int | None = None,
    hear: Hear | None = None,
) -> Choice:
    """Train once by each recipe, and choose the one with the smaller error on the validation span.

    Args:
        spec: The settings as they stand, which are the first recipe.
        table: The data.
        kept: Keys that no recipe may change, since somebody has set them.
        memory: As for `experiment.prepare`.
        hear: Who watches the trainings.

    Returns:
        The choice.
    """
    headline = HEADLINES[(table.facts if isinstance(table, Blocks) else table).task]
    changes = {key: own for key, own in structure(spec, table).items() if key not in kept}
    errors: dict[str, float] = {}
    for name, own in ((NOISE, {}), (STRUCTURE, changes)):
        tried = applied(spec, own | ALONE | {"window.stride": THINNED * spec.window.stride})
        prepared = experiment.prepare(tried, table, memory=memory)
        fitted = experiment.fit(prepared, hear(name, tried.training.epochs) if hear else ())
        found = validation_error(fitted, headline)
        errors[name] = float("inf") if found is None else found
    best = min(errors, key=lambda name: errors[name])
    return Choice(best, changes if best == STRUCTURE else {}, errors, headline)
