"""What the index of a frame says of its rows: whose they are and when, or nothing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecast.data import clock, columns
from forecast.data.stamps import reading
from forecast.errors import InputError, shown


@dataclass(frozen=True)
class Stamps:
    """Series and time of every row.

    Attributes:
        time: datetime64[ns] (rows,), UTC where the index states a zone.
        series: Names (rows,) text; None where the index has time stamps alone.
        zoned: Whether it states a zone.
        frequency: That it says itself, as those of date ranges do.
    """

    time: np.ndarray
    series: np.ndarray | None
    zoned: bool
    frequency: str | None = None

    def at(self, row: int) -> str:
        """Write series and time of a row."""
        stamp = f"{pd.Timestamp(self.time[row])}{' UTC' if self.zoned else ''}"
        return stamp if self.series is None else f"({self.series[row]}, {stamp})"


def agreed(X: Any, y: Any = None, frequency: str | None = None) -> Stamps | None:
    """Read the index of a pair, from whichever has one; the frequency of its rows, if known."""
    one, two = _read(X, "X", frequency), _read(y, "y", frequency)
    if one is None or two is None:
        if not len(_numbers(X)) or not len(_numbers(y)) or (_numbers(X) == _numbers(y)).all():
            return one or two
        raise _other(f"row number {_numbers(y)[0]}", f"row number {_numbers(X)[0]}", 0)
    if one.zoned != two.zoned:
        raise InputError(
            f"y must state a zone where X does, got {two.at(0)} for {one.at(0)} in row 1: write "
            "y.to_numpy() if its rows are those of X"
        )
    if (one.series is None) != (two.series is None):
        raise _other(two.at(0), one.at(0), 0)
    differ = one.time != two.time
    if one.series is not None and two.series is not None:
        differ = differ | (one.series != two.series)
    if differ.any():
        row = int(differ.argmax())
        raise _other(two.at(row), one.at(row), row)
    return one


def targets_among(values: np.ndarray, outputs: np.ndarray) -> dict[int, int]:
    """Find the columns of an array that are targets, which a transformer may have scaled.

    Shapes: `values` (rows, columns), `outputs` (rows, targets).

    >>> targets_among(np.array([[3.0, 0], [1, 5], [2, 2]]), np.array([[30.0], [10], [20]]))
    {0: 0}
    """
    inputs, wanted = _standard(values), _standard(outputs)
    found: dict[int, int] = {}
    for target in range(wanted.shape[1]):
        alike = np.isclose(inputs, wanted[:, [target]], 0, 1e-6, equal_nan=True).all(axis=0)
        places = [int(place) for place in np.flatnonzero(alike) if int(place) not in found]
        if places and np.isfinite(wanted[:, target]).any():
            found[places[0]] = target
    return found


def _standard(values: np.ndarray) -> np.ndarray:
    """Take mean and deviation out of every column, (rows, columns); NaN where nothing varies."""
    good = np.isfinite(values)
    count = np.maximum(good.sum(axis=0), 1)
    centred = values - np.where(good, values, 0).sum(axis=0) / count
    std = np.sqrt((np.where(good, centred, 0) ** 2).sum(axis=0) / count)
    return centred / np.where(std > 0, std, np.nan)


def _read(rows: Any, name: str, frequency: str | None) -> Stamps | None:
    """Read one index; None where it only numbers the rows."""
    if not isinstance(rows, (pd.DataFrame, pd.Series)) or _counts(rows.index):
        return None
    index, last = rows.index, rows.index.get_level_values(-1)
    if not isinstance(last, pd.DatetimeIndex) and index.nlevels > 1:
        raise InputError(
            f"{name} must have time stamps as the last level of its index, got {index.names}: "
            "write (series, time)"
        )
    if isinstance(last, pd.PeriodIndex):
        raise InputError(
            f"{name} must have time stamps as its index, got the period {last[0]}: write "
            f"{name}.to_timestamp()"
        )
    if pd.api.types.is_numeric_dtype(index.dtype):
        steps = np.diff(index.to_numpy(float))
        row = int((steps != steps[0]).argmax()) if steps[0] > 0 else 0
        raise InputError(
            f"{name} must have time stamps as its index, or row numbers without a gap, got "
            f"{index[row]} followed by {index[row + 1]}: write {name}.reset_index(drop=True) if "
            "its rows follow each other"
        )
    if not isinstance(last, pd.DatetimeIndex):
        raise InputError(
            f"{name} must have time stamps as its index, or row numbers, got {shown(index[0])}: "
            f"write {name}.set_index(pd.to_datetime({name}.index)), or "
            f"{name}.reset_index(drop=True) if its rows follow each other"
        )
    own = clock.own(index.freq) if isinstance(index, pd.DatetimeIndex) else None
    time = reading.read(last.to_series(name="index"), None, frequency=frequency or own).time
    return Stamps(time, _labels(index, name), last.tz is not None, own)


def _labels(index: pd.Index, name: str) -> np.ndarray | None:
    """Name the series of every row, (rows,); several levels are joined by a slash."""
    parts = [index.get_level_values(level) for level in range(index.nlevels - 1)]
    for part in parts:
        if part.isna().any():
            raise InputError(
                f"{name} must name the series of every row in its index, got none in row "
                f"{int(part.isna().argmax()) + 1}: name it or take the row out"
            )
    if not parts:
        return None
    written = [names[code] for code, names in map(columns.named, parts)]
    joined = written[0]
    for part in written[1:]:
        joined = joined + "/" + part
    return joined


def _counts(index: pd.Index) -> bool:
    """Tell whether an index does no more than count rows, each as far from the next."""
    if not pd.api.types.is_integer_dtype(index.dtype) or index.nlevels > 1:
        return False
    steps = np.diff(index.to_numpy())
    return not len(steps) or bool(steps[0] > 0 and (steps == steps[0]).all())


def _numbers(rows: Any) -> np.ndarray:
    """Return the row numbers of a frame that does not count from 0; none of anything else."""
    counted = isinstance(rows, (pd.DataFrame, pd.Series)) and _counts(rows.index)
    if counted and len(rows) and rows.index[0] != 0:
        return rows.index.to_numpy()
    return np.zeros(0, int)


def _other(found: str, asked: str, row: int) -> InputError:
    """Refuse an index of y that is not that of X."""
    return InputError(
        f"y must have the index of X, got {found} for {asked} in row {row + 1}: write "
        "y.loc[X.index], or y.to_numpy() if its rows are those of X"
    )
