"""Colours of runs in MLflow's charts: one an architecture, a shade for each of its runs."""

from collections import Counter
from typing import Any

TAG = "mlflow.runColor"
"""The tag by which MLflow colours a run."""

COLOURS = {
    "lstm": "#0072b2",
    "gru": "#d55e00",
    "causal_cnn": "#009e73",
    "mlp": "#cc79a7",
    "linear": "#e69f00",
    "dlinear": "#56b4e9",
}
"""Okabe and Ito's, which most people can tell apart, for the models that are met most."""

OTHERS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#d55e00", "#0072b2")
"""Theirs for all other models, and for the candidates of a sweep from its best on."""

GREYS = {
    "persistence": "#b0b0b0",
    "seasonal_naive": "#8c8c8c",
    "boosted_trees": "#6a6a6a",
    "ridge": "#484848",
}
"""Of baselines, the same in all experiments."""

SHADES = (0.0, -0.4, 0.45, -0.65, 0.7)
"""How far runs of one architecture go to black (below zero) or to white."""

NEWEST = 25
"""Runs of an architecture whose shades are looked at before another is chosen."""


def of_baseline(name: str) -> str:
    """Return the grey of a baseline."""
    return GREYS.get(name, "#9e9e9e")


def ranked(place: int) -> str:
    """Return the colour of a candidate, the best at 0.

    >>> ranked(0), ranked(6)
    ('#0072b2', '#00446b')
    """
    order = tuple(reversed(OTHERS))
    turn, colour = divmod(place, len(order))
    return shade(order[colour], SHADES[turn % len(SHADES)])


def of_run(store: Any, model: str, own: str) -> str:
    """Choose the shade of an architecture that the fewest of its newest runs have."""
    base = COLOURS.get(model) or OTHERS[sum(model.encode()) % len(OTHERS)]
    shades = [shade(base, by) for by in SHADES]
    where = f"params.model = '{model}' and tags.`{TAG}` LIKE '#%'"
    found = store.find(where, most=NEWEST)
    used = Counter(run.data.tags[TAG] for run in found if run.info.run_id != own)
    return min(shades, key=lambda one: used[one])


def shade(colour: str, by: float) -> str:
    """Mix a colour with black where `by` is below zero, else with white.

    >>> shade("#808080", 0.0), shade("#808080", -0.5), shade("#808080", 0.5)
    ('#808080', '#404040', '#c0c0c0')
    """
    parts = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    aim = 0 if by < 0 else 255
    return "#" + "".join(f"{round(part + (aim - part) * abs(by)):02x}" for part in parts)
