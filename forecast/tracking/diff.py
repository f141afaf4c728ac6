"""Compare two runs to the bit."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Held = Mapping[str, Mapping[str, Any]]
"""Aspect of a run, such as "metrics", to what it holds of it by name."""

CLOCKED = "time/"
"""Metrics that no repetition can repeat begin so."""


@dataclass(frozen=True)
class Difference:
    """Something that is not equal.

    Attributes:
        name: What.
        before: In the first run, as text.
        now: In the second.
    """

    name: str
    before: str
    now: str


@dataclass(frozen=True)
class Aspect:
    """One thing that two runs were compared in.

    Attributes:
        name: Such as "metrics".
        count: Values compared, those included that only one of them has; an array has many.
        differences: Names whose values are not all equal.
    """

    name: str
    count: int
    differences: tuple[Difference, ...]


def compare_runs(before: Held, now: Held) -> list[Aspect]:
    """Compare two runs in all aspects of the first.

    >>> (found,) = compare_runs({"metrics": {"a": 0.3, "b": 1.0}}, {"metrics": {"a": 0.1 + 0.2}})
    >>> for one in found.differences:
    ...     print(one.name, one.before, one.now)
    a 0.3 0.30000000000000004
    b 1.0 –
    """
    found = []
    for aspect, first in before.items():
        second = now.get(aspect, {})
        names = sorted({*first, *second})
        differ = [_difference(name, first, second) for name in names]
        count = sum(np.size(first.get(name, second.get(name))) for name in names)
        found.append(Aspect(aspect, count, tuple(one for one in differ if one)))
    return found


def held(client: Any, run_id: str) -> dict[str, dict[str, Any]]:
    """Read what the tracking store holds of a run and a repetition must hold too.

    Returns (epochs, steps ahead).
    """
    run = client.get_run(run_id)
    metrics: dict[str, dict[str, Any]] = {"metrics": {}, "metrics by step": {}}
    for key in run.data.metrics:
        for point in [] if key.startswith(CLOCKED) else client.get_metric_history(run_id, key):
            if point.step:
                metrics["metrics by step"][f"{key} at {point.step}"] = point.value
            else:
                metrics["metrics"][key] = point.value
    spans = [json.loads(one.dataset.profile) for one in run.inputs.dataset_inputs]
    return {
        "data": {"sha256": run.data.tags.get("forecast.data_digest", "")},
        "splits": dict(spans[0]) if spans else {},
        **metrics,
    }


def _difference(
    name: str, first: Mapping[str, Any], second: Mapping[str, Any]
) -> Difference | None:
    """Compare one value, which either may lack."""
    if name not in first or name not in second:
        one, other = (_shown(part[name]) if name in part else "–" for part in (first, second))
        return Difference(name, one, other)
    a, b = first[name], second[name]
    if not isinstance(a, np.ndarray):
        return None if a == b else Difference(name, _shown(a), _shown(b))
    if a.dtype != b.dtype or a.shape != b.shape:
        return Difference(name, *(f"{part.dtype} {part.shape}" for part in (a, b)))
    numbers = a.dtype.kind == "f"
    unequal = (a != b) & ~(np.isnan(a) & np.isnan(b)) if numbers else a != b
    if not unequal.any():
        return None
    difference = f"{int(unequal.sum()):,} of {a.size:,} others"
    if numbers:
        difference += f", by up to {np.abs(a - b)[unequal].max():.2g}"
    return Difference(name, f"{a.size:,} values", difference)


def _shown(value: Any) -> str:
    """Write a value whole, an array as its shape."""
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else str(value)
