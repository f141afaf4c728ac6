"""Time stamps: read strictly, put on a regular grid, described as sines and cosines."""

from functools import lru_cache

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from forecast.errors import InputError, shown

CALENDAR_FREQUENCIES = {
    "YS": "is_year_start",
    "YE": "is_year_end",
    "QS": "is_quarter_start",
    "QE": "is_quarter_end",
    "MS": "is_month_start",
    "ME": "is_month_end",
}
"""Tried in this order, the coarsest first, where two rows are four weeks or more apart, with what
pandas calls the question whether a date is one of theirs."""

LAST = pd.Timestamp("2262-04-01")
"""Behind it a time stamp may be none, since nanoseconds end."""

_ONE_DAY = np.timedelta64(1, "D")
_ZONE = r"(?:Z|[+-]\d\d:?\d\d|:\d\d(?:\.\d+)?[+-]\d\d)$"


def parse(column: pd.Series, time_format: str | None) -> np.ndarray:
    """Read a column of time stamps; see `read`, which also says whether they state a zone."""
    return read(column, time_format)[0]


def read(
    column: pd.Series, time_format: str | None, *, zoned: bool | None = None, before: int = 0
) -> tuple[np.ndarray, bool]:
    """Read a column of time stamps, and whether they state a zone; errors count rows `before` it.

    Shapes: `column` (rows,); returns (rows,).

    >>> read(pd.Series(["2024-01-01T02:00+02:00"]), None)
    (array(['2024-01-01T00:00:00.000000000'], dtype='datetime64[ns]'), True)
    """
    name = column.name
    if pd.api.types.is_numeric_dtype(column):
        if time_format is None:
            raise InputError(
                f"data.time column {name!r} must hold dates, got the number "
                f"{shown(column.iloc[0])}: set data.time_format (such as %Y), or write ISO dates"
            )
        column = column.astype(str)
    if isinstance(column.dtype, pd.DatetimeTZDtype) or column.dtype.kind == "M":
        parsed = column
    else:
        text = column.astype("string")
        stated = text.str.contains(_ZONE, regex=True, na=False)
        bare = ~stated & text.notna()
        if stated.any() and bare.any():
            raise InputError(
                f"data.time column {name!r} must state a zone in all rows or in none, got "
                f"{shown(text[bare].iloc[0])} and {shown(text[stated].iloc[0])}: use one form"
            )
        parsed = _to_datetime(text, time_format, bool(stated.any()))
    unread = ~parsed.dt.year.between(1678, 2261).to_numpy(bool)  # NaT, or beyond nanoseconds
    if unread.any():
        row = int(unread.argmax())
        raise InputError(
            f"data.time column {name!r} must hold {time_format or 'ISO 8601'} time stamps "
            f"from 1678 to 2261, got {shown(column.iloc[row])} in row {before + row + 1}: fix it "
            "or set data.time_format"
        )
    states = isinstance(parsed.dtype, pd.DatetimeTZDtype)
    if zoned is not None and zoned != states:
        raise _other_zone(column, parsed.iloc[0], states)
    if states:
        parsed = parsed.dt.tz_convert("UTC").dt.tz_localize(None)
    return parsed.to_numpy("datetime64[ns]"), states


def written(time: np.ndarray, zoned: bool | None) -> pd.DatetimeIndex:
    """Return time stamps as they are written out: in UTC, and saying so, where they had a zone."""
    return pd.DatetimeIndex(time, tz="UTC" if zoned else None)


def _other_zone(column: pd.Series, first: pd.Timestamp, states: bool) -> InputError:
    """Say that time stamps state a zone where those of training did not, or the reverse."""
    rule, cure = "a zone", f"write it, where the time is UTC as {first}+00:00"
    if states:
        rule, cure = "no zone", f"write the time of the place alone, as {first.tz_localize(None)}"
    return InputError(
        f"data.time column {column.name!r} must state {rule}, as in training, got "
        f"{shown(column.iloc[0])}: {cure}"
    )


def _to_datetime(text: pd.Series, time_format: str | None, utc: bool) -> pd.Series:
    """Read text as time stamps, NaT if invalid."""
    try:
        return pd.to_datetime(text, format=time_format or "ISO8601", errors="coerce", utc=utc)
    except ValueError as error:  # unreadable text is NaT by now: what is left is the format
        raise InputError(
            f"data.time_format must be a strptime format, got {time_format!r} ({error}): "
            "try %d.%m.%Y %H:%M"
        ) from error


