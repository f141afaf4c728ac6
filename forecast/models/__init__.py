"""Architectures: one function each, from sizes to a Keras model. `__all__` is the catalogue."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras

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
    try:
        body = globals()[name](sizes, **settings)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"model {name} cannot be built from {dict(settings)}: {reason}") from error
    if linear_path:
        body = _linear_path(body, sizes)
    return _normalize(body, sizes, normalization)
