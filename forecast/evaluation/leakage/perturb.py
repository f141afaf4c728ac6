"""Other values in some rows, their time stamps kept: what a proof changes, and where it looks."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from forecast.data import columns, panel
from forecast.data.schema import Schema
from forecast.data.table import Table

HOLES = 0.1
"""Share of the perturbed values of a raw column that become missing."""


@dataclass(frozen=True)
class Raw:
    """Raw rows and what makes a table of them.

    Attributes:
        frame: Raw rows.
        schema: What its columns mean.
        build: From a frame and a schema to a table, such as one that adds columns of its own
            before it calls `panel.build`; None means `panel.build` itself.
    """

    frame: pd.DataFrame
    schema: Schema
    build: Any = None

    def table(self, frame: pd.DataFrame, timesteps: int) -> Table:
        """Make the table of some rows as a command does."""
        return (self.build or panel.build)(frame, self.schema).padded(timesteps)

    @property
    def time(self) -> np.ndarray:
        """Time stamp of every row of the frame, (rows,)."""
        return columns.moments(self.frame, self.schema).time


def perturb_table(
    given: Table, rows: np.ndarray, rng: np.random.Generator, *, spared: np.ndarray | None = None
) -> Table:
    """Perturb rows of a table: all inputs and all outputs, holes filled.

    Shapes: `rows` (rows,), `spared` (rows,).
    """
    inputs, outputs = given.inputs.copy(), given.outputs.copy()
    inputs[rows] = _values(given.inputs, rows, rng)
    masks = given.indicators
    if masks:  # never all of a row: a row of which nothing is known changes the windows of others
        absent = (rng.random((int(rows.sum()), masks)) < 0.5) & (given.inputs[rows, -masks:] == 0)
        absent[absent.all(axis=1), 0] = False
        inputs[rows, -masks:] = absent
    if spared is not None and given.known:
        kept = np.ix_(rows & spared, given.known)
        inputs[kept] = given.inputs[kept]
    if given.task == "regression":
        outputs[rows] = _values(given.outputs, rows, rng)
    elif given.task == "event":
        outputs[rows] = np.where(given.outputs[rows] == 1, 0.0, 1.0)
    else:
        outputs[rows] = np.roll(np.nan_to_num(given.outputs[rows]), 1, axis=1)
    return replace(given, inputs=inputs, outputs=outputs)


def perturb_frame(raw: Raw, rows: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Perturb rows of a raw frame: every column but time, series and static ones.

    A static column holds one value a series, in whatever row it is written: it has no future.

    Shapes: `rows` (rows,).
    """
    found, schema, count = raw.frame.copy(), raw.schema, int(rows.sum())
    for name in found.columns.difference([schema.time, *schema.series, *schema.static]):
        column = found[name]
        if name not in (*schema.inputs, *schema.targets):
            shuffled = column.to_numpy(copy=True)
            shuffled[rows] = rng.permutation(shuffled[rows])
            found[name] = pd.Series(shuffled, column.index, column.dtype)
            continue
        labelled, numeric = schema.labelled(name), pd.api.types.is_numeric_dtype(column)
        values = (pd.to_numeric(column) if not labelled else column).to_numpy(
            object if labelled and not numeric else float, copy=True
        )
        if labelled:
            labels = np.asarray(schema.labels(name), object)
            wild = rng.choice(labels.astype(float) if numeric else labels, count)
        else:
            low, high = schema.valid.get(name, (-np.inf, np.inf))
            wild = _values(values[:, None], rows, rng)[:, 0].clip(low, high)
        wild[rng.random(count) < HOLES] = np.nan
        values[rows] = wild
        found[name] = values
    return found


def first(before: np.ndarray, after: np.ndarray, rows: np.ndarray) -> tuple[int, ...] | None:
    """Find the first place where two arrays differ in a bit, two holes counting as equal.

    Shapes: `before` (rows, …), `rows` (rows,).

    >>> row = np.array([[1.0, np.nan], [0.0, 2.0]])
    >>> first(row, row + 0.0, np.ones(2, bool))
    >>> first(row, np.array([[1.0, np.nan], [-0.0, 2.0]]), np.ones(2, bool))
    (1, 0)
    """
    where = np.flatnonzero(rows)
    one, two = np.ascontiguousarray(before[where]), np.ascontiguousarray(after[where])
    if one.dtype.kind == "f" and one.dtype == two.dtype:
        bits = f"u{one.dtype.itemsize}"
        changed = (one.view(bits) != two.view(bits)) & ~(np.isnan(one) & np.isnan(two))
    else:
        changed = one != two
    if not changed.any():
        return None
    row, *rest = (int(i) for i in np.unravel_index(changed.argmax(), changed.shape))
    return int(where[row]), *rest


def place(table: Table, row: int) -> str:
    """Name a row: its series and its time stamp."""
    stamp = str(pd.Timestamp(table.time[row])) if table.time.dtype.kind == "M" else table.time[row]
    return f"{table.names[table.series[row]]} at {stamp}"


def date(moment: np.datetime64) -> str:
    """Write a time stamp without a time of midnight."""
    return str(moment).removesuffix(":00.000000000").removesuffix("T00:00").replace("T", " ")


def _values(columns: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw values 2 to 4 deviations beside the mean of each column, (perturbed rows, columns)."""
    good = np.isfinite(columns)
    count = np.maximum(good.sum(axis=0), 1)
    mean = np.where(good, columns, 0.0).sum(axis=0) / count
    std = np.sqrt((np.where(good, columns - mean, 0.0) ** 2).sum(axis=0) / count)
    size = (int(rows.sum()), columns.shape[1])
    away = rng.uniform(2, 4, size) * rng.choice([-1.0, 1.0], size)
    return mean + np.where(std > 0, std, 1.0) * away
