"""Clocks: how far apart rows are, and which place each has on the grid of its time stamps.

A frequency is an alias of pandas ("h", "15min", "B", "MS"), a whole number for time that is counted
("1", "10"), or "rows": whatever the stamps say, the next row is the next tick.
"""

from functools import lru_cache

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from forecast.errors import InputError

ROWS = "rows"
"""The clock of what has none that is regular: bars of trading hours, laps, events."""

CALENDAR_FREQUENCIES = (
    *("YS", "YE", "QS", "QE", "MS", "ME"),
    *("BYS", "BYE", "BQS", "BQE", "BMS", "BME"),
)
"""Tried in this order where two rows are four weeks or more apart, the coarsest first."""

HALF_MONTHS = ("SMS", "SME")
"""Tried where they are about two weeks apart: the 1st and 15th, the 15th and last."""

LAST = pd.Timestamp("2262-04-01")
"""Behind it a time stamp may be none, since nanoseconds end."""

_ONE_DAY = np.timedelta64(1, "D")


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
    if time.dtype.kind == "M" and (alias := _calendar(time, series, same, common)):
        return alias
    odd = (steps % common).astype(np.int64) != 0
    if not odd.any():
        if time.dtype.kind != "M":
            return str(common)
        count, rest = divmod(common, _ONE_DAY)
        return (to_offset(pd.Timedelta(common)) if rest else pd.offsets.Day(int(count))).freqstr
    before = int(same[odd.argmax()])
    apart = pd.Timedelta(common) if time.dtype.kind == "M" else common
    raise InputError(
        f"data.time must be regular (commonest distance {apart}), got "
        f"{written(time[before])} followed by {written(time[before + 1])}: "
        f"{_cures(steps) if time.dtype.kind == 'M' else _COUNTED}"
    )


_JITTER = 0.02
"""Share of a tick by which stamps that mean it may be off."""

_COUNTED = (
    "set data.frequency=1 where numbers are absent, or data.frequency=rows where the next row is "
    "the next step"
)


def _cures(steps: np.ndarray) -> str:
    """Say how stamps become regular, with the rule that is nearest to their distances."""
    nanoseconds = float(np.median(steps.astype(np.int64)))
    rules = {"s": 1, "min": 60, "15min": 900, "h": 3600, "D": 86_400, "7D": 604_800, "MS": 2.6e6}
    rule = min(rules, key=lambda name: abs(np.log(nanoseconds / (rules[name] * 1e9))))
    jitter = abs(nanoseconds / (rules[rule] * 1e9) - 1) < _JITTER
    return (
        f"set 'data.resample={{rule: {rule}, how: {'nearest' if jitter else 'mean'}}}' to put rows "
        "on a regular clock, "
        "or data.frequency=rows where the next row is the next step, whatever its time"
    )


def written(moment: np.generic) -> str:
    """Write a time stamp, or the number that stands for one."""
    return str(pd.Timestamp(moment) if isinstance(moment, np.datetime64) else moment)


def _calendar(
    time: np.ndarray, series: np.ndarray, same: np.ndarray, common: np.timedelta64
) -> str | None:
    """Name the calendar frequency of stamps of series that keep to one time of day, if any fits.

    `same` holds the rows that the next row of their series follows.
    """
    index = pd.DatetimeIndex(time)
    clocks = (index - index.normalize()).to_numpy()
    if (clocks != clocks[_first(series)]).any():
        return None
    wide = CALENDAR_FREQUENCIES if common >= 28 * _ONE_DAY else ()
    for alias in wide or (HALF_MONTHS if common >= 13 * _ONE_DAY else ()):
        place = _positions(index, alias)
        if (place >= 0).all():
            apart = int(np.gcd.reduce(np.diff(place)[same]))
            return f"{apart}{alias}" if apart > 1 else alias
    business = common == _ONE_DAY and (index.day_of_week < 5).all()
    weekend = (np.diff(index.day_of_week)[same] < 0).any()  # without one, five days cannot tell
    return "B" if business and weekend else None


