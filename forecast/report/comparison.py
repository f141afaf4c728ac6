"""Pictures that compare: ranks of models, the leaderboard of a sweep, what it varied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from forecast.errors import InputError
from forecast.evaluation.significance.pairs import LEVEL, probability
from forecast.evaluation.significance.ranks import FEWEST, Ranking
from forecast.report.canvas import escape_mathtext
from forecast.report.figures import MODEL, TRUE

SIDE = 0.28
"""Inches of a name's line."""


def diagram(ranking: Ranking) -> Figure:
    """Draw models on the line of their average ranks, those that do not differ under one bar.

    Source: Demšar 2006, figure 1; the best is on the left.
    """
    if np.isnan(ranking.p):
        raise InputError(
            f"ranking must be of {FEWEST} or more cases, got {ranking.cases}: compare on more "
            "series or folds"
        )
    count = len(ranking.models)
    order = np.argsort(ranking.average, kind="stable")
    ranks = dict(zip(ranking.models, ranking.average, strict=True))
    lines = -(-count // 2)  # the better half is named on the left
    bars = len(ranking.groups)
    depth = 0.6 + 0.35 * bars + lines  # below the axis, in lines
    figure = Figure(figsize=(8, 1.1 + SIDE * (depth + 2.4)), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(1 - 0.42 * (count - 1), count + 0.42 * (count - 1))
    axes.set_ylim(-depth - 0.4, 2.4)
    axes.plot([1, count], [0, 0], color=TRUE, lw=1)
    for rank in range(1, count + 1):
        axes.plot([rank, rank], [0, 0.25], color=TRUE, lw=1)
        axes.text(rank, 0.4, str(rank), ha="center", va="bottom", fontsize=9, color=TRUE)
    for number, group in enumerate(ranking.groups):
        ends = ranks[group[0]] - 0.03, ranks[group[-1]] + 0.03
        height = -0.5 - 0.35 * number
        axes.plot(ends, [height, height], color=MODEL, lw=4, solid_capstyle="butt")
    for place, model in enumerate(order):
        left = place < lines
        line = place if left else count - 1 - place
        height = -0.6 - 0.35 * bars - line
        rank, name = ranking.average[model], ranking.models[model]
        end = 1 - 0.05 * (count - 1) if left else count + 0.05 * (count - 1)
        axes.plot([rank, rank, end], [0, height, height], color=TRUE, lw=0.8)
        text = f"{name}  {rank:.2f}" if left else f"{rank:.2f}  {name}"
        shift = -0.02 * (count - 1) if left else 0.02 * (count - 1)
        side = "right" if left else "left"
        axes.text(
            end + shift, height, escape_mathtext(text), ha=side, va="center", fontsize=9, color=TRUE
        )
    wide = min(ranking.critical, count - 1.0)
    axes.plot([1, 1 + wide], [1.75, 1.75], color=MODEL, lw=2, marker="|", ms=8)
    caption = f"critical difference {ranking.critical:.2f}"
    axes.text(1, 2.0, caption, ha="left", va="bottom", fontsize=9, color=MODEL)
    figure.suptitle(
        f"Average ranks over {ranking.cases} series or folds, 1 is best; joined by a bar: no "
        f"significant difference in rank at {LEVEL:.0%}\nFriedman's test: "
        f"{probability(ranking.p)}",
        x=0.01,
        ha="left",
        fontsize=10,
    )
    return figure


@dataclass(frozen=True)
class Row:
    """A candidate of a sweep.

    Attributes:
        name: What it is called.
        point: Setting to its value.
        scores: Error of each of its trials, (folds · seeds,).
        mean: Of them; infinite if a trial failed.
        rung: Where it was dropped, as text; empty if it was not.
        tied: Whether it is behind the best by no more than noise.
    """

    name: str
    point: Mapping[str, Any]
    scores: np.ndarray
    mean: float
    rung: str
    tied: bool


LABELS = 12
"""Most values that an axis names."""

ABSENT = "–"
"""A setting that a candidate does not have, since its grid has not."""


def leaderboard(rows: Sequence[Row], baselines: Mapping[str, float], error: str) -> Figure:
    """Draw every candidate's mean with its folds as dots, and the baselines as lines."""
    shown = [row for row in rows if np.isfinite(row.mean)][:40]
    drawn = Figure(figsize=(9, 1.6 + 0.34 * len(shown)), layout="constrained")
    axes = drawn.subplots()
    for place, row in enumerate(shown):
        colour = "#0072B2" if row.tied else "#888888"
        axes.plot(row.scores, [place] * len(row.scores), ".", color=colour, alpha=0.6)
        axes.plot(row.mean, place, "D", color=colour, ms=6)
    for (name, size), style in zip(baselines.items(), cycle(("--", ":", "-.")), strict=False):
        axes.axvline(size, ls=style, color="#222222", lw=1, label=name)
    names = [f"{row.name}{f'  ({row.rung})' if row.rung else ''}" for row in shown]
    axes.set_yticks(range(len(shown)), [escape_mathtext(name) for name in names], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(f"{error}: mean over folds, and each fold")
    axes.set_title("Leaderboard; blue is tied with the best", loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return drawn


def varied(rows: Sequence[Row]) -> dict[str, list[str]]:
    """List the settings that differ between candidates."""
    points = [row.point for row in rows]
    found = {}
    for key in dict.fromkeys(key for point in points for key in point):
        values = [point[key] for point in points if key in point]
        texts = dict.fromkeys(text_of(value) for value in sorted(values, key=_order))
        absent = [ABSENT] if len(values) < len(points) else []
        if len(texts) + len(absent) > 1:
            found[key] = [*absent, *texts]
    return found


def coordinates(rows: Sequence[Row], error: str) -> Figure:
    """Draw parallel coordinates: a line a candidate, its colour its mean error, the best bold."""
    shown = [row for row in rows if np.isfinite(row.mean)]
    axes_of = varied(shown)
    drawn = Figure(figsize=(2.6 + 2.2 * len(axes_of), 5), layout="constrained")
    axes = drawn.subplots()
    means = [row.mean for row in shown]
    low, high = min(means), max(means)
    colours = colormaps["viridis_r"]
    for place, row in reversed(list(enumerate(shown))):
        share = (row.mean - low) / (high - low) if high > low else 0.0
        heights = [
            _height(values, text_of(row.point.get(key, ABSENT))) for key, values in axes_of.items()
        ]
        best = place == 0
        axes.plot(
            [*heights, 1 - share],
            "--" if row.rung else "-",
            color=colours(0.15 + 0.85 * (1 - share)),
            lw=3 if best else 1.2,
            alpha=1 if best else 0.8,
        )
    for x, values in enumerate(axes_of.values()):
        axes.axvline(x, color="#222222", lw=0.8)
        for value in values[:: -(-len(values) // LABELS)]:
            at = (x, _height(values, value))
            axes.annotate(escape_mathtext(value), at, (4, 2), textcoords="offset points")
    end = len(axes_of)
    axes.axvline(end, color="#222222", lw=0.8)
    for share in (0.0, 0.5, 1.0) if high > low else (0.0,):
        text = f"{low + share * (high - low):.4g}"
        axes.annotate(text, (end, 1 - share), (4, 2), textcoords="offset points")
    axes.set_xticks(range(end + 1), [*(key.split(".")[-1] for key in axes_of), f"mean {error}"])
    axes.set_xlim(-0.1, end + 0.4)
    axes.set_yticks([])
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    dashed = ", those that were dropped dashed" if any(row.rung for row in shown) else ""
    title = f"Varied settings and their scores; the best is bold{dashed}"
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


def text_of(value: Any) -> str:
    """Write a value shortly."""
    return f"{value:g}" if isinstance(value, float) else str(value)
