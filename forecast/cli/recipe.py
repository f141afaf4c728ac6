"""The recipe of a training: settings that validation chooses where nobody has set them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from forecast.cli.config import errors
from forecast.cli.config.compose import Request
from forecast.cli.console import busy, say
from forecast.errors import InputError, nearest
from forecast.evaluation import recipes
from forecast.search.candidates import overrides
from forecast.workflows import load
from forecast.workflows.loaded import Loaded

AUTO = "auto"

OWN = (
    *("seed", "seeds", "refit", "average", "threads"),
    *("scaling", "quantiles", "loss", "metrics", "recipe"),
)
"""Settings of a training that no recipe is about, so that setting them leaves the choice open."""

TAG = "forecast.recipe"


def followed(request: Request, data: Loaded) -> tuple[Request, dict[str, str]]:
    """Return a request with the settings of its recipe written out, and tags that say which."""
    asked, typed = request.settings.training.recipe, errors.typed(request.overrides)
    if asked not in (AUTO, recipes.STRUCTURE, None):
        raise InputError(
            f"training.recipe must be auto, structure or null, got {asked!r}: "
            f"{nearest(str(asked), (AUTO, recipes.STRUCTURE))}"
        )
    if asked is None or (asked == AUTO and not is_free(typed)):
        return request, {}
    settings = request.settings
    spec = load.spec(settings)
    if asked == recipes.STRUCTURE:
        return _with(request, recipes.structure(spec, data.content), typed), {TAG: asked}
    with busy("recipe", "trying") as show:
        choice = recipes.choose(
            spec,
            data.content,
            kept=typed,
            memory=load.memory(settings),
            hear=lambda name, epochs: [_Shown(show, name, epochs)],
        )
    say("recipe", str(choice))
    return _with(request, choice.changes, typed), {TAG: str(choice)}


def is_free(typed: Sequence[str]) -> bool:
    """Tell whether somebody has left the choice to us: asked for it, or set nothing himself."""
    if "training.recipe" in typed:
        return True
    own = {f"training.{name}" for name in OWN}
    set_by_hand = [
        key for key in typed if key.startswith(("model.", "training.")) and key not in own
    ]
    return not set_by_hand and not {"training", "experiment"} & {*typed}


def _with(request: Request, changes: Mapping[str, Any], typed: Sequence[str]) -> Request:
    """Write changes into a request, but for keys that were typed."""
    written = {key: value for key, value in changes.items() if key not in typed}
    return request.but(overrides(written | {"training.recipe": None}))


class _Shown(keras.callbacks.Callback):
    """Show which recipe is tried, and how far that is."""

    def __init__(self, show: Callable[[str], None], name: str, epochs: int):
        super().__init__()
        self._show, self._name, self._epochs = show, name, epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Show the epoch."""
        del logs
        self._show(f"trying {self._name}, epoch {epoch + 1}/{self._epochs}")
