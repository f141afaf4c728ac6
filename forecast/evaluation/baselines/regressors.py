"""Regressors of scikit-learn by name, as baselines on the flattened window."""

import inspect
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.multioutput import MultiOutputRegressor
from sklearn.utils import get_tags
from sklearn.utils.discovery import all_estimators

from forecast.errors import InputError, cause, nearest

SEED = 0
"""Of regressors that draw at random, so that a baseline is the same in every run."""


PENALTY = 10.0
"""Of a ridge that nobody gives one, and for which there are too few windows to choose."""


def regressor(name: str, settings: Mapping[str, Any]) -> BaseEstimator:
    """Make a regressor that predicts several values.

    Args:
        name: Of scikit-learn, whatever its capitals, such as "ridge" or "RandomForestRegressor".
        settings: Of its constructor.

    Returns:
        The regressor; one that predicts a single value is fitted once for each.

    Raises:
        InputError: There is no such regressor or setting.

    >>> regressor("ridge", {"alpha": 2.0})
    Ridge(alpha=2.0, random_state=0)
    >>> regressor("LinearSVR", {})
    MultiOutputRegressor(estimator=LinearSVR(random_state=0))
    """
    known = _known()
    if name.lower() not in known:
        names = [kind.__name__ for kind in known.values()]
        raise InputError(
            f"evaluation.regressors must name regressors of scikit-learn, got {name!r}: "
            f"{nearest(name, names)}"
        )
    kind = known[name.lower()]
    takes = inspect.signature(kind).parameters
    for setting, value in settings.items():
        if setting not in takes:
            raise InputError(
                f"evaluation.regressors.{name}.{setting} must be a setting of {kind.__name__}, got "
                f"{setting}={value}: {nearest(setting, takes)}"
            )
    seed = {"random_state": SEED} if "random_state" in takes else {}
    made = kind(**seed | dict(settings))
    return made if get_tags(made).target_tags.multi_output else MultiOutputRegressor(made)


def chooses(name: str, settings: Mapping[str, Any]) -> bool:
    """Tell whether a regressor is a ridge whose penalty is left to be chosen.

    >>> chooses("ridge", {}), chooses("Ridge", {"alpha": None}), chooses("ridge", {"alpha": 1.0})
    (True, True, False)
    """
    return name.lower() == "ridge" and settings.get("alpha") is None


def check(name: str, settings: Any) -> None:
    """Fit a regressor on a few random numbers, since it judges its settings only then.

    Args:
        name: As for `regressor`.
        settings: Likewise.

    Raises:
        InputError: It cannot be made, or cannot be fitted on standardised values.
    """
    if not isinstance(settings, Mapping):
        raise InputError(
            f"evaluation.regressors.{name} must be pairs of settings and values, got {settings!r}: "
            "write such as {alpha: 10.0}, or {} for the defaults"
        )
    if chooses(name, settings):
        settings = dict(settings) | {"alpha": PENALTY}
    random = np.random.default_rng(SEED)
    known, future = random.normal(size=(40, 8)), random.normal(size=(40, 2))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            regressor(name, settings).fit(known, future)
    except InputError:
        raise
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"evaluation.regressors.{name} must be able to learn standardised values, got "
            f"{dict(settings)} ({cause(error)}): mend its settings or take another"
        ) from error


@cache
def _known() -> dict[str, type]:
    """Find every regressor by its name in small letters: a walk through all of scikit-learn."""
    return {name.lower(): kind for name, kind in all_estimators(type_filter="regressor")}
