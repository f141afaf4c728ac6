"""Time stamps: read strictly, put on a regular grid, described as sines and cosines."""

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from forecast.errors import InputError

CALENDAR_FREQUENCIES = ("MS", "ME", "QS", "QE", "YS", "YE", "B")
"""Tried in this order where the distance of two rows is no fixed length of time."""

_DAY = 24.0
_YEAR = 365.2425


def parse(column: pd.Series, time_format: str | None) -> np.ndarray:
    """Read a column of time stamps.

    Args:
        column: Text, dates or time stamps, (rows,).
        time_format: strptime format; None means ISO 8601.

    Returns:
        datetime64[ns] (rows,): UTC where the column states zones, as written where it does not.

    Raises:
        InputError: A stamp is missing, cannot be read, or only some state a zone.
    """
    name = column.name
    if pd.api.types.is_numeric_dtype(column):
        if time_format is None:
            raise InputError(
                f"data.time column {name!r} must hold dates, got the number {column.iloc[0]!r}: "
                "set data.time_format (such as %Y), or write ISO dates"
            )
        column = column.astype(str)
    if isinstance(column.dtype, pd.DatetimeTZDtype) or column.dtype.kind == "M":
        parsed = column
    else:
        text = column.astype("string")
        zoned = text.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$", regex=True, na=False)
        if zoned.any() and not zoned.all():
            raise InputError(
                f"data.time column {name!r} must state a zone in all rows or in none, got "
                f"{text[~zoned].iloc[0]!r} beside {text[zoned].iloc[0]!r}: make them alike"
            )
        parsed = pd.to_datetime(
            text, format=time_format or "ISO8601", errors="coerce", utc=bool(zoned.any())
        )
    if parsed.isna().any():
        row = int(np.flatnonzero(parsed.isna())[0])
        raise InputError(
            f"data.time column {name!r} must hold {time_format or 'ISO 8601'} time stamps, got "
            f"{column.iloc[row]!r} in row {row + 1}: mend it or set data.time_format"
        )
    if isinstance(parsed.dtype, pd.DatetimeTZDtype):
        parsed = parsed.dt.tz_convert("UTC").dt.tz_localize(None)
    return parsed.to_numpy("datetime64[ns]")


def infer(time: np.ndarray, series: np.ndarray) -> str:
    """Find the distance of two rows.

    Args:
        time: (rows,) datetime64[ns], ascending within each series.
        series: Series of each row, (rows,).

    Returns:
        A pandas alias: the commonest distance if all others are its multiples, else the first
        calendar frequency that all stamps lie on.

    Raises:
        InputError: There is no such distance.
    """
    steps = np.diff(time)[np.diff(series) == 0]
    if not len(steps):
        raise InputError(
            "data.time must hold at least two rows of a series to infer a frequency, got one: "
            "set data.frequency"
        )
    lengths, counts = np.unique(steps, return_counts=True)
    common = lengths[counts.argmax()]
    if common > np.timedelta64(0) and not (steps % common).astype(np.int64).any():
        return to_offset(pd.Timedelta(common)).freqstr
    index = pd.DatetimeIndex(time)
    for alias in CALENDAR_FREQUENCIES:
        if all(index.normalize() == index) and index.map(to_offset(alias).is_on_offset).all():
            return alias
    odd = int(np.flatnonzero(np.append(np.diff(series) == 0, False))[(steps % common != 0).argmax()])
    raise InputError(
        f"data.time must be regular (commonest distance {pd.Timedelta(common)}), got "
        f"{index[odd]} followed by {index[odd + 1]}: resample, or set data.frequency"
    )


def ticks(time: np.ndarray, frequency: str) -> np.ndarray:
    """Number time stamps along a regular grid.

    Args:
        time: (rows,) datetime64[ns].
        frequency: A pandas alias.

    Returns:
        (rows,) int64; stamps one `frequency` apart differ by one.

    Raises:
        InputError: The alias is unknown, or a stamp lies off the grid of the first one.

    >>> stamps = np.array(["2024-01-31", "2024-02-29", "2024-04-30"], "datetime64[ns]")
    >>> np.diff(ticks(stamps, "ME")).tolist()
    [1, 2]
    """
    try:
        offset = to_offset(frequency)
    except ValueError as error:
        raise InputError(
            f"data.frequency must be a pandas alias such as h, D or MS, got {frequency!r}"
        ) from error
    if not len(time):
        return np.zeros(0, np.int64)
    if isinstance(offset, (pd.offsets.Tick, pd.offsets.Day)):
        step = pd.Timedelta(offset.freqstr if offset.n > 1 else f"1{offset.freqstr}")
        whole, rest = np.divmod(time.astype(np.int64), step.value)
        off = rest != rest[0]
        tick = whole
    else:
        index = pd.DatetimeIndex(time)
        off = ~index.map(offset.is_on_offset).to_numpy(bool)
        grid = pd.date_range("1677-10-01", index.max(), freq=offset)
        tick = grid.get_indexer(index.normalize())
    if off.any():
        bad = pd.Timestamp(time[off.argmax()])
        raise InputError(
            f"data.time must lie on the grid of data.frequency={frequency}, got {bad}: "
            "resample the file or set the frequency that it has"
        )
    return tick.astype(np.int64)


def following(time: np.datetime64, frequency: str, steps: int) -> np.ndarray:
    """List the time stamps after one.

    Args:
        time: The last known stamp.
        frequency: A pandas alias.
        steps: How many.

    Returns:
        (steps,) datetime64[ns].
    """
    later = pd.date_range(pd.Timestamp(time), periods=steps + 1, freq=frequency)[1:]
    return later.to_numpy("datetime64[ns]")


def describe(time: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Describe time stamps as points on circles, so that 23:00 is near 00:00.

    Args:
        time: (rows,) datetime64[ns].
        names: Any of "hour", "weekday", "year".

    Returns:
        Values (rows, 2 x names), and a name for each column.

    >>> describe(np.array(["2024-01-01T06"], "datetime64[ns]"), ("hour",))[0].round(6).tolist()
    [[1.0, 0.0]]
    """
    index = pd.DatetimeIndex(time)
    hour = index.hour + index.minute / 60
    turns = {
        "hour": hour / _DAY,
        "weekday": (index.dayofweek + hour / _DAY) / 7,
        "year": (index.dayofyear - 1 + hour / _DAY) / _YEAR,
    }
    columns, labels = [], []
    for name in names:
        angle = 2 * np.pi * turns[name].to_numpy(float)
        columns += [np.sin(angle), np.cos(angle)]
        labels += [f"{name}_sin", f"{name}_cos"]
    values = np.column_stack(columns) if columns else np.zeros((len(time), 0))
    return values, tuple(labels)


def season(frequency: str | None) -> int:
    """Tell how many rows the natural season of a frequency has.

    Args:
        frequency: A pandas alias, or None for rows without a clock.

    Returns:
        Rows a day for what is finer than a day, 7 for days, 5 for business days, 52 for weeks,
        12 for months, 4 for quarters, else 1.

    >>> season("h"), season("15min"), season("D"), season("MS")
    (24, 96, 7, 12)
    """
    if frequency is None:
        return 1
    offset = to_offset(frequency)
    if isinstance(offset, pd.offsets.Tick):
        rows = pd.Timedelta(days=1) / pd.Timedelta(offset)
        return max(1, round(rows)) if rows > 1 else 1
    table = {"D": 7, "B": 5, "W": 52, "M": 12, "Q": 4}
    key = offset.rule_code.split("-")[0].removesuffix("S").removesuffix("E")
    return max(1, round(table.get(key, 1) / offset.n))
