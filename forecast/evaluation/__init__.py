"""Scoring beside baselines, the one story that every command tells, and the proof of it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecast.evaluation.leakage.proof import leak_proof as leak_proof


def __getattr__(name: str) -> Any:
    """Import the proof on first use: it reaches into the whole room."""
    if name == "leak_proof":
        return import_module("forecast.evaluation.leakage.proof").leak_proof
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
