"""Columns of one value a series."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from forecast.errors import InputError


def filled(values: np.ndarray, series: np.ndarray, names: Sequence[str], column: str) -> np.ndarray:
    """Write the one value of every series in all its rows.

    Args:
        values: (rows,), NaN where a row does not say it.
        series: Series of each row, (rows,).
        names: Name of every series.
        column: What the column is called, for errors.

    Returns:
        (rows,) without a hole.

    Raises:
        InputError: A series has two values, or none.

    >>> filled(np.array([np.nan, 7, np.nan, 9]), np.array([0, 0, 1, 1]), "ab", "area").tolist()
    [7.0, 7.0, 9.0, 9.0]
    """
    groups = pd.Series(values).groupby(series)
    least, greatest = groups.min(), groups.max()
    for code in least.index[least.isna()]:
        raise InputError(
            f"data.static must hold a value for every series, got none in column {column!r} of "
            f"series {names[code]!r}: write it in one of its rows"
        )
    for code in least.index[least < greatest]:
        raise InputError(
            f"data.static must be one value in all rows of a series, got {least[code]:g} and "
            f"{greatest[code]:g} in column {column!r} of series {names[code]!r}: mend it, or name "
            "the column in data.features"
        )
    return least.loc[series].to_numpy(float)


def holes(column: pd.Series, keys: Sequence[pd.Series]) -> pd.Series:
    """Tell which rows belong to a series that has no value.

    Args:
        column: Static, as it stands in the file, (rows,).
        keys: Columns that name the series, (rows,) each; none means one series.

    Returns:
        Mask (rows,).
    """
    return column.isna().groupby(list(keys) or np.zeros(len(column))).transform("all")
