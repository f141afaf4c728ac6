"""A run's recorded configuration becomes a request again."""

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from forecast.commands.config import Request, check, compose


def again(text: str, changes: Mapping[str, Any] | None = None) -> Request:
    """Placeholder until the registry branch lands."""
    composed = compose([]).composed
    composed.merge_with(OmegaConf.create(text))
    for key, value in (changes or {}).items():
        OmegaConf.update(composed, key, value)
    check(composed)
    return Request(composed, ())
