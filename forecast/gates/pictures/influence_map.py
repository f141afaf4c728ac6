"""A picture of which input drives which gate."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.evaluation.literal import literal
from forecast.gates.pictures.canvas import FRAME, INK, check_limit, gate_title, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_ROWS = 16


def influence_map(
    norms: pd.DataFrame, layer: str, limit: float, *, epoch: int | None = None
) -> "Figure":
    """Draw the weight of each feature in each gate's kernel, the strongest feature on top.

    Args:
        norms: (features, gates) from `forecast.gates.influence`, root mean squares.
        layer: What the title calls the layer.
        limit: The end of the colour scale. Use one limit for all epochs of a run.
        epoch: The epoch for the title.

    Returns:
        A matplotlib figure of 1000 x 800 pixels, with the 16 strongest features at most, in the
        order of the table where all of them are shown.

    Raises:
        InputError: `limit` is not a positive number.

    >>> norms = pd.DataFrame({"f": [5.0, 1.0]}, index=["temp", "wind"])
    >>> influence_map(norms, "lstm_1", 5.0).get_suptitle()
    'lstm_1 · inputs by gate, RMS per weight'
    """
    check_limit(limit)
    if len(norms) > _MOST_ROWS:
        strongest = norms.sum(axis=1).nlargest(_MOST_ROWS).index
        norms = norms.loc[strongest]
    values = norms.to_numpy()
    figure = new_figure(f"{layer} · inputs by gate, RMS per weight", epoch)
    axes = figure.add_axes((0.24, 0.05, 0.73, 0.78))
    style(axes)
    axes.imshow(values, cmap="Blues", vmin=0, vmax=limit, aspect="auto", interpolation="nearest")
    axes.set_xticks(np.arange(-0.5, values.shape[1]), minor=True)
    axes.set_yticks(np.arange(-0.5, len(values)), minor=True)
    axes.grid(which="minor", color=FRAME, linewidth=0.8)
    axes.tick_params(which="minor", length=0)
    axes.set_xticks(range(values.shape[1]), [gate_title(gate) for gate in norms.columns])
    axes.xaxis.tick_top()
    names = [text if len(text) <= 16 else f"{text[:15]}…" for text in map(str, norms.index)]
    axes.set_yticks(range(len(names)), [*map(literal, names)])
    size = 18 if len(names) <= 10 else 15
    axes.tick_params(labelsize=size, labelcolor=INK)
    for (row, column), value in np.ndenumerate(values):
        ink = "white" if value > 0.6 * limit else INK
        axes.text(
            column, row, f"{value:.2f}", ha="center", va="center", fontsize=size - 2, color=ink
        )
    return figure
