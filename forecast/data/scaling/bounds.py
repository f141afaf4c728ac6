"""Bounds of targets: what forecasts are clipped to, wherever they leave a forecaster."""

from collections.abc import Mapping, Sequence
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.data.scaling.transform import ALL
from forecast.errors import InputError, nearest

if TYPE_CHECKING:
    from forecast.data.table import Table

Pair = tuple[float | None, float | None]
"""Lower and upper bound of a target; None for no bound."""


def check(asked: Mapping[str, Any], targets: Sequence[str], task: str) -> None:
    """Refuse bounds of what is no target, of probabilities, or that hold no value."""
    if asked and task != "regression":
        raise InputError(
            "data.bounds must be empty where data.events or data.classes ask for probabilities, "
            f"got {dict(asked)}: leave it out"
        )
    for name, pair in asked.items():
        if name not in targets and ALL not in targets:
            raise InputError(
                f"data.bounds must name targets, got {name!r}: {nearest(name, targets)}"
            )
        ends = list(pair) if isinstance(pair, (list, tuple)) else []
        numbers = [end for end in ends if end is not None]
        if len(ends) != 2 or not all(map(_finite, numbers)) or sorted(set(numbers)) != numbers:
            raise InputError(
                f"data.bounds.{name} must be [low, high], low first, null for none, got "
                f"{ends or pair!r}: try [0, null]"
            )


def _finite(value: Any) -> bool:
    """Tell whether a value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def of_targets(asked: Mapping[str, Pair], targets: Sequence[str]) -> tuple[Pair, ...]:
    """Return the bounds of each target; of none where no target has one.

    >>> of_targets({"b": (0.0, None)}, ("a", "b")), of_targets({}, ("a", "b"))
    (((None, None), (0.0, None)), ())
    """
    return tuple(asked.get(name, (None, None)) for name in targets) if asked else ()


def clipped(values: np.ndarray, bounds: Sequence[Pair]) -> np.ndarray:
    """Move values to the bounds of their target, where they lie outside; NaN stays.

    Shapes: `values` (…, targets).

    >>> clipped(np.array([[-1.0, -1.0], [7.0, np.nan]]), ((None, None), (0.0, 5.0))).tolist()
    [[-1.0, 0.0], [7.0, nan]]
    """
    if not bounds:
        return values
    low = np.array([-inf if low is None else low for low, _ in bounds])
    high = np.array([inf if high is None else high for _, high in bounds])
    found: np.ndarray = np.clip(values, low, high)
    return found


def refuse_outside(table: "Table") -> None:
    """Refuse training rows with values outside the bounds of their target."""
    outputs = table.outputs
    bad = outputs != clipped(outputs, table.bounds)
    bad &= np.isfinite(outputs)
    for place in np.flatnonzero(bad.any(axis=0)):
        row, count = int(bad[:, place].argmax()), int(bad[:, place].sum())
        target, (low, high) = table.targets[place], table.bounds[place]
        least, most = np.nanmin(outputs[:, place]), np.nanmax(outputs[:, place])
        wider = [_wide(low, float(least), min), _wide(high, float(most), max)]
        moment = str(table.time[row])[:16].replace("T", " ")
        raise InputError(
            f"data.bounds.{target} must hold all training values, got {outputs[row, place]:g} in "
            f"{count:,} of {len(table):,} training rows, first in "
            f"{table.names[table.series[row]]} at {moment}: write "
            f"data.bounds.{target}=[{','.join(wider)}], or mend the values"
        )


def _wide(end: float | None, value: float, further: Any) -> str:
    """Write a bound that holds a value too."""
    return "null" if end is None else repr(float(further(end, value)))
