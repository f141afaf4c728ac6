"""Time stamps that are numbers: counted moments, days of a spreadsheet, or plain counts."""

import numpy as np
import pandas as pd

from forecast.errors import InputError, shown

NUMBER = "number"
"""Of whole numbers that count by themselves: cycles, laps, draws."""

EXCEL = "excel"
"""Of days since the end of 1899, as spreadsheets keep dates."""

UNITS = ("s", "ms", "us", "ns")
"""Of moments since 1970, which are UTC."""

FORMATS = (*UNITS, EXCEL, NUMBER)
"""Values of `data.time_format` that are no format of strptime."""

_FIRST_DAY = pd.Timestamp("1899-12-30")  # spreadsheets count a 29 February 1900 that was none
_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def read(column: pd.Series, kind: str, before: int = 0) -> np.ndarray:
    """Read numbers as moments, datetime64[ns], or as the counts that they are, int64.

    Shapes: `column` (rows,); returns (rows,). Errors count the rows `before` the column.

    >>> read(pd.Series([1704067200, 1704070800]), "s")[1]
    np.datetime64('2024-01-01T01:00:00.000000000')
    >>> read(pd.Series([45292.25]), "excel")[0]
    np.datetime64('2024-01-01T06:00:00.000000000')
    """
    values = pd.to_numeric(column, errors="coerce").to_numpy()
    known = np.isfinite(values.astype(float))
    with np.errstate(invalid="ignore"):
        if kind == NUMBER:
            rule = "whole numbers"
            good = known & (np.where(known, values, 0) % 1 == 0) & (np.abs(values) < 2**53)
        else:
            rule = "days since 1899" if kind == EXCEL else f"{kind} since 1970"
            size = values.astype(float) - (_days_until_1970() if kind == EXCEL else 0)
            scale = 86_400 * 10**9 if kind == EXCEL else _NANOSECONDS[kind]
            good = known & (np.abs(size) * scale < 9.2e18)
    if not good.all():
        row = int((~good).argmax())
        raise InputError(
            f"data.time column {column.name!r} must hold {rule} in every row, as "
            f"data.time_format={kind} says, got {shown(column.iloc[row])} in row "
            f"{before + row + 1}: mend the row, or set the data.time_format that it has"
        )
    if kind == NUMBER:
        return values.astype(np.int64)
    if kind == EXCEL:  # a second is 1e-5 of a day, and so no number of 64 bits: to milliseconds
        milliseconds = np.round((values.astype(float) - _days_until_1970()) * 86_400_000)
        return milliseconds.astype("datetime64[ms]").astype("datetime64[ns]")
    if values.dtype.kind in "iu":
        return (values.astype(np.int64) * _NANOSECONDS[kind]).astype("datetime64[ns]")
    whole, part = np.divmod(values.astype(float), 1)
    rest = np.round(part * _NANOSECONDS[kind], -3 if kind == "s" else 0)
    nanoseconds = whole.astype(np.int64) * _NANOSECONDS[kind] + rest.astype(np.int64)
    return nanoseconds.astype("datetime64[ns]")


def _days_until_1970() -> int:
    return (pd.Timestamp("1970-01-01") - _FIRST_DAY).days


_LIKELY = (
    (1.0e8, 5.0e9, "s", "seconds since 1970"),
    (1.0e11, 5.0e12, "ms", "milliseconds since 1970"),
    (1.0e14, 5.0e15, "us", "microseconds since 1970"),
    (1.0e17, 5.0e18, "ns", "nanoseconds since 1970"),
    (1.7e7, 2.3e7, "%Y%m%d", "dates such as 20240131"),
    (1.7e5, 2.3e5, "%Y%m", "months such as 202401"),
    (1.0e4, 8.0e4, EXCEL, "days of a spreadsheet"),
    (1700, 2261, "%Y", "years"),
)
"""From which number to which, the format that it then probably has, and what that means."""


def refusal(column: pd.Series) -> InputError:
    """Say which format numbers probably have, since several would read them."""
    sizes = pd.to_numeric(column, errors="coerce").to_numpy(float)
    sizes = sizes[np.isfinite(sizes)]
    kind, meaning = NUMBER, "numbers that count by themselves"
    if len(sizes):
        low, high = sizes.min(), sizes.max()
        for least, most, own, means in _LIKELY:
            if least <= low and high <= most:
                kind, meaning = own, means
                break
    other = "" if kind == NUMBER else f", or {NUMBER} for numbers that count by themselves"
    return InputError(
        f"data.time column {column.name!r} must hold dates, got the number "
        f"{shown(column.iloc[0])}: set data.time_format={kind} for {meaning}{other}"
    )
