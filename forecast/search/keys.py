"""What makes two trials the same: a hash over everything that could change their score."""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from forecast.evaluation.outcome import Spec

RESULTS = 1
"""Raise it when a trial's score changes: trials that were finished before then count no more.

Nothing else of the code stands in a key, so files may move and texts be fixed. Fixed trials in
tests/search/golden.py fail when a score has changed and this number has not.
"""

PACKAGES = ("tensorflow", "keras", "numpy")
"""What else decides a score; their versions stand in a key too."""

HASHED = {"results 1, tensorflow 2.21.0, keras 3.15.1, numpy 2.4.6": "8bdba48b0ef558d4"}
"""Code to its name in keys of before, which held a hash of the sources.

The hash is that of 3d47ab9, the last commit that made one, with the packages of its lock. It
computes results 1, so the trials that it finished are reused. With `RESULTS` raised, or another
version of a package, no code has this name any more.
"""


LATER = {
    "season": None,
    "decoder": "forecast",
    "cycle": None,
    "seeds": 1,
    "refit": False,
    "average": None,
    "step_weights": None,
}
"""Settings of a model or a training that came later, and the value at which they stand in no key:
with it each is what it was before."""


def _asked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out settings that came later, where they have their defaults."""
    return {k: own for k, own in settings.items() if k not in LATER or own != LATER[k]}


def trial_key(
    spec: Spec, *, data: str, train: np.ndarray, scored: np.ndarray, seed: int, epochs: int
) -> str:
    """Name a trial by what it computes.

    Shapes: `train` (rows,), `scored` (series, tick).
    """
    model, training = _asked(spec.model.get_params()), _asked(spec.training.get_params())
    return digest(
        {
            "code": code_version(),
            "data": data,
            "window": spec.window.get_params(),
            "model": model,
            "training": training | {"seed": seed},
            "until": epochs,
            "scaling": spec.scaling,
            "train": [str(train.min()), str(train.max()), len(train)],
            "scored": hashlib.sha256(np.ascontiguousarray(scored).tobytes()).hexdigest(),
        }
    )


def digest(plain: Mapping[str, Any]) -> str:
    """Hash plain values, whatever their order.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(plain, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def code_version() -> str:
    """Name what a score depends on beside the trial: our results and the packages."""
    named = ", ".join([f"results {RESULTS}", *(f"{name} {version(name)}" for name in PACKAGES)])
    return HASHED.get(named, named)
