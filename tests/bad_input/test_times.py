"""Time stamps that cannot be meant, and what is told of each."""

import datetime

import numpy as np
import pandas as pd
import pytest

from .door import SMALL
from .files import GOOD, ONE, hours, lines, parquet

AUTUMN = pd.date_range("2024-10-26", periods=48, freq="h", tz="Europe/Berlin")

# name: file, its bytes, a regular expression of what is told, overrides behind those of door.SMALL
TIMES = {
    "unparsable": (
        "a.csv",
        hours(ts=(3, "noon")),
        r"data\.time .*got 'noon' in row 3: fix it or set",
    ),
    "day first": (
        "a.csv",
        hours(ts=(1, "31/12/2023")),
        r"data\.time .*ISO 8601.*got '31/12/2023' in row 1: .*data\.time_format",
    ),
    "wrong format": (
        "a.csv",
        GOOD,
        r"data\.time .*%d\.%m\.%Y.*got '2024-01-01T00:00' in row 1: fix",
        "data.time_format='%d.%m.%Y'",
    ),
    "no format": (
        "a.csv",
        GOOD,
        r"data\.time_format .*got '%Q'.*: try",
        "data.time_format='%Q'",
    ),
    "stamp missing": ("a.csv", hours(ts=(2, "")), r"data\.time .*got nothing in row 2: fill"),
    "mixed zones": (
        "a.csv",
        hours(ts=(4, "2024-01-01T03:00Z")),
        r"data\.time .*zone in all rows or in none, got '2024-01-01T00:00' and '.*Z': use one",
    ),
    "far future": (
        "a.csv",
        hours(ts=(6, "3024-01-01")),
        r"data\.time .*to 2261, got '3024-01-01' in row 6: fix",
    ),
    "numeric time": (
        "a.csv",
        lines("0,1,2", "1,2,3"),
        r"data\.time .*got the number .*0.*: set data\.time_format",
    ),
    "duplicate stamps": (
        "a.csv",
        hours(ts=(4, "2024-01-01T02:00")),
        r"data\.time .*unique.*got 2024-01-01 02:00:00 twice: name",
    ),
    "duplicate stamps of a series": (
        "a.csv",
        lines("2024-01-01,1,7", "2024-01-01,1,8", "2024-01-01,2,8"),
        r"data\.time .*got 2024-01-01 00:00:00 twice of series '8': name",
        "data.series=[temp]",
        "data.features=[]",
    ),
    "no regular frequency": (
        "a.csv",
        hours(ts=(2, "2024-01-01T00:47")),
        r"data\.time must be regular .*01:00:00.* followed .* 00:47:00: set 'data.resample=",
    ),
    "one row": ("a.csv", lines("2024-01-01,1,2"), r"data\.time .*got 1 rows of 1 series: set"),
    "one row a series": (
        "a.csv",
        lines("2024-01-01,1,7", "2024-01-02,1,8"),
        r"data\.time .*got 2 rows of 2 series: set",
        "data.series=[temp]",
        "data.features=[]",
    ),
    "off the grid": (
        "a.csv",
        hours(ts=(2, "2024-01-01T00:30")),
        r"data\.time .*data\.frequency=h, got 2024-01-01 00:30:00: set 'data.resample=",
        "data.frequency=h",
    ),
    "off the calendar": (
        "a.csv",
        lines("2024-01-01,1,2", "2024-01-15,1,2"),
        r"data\.time .*data\.frequency=MS, got 2024-01-15 00:00:00: set 'data.resample=",
        "data.frequency=MS",
    ),
    "off the phase": (
        "a.csv",
        lines("2024-01-01,1,2", "2024-03-01,1,2", "2024-06-01,1,2"),
        r"data\.time .*data\.frequency=2MS, got 2024-06-01 00:00:00: set 'data.resample=",
        "data.frequency=2MS",
    ),
    "two a day on business days": (
        "a.csv",
        GOOD,
        r"data\.time .*data\.frequency=B, got 2024-01-01 01:00:00: set 'data.resample=",
        "data.frequency=B",
    ),
    "stray date": (
        "a.csv",
        hours(ts=(1, "1970-01-01T00:00")),
        r"data\.time .*mostly filled.*got 6 rows for 473\d\d\d time stamps: set",
    ),
    "leap second": (
        "a.csv",
        hours(ts=(4, "2024-01-01T02:59:60")),
        r"data\.time .*got '2024-01-01T02:59:60' in row 4: fix",
    ),
    "beyond 64 bits of nanoseconds": (
        "a.csv",
        hours(ts=(6, "2262-04-12")),
        r"data\.time .*from 1678 to 2261, got '2262-04-12' in row 6: fix",
    ),
    "beyond 64 bits in parquet": (
        "a.parquet",
        parquet(ts=np.array(["9999-01-01"] * 3, "datetime64[s]"), load=ONE, temp=ONE),
        r"data\.time .*from 1678 to 2261, got Timestamp\('9999.* in row 1: fix",
    ),
    "year 0": ("a.csv", hours(ts=(2, "0000-01-01")), r"data\.time .*'0000-01-01' in row 2: fix"),
    "seconds since 1970": (
        "a.csv",
        lines("1704067200,1,2", "1704070800,2,3"),
        r"data\.time .*got the number 1704067200: set data\.time_format",
    ),
    "seconds since 1970 as a format": (
        "a.csv",
        lines("1704067200,1,2", "1704070800,2,3"),
        r"data\.time_format must be a strptime format, .*, got '%s' .*: try",
        "data.time_format=%s",
    ),
    "days of a spreadsheet": (
        "a.csv",
        lines("45292.0,1,2", "45292.5,2,3"),
        r"data\.time .*got the number 45292\.0: set data\.time_format",
    ),
    "month and day changed": (
        "a.csv",
        lines(*(f"{day:02}/01/2024,1,2" for day in range(1, 15))),
        r"data\.time .* must hold %m/%d/%Y time stamps .*, got '13/01/2024' in row 13: fix",
        "data.time_format='%m/%d/%Y'",
    ),
    "half past twelve, in the morning": (
        "a.csv",
        hours(ts=(1, "2024-01-01 12:30 AM")),
        r"data\.time .*got '2024-01-01 12:30 AM' in row 1: fix it or set",
    ),
    "name of a zone": (
        "a.csv",
        hours(ts=(1, "2024-01-01 00:00 Europe/Berlin")),
        r"data\.time .*got '.*Europe/Berlin' in row 1: fix",
    ),
    "an hour twice in autumn, without zone": (
        "a.csv",
        lines(*(f"{stamp:%Y-%m-%dT%H:%M},1,2" for stamp in AUTUMN)),
        r"data\.time must be unique .*, got 2024-10-27 02:00:00 twice: .* in UTC",
    ),
    "time of day": (
        "a.parquet",
        parquet(ts=[datetime.time(hour) for hour in range(3)], load=ONE, temp=ONE),
        r"data\.time .*got datetime\.time\(0, 0\) in row 1: fix",
    ),
    "lists as time": (
        "a.parquet",
        parquet(ts=[[1], [2], [3]], load=ONE, temp=ONE),
        r"data\.time .*got array\(\[1\]\) in row 1: fix",
    ),
    "truth as time": (
        "a.parquet",
        parquet(ts=[True, False, True], load=ONE, temp=ONE),
        r"data\.time .*got the number True: set",
    ),
    "one row of a frequency that is known": (
        "a.csv",
        lines("2024-01-01,1,2"),
        r"split\.test must leave rows .* of 1 time stamps: give",
        "data.frequency=D",
    ),
    **{
        f"frequency {alias}": (
            "a.csv",
            GOOD,
            rf"data\.frequency must be a pandas alias, got '{alias}': try",
            f"data.frequency={alias}",
        )
        for alias in ("hourly", "H", "-1h", "0h", "bh")
    },
}


@pytest.mark.parametrize("name", TIMES)
def test_time_stamps_that_cannot_be_meant_are_refused(name, door):
    file, data, told, *overrides = TIMES[name]
    door.put(file, data)
    door.refuse(told, "train", *SMALL, f"data.path={file}", *overrides)
