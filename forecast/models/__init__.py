"""Architectures: one function each, from sizes to a Keras model. `__all__` is the catalogue."""

from forecast import process as process  # isort: skip (before TensorFlow is imported)


from collections.abc import Mapping
from typing import Any, get_type_hints

import keras
import tensorflow as tf

from forecast.errors import InputError, cause, nearest
from forecast.models import repairs
from forecast.models import settings as _settings
from forecast.models.causal_cnn import causal_cnn
from forecast.models.conv_heads import conv_heads_lstm
from forecast.models.hierarchical import hierarchical_lstm
from forecast.models.linear import dlinear, linear, nlinear
from forecast.models.mlp import mlp
from forecast.models.patch_recurrent import patch_gru, patch_lstm
from forecast.models.recurrent import gru, lstm, simple_rnn
from forecast.models.settings import Sizes as Sizes

__all__ = [
    "causal_cnn",
    "conv_heads_lstm",
    "dlinear",
    "gru",
    "hierarchical_lstm",
    "linear",
    "lstm",
    "mlp",
    "nlinear",
    "patch_gru",
    "patch_lstm",
    "simple_rnn",
]


def defaults(name: str) -> dict[str, Any]:
    """Return the settings of an architecture with their default values, repairs among them."""
    return _settings.defaults(_kind(name))


def build_model(name: str, sizes: Sizes, settings: Mapping[str, Any]) -> keras.Model:
    """Make a model of the catalogue, repaired as asked.

    Returns (samples, timesteps, features).
    """
    chosen = _settings.checked(_kind(name), name, settings)
    try:
        body = globals()[name](repairs.inner(sizes, chosen), chosen)
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


def _kind(name: str) -> type[_settings.Repairs]:
    """Return the dataclass of an architecture's settings."""
    if name not in __all__:
        raise InputError(f"model must be an architecture, got {name!r}: {nearest(name, __all__)}")
    return get_type_hints(globals()[name])["settings"]
