"""What the calendar of a place says of time stamps: hours, days, weekends, holidays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from forecast.errors import InputError, nearest

_DAY, _YEAR = 24, 365.2425


@dataclass(frozen=True)
class Place:
    """Whose calendar counts.

    Attributes:
        zone: Name of the time zone that clocks there show, such as "Europe/Paris"; None takes time
            stamps as they are.
        holidays: Whose public holidays, a country or a part of one as the package `holidays` names
            them: "FR", "AU-VIC".
    """

    zone: str | None = None
    holidays: str | None = None


EVERYWHERE = Place()


def local(time: np.ndarray, zone: str | None) -> pd.DatetimeIndex:
    """Return what clocks of a zone show at time stamps in UTC; without one the stamps themselves.

    >>> str(local(np.array(["2024-07-01T22:30"], "datetime64[ns]"), "Europe/Paris")[0])
    '2024-07-02 00:30:00'
    """
    index = pd.DatetimeIndex(time)
    if zone is None:
        return index
    return index.tz_localize("UTC").tz_convert(zone).tz_localize(None)


def _circle(turns: np.ndarray) -> np.ndarray:
    """Put shares of a turn on a circle, (rows, 2)."""
    angle = 2 * np.pi * turns
    return np.column_stack([np.sin(angle), np.cos(angle)])


def _one_hot(count: int, number: np.ndarray) -> np.ndarray:
    """Give each number a column of its own, (rows, count)."""
    return (number[:, None] == np.arange(count)).astype(float)


def _hour(index: pd.DatetimeIndex) -> np.ndarray:
    """Return hours with their fractions, (rows,)."""
    return (index.hour + index.minute / 60).to_numpy(float)


def _weeks(index: pd.DatetimeIndex) -> np.ndarray:
    """Return how many ISO weeks of its year lie before each moment, (rows,)."""
    return index.isocalendar()["week"].to_numpy(float) - 1


def _ways(name: str) -> tuple[str, str]:
    return f"{name}_sin", f"{name}_cos"


Described = Callable[[pd.DatetimeIndex], np.ndarray]
"""Makes the columns of a name of local time stamps, (rows, columns)."""

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

KINDS: dict[str, tuple[Sequence[str], Described]] = {
    "hour": (_ways("hour"), lambda index: _circle(_hour(index) / _DAY)),
    "weekday": (
        _ways("weekday"),
        lambda index: _circle((index.day_of_week.to_numpy() + _hour(index) / _DAY) / 7),
    ),
    "week": (_ways("week"), lambda index: _circle(_weeks(index) * 7 / _YEAR)),
    "month": (_ways("month"), lambda index: _circle((index.month.to_numpy() - 1) / 12)),
    "quarter": (_ways("quarter"), lambda index: _circle((index.quarter.to_numpy() - 1) / 4)),
    "year": (
        _ways("year"),
        lambda index: _circle((index.day_of_year.to_numpy() - 1 + _hour(index) / _DAY) / _YEAR),
    ),
    "hour_onehot": (
        [f"hour_{hour:02}" for hour in range(_DAY)],
        lambda index: _one_hot(_DAY, index.hour.to_numpy()),
    ),
    "weekday_onehot": (WEEKDAYS, lambda index: _one_hot(7, index.day_of_week.to_numpy())),
    "weekend": (["weekend"], lambda index: (index.day_of_week.to_numpy() > 4)[:, None] * 1.0),
}
"""Name to the columns that it makes and how, but for `holiday`, which asks whose."""

HOLIDAY = "holiday"

COLUMNS = frozenset(column for columns, _ in KINDS.values() for column in columns)
"""All columns that follow from the clock alone."""


def columns(name: str) -> tuple[str, ...]:
    """Name the columns that a name of `data.calendar` makes.

    >>> columns("hour"), columns("holiday")
    (('hour_sin', 'hour_cos'), ('holiday',))
    """
    return (HOLIDAY,) if name == HOLIDAY else tuple(KINDS[name][0])


def describe(
    time: np.ndarray, names: Sequence[str], place: Place = EVERYWHERE
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Describe time stamps by the calendar of a place; circles, so that 23:00 is near 00:00.

    Shapes: `time` (rows,); returns (rows, columns).

    >>> describe(np.array(["2024-01-01T06"], "datetime64[ns]"), ("hour",))[0].round(6).tolist()
    [[1.0, 0.0]]
    """
    if not names:
        return np.zeros((len(time), 0)), ()
    index = local(time, place.zone)
    made = [
        _holidays(index, str(place.holidays)) if name == HOLIDAY else KINDS[name][1](index)
        for name in names
    ]
    return np.concatenate(made, axis=1), tuple(each for name in names for each in columns(name))


def check(place: Place, names: Sequence[str]) -> None:
    """Refuse a zone or a country that there is not, and holidays of nowhere."""
    if place.zone is not None:
        try:
            ZoneInfo(place.zone)
        except (OSError, ValueError, KeyError) as error:  # of which its own error is one
            raise InputError(
                f"data.zone must be a time zone of the IANA data base, got {place.zone!r}: write "
                "one such as Europe/Paris"
            ) from error
    if HOLIDAY in names and place.holidays is None:
        raise InputError(
            "data.holidays must name a country where data.calendar holds holiday, got null: write "
            "data.holidays=FR"
        )
    if place.holidays is not None:
        _days_off(place.holidays, 2024)


def _holidays(index: pd.DatetimeIndex, where: str) -> np.ndarray:
    """Return 1 on public holidays, (rows, 1)."""
    days = index.normalize()
    off = {day for year in days.year.unique().tolist() for day in _days_off(where, year)}
    return days.isin(pd.DatetimeIndex(sorted(off)))[:, None].astype(float)


@cache
def _days_off(where: str, year: int) -> tuple[pd.Timestamp, ...]:
    """List the public holidays of a year."""
    if find_spec("holidays") is None:
        raise InputError(
            f"data.holidays={where} must find the package holidays, got none: pip install holidays"
        )
    import holidays

    country, _, part = where.partition("-")
    known = holidays.list_supported_countries()
    if country not in known:
        raise InputError(
            f"data.holidays must be a country of the package holidays, got {where!r}: "
            f"{nearest(country, known)}"
        )
    if part and part not in known[country]:
        raise InputError(
            f"data.holidays must name a part of {country} that there is, got {where!r}: "
            f"{nearest(part, known[country])}"
        )
    found = holidays.country_holidays(country, subdiv=part or None, years=year)
    return tuple(pd.Timestamp(day) for day in found)
