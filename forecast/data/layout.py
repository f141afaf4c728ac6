"""Where the input columns of a table stand: what follows from the schema alone."""

from dataclasses import dataclass

import numpy as np

from forecast.data import clock
from forecast.data.schema import Schema

SAYS = "_missing"
"""Ends the name of a column that says where another is missing."""


@dataclass(frozen=True)
class Layout:
    """The input columns of a table, in their order.

    Attributes:
        features: Names: raw columns, the calendar, then those that say what is missing.
        known: Positions of those that are known ahead; a circle has two, labels one each.
        static: Positions of those that have one value a series.
        said: Raw columns of which another column says where they are missing.
    """

    features: tuple[str, ...]
    known: tuple[int, ...]
    static: tuple[int, ...]
    said: tuple[str, ...]


def layout(schema: Schema) -> Layout:
    """Lay out the input columns.

    Args:
        schema: What the raw columns mean.

    Returns:
        Names and positions.

    >>> layout(Schema("time", ("load",), calendar=("hour",), known_future=("fair", "hour")))
    Layout(features=('load', 'fair', 'hour_sin', 'hour_cos'), known=(1, 2, 3), static=(), said=())
    """
    features: list[str] = []
    known: list[int] = []
    static: list[int] = []
    for name in schema.inputs:
        columns = columns_of(name, schema)
        places = range(len(features), len(features) + len(columns))
        known += places if name in schema.known_columns else ()
        static += places if name in schema.static else ()
        features += columns
    for name in schema.calendar:
        _, made = clock.describe(np.zeros(0, "datetime64[ns]"), (name,))
        known += (
            range(len(features), len(features) + len(made)) if name in schema.known_future else ()
        )
        features += made
    masked = schema.missing == "mask"
    said = tuple(name for name in schema.inputs if masked and name not in schema.static)
    features += [f"{name}{SAYS}" for name in said]
    return Layout(tuple(features), tuple(known), tuple(static), said)


def columns_of(name: str, schema: Schema) -> list[str]:
    """Name the input columns that a raw column becomes.

    Args:
        name: The raw column.
        schema: What it means.

    Returns:
        Two for a circular column, one for each label, else the column itself.

    >>> columns_of("sky", Schema("time", ("load",), classes={"sky": ("clear", "rain")}))
    ['sky=clear', 'sky=rain']
    """
    if name in schema.circular:
        return [f"{name}_sin", f"{name}_cos"]
    if schema.labelled(name):
        return [f"{name}={label}" for label in schema.classes[name]]
    return [name]
