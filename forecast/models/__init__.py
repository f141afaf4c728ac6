"""Architectures: one function each, from sizes to a Keras model. `__all__` is the catalogue."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from forecast.errors import InputError, nearest
from forecast.models.causal_cnn import causal_cnn
from forecast.models.lstm import lstm
from forecast.models.repairs import linear_path as _linear_path
from forecast.models.repairs import normalize as _normalize
from forecast.models.sizes import Sizes as Sizes

__all__ = ["causal_cnn", "lstm"]


def defaults(name: str) -> dict[str, Any]:
    """Return the settings of an architecture with their default values.

    Args:
        name: A name of the catalogue.

    Returns:
        Keyword to default.

    Raises:
        InputError: There is no such architecture.
    """
    if name not in __all__:
        raise InputError(f"model must be an architecture, got {name!r}: {nearest(name, __all__)}")
    parameters = inspect.signature(globals()[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def build(
    name: str,
    sizes: Sizes,
    settings: Mapping[str, Any],
    *,
    normalization: str = "last",
    linear_path: bool = True,
) -> keras.Model:
    """Make a model of the catalogue, repaired as asked.

    Args:
        name: A name of the catalogue.
        sizes: What the model maps.
        settings: Keyword arguments of the architecture.
        normalization: "last" or "none", see `repairs.normalize`.
        linear_path: Whether a linear map of the window is added, see `repairs.linear_path`.

    Returns:
        (samples, timesteps, features) to (samples, horizon, targets).

    Raises:
        InputError: Unknown name or setting, or a value that the architecture cannot take.
    """
    known = defaults(name)
    for setting in settings:
        if setting not in known:
            raise InputError(
                f"model.{setting} must be a setting of {name}: {nearest(setting, known)}"
            )
        _check(setting, settings[setting], known[setting])
    try:
        body = globals()[name](sizes, **settings)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        asked = ", ".join(f"{key}={value}" for key, value in settings.items())
        raise InputError(
            f"model {name} must have settings that fit, got {asked}: {reason}"
        ) from error
    if linear_path:
        body = _linear_path(body, sizes)
    return _normalize(body, sizes, normalization)


def _check(setting: str, value: Any, default: Any) -> None:
    """Refuse a value of another kind than the default; counts start at 1."""

    def whole(number: Any) -> bool:
        counts = isinstance(number, (int, np.integer)) and not isinstance(number, bool)
        return counts and bool(number >= 1)

    rule, fits = "a name", isinstance(value, str)
    if isinstance(default, (list, tuple)):
        rule = "a list of whole numbers of 1 or more, such as [32]"
        fits = isinstance(value, (list, tuple)) and all(map(whole, value))
    elif isinstance(default, bool):
        rule, fits = "true or false", isinstance(value, bool)
    elif isinstance(default, int):
        rule, fits = "a whole number of 1 or more", whole(value)
    elif isinstance(default, float):
        rule, fits = (
            "a number of 0 or more",
            isinstance(value, (int, float)) and value >= 0,
        )
    if not fits:
        raise InputError(f"model.{setting} must be {rule}, got {value!r}")
