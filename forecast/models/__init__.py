"""Architectures: one function each, from sizes to a Keras model. `__all__` is the catalogue.

Keras is imported when a network is built or an architecture is first named.
"""

from forecast import process as process  # isort: skip (before TensorFlow is imported)


import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from forecast.errors import InputError, cause
from forecast.models import settings as _settings
from forecast.models.catalogue import CATALOGUE, architecture, settings_of
from forecast.models.settings import Sizes as Sizes

if TYPE_CHECKING:
    import keras

__all__ = sorted(CATALOGUE)


class _Package(ModuleType):
    """This package, in which the file of an architecture does not hide the function in it."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep the function where Python, having imported a file, would put the file."""
        hides = isinstance(value, ModuleType) and name in CATALOGUE
        super().__setattr__(name, getattr(value, name) if hides else value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    """Import an architecture on first use."""
    if name not in CATALOGUE:
        raise AttributeError(f"module 'forecast.models' has no attribute {name!r}")
    return getattr(import_module(f"forecast.models.{CATALOGUE[name].home}"), name)


def register_layers() -> None:
    """Import every architecture, so that Keras finds our layers in the files that it reads."""
    for home in ("repairs", *(one.home for one in CATALOGUE.values())):
        import_module(f"forecast.models.{home}")


def defaults(name: str) -> dict[str, Any]:
    """Return the settings of an architecture with their default values, repairs among them."""
    return _settings.defaults(architecture(name).settings)


def build_model(name: str, sizes: Sizes, settings: Mapping[str, Any]) -> "keras.Model":
    """Make a model of the catalogue, repaired as asked.

    Returns (samples, timesteps, features).
    """
    chosen = settings_of(name, settings)

    import tensorflow as tf

    from forecast.models import repairs

    try:
        body = __getattr__(name)(repairs.inner(sizes, chosen), chosen)
        return repairs.repair(body, sizes, chosen)
    except InputError:
        raise
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        asked = ", ".join(f"{key}={value}" for key, value in settings.items())
        raise InputError(
            f"model {name} must fit into memory, got {asked or 'its defaults'} for {sizes}: take "
            "fewer units or a smaller window"
        ) from error
    except (TypeError, ValueError) as error:
        asked = ", ".join(f"{key}={value}" for key, value in settings.items())
        raise InputError(
            f"model {name} must have settings that fit, got {asked} ({cause(error)}): see the "
            f"comments of conf/model/{name}.yaml"
        ) from error
