"""The span of time stamps that is asked for."""

import numpy as np
import pandas as pd

from forecast.errors import InputError


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
        first, last = (None if text is None else _ends(text, time.dtype) for text in (since, until))
    except ValueError as error:
        if time.dtype.kind != "M":
            raise InputError(
                "data.since and data.until must be whole numbers as data.time is, got "
                f"{since!r} and {until!r}: write data.since=100"
            ) from error
        raise InputError(
            f"data.since and data.until must be readable dates, got {since!r} and {until!r}: write "
            "2013-10-19 or 2013-10-19 06:00, in the time of the file (UTC where it states zones)"
        ) from error
    if first is not None:
        found &= time >= first[0]
    if last is not None:
        found &= time <= last[1]
    return found


def _ends(text: str, kind: np.dtype) -> tuple[np.generic, np.generic]:
    """Return the first and last moment of a moment, a day, a month, a year, or of a number."""
    if kind.kind != "M":
        return np.int64(text), np.int64(text)
    found = pd.Period(text)
    if str(found) == "NaT":  # an empty string parses to NaT
        raise ValueError("no date")
    return np.datetime64(found.start_time), np.datetime64(found.end_time)