# Offsets of pandas do the arithmetic; `infer` and `ticks` are ours, since pd.infer_freq finds
# nothing where a row is absent, and pd.Period knows neither business days nor half months.
def infer(time: np.ndarray, series: np.ndarray) -> str:
    """Find the distance of two rows.

    Shapes: `time` (rows,), `series` (rows,).
    """
    same = np.flatnonzero(np.diff(series) == 0)
    steps = np.diff(time)[same]
    if not len(steps):
        raise InputError(
            f"data.time must hold two rows of a series to infer a frequency, got {len(time)} rows "
            f"of {len(np.unique(series))} series: set data.frequency or give more rows"
        )
    code, lengths = pd.factorize(steps)
    counts = np.bincount(code)
    common = lengths[counts == counts.max()].min()
    if alias := _calendar(time, same, common):
        return alias
    odd = (steps % common).astype(np.int64) != 0
    if not odd.any():
        count, rest = divmod(common, _ONE_DAY)
        return (to_offset(pd.Timedelta(common)) if rest else pd.offsets.Day(int(count))).freqstr
    before = int(same[odd.argmax()])
    raise InputError(
        f"data.time must be regular (commonest distance {pd.Timedelta(common)}), got "
        f"{pd.Timestamp(time[before])} followed by {pd.Timestamp(time[before + 1])}: resample, or "
        "set data.frequency"
    )


def _calendar(time: np.ndarray, same: np.ndarray, common: np.timedelta64) -> str | None:
    """Name the calendar frequency of stamps that share one time of day, if they have one.

    `same` holds the rows that the next row of their series follows.
    """
    index = pd.DatetimeIndex(time)
    dates = index.normalize()
    if not (index - dates == index[0] - dates[0]).all():
        return None
    if common >= 28 * _ONE_DAY:
        for alias, question in CALENDAR_FREQUENCIES.items():
            if getattr(index, question).all():  # `dates` has a frequency, and answers for that
                apart = int(np.gcd.reduce(np.diff(np.unique(ticks(time, alias)))))
                return f"{apart}{alias}" if apart > 1 else alias
    business = common == _ONE_DAY and (index.day_of_week < 5).all()
    weekend = (np.diff(index.day_of_week)[same] < 0).any()  # without one, five days cannot tell
    return "B" if business and weekend else None


