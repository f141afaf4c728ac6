"""Architectures: one function each, from sizes to a Keras model; NAMES lists them.

Keras is imported when a network is built or its function is asked for.
"""

from forecast import process as process  # isort: skip (before TensorFlow is imported)


from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from forecast.errors import InputError, cause
from forecast.models import settings as _settings
from forecast.models.catalogue import CATALOGUE, architecture, settings_of
from forecast.models.settings import Sizes as Sizes

if TYPE_CHECKING:
    import keras

NAMES = sorted(CATALOGUE)


def function(name: str) -> "Callable[[Sizes, Any], keras.Model]":
    """Return what makes an architecture from sizes and settings."""
    made: Callable[[Sizes, Any], keras.Model] = getattr(
        import_module(f"forecast.models.{architecture(name).home}"), name
    )
    return made


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
        body = function(name)(repairs.inner(sizes, chosen), chosen)
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
