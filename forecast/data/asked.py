"""What is asked of the targets of a schema: values, events, classes; and labels as numbers."""

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


def targets_asked(values: Mapping[str, np.ndarray], schema: Schema) -> Asked:
    """Turn targets into what is predicted of them.

    Shapes: `values` (rows,).

    >>> schema = Schema("time", ("load",), classes={"load": (5.0, 9.0)})
    >>> found = targets_asked({"load": np.array([4.0, 5.0, np.nan])}, schema)
    >>> found.names, found.outputs[:2].tolist()
    (('load < 5', '5 ≤ load < 9', 'load ≥ 9'), [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    """
    targets = schema.targets
    if schema.task == "event":
        columns = [values[name] > schema.events[name] for name in targets]
    elif schema.task == "classes":
        (name,) = targets
        code = values[name] if schema.labelled(name) else _binned(values[name], schema)
        columns = [code == number for number in range(len(class_names(schema)))]
    else:
        return Asked(np.column_stack([values[name] for name in targets]), targets, targets)
    outputs, about = target_names(schema)
    missing = np.column_stack([np.isnan(values[name]) for name in about])
    happened = np.where(missing, np.nan, np.column_stack(columns).astype(float))
    return Asked(happened, outputs, about)


def target_names(schema: Schema) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the output columns, and the target that each is about.

    >>> target_names(Schema("time", ("load",), events={"load": 90}))
    (('load > 90',), ('load',))
    """
    if schema.task == "event":
        found = tuple(f"{name} > {schema.events[name]:g}" for name in schema.targets)
        return found, schema.targets
    if schema.task == "classes":
        found = class_names(schema)
        return found, schema.targets * len(found)
    return schema.targets, schema.targets


def class_names(schema: Schema) -> tuple[str, ...]:
    """Name the classes of the target, in their order."""
    (name,) = schema.targets
    parts = schema.classes[name]
    if schema.labelled(name):
        return tuple(f"{name} = {label}" for label in parts)
    inner = [f"{low:g} ≤ {name} < {high:g}" for low, high in zip(parts, parts[1:], strict=False)]
    return (f"{name} < {parts[0]:g}", *inner, f"{name} ≥ {parts[-1]:g}")


def label_positions(
    column: pd.Series, labels: tuple[Any, ...], before: int = 0, *, other: bool = False
) -> pd.Series:
    """Turn labels into their positions; errors count the rows `before` the column.

    Where there is an `other`, it is the last of the labels, and whatever is not listed.

    Returns (rows,).
    """
    numeric = pd.api.types.is_numeric_dtype(column)
    text = column.map(lambda value: f"{value:g}" if numeric else str(value).strip())
    if not numeric:  # a column of whole numbers with holes is often written as 1.0
        text = text.where(text.isin(labels), text.str.replace(r"^(-?\d+)\.0+$", r"\1", regex=True))
    empty = column.isna() | (text == "")
    found = pd.Series(pd.Index(labels).get_indexer(pd.Index(text)), column.index, float)
    bad = ((found < 0) & ~empty).to_numpy(bool)
    if other:
        found[bad] = len(labels) - 1
    elif bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"data.classes.{column.name} must list every label of the column, got "
            f"{shown(column.iloc[row])} in row {before + row + 1}: "
            f"{nearest(text.iloc[row], labels)}"
        )
    return found.mask(empty)


def missing_classes(outputs: np.ndarray, names: tuple[str, ...], task: str) -> list[str]:
    """Say what some rows never show of an event or of classes.

    Shapes: `outputs` (rows, outputs).

    >>> missing_classes(np.array([[0.0, 1.0], [0.0, 1.0]]), ("a", "b"), "event")
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
