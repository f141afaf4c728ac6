"""The critical-difference diagram: average ranks, and which of them may be chance."""

import numpy as np
from matplotlib.figure import Figure

from forecast.errors import InputError
from forecast.evaluation.figures import MODEL, TRUE
from forecast.evaluation.literal import literal
from forecast.evaluation.significance.pairs import LEVEL, probability
from forecast.evaluation.significance.ranks import FEWEST, Ranking

SIDE = 0.28
"""Inches of a name's line."""


def diagram(ranking: Ranking) -> Figure:
    """Draw models on the line of their average ranks, those that do not differ under one bar.

    Source: Demšar 2006, figure 1; the best stands on the left.

    Args:
        ranking: From `friedman`.

    Returns:
        A figure with one panel.

    Raises:
        InputError: It has too few cases for a test.
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
        axes.text(end + shift, height, literal(text), ha=side, va="center", fontsize=9, color=TRUE)
    wide = min(ranking.critical, count - 1.0)
    axes.plot([1, 1 + wide], [1.75, 1.75], color=MODEL, lw=2, marker="|", ms=8)
    said = f"critical difference {ranking.critical:.2f}"
    axes.text(1, 2.0, said, ha="left", va="bottom", fontsize=9, color=MODEL)
    figure.suptitle(
        f"Average ranks over {ranking.cases} series or folds, 1 is best; joined by a bar: no "
        f"significant difference in rank at {LEVEL:.0%}\nFriedman's test: "
        f"{probability(ranking.p)}",
        x=0.01,
        ha="left",
        fontsize=10,
    )
    return figure
