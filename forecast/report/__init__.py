"""Every picture and page: charts, the report of a run, pictures of gates, Markdown.

Names are imported when they are first used, since some need Keras and others only text.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecast.report.canvas import to_image as to_image
    from forecast.report.gate_album import album as album
    from forecast.report.gate_curves import memory_curve as memory_curve
    from forecast.report.gate_maps import colour_limit as colour_limit
    from forecast.report.gate_maps import heat_map as heat_map
    from forecast.report.gate_maps import influence_map as influence_map
    from forecast.report.gate_openness import openness as openness
    from forecast.report.gate_shapes import distributions as distributions
    from forecast.report.gate_traces import trace_map as trace_map

_HOMES = {
    "album": "gate_album",
    "colour_limit": "gate_maps",
    "distributions": "gate_shapes",
    "heat_map": "gate_maps",
    "influence_map": "gate_maps",
    "memory_curve": "gate_curves",
    "openness": "gate_openness",
    "to_image": "canvas",
    "trace_map": "gate_traces",
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
