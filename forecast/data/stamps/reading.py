"""Columns of time stamps, read strictly: what is in doubt is refused."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.data import clock
from forecast.data.stamps import numbers
from forecast.errors import InputError, shown

ZONE = r"(?:Z|[+-]\d\d:?\d\d|:\d\d(?:\.\d+)?[+-]\d\d)$"
"""How a zone ends a time stamp."""

_WORDS = re.compile(r"(\d)\s*(?:UTC|GMT)$")
_PLACE = re.compile(rf"({ZONE[:-1]})\[[^\]]+\]$")
_MIDNIGHT = r"(?<![\d:])24:00(?::00(?:\.0+)?)?(?![\d:])"
_QUARTER = re.compile(r"^(\d{4})[- ]?Q([1-4])$", re.IGNORECASE)
_WEEK = r"^(\d{4})-?W(\d\d)(?:-?([1-7]))?$"

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Moments:
    """What a column of time stamps means.

    Attributes:
        time: datetime64[ns] without zone, or whole numbers, (rows,).
        zoned: Whether the stamps state a zone.
        dates: Whether these stay the dates of the place where they were written; else they are UTC.
    """

    time: np.ndarray
    zoned: bool
    dates: bool = False


def read(
    column: pd.Series,
    time_format: str | None,
    *,
    zoned: bool | None = None,
    before: int = 0,
    frequency: str | None = None,
    dates: bool | None = None,
) -> Moments:
    """Read a column of time stamps.

    Stamps with a zone are turned to UTC. Those a day or more apart stay the dates of the place
    where they were written: its midnight is no midnight elsewhere, and in UTC not always one.

    Args:
        column: As it stands in the file, (rows,).
        time_format: As strptime has it, or one of `numbers.FORMATS`; None means ISO 8601.
        zoned: Whether stamps must state a zone; None takes both kinds.
        before: Rows before the column, which errors count.
        frequency: Of the rows, where it is known; else all stamps of one time of day are dates.
        dates: Whether they are, where rows before these have decided it.

    Returns:
        What they mean.

    Raises:
        InputError: A stamp cannot be read, or only some state a zone.

    >>> read(pd.Series(["2024-01-01T02:00+02:00", "2024-01-01T03:00+02:00"]), None).time[0]
    np.datetime64('2024-01-01T00:00:00.000000000')
    >>> read(pd.Series(["2024-01-01T00:00+02:00", "2024-01-02T00:00+02:00"]), None).time[0]
    np.datetime64('2024-01-01T00:00:00.000000000')
    """
    if time_format in numbers.FORMATS and column.dtype.kind != "M":
        moments = numbers.read(column, time_format, before)
        offset = np.zeros(1, "timedelta64[ns]") if time_format in numbers.UNITS else None
    else:
        moments, offset = _moments(column, time_format, before)
    if zoned is not None and zoned != (offset is not None):
        raise _other_zone(column, moments[0], offset is not None)
    if offset is None:
        return Moments(moments, False)
    there = moments + offset
    if dates is None:
        dates = clock.is_daily(frequency) if frequency else _one_time_of_day(there)
    return Moments(there if dates else moments, True, dates)


def written(
    time: np.ndarray,
    zoned: bool | None,
    zone: str | None = None,
    frequency: str | None = None,
) -> pd.Index:
    """Return time stamps as they are written out: where they had a zone, saying which; dates bare.

    Shapes: `time` (rows,).

    >>> stamp = np.array(["2024-07-01T10:00"], "datetime64[ns]")
    >>> str(written(stamp, True)[0]), str(written(stamp, True, "Europe/Paris")[0])
    ('2024-07-01 10:00:00+00:00', '2024-07-01 12:00:00+02:00')
    """
    if time.dtype.kind != "M":
        return pd.Index(time)
    stated = zoned and not clock.is_daily(frequency)
    index = pd.DatetimeIndex(time, tz="UTC" if stated else None)
    return index.tz_convert(zone) if stated and zone else index


def _moments(
    column: pd.Series, time_format: str | None, before: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return moments in UTC, and how far the clocks of their zones are ahead, None without one.

    Returns (rows,) each.
    """
    if pd.api.types.is_numeric_dtype(column):
        if time_format is None:
            raise numbers.refusal(column)
        column = column.map(lambda number: f"{number:.0f}" if number % 1 == 0 else str(number))
    ahead: np.ndarray | None = None
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        parsed = column.dt.tz_convert("UTC").dt.tz_localize(None)
        ahead = (column.dt.tz_localize(None) - parsed).to_numpy("timedelta64[ns]")
    elif column.dtype.kind == "M":
        parsed = column
    else:
        parsed, ahead = _of_text(column, time_format)
    unread = ~parsed.dt.year.between(1678, 2261).to_numpy(bool)  # NaT, or beyond nanoseconds
    if unread.any():
        row = int(unread.argmax())
        value = column.iloc[row]
        found, cure = shown(value), "fix it or set data.time_format"
        if pd.isna(value):
            found, cure = "nothing", "fill it, or take the row out"
        raise InputError(
            f"data.time column {column.name!r} must hold {time_format or 'ISO 8601'} time stamps "
            f"from 1678 to 2261, got {found} in row {before + row + 1}: {cure}"
        )
    return parsed.to_numpy("datetime64[ns]"), ahead


