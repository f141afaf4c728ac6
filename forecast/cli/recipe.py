"""The recipe of a command: settings that validation chooses where nobody has set them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from forecast.cli.config import errors
from forecast.cli.config.compose import Request
from forecast.cli.console import busy, say
from forecast.data.blocks import Blocks
from forecast.data.table import Table
from forecast.errors import InputError, nearest
from forecast.evaluation import recipes
from forecast.search.candidates import overrides
from forecast.workflows import load
from forecast.workflows.loaded import Loaded

AUTO = "auto"

OWN = (
    *("seed", "seeds", "refit", "average", "threads"),
    *("scaling", "quantiles", "loss", "step_weights", "metrics", "recipe"),
)
"""Settings of a training that no recipe is about, so that setting them leaves the choice open."""

TAG = "forecast.recipe"


def followed(request: Request, data: Loaded) -> tuple[Request, Loaded, dict[str, str]]:
    """Return a request with the settings of its recipe written out.

    Returns:
        The request, the data as these settings have them, and tags that say which recipe it was.
    """
    asked, typed = _asked(request), errors.typed(request.overrides)
    if asked is None or (asked == AUTO and not is_free(typed)):
        return request, data, {}
    settings = request.settings
    spec = load.spec(settings)
    if asked == recipes.STRUCTURE:
        return *_with(request, data, recipes.structure(spec, data.content)), {TAG: asked}
    with busy("recipe", "trying") as show:
        choice = recipes.choose(
            spec,
            data.content,
            kept=typed,
            memory=load.memory(settings),
            hear=lambda name, epochs: [_Shown(show, name, epochs)],
        )
    say("recipe", str(choice))
    return *_with(request, data, choice.changes), {TAG: str(choice)}


def of_point(request: Request, point: list[str], content: Table | Blocks) -> Request:
    """Return a request with a point of a sweep, the settings of its recipe written out.

    A sweep compares candidates itself, so `auto` leaves everything as it stands.

    Args:
        request: Of the sweep.
        point: Overrides of the point; keys in it, and keys that were typed, keep their values.
        content: The data.
    """
    full = request.but(point)
    asked = _asked(full)
    if f"training.recipe={AUTO}" in point:
        raise InputError(
            f"training.recipe must be null or {recipes.STRUCTURE} in a grid, whose points the "
            f"sweep compares itself, got {AUTO!r}: write [null, {recipes.STRUCTURE}]"
        )
    changes: Mapping[str, Any] = {}
    if asked == recipes.STRUCTURE:
        changes = recipes.structure(load.spec(full.settings), content)
    return request.but([*point, *_written(changes, errors.typed(full.overrides))])


def is_free(typed: Sequence[str]) -> bool:
    """Tell whether somebody has left the choice to us: asked for it, or set nothing himself."""
    if "training.recipe" in typed:
        return True
    own = {f"training.{name}" for name in OWN}
    set_by_hand = [
        key for key in typed if key.startswith(("model.", "training.")) and key not in own
    ]
    return not set_by_hand and not {"training", "experiment"} & {*typed}


def _asked(request: Request) -> str | None:
    """Return the recipe that a request asks for; refuse one that there is not."""
    asked = request.settings.training.recipe
    if asked not in (AUTO, recipes.STRUCTURE, None):
        raise InputError(
            f"training.recipe must be auto, structure or null, got {asked!r}: "
            f"{nearest(str(asked), (AUTO, recipes.STRUCTURE))}"
        )
    return asked


def _with(request: Request, data: Loaded, changes: Mapping[str, Any]) -> tuple[Request, Loaded]:
    """Write changes into a request; where missing rows are masked, pad for its look-back."""
    full = request.but(_written(changes, errors.typed(request.overrides)))
    if data.schema.missing != "mask":
        return full, data
    return full, data.with_content(load.build_table(data, full.settings))


def _written(changes: Mapping[str, Any], typed: Sequence[str]) -> list[str]:
    """Write changes as overrides, but for keys that were typed; nothing is left to choose."""
    written = {key: value for key, value in changes.items() if key not in typed}
    return overrides(written | {"training.recipe": None})


class _Shown(keras.callbacks.Callback):
    """Show which recipe is tried, and how far that is."""

    def __init__(self, show: Callable[[str], None], name: str, epochs: int):
        super().__init__()
        self._show, self._name, self._epochs = show, name, epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Show the epoch."""
        del logs
        self._show(f"trying {self._name}, epoch {epoch + 1}/{self._epochs}")
