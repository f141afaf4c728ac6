"""A table of what scikit-learn hands on: features X and targets y, as frames or arrays."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from forecast.data import clock, columns
from forecast.data.stamps import index
from forecast.data.table import Table
from forecast.errors import InputError, nearest, shown


def from_xy(
    X: Any, y: Any = None, *, names: tuple[str, ...] = (), frequency: str | None = None
) -> Table:
    """Turn scikit-learn's pair into a table; values are taken as they are.

    Shapes: `X` (rows, features), `y` (rows,).
    """
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(_matrix(X, "X"))
    features = tuple(str(name) for name in frame.columns)
    values = _floats(frame, "X")
    if y is None:
        outputs = np.full((len(frame), 1), np.nan)
        targets: tuple[str, ...] = ("y",)
    else:
        wanted = y if isinstance(y, pd.DataFrame) else pd.DataFrame(_matrix(y, "y"))
        outputs = _floats(wanted, "y")
        targets = tuple(map(str, wanted.columns))
        if isinstance(y, pd.Series) and y.name is not None:
            targets = (str(y.name),)
        elif not isinstance(y, pd.DataFrame):
            targets = tuple(f"y{i}" for i in range(outputs.shape[1]))
        if len(outputs) != len(values):
            raise InputError(
                f"y must have X's {len(values)} rows, got {len(outputs)}: give one row for each"
            )
    stamps = index.agreed(X, y, frequency)
    if stamps is None:
        tick = np.arange(len(frame))
        zero = np.zeros(len(frame), np.intp)
        return Table(values, outputs, features, targets, zero, tick, tick)
    if not isinstance(X, pd.DataFrame):  # an array has no names, but y says which are targets
        found = index.targets_among(values, outputs)
        features = tuple(
            targets[found[n]] if n in found else name for n, name in enumerate(features)
        )
    time, labels, zoned = stamps.time, stamps.series, stamps.zoned
    if labels is None:
        if len(names) > 1:
            raise InputError(
                f"X must have a (series, time) index as in fit, got time stamps alone: write "
                f"pd.concat({{{names[0]!r}: X}}) for rows of {names[0]}"
            )
        labels = np.array([names[0] if names else "series"] * len(frame), object)
    known = names or tuple(sorted(set(labels)))
    series = pd.Index(known).get_indexer(pd.Index(labels))
    if (series < 0).any():
        new = str(labels[(series < 0).argmax()])
        raise InputError(f"X must hold series seen in fit, got {new!r}: {nearest(new, known)}")
    order = np.lexsort((time, series))
    time, series = time[order], series[order]
    columns.unique_rows(time, series, known)
    frequency = frequency or stamps.frequency or _inferred(time, series)
    return Table(
        values[order],
        outputs[order],
        features,
        targets,
        series,
        clock.ticks(time, frequency, series),
        time,
        known,
        frequency,
        zoned=zoned,
    )


def without_targets(table: Table, targets: tuple[str, ...]) -> Table:
    """Return a table whose outputs are holes under other names."""
    return replace(table, outputs=np.full((len(table), len(targets)), np.nan), targets=targets)


def _inferred(time: np.ndarray, series: np.ndarray) -> str:
    """Find the distance of two rows of a frame, or say what to do about its index."""
    try:
        return clock.infer(time, series)
    except InputError as error:
        rule = str(error).removeprefix("data.time must ").partition(": set ")[0]
        raise InputError(
            f"X must have an index that tells its frequency, and {rule}: write "
            "X.resample('h').mean() with the distance that you want, X.asfreq('h') where rows are "
            "absent, or X.reset_index(drop=True) where the next row is the next step"
        ) from error


def _floats(frame: pd.DataFrame, argument: str) -> np.ndarray:
    """Return a frame's values (rows, columns), or say where it holds something else."""
    if any(kind.kind == "c" for kind in frame.dtypes):
        raise InputError(
            f"{argument} must be real numbers. Complex data not supported: give real and imaginary "
            "part as two columns"
        )
    try:
        return frame.to_numpy(float)
    except (TypeError, ValueError, OverflowError) as error:
        for name, column in frame.items():
            found = columns.as_numbers(column)
            bad = (found.isna() & column.notna()) | np.isinf(found.astype(float))
            if bad.any():
                row = int(bad.to_numpy(bool).argmax())
                raise InputError(
                    f"{argument} must be numbers, got {shown(column.iloc[row])} in column "
                    f"{name!r}, row {row + 1}: fix it or leave out the column"
                ) from error
        raise


def _matrix(values: Any, name: str) -> np.ndarray:
    """Return 2-D values; a vector y becomes one column."""
    if issparse(values):
        raise InputError(f"{name} must be dense, got a sparse matrix: write {name}.toarray()")
    array = np.asarray(values)
    if array.ndim == 1 and name == "y":
        array = array[:, None]
    if array.ndim != 2:
        raise InputError(
            f"{name} must have two dimensions, got shape {array.shape}: give (rows, columns). "
            f"Reshape your data with {name}.reshape(-1, 1) if it is one column"
        )
    if array.shape[1] == 0:
        raise InputError(
            f"{name} must have a column, got 0 feature(s) (shape={array.shape}) while a minimum of "
            "1 is required: give (rows, columns)"
        )
    return array
