"""What is asked about a target: its value, whether it exceeds a threshold, or which class it is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from forecast.data.schema import Schema
from forecast.errors import InputError, nearest, shown


class Asked(NamedTuple):
    """Output columns, as a table holds them.

    Attributes:
        outputs: (rows, outputs), NaN where the target is missing. Of an event 1 where it happens;
            of classes 1 in the column of the class, 0 in the others.
        names: Of the output columns.
        about: The target that each is about.
    """

    outputs: np.ndarray
    names: tuple[str, ...]
    about: tuple[str, ...]


def ask(values: Mapping[str, np.ndarray], schema: Schema) -> Asked:
    """Turn targets into what is predicted of them.

    Args:
        values: Target to its values, (rows,) each; labels as their position.
        schema: Tells the task.

    Returns:
        The output columns.

    >>> schema = Schema("time", ("load",), classes={"load": (5.0, 9.0)})
    >>> found = ask({"load": np.array([4.0, 5.0, np.nan])}, schema)
    >>> found.names, found.outputs[:2].tolist()
    (('load < 5', '5 ≤ load < 9', 'load ≥ 9'), [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    """
    targets = schema.targets
    if schema.task == "event":
        columns = [values[name] > schema.events[name] for name in targets]
    elif schema.task == "classes":
        (name,) = targets
        code = values[name] if schema.labelled(name) else _binned(values[name], schema)
        columns = [code == number for number in range(len(classes(schema)))]
    else:
        return Asked(np.column_stack([values[name] for name in targets]), targets, targets)
    outputs, about = names(schema)
    missing = np.column_stack([np.isnan(values[name]) for name in about])
    happened = np.where(missing, np.nan, np.column_stack(columns).astype(float))
    return Asked(happened, outputs, about)


def names(schema: Schema) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the output columns, and the target that each is about.

    >>> names(Schema("time", ("load",), events={"load": 90}))
    (('load > 90',), ('load',))
    """
    if schema.task == "event":
        found = tuple(f"{name} > {schema.events[name]:g}" for name in schema.targets)
        return found, schema.targets
    if schema.task == "classes":
        found = classes(schema)
        return found, schema.targets * len(found)
    return schema.targets, schema.targets


def classes(schema: Schema) -> tuple[str, ...]:
    """Name the classes of the target, in their order."""
    (name,) = schema.targets
    parts = schema.classes[name]
    if schema.labelled(name):
        return tuple(f"{name} = {label}" for label in parts)
    inner = [f"{low:g} ≤ {name} < {high:g}" for low, high in zip(parts, parts[1:], strict=False)]
    return (f"{name} < {parts[0]:g}", *inner, f"{name} ≥ {parts[-1]:g}")


def positions(column: pd.Series, labels: tuple[Any, ...]) -> pd.Series:
    """Turn labels into their positions.

    Args:
        column: Text, or numbers that are written like the labels.
        labels: All that there may be.

    Returns:
        (rows,) positions, missing where the column is.

    Raises:
        InputError: A value is none of the labels.
    """
    numeric = pd.api.types.is_numeric_dtype(column)
    text = column.map(lambda value: f"{value:g}" if numeric else str(value).strip())
    empty = column.isna() | (text == "")
    found = pd.Series(pd.Index(labels).get_indexer(pd.Index(text)), column.index, float)
    bad = ((found < 0) & ~empty).to_numpy(bool)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"data.classes.{column.name} must list every label of the column, got "
            f"{shown(column.iloc[row])} in row {row + 1}: {nearest(text.iloc[row], labels)}"
        )
    return found.mask(empty)


def lacking(outputs: np.ndarray, names: tuple[str, ...], task: str) -> list[str]:
    """Say what some rows never show of an event or of classes.

    Args:
        outputs: (rows, outputs), NaN where missing.
        names: Of the outputs.
        task: Of the table; of values nothing is said.

    Returns:
        Such as "'load > 90'" or "anything but 'load > 90'", for each output of one value.

    >>> lacking(np.array([[0.0, 1.0], [0.0, 1.0]]), ("a", "b"), "event")
    ["'a'", "anything but 'b'"]
    """
    if task == "regression":
        return []
    found = []
    for name, column in zip(names, outputs.T, strict=True):
        known = column[np.isfinite(column)]
        if not (known == 1).any():
            found.append(repr(name))
        elif task == "event" and (known == 1).all():
            found.append(f"anything but {name!r}")
    return found


def _binned(values: np.ndarray, schema: Schema) -> np.ndarray:
    """Number the class of each value; an edge belongs to the class above it."""
    (name,) = schema.targets
    return np.digitize(values, schema.classes[name])
