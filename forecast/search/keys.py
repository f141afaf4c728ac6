"""What makes two trials the same: a hash over everything that could change their score."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from forecast.evaluation.outcome import Spec

ROOMS = ("data", "metrics", "models", "training")
"""Rooms whose sources decide what a trial computes; a change elsewhere retrains nothing."""

PACKAGES = ("tensorflow", "keras", "numpy")


def trial_key(
    spec: Spec, *, data: str, train: np.ndarray, scored: np.ndarray, seed: int, epochs: int
) -> str:
    """Name a trial by what it computes.

    Shapes: `train` (rows,), `scored` (series, tick).
    """
    return digest(
        {
            "code": code_version(),
            "data": data,
            "window": spec.window.get_params(),
            "model": spec.model.get_params(),
            "training": spec.training.get_params() | {"seed": seed},
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


@cache
def code_version() -> str:
    """Hash the sources that decide a score, and the versions of what they run on."""
    root = Path(__file__).parent.parent
    sources = sorted(path for room in ROOMS for path in (root / room).rglob("*.py"))
    whole = hashlib.sha256()
    for path in sources:
        whole.update(str(path.relative_to(root)).encode())
        whole.update(path.read_bytes())
    for package in PACKAGES:
        whole.update(f"{package}={version(package)}".encode())
    return whole.hexdigest()[:16]
