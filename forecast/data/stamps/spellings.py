"""Time stamps that are no plain ISO 8601: midnight as 24:00, quarters, weeks, zones as words."""

import re

import pandas as pd

ZONE = r"(?:Z|[+-]\d\d:?\d\d|:\d\d(?:\.\d+)?[+-]\d\d)$"
"""How a zone ends a time stamp."""

_WORDS = re.compile(r"(\d)\s*(?:UTC|GMT)$")
_PLACE = re.compile(rf"({ZONE[:-1]})\[[^\]]+\]$")
_MIDNIGHT = r"(?<![\d:])24:00(?::00(?:\.0+)?)?(?![\d:])"
_QUARTER = re.compile(r"^(\d{4})[- ]?Q([1-4])$", re.IGNORECASE)
_WEEK = r"^(\d{4})-?W(\d\d)(?:-?([1-7]))?$"

_DAY = pd.Timedelta(days=1)


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
    return midnight(text)


def midnight(text: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Write 24:00, the end of a day, as 00:00, and add a day; see `plain`."""
    ends = text.str.contains(_MIDNIGHT, regex=True).fillna(False).astype(bool)
    if ends.any():
        text = text.where(~ends, text.str.replace("24:00", "00:00", n=1, regex=False))
    return text, ends.map({True: _DAY, False: 0 * _DAY})


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
