"""Names of runs: readable, and no two of an experiment alike."""

import re

from forecast.evaluation.outcome import Outcome, Spec
from forecast.tracking.store import Store


def title(spec: Spec) -> str:
    """Name what is trained: model, its size, look-back and horizon, such as lstm-64 · 72→24."""
    size = spec.model.settings.get("units") or spec.model.settings.get("filters") or ""
    sizes = "-".join(map(str, size)) if isinstance(size, list) else str(size)
    name = f"{spec.model.name}-{sizes}" if sizes else spec.model.name
    return f"{name} · {spec.window.timesteps}→{spec.window.horizon}"


def scored(outcome: Outcome) -> str:
    """Write the headline error of what was trained, such as mae 2.31."""
    key = outcome.test.headline.key
    return f"{key} {outcome.scores[f'test/{key}']:.3g}"


def unique(store: Store | None, name: str, own: str = "") -> str:
    """Number a name that another run bears.

    Args:
        store: Of the experiment; None while its server is away, when nobody can tell.
        name: What people read in the list.
        own: Id of the run itself, whose earlier name is no other's.

    Returns:
        The name, or the name with the first number from 2 on that is free.
    """
    from mlflow.exceptions import MlflowException

    if store is None:
        return name
    head = re.match(r"[^'\"\\]*", name)  # MLflow's language has no way to write these
    try:
        found = store.find(f"attributes.run_name LIKE '{head[0] if head else ''}%'", most=1000)
    except (MlflowException, OSError):
        return name
    taken = {run.info.run_name for run in found if run.info.run_id != own}
    number, free = 2, name
    while free in taken:
        number, free = number + 1, f"{name} · {number}"
    return free
