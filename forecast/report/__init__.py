"""Every picture and page: charts, the report of a run, pictures of gates, Markdown.

Names are imported when they are first used, since some need Keras and others only text.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecast.report.canvas import to_image as to_image
    from forecast.report.gates.album import album as album
    from forecast.report.gates.curves import memory_curve as memory_curve
    from forecast.report.gates.maps import colour_limit as colour_limit
    from forecast.report.gates.maps import heat_map as heat_map
    from forecast.report.gates.maps import influence_map as influence_map
    from forecast.report.gates.openness import openness as openness
    from forecast.report.gates.shapes import distributions as distributions
    from forecast.report.gates.traces import trace_map as trace_map

_HOMES = {
    "album": "gates.album",
    "colour_limit": "gates.maps",
    "distributions": "gates.shapes",
    "heat_map": "gates.maps",
    "influence_map": "gates.maps",
    "memory_curve": "gates.curves",
    "openness": "gates.openness",
    "to_image": "canvas",
    "trace_map": "gates.traces",
}

__all__ = [
    "album",
    "colour_limit",
    "distributions",
    "heat_map",
    "influence_map",
    "memory_curve",
    "openness",
    "to_image",
    "trace_map",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