def ticks(time: np.ndarray, frequency: str) -> np.ndarray:
    """Number time stamps along a regular grid.

    Shapes: `time` (rows,); returns (rows,).

    >>> stamps = np.array(["2024-01-31", "2024-02-29", "2024-04-30"], "datetime64[ns]")
    >>> np.diff(ticks(stamps, "ME")).tolist()
    [1, 2]
    """
    offset = _offset(frequency)
    if not len(time):
        return np.zeros(0, np.int64)
    if step := _length(offset):
        whole, rest = np.divmod(time.astype(np.int64), step)
        off = rest != rest[0]
    else:
        index = pd.DatetimeIndex(time)
        dates = index.normalize()
        grid = _calendar_grid(offset.base.freqstr, 10 * (dates.max().year // 10 + 1))
        position = grid.get_indexer(dates)
        whole, rest = np.divmod(position, offset.n)
        off = (position < 0) | (rest != rest[0]) | (index - dates != index[0] - dates[0])
    if off.any():
        bad = pd.Timestamp(time[off.argmax()])
        raise InputError(
            f"data.time must lie on the grid of data.frequency={frequency}, got {bad}: "
            "resample the file or set the frequency that it has"
        )
    return whole.astype(np.int64)


@lru_cache(8)
def _calendar_grid(alias: str, year: int) -> pd.DatetimeIndex:
    """List the dates of a calendar frequency before a year, or before time stamps end."""
    return pd.date_range("1677-10-01", min(pd.Timestamp(year, 1, 1), LAST), freq=alias)


def later(time: np.datetime64, frequency: str, steps: int) -> np.datetime64:
    """Return the time stamp some steps after one.

    >>> later(np.datetime64("2024-01-05", "ns"), "B", 1).astype("datetime64[D]")
    np.datetime64('2024-01-08')
    """
    if not steps:
        return time
    return (pd.Timestamp(time) + steps * _offset(frequency)).to_datetime64()


def along(time: np.ndarray, tick: np.ndarray, length: np.ndarray, frequency: str) -> np.ndarray:
    """List the time stamps of stretches of a grid, each from its first one on.

    Shapes: `time` (stretches,), `tick` (stretches,), `length` (stretches,); returns (rows,).

    >>> days = np.array(["2024-01-05", "2024-01-08"], "datetime64[ns]")
    >>> along(days, np.array([4, 5]), np.array([2, 1]), "B").astype("datetime64[D]").tolist()
    [datetime.date(2024, 1, 5), datetime.date(2024, 1, 8), datetime.date(2024, 1, 8)]
    """
    begin = np.cumsum(length) - length
    if step := _length(_offset(frequency)):
        behind = np.arange(length.sum()) - np.repeat(begin, length)
        return np.repeat(time, length) + behind * np.timedelta64(step, "ns")
    if not len(time):
        return np.empty(0, "datetime64[ns]")
    first, last = tick.argmin(), (tick + length).max()
    grid = pd.date_range(time[first], periods=last - tick[first], freq=_offset(frequency))
    place = np.arange(length.sum()) + np.repeat(tick - tick[first] - begin, length)
    return grid.to_numpy("datetime64[ns]")[place]


def _offset(frequency: str) -> pd.offsets.BaseOffset:
    """Read a pandas alias."""
    try:
        offset = to_offset(frequency)
    except (ValueError, TypeError):
        offset = None
    if offset is None or offset.n < 1 or isinstance(offset, pd.offsets.BusinessHour):
        raise InputError(
            f"data.frequency must be a pandas alias, got {frequency!r}: try h, 15min, D, B or MS"
        )
    return offset


def _length(offset: pd.offsets.BaseOffset) -> int | None:
    """Return nanoseconds of an offset, None where months or business days differ in length."""
    return offset.nanos if isinstance(offset, (pd.offsets.Tick, pd.offsets.Day)) else None


def length(frequency: str) -> int | None:
    """Return nanoseconds of a tick, None where months or business days differ in length."""
    return _length(_offset(frequency))


def following(time: np.ndarray, frequency: str, steps: int) -> np.ndarray:
    """List the time stamps after some.

    Shapes: `time` (origins,); returns (origins, steps).

    >>> following(np.array(["2024-01-31"], "datetime64[ns]"), "ME", 2).astype("datetime64[D]")
    array([['2024-02-29', '2024-03-31']], dtype='datetime64[D]')
    """
    offset = _offset(frequency)
    if step := _length(offset):
        return time[:, None] + np.arange(1, steps + 1) * np.timedelta64(step, "ns")
    if not len(time):
        return np.empty((0, steps), "datetime64[ns]")
    grid = pd.date_range(time.min(), pd.Timestamp(time.max()) + steps * offset, freq=offset)
    first = grid.searchsorted(time, side="right")
    return grid.to_numpy("datetime64[ns]")[first[:, None] + np.arange(steps)]


def before(time: np.datetime64, frequency: str, steps: int) -> np.ndarray:
    """List the time stamps before one.

    Returns (steps,).
    """
    earlier = pd.date_range(end=pd.Timestamp(time), periods=steps + 1, freq=frequency)[:-1]
    return earlier.to_numpy("datetime64[ns]")


def days(frequency: str | None) -> float:
    """Tell how long a tick is, in days; without end for rows without a clock.

    >>> days("6h"), days("MS"), days(None)
    (0.25, 31.0, inf)
    """
    if frequency is None:
        return np.inf
    offset = _offset(frequency)
    first = offset.rollforward(pd.Timestamp("2001-01-01"))  # a Monday, with which periods begin
    return (first + offset - first) / pd.Timedelta(days=1)


def season(frequency: str | None) -> int:
    """Tell how many rows the natural season of a frequency has.

    >>> season("h"), season("15min"), season("D"), season("7D"), season("MS")
    (24, 96, 7, 52, 12)
    """
    if frequency is None:
        return 1
    offset = to_offset(frequency)
    if _length(offset):
        length = days(frequency)
        if length < 1:
            return round(1 / length)
        return max(1, round(7 / length if length < 7 else 52 * 7 / length))
    table = {"B": 5, "W": 52, "M": 12, "Q": 4}
    key = offset.rule_code.split("-")[0].removesuffix("S").removesuffix("E")
    return max(1, round(table.get(key, 1) / offset.n))


def between(time: np.ndarray, since: str | None, until: str | None) -> np.ndarray:
    """Tell which time stamps lie in a span.

    Shapes: `time` (rows,); returns (rows,).

    >>> days = np.arange("2020-01-30", "2020-02-03", dtype="datetime64[D]")
    >>> between(days, "2020-01-31", "2020-02-01").tolist()
    [False, True, True, False]
    """
    found = inside(time, since, until)
    if not found.any():
        raise InputError(
            f"data.since={since} and data.until={until} must leave rows, got rows from "
            f"{time.min()} to {time.max()}: choose dates between these"
        )
    return found


def inside(time: np.ndarray, since: str | None, until: str | None) -> np.ndarray:
    """Tell the same of a part of all rows, of which none may be inside.

    Shapes: `time` (rows,); returns (rows,).
    """
    found = np.ones(len(time), bool)
    try:
        first, last = (None if text is None else _period(text) for text in (since, until))
    except ValueError as error:
        raise InputError(
            f"data.since and data.until must be readable dates, got {since!r} and {until!r}: write "
            "2013-10-19 or 2013-10-19 06:00, in the time of the file (UTC where it states zones)"
        ) from error
    if first is not None:
        found &= time >= np.datetime64(first.start_time)
    if last is not None:
        found &= time <= np.datetime64(last.end_time)
    return found


def _period(text: str) -> pd.Period:
    """Read a moment, a day, a month or a year."""
    found = pd.Period(text)
    if str(found) == "NaT":  # an empty string parses to NaT
        raise ValueError("no date")
    return found
