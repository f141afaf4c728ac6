"""Which settings make a candidate good: one line a candidate through all that was varied."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from forecast.evaluation.literal import literal
from forecast.search.leaderboard import LABELS as ERRORS
from forecast.search.leaderboard import Standing

LABELS = 12
"""Most values that an axis names."""

ABSENT = "–"
"""A setting that a candidate does not have, since its grid has not."""


def varied(standings: Sequence[Standing]) -> dict[str, list[str]]:
    """List the settings that differ between candidates.

    Args:
        standings: Ranked.

    Returns:
        Key to its values as text, numbers in their order.
    """
    points = [standing.candidate.point for standing in standings]
    found = {}
    for key in dict.fromkeys(key for point in points for key in point):
        values = [point[key] for point in points if key in point]
        texts = dict.fromkeys(_text(value) for value in sorted(values, key=_order))
        absent = [ABSENT] if len(values) < len(points) else []
        if len(texts) + len(absent) > 1:
            found[key] = [*absent, *texts]
    return found


def figure(standings: Sequence[Standing]) -> Figure:
    """Draw parallel coordinates: a line a candidate, its colour its mean error, the best bold.

    Args:
        standings: Ranked, the best of them finite.

    Returns:
        A figure with one panel: the settings from left to right, then the score, low is up.
    """
    shown = [standing for standing in standings if np.isfinite(standing.mean)]
    axes_of = varied(shown)
    drawn = Figure(figsize=(2.6 + 2.2 * len(axes_of), 5), layout="constrained")
    axes = drawn.subplots()
    means = [standing.mean for standing in shown]
    low, high = min(means), max(means)
    colours = colormaps["viridis_r"]
    for place, standing in reversed(list(enumerate(shown))):
        share = (standing.mean - low) / (high - low) if high > low else 0.0
        heights = [
            _height(values, _text(standing.candidate.point.get(key, ABSENT)))
            for key, values in axes_of.items()
        ]
        best = place == 0
        axes.plot(
            [*heights, 1 - share],
            "--" if str(standing.rung) else "-",
            color=colours(0.15 + 0.85 * (1 - share)),
            lw=3 if best else 1.2,
            alpha=1 if best else 0.8,
        )
    for x, values in enumerate(axes_of.values()):
        axes.axvline(x, color="#222222", lw=0.8)
        for value in values[:: -(-len(values) // LABELS)]:
            at = (x, _height(values, value))
            axes.annotate(literal(value), at, (4, 2), textcoords="offset points")
    end = len(axes_of)
    axes.axvline(end, color="#222222", lw=0.8)
    for share in (0.0, 0.5, 1.0) if high > low else (0.0,):
        text = f"{low + share * (high - low):.4g}"
        axes.annotate(text, (end, 1 - share), (4, 2), textcoords="offset points")
    error = f"mean {ERRORS[shown[0].headline]}"
    axes.set_xticks(range(end + 1), [*(key.split(".")[-1] for key in axes_of), error])
    axes.set_xlim(-0.1, end + 0.4)
    axes.set_yticks([])
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    dashed = ", those that were dropped dashed" if any(str(s.rung) for s in shown) else ""
    title = f"What was varied, and what came out; the best is bold{dashed}"
    axes.set_title(title, loc="left", fontsize=10)
    return drawn


def _height(values: Sequence[str], value: str) -> float:
    """Place a value between 0 and 1, evenly among the others."""
    return values.index(value) / (len(values) - 1)


def _order(value: Any) -> tuple[int, Any]:
    """Sort numbers by size, then lists of numbers, then all else by name."""
    parts = value if isinstance(value, list) else [value]
    if all(isinstance(part, (int, float)) for part in parts):
        return (int(isinstance(value, list)), parts)
    return (2, str(value))


def _text(value: Any) -> str:
    """Write a value shortly."""
    return f"{value:g}" if isinstance(value, float) else str(value)