def _of_text(column: pd.Series, time_format: str | None) -> tuple[pd.Series, np.ndarray | None]:
    """Read text as moments in UTC, NaT if invalid, and the zones that it states."""
    own = column.astype("string").str.strip()
    text, more = plain(own) if time_format is None else _midnight(own)
    stated = text.str.contains(ZONE, regex=True).fillna(False).to_numpy(bool)
    bare = ~stated & text.notna().to_numpy(bool)
    if stated.any() and bare.any():
        raise InputError(
            f"data.time column {column.name!r} must state a zone in all rows or in none, got "
            f"{shown(column[bare].iloc[0])} and {shown(column[stated].iloc[0])}: use one form"
        )
    utc = bool(stated.any())
    try:
        parsed = pd.to_datetime(text, format=time_format or "ISO8601", errors="coerce", utc=utc)
    except ValueError as error:  # unreadable text is NaT by now: what is left is the format
        raise InputError(
            f"data.time_format must be a strptime format, or one of {', '.join(numbers.FORMATS)}, "
            f"got {time_format!r} ({error}): try %d.%m.%Y %H:%M"
        ) from error
    if not isinstance(parsed.dtype, pd.DatetimeTZDtype):
        return parsed + more, None
    return parsed.dt.tz_localize(None) + more, _ahead(text)


def _ahead(text: pd.Series) -> np.ndarray:
    """Return how far the clocks of stated zones are ahead of UTC, (rows,)."""
    code, endings = pd.factorize(text.str.extract(r"([+-]\d\d:?(?:\d\d)?)$")[0])
    minutes = [0.0] * len(endings)
    for number, ending in enumerate(endings):
        hours, rest = int(ending[1:3]), int(ending[3:].lstrip(":") or 0)
        minutes[number] = (-1 if ending[0] == "-" else 1) * (60 * hours + rest)
    return (np.append(minutes, 0.0)[code] * 60e9).astype("timedelta64[ns]")


def _one_time_of_day(time: np.ndarray) -> bool:
    """Tell whether stamps are the dates of different days, all at one time of the day."""
    day = time.astype("datetime64[D]")
    several = len(time) > 1 and bool((day != day[0]).any())
    return several and bool(((time - day) == (time[0] - day[0])).all())


def _other_zone(column: pd.Series, first: np.datetime64, states: bool) -> InputError:
    """Say that time stamps state a zone where those of training did not, or the reverse."""
    rule, cure = "a zone", f"write it, where the time is UTC as {pd.Timestamp(first)}+00:00"
    if states:
        rule, cure = "no zone", f"write the time of the place alone, as {pd.Timestamp(first)}"
    return InputError(
        f"data.time column {column.name!r} must state {rule}, as in training, got "
        f"{shown(column.iloc[0])}: {cure}"
    )


def plain(text: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Write time stamps as ISO 8601 has them where their meaning is beyond doubt.

    Shapes: `text` (rows,).

    Returns:
        The text, and what must be added to the moments that it means, (rows,) each.

    >>> for text, more in zip(*plain(pd.Series(["2024-01-31 24:00", "2024Q2", "2024-W05"]))):
    ...     print(text, more)
    2024-01-31 00:00 1 days 00:00:00
    2024-04-01 0 days 00:00:00
    2024-01-29 0 days 00:00:00
    """
    text = text.str.strip()
    if text.str.endswith(("UTC", "GMT")).any():
        text = text.str.replace(_WORDS, r"\1Z", regex=True)
    if text.str.endswith("]").any():
        text = text.str.replace(_PLACE, r"\1", regex=True)
    if text.str.contains("Q", case=False, regex=False).any():
        text = text.str.replace(_QUARTER, _first_of_quarter, regex=True)
    if text.str.contains("W", regex=False).any():
        text = _mondays(text)
    return _midnight(text)


def _midnight(text: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Write 24:00, the end of a day, as 00:00, and add a day; see `plain`."""
    likely = text.str.contains("24:", regex=False).fillna(False).to_numpy(bool)
    more = np.zeros(len(text), "timedelta64[s]")
    if not likely.any():  # a tenth of the time that the pattern takes
        return text, pd.Series(more, text.index)
    ends = likely.copy()
    ends[likely] = text[likely].str.contains(_MIDNIGHT, regex=True).to_numpy(bool)
    if ends.any():
        text = text.where(~ends, text.str.replace("24:00", "00:00", n=1, regex=False))
        more[ends] = _DAY
    return text, pd.Series(more, text.index)


def _first_of_quarter(found: re.Match[str]) -> str:
    return f"{found[1]}-{3 * int(found[2]) - 2:02}-01"


def _mondays(text: pd.Series) -> pd.Series:
    """Write ISO weeks as the date of their first day, or of the day that they name."""
    parts = text.str.extract(_WEEK)
    week = parts[0].notna().to_numpy(bool)
    if not week.any():
        return text
    own = parts[week]
    joined = own[0] + "-" + own[1] + "-" + own[2].fillna("1")
    dates = pd.to_datetime(joined, format="%G-%V-%u", errors="coerce")
    return text.mask(week, dates.dt.strftime("%Y-%m-%d").reindex(text.index))
