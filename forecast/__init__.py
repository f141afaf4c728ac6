"""Experiment-tracking forecasting: windows, compiled training, gates, honest scores.

Names are imported when they are first used, so `import forecast` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecast import gates as gates
    from forecast import metrics as metrics
    from forecast.data import windows as windows
    from forecast.data.blocks import Blocks as Blocks
    from forecast.data.panel import build as build
    from forecast.data.schema import Schema as Schema
    from forecast.data.split import Folds as Folds
    from forecast.data.table import Table as Table
    from forecast.data.windows import Window as Window
    from forecast.evaluation import experiment as experiment
    from forecast.training.forecaster import Forecaster as Forecaster
    from forecast.training.parameters import Model as Model
    from forecast.training.parameters import Training as Training

_HOMES = {
    "Blocks": "forecast.data.blocks",
    "Folds": "forecast.data.split",
    "Forecaster": "forecast.training.forecaster",
    "Model": "forecast.training.parameters",
    "Schema": "forecast.data.schema",
    "Table": "forecast.data.table",
    "Training": "forecast.training.parameters",
    "Window": "forecast.data.windows",
    "build": "forecast.data.panel",
}
_ROOMS = {
    "experiment": "forecast.evaluation.experiment",
    "gates": "forecast.gates",
    "metrics": "forecast.metrics",
    "windows": "forecast.data.windows",
}

__all__ = [
    "Blocks",
    "Folds",
    "Forecaster",
    "Model",
    "Schema",
    "Table",
    "Training",
    "Window",
    "build",
    "experiment",
    "gates",
    "metrics",
    "windows",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name in _ROOMS:
        if name == "gates":  # builds on Keras
            import_module("forecast.training.runtime").import_tensorflow()
        return import_module(_ROOMS[name])
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'forecast' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