def _first(series: np.ndarray) -> np.ndarray:
    """Return the first row of the series of every row, (rows,)."""
    _, first, code = np.unique(series, return_index=True, return_inverse=True)
    return first[code]


def ticks(time: np.ndarray, frequency: str, series: np.ndarray | None = None) -> np.ndarray:
    """Number time stamps along a regular grid, which may begin anew for every series.

    Shapes: `time` (rows,), `series` (rows,), None for one; returns (rows,).

    >>> stamps = np.array(["2024-01-31", "2024-02-29", "2024-04-30"], "datetime64[ns]")
    >>> np.diff(ticks(stamps, "ME")).tolist()
    [1, 2]
    """
    if not len(time):
        return np.zeros(0, np.int64)
    if frequency == ROWS:
        return _counted(time, series)
    step = _step(frequency, time.dtype)
    if step is not None:
        whole, rest = np.divmod(time.astype(np.int64), step)
        off = np.zeros(len(time), bool)
    else:
        offset, index = _offset(frequency), pd.DatetimeIndex(time)
        position = _positions(index, offset.base.freqstr)
        whole, phase = np.divmod(position, offset.n)
        off = position < 0
        rest = phase + (index - index.normalize()).to_numpy().astype(np.int64) * offset.n
    if (rest != rest[0]).any():
        off |= rest != rest[0 if series is None else _first(series)]
    if off.any():
        raise InputError(
            f"data.time must lie on the grid of data.frequency={frequency}, got "
            f"{written(time[off.argmax()])}: set 'data.resample={{rule: {frequency}, how: mean}}', "
            "or the frequency that the rows have"
        )
    return whole.astype(np.int64)


