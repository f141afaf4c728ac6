"""Imports all that commands import, and starts nothing: the process that `tests.forked` forks."""

import gc
import pkgutil
from importlib import import_module

import forecast
from forecast.process import GARBAGE
from forecast.training.runtime import import_tensorflow

gc.set_threshold(*GARBAGE)
import_tensorflow()  # without what it writes to stderr
for name in ("keras", "matplotlib.figure", "mlflow.pyfunc", "sklearn.ensemble"):
    import_module(name)
for found in pkgutil.walk_packages(forecast.__path__, "forecast."):
    if not found.name.endswith("__main__"):
        import_module(found.name)