def tick_of(time: np.ndarray, frequency: str, *, near: bool = False) -> np.ndarray:
    """Return the time stamp of the tick that each row belongs to, or of the nearest.

    A tick stands for what follows it until the next; that of a frequency that ends weeks, months
    or years stands for what it ends.

    Shapes: `time` (rows,); returns (rows,).

    >>> stamps = np.array(["2024-02-10T10:40"], "datetime64[ns]")
    >>> [str(tick_of(stamps, rule)[0])[:16] for rule in ("h", "MS", "ME")]
    ['2024-02-10T10:00', '2024-02-01T00:00', '2024-02-29T00:00']
    """
    if (step := _step(frequency, time.dtype)) is not None:
        count = time.astype(np.int64) + (step // 2 if near else 0)
        return (count // step * step).astype(time.dtype)
    offset, index = _offset(frequency), pd.DatetimeIndex(time)
    year = 10 * (index.max().year // 10 + 1)
    grid = _calendar_grid(offset.base.freqstr, year).to_numpy("datetime64[ns]")
    grid = grid[offset.n - 1 :: offset.n] if _ends(offset) else grid[:: offset.n]
    if near:
        after = np.searchsorted(grid, time).clip(1, len(grid) - 1)
        closer = time - grid[after - 1] < grid[after] - time
        return grid[after - closer]
    if _ends(offset):
        return grid[np.searchsorted(grid, index.normalize().to_numpy("datetime64[ns]"))]
    return grid[np.searchsorted(grid, time, side="right") - 1]


def _ends(offset: pd.offsets.BaseOffset) -> bool:
    """Tell whether the dates of a calendar frequency end the periods that they stand for."""
    code = offset.rule_code.split("-")[0]
    return code == "W" or code.endswith("E")


def _counted(time: np.ndarray, series: np.ndarray | None) -> np.ndarray:
    """Count the rows of every series, from the place that its first stamp has among all stamps."""
    _, place = np.unique(time, return_inverse=True)
    if series is None:
        return place.astype(np.int64)
    first = _first(series)
    return (place[first] + np.arange(len(time)) - first).astype(np.int64)


def _positions(index: pd.DatetimeIndex, alias: str) -> np.ndarray:
    """Number the dates of stamps among those of a calendar frequency, -1 for none, (rows,)."""
    dates = index.normalize()
    grid = _calendar_grid(alias, 10 * (dates.max().year // 10 + 1))
    return np.asarray(grid.get_indexer(dates))


@lru_cache(8)
def _calendar_grid(alias: str, year: int) -> pd.DatetimeIndex:
    """List the dates of a calendar frequency before a year, or before time stamps end."""
    return pd.date_range("1677-10-01", min(pd.Timestamp(year, 1, 1), LAST), freq=alias)


def later(time: np.datetime64, frequency: str, steps: int) -> np.datetime64:
    """Return the time stamp some steps after one.

    >>> later(np.datetime64("2024-01-05", "ns"), "B", 1).astype("datetime64[D]")
    np.datetime64('2024-01-08')
    """
    return following(np.array([time]), frequency, steps)[0, -1] if steps else time


def along(time: np.ndarray, length: np.ndarray, frequency: str) -> np.ndarray:
    """List the time stamps of stretches of a grid, each from its first one on.

    Shapes: `time` (stretches,), `length` (stretches,); returns (rows,).

    >>> days = np.array(["2024-01-05", "2024-01-08"], "datetime64[ns]")
    >>> along(days, np.array([2, 1]), "B").astype("datetime64[D]").tolist()
    [datetime.date(2024, 1, 5), datetime.date(2024, 1, 8), datetime.date(2024, 1, 8)]
    """
    begin = np.cumsum(length) - length
    if (step := _step(frequency, time.dtype)) is not None:
        behind = np.arange(length.sum()) - np.repeat(begin, length)
        return _moved(np.repeat(time, length), behind * step)
    if not len(time):
        return np.empty(0, "datetime64[ns]")
    offset = _offset(frequency)
    index = pd.DatetimeIndex(time)
    clocks = np.repeat((index - index.normalize()).to_numpy(), length)
    first, phase = np.divmod(_positions(index, offset.base.freqstr), offset.n)
    place = np.repeat(first - begin, length) + np.arange(length.sum())
    place = place * offset.n + np.repeat(phase, length)
    return _grid_until(offset.base, index.max(), int(place.max()))[place] + clocks


def _grid_until(base: pd.offsets.BaseOffset, last: pd.Timestamp, place: int) -> np.ndarray:
    """List the dates of a calendar frequency, up to a place that may lie behind a date."""
    year = 10 * (last.year // 10 + 1)
    while len(grid := _calendar_grid(base.freqstr, year)) <= place and year < LAST.year:
        year += 10
    return grid.to_numpy("datetime64[ns]")


def _moved(time: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Add nanoseconds to time stamps, or numbers to numbers."""
    return (time.astype(np.int64) + steps).astype(time.dtype)


def _offset(frequency: str) -> pd.offsets.BaseOffset:
    """Read a pandas alias."""
    try:
        offset = to_offset(frequency)
    except (ValueError, TypeError):
        offset = None
    if offset is None or offset.n < 1 or isinstance(offset, pd.offsets.BusinessHour):
        raise InputError(
            f"data.frequency must be a pandas alias, got {frequency!r}: try h, 15min, D, B or MS, "
            "or rows where the next row is the next step"
        )
    return offset


def _length(offset: pd.offsets.BaseOffset) -> int | None:
    """Return nanoseconds of an offset, None where months or business days differ in length."""
    return offset.nanos if isinstance(offset, (pd.offsets.Tick, pd.offsets.Day)) else None


def _step(frequency: str, kind: np.dtype) -> int | None:
    """Return the length of a tick, in what time stamps count; None where it is not always one."""
    if frequency.isdecimal() != (kind.kind != "M"):
        what, cure = "time stamps", "h, D or whatever their distance is"
        if kind.kind != "M":
            what, cure = "numbers (data.time_format=number)", "1, or rows"
        raise InputError(
            f"data.frequency must be that of {what}, got {frequency!r}: leave it out, or set {cure}"
        )
    return int(frequency) if frequency.isdecimal() else _length(_offset(frequency))


def own(offset: pd.offsets.BaseOffset | None) -> str | None:
    """Return the alias of an offset that a frame's index names, None where it is no clock here."""
    if offset is None or offset.n < 1 or isinstance(offset, pd.offsets.BusinessHour):
        return None
    return offset.freqstr


def length(frequency: str) -> int | None:
    """Return nanoseconds of a tick, None where months or business days differ in length."""
    return int(frequency) if frequency.isdecimal() else _length(_offset(frequency))


def is_daily(frequency: str | None) -> bool:
    """Tell whether ticks are days or longer, so that their time stamps are dates."""
    if frequency is None or frequency == ROWS or frequency.isdecimal():
        return False
    return days(frequency) >= 1


def following(time: np.ndarray, frequency: str, steps: int) -> np.ndarray:
    """List the time stamps after some; of rows without a regular clock they are not known.

    Shapes: `time` (origins,); returns (origins, steps).

    >>> following(np.array(["2024-01-31"], "datetime64[ns]"), "ME", 2).astype("datetime64[D]")
    array([['2024-02-29', '2024-03-31']], dtype='datetime64[D]')
    """
    ahead = np.arange(1, steps + 1)
    if frequency == ROWS and time.dtype.kind == "M":
        return np.full((len(time), steps), np.datetime64("NaT"), "datetime64[ns]")
    if frequency == ROWS:  # numbers of rows go on
        return time[:, None] + ahead
    if (step := _step(frequency, time.dtype)) is not None:
        return _moved(np.repeat(time[:, None], steps, axis=1), ahead * step)
    if not len(time):
        return np.empty((0, steps), "datetime64[ns]")
    every = along(time, np.full(len(time), steps + 1), frequency)
    return every.reshape(len(time), -1)[:, 1:]


def before(time: np.datetime64, frequency: str, steps: int) -> np.ndarray:
    """List the time stamps before one; of rows without a regular clock that one stands for all.

    Returns (steps,).
    """
    first = np.asarray(time)
    if frequency == ROWS:
        return np.repeat(first, steps)
    if (step := _step(frequency, first.dtype)) is not None:
        return _moved(np.repeat(first, steps), np.arange(-steps, 0) * step)
    earlier = pd.date_range(end=pd.Timestamp(time), periods=steps + 1, freq=frequency)[:-1]
    return earlier.to_numpy("datetime64[ns]")


def days(frequency: str | None) -> float:
    """Tell how long a tick is, in days; without end for rows without a clock.

    >>> days("6h"), days("MS"), days(None)
    (0.25, 31.0, inf)
    """
    if frequency is None or frequency == ROWS or frequency.isdecimal():
        return np.inf
    offset = _offset(frequency)
    first = offset.rollforward(pd.Timestamp("2001-01-01"))  # a Monday, with which periods begin
    return (first + offset - first) / pd.Timedelta(days=1)


def season(frequency: str | None) -> int:
    """Tell how many rows the natural season of a frequency has.

    >>> season("h"), season("15min"), season("D"), season("7D"), season("MS"), season("rows")
    (24, 96, 7, 52, 12, 1)
    """
    if np.isinf(length := days(frequency)):
        return 1
    offset = _offset(str(frequency))
    if _length(offset):
        if length < 1:
            return round(1 / length)
        return max(1, round(7 / length if length < 7 else 52 * 7 / length))
    table = {"B": 5, "W": 52, "M": 12, "Q": 4, "SM": 24, "BM": 12, "BQ": 4}
    key = offset.rule_code.split("-")[0].removesuffix("S").removesuffix("E")
    return max(1, round(table.get(key, 1) / offset.n))
