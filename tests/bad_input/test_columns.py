"""Columns and values that cannot be meant, and what is told of each."""

import datetime
import re

import pyarrow as pa
import pytest

from .door import SMALL
from .files import GOOD, TIMES, hours, lines, parquet

# name: file, its bytes, a regular expression of what is told, overrides behind those of door.SMALL
COLUMNS = {
    # columns
    "time missing": (
        "a.csv",
        GOOD,
        r"data\.time .*got 'tss': did you mean \"ts\"",
        "data.time=tss",
    ),
    "target missing": (
        "a.csv",
        GOOD,
        r"data\.targets .*got 'laod': did you mean \"load\"",
        "data.targets=[laod]",
    ),
    "feature missing": (
        "a.csv",
        GOOD,
        r"data\.features .*got 'humid': known: load, temp, ts",
        "data.features=[load,humid]",
    ),
    "series missing": ("a.csv", GOOD, r"data\.series .*got 'site': known", "data.series=[site]"),
    "circular missing": (
        "a.csv",
        GOOD,
        r"data\.circular .*got 'wind': known",
        "data.circular.wind=360",
    ),
    "known ahead missing": (
        "a.csv",
        GOOD,
        r"data\.known_future .*data\.calendar, got 'tmep': did you mean \"temp\"",
        "data.known_future=[tmep]",
    ),
    "calendar name without the calendar": (
        "a.csv",
        GOOD,
        r"data\.known_future .*got 'hours': did you mean \"hour\"",
        "data.known_future=[hours]",
        "data.calendar=[hour]",
    ),
    "static missing": (
        "a.csv",
        GOOD,
        r"data\.static .*got 'area': known: load, temp, ts",
        "data.static=[area]",
    ),
    "known ahead words": (
        "a.csv",
        hours(temp=(3, "warm")),
        r"data\.known_future must be numbers, got 'warm' in column 'temp', row 3: fix",
        "data.features=[]",
        "data.known_future=[temp]",
    ),
    "static infinite": (
        "a.csv",
        hours(temp=(4, "-inf")),
        r"data\.static must be finite .*, got -inf .*'temp', row 4: write",
        "data.features=[]",
        "data.static=[temp]",
    ),
    "two static values": (
        "a.csv",
        lines("2024-01-01,1,7", "2024-01-02,2,7", "2024-01-03,2,7.5"),
        r"data\.static must be one value .* got 7 and 7\.5 in column 'temp' of series 'series': ",
        "data.features=[]",
        "data.static=[temp]",
    ),
    "no static value": (
        "a.csv",
        lines(
            *("2024-01-01,1,a,3", "2024-01-02,2,a,", "2024-01-01,1,b,", "2024-01-02,1,b,"),
            header="ts,load,site,area",
        ),
        r"data\.static must hold a value .*got none in column 'area' of series 'b': write it",
        "data.features=[]",
        "data.static=[area]",
        "data.series=[site]",
    ),
    "one column": ("a.csv", b"load\n1\n2\n", r"data\.time .*got 'ts': known: load"),
    "a name of two lines, and one of 999 signs": (
        "a.csv",
        lines("2024-01-01,1,2", header='"ts\n(UTC)",load,' + "x" * 999),
        r"data\.time must name columns of the file, got 'ts': known: load, ts \(UTC\), x{200}…",
    ),
    "name twice": (
        "a.csv",
        lines("2024-01-01,1,2", header="ts,load,load"),
        r"data\.targets must be one column, got 'load' twice: rename one",
        "data.features=[]",
    ),
    "name three times": (
        "a.csv",
        lines("2024-01-01,1,2,3,4", header="ts,load,temp,temp,temp"),
        r"data\.features must be one column, got 'temp' twice: rename one",
    ),
    # values
    "words": (
        "a.csv",
        hours(temp=(3, "warm")),
        r"data\.features .*got 'warm' in column 'temp', row 3: fix",
    ),
    "target words": (
        "a.csv",
        hours(load=(2, "?")),
        r"data\.targets .*got '\?' in column 'load', row 2: fix",
    ),
    "decimal comma": (
        "a.csv",
        hours(load=(1, '"0,5"')),
        r"data\.targets .*got '0,5' .*row 1: .*point",
    ),
    "categories": (
        "a.parquet",
        parquet(ts=TIMES, load=pa.array(list("lhl")).dictionary_encode(), temp=[1, 2, 3]),
        r"data\.targets .*got 'l' in column 'load', row 1: fix",
    ),
    "dates as values": (
        "a.parquet",
        parquet(ts=TIMES, load=[1, 2, 3], temp=TIMES),
        r"data\.features .*got Timestamp.*row 1: fix",
    ),
    "durations": (
        "a.parquet",
        parquet(ts=TIMES, load=[1, 2, 3], temp=pa.array([None, datetime.timedelta(1), None])),
        r"data\.features .*got Timedelta.*row 2: fix",
    ),
    "lists": (
        "a.parquet",
        parquet(ts=TIMES, load=[1, 2, 3], temp=[[1, 2], [3], []]),
        r"data\.features .*row 1: fix",
    ),
    "infinite": (
        "a.csv",
        hours(temp=(4, "-inf")),
        r"data\.features .*finite .*, got -inf .*, row 4: write",
    ),
    "too large": (
        "a.csv",
        hours(load=(4, "1e999")),
        r"data\.targets .*finite .*, got inf .*row 4: write",
    ),
    "all missing": (
        "a.csv",
        lines("2024-01-01,1,", "2024-01-02,2,"),
        r"data\.features must hold values, got only missing ones in column 'temp': fill",
    ),
    "all out of range": (
        "a.csv",
        GOOD,
        r"data\.valid\.temp .*got \[50, 60\] for values from 4 to 9: fix",
        "data.valid.temp=[50,60]",
    ),
    "series name empty": (
        "a.csv",
        hours(temp=(5, "")),
        r"data\.series .*got nan in column 'temp', row 5: name",
        "data.series=[temp]",
        "data.features=[]",
    ),
    "series name blank": (
        "a.parquet",
        parquet(ts=TIMES, load=[1, 2, 3], site=["a", " ", "a"]),
        r"data\.series .*got ' ' in column 'site', row 2: name",
        "data.series=[site]",
        "data.features=[]",
    ),
    "zero variance": (
        "a.csv",
        re.sub(rb",\d\.5,", b",3,", hours(240)),
        r"data\.targets must vary in the training rows, got 'load' constant at 3: predict",
    ),
    "a value whose square overflows": (
        "a.csv",
        hours(240, load=(9, "1e300")),
        r"data\.targets must be finite and at most 1e\+100 in size, got 1e\+300 .*row 9: write",
    ),
    "four hundred digits among whole numbers": (
        "a.csv",
        lines(f"2024-01-01,1,{'9' * 400}", "2024-01-02,2,8", "2024-01-03,3,8"),
        r"data\.features must be finite .*got 9+….*row 1: write",
    ),
    "four hundred digits": (
        "a.csv",
        hours(load=(2, "9" * 400)),
        r"data\.targets .*got inf.*row 2:",
    ),
    "thousands": (
        "a.csv",
        hours(load=(2, '"1,234.5"')),
        r"data\.targets .*got '1,234\.5' .*row 2:",
    ),
    "per cent": ("a.csv", hours(load=(2, "50%")), r"data\.targets .*got '50%' .*row 2: fix"),
    "a formula": ("a.csv", hours(load=(2, "=1+1")), r"data\.targets .*got '=1\+1' .*row 2: fix"),
    "bytes": (
        "a.parquet",
        parquet(ts=TIMES, load=[b"\xff"] * 3),
        r"data\.targets .*row 1: fix",
        "data.features=[]",
    ),
    "records": (
        "a.parquet",
        parquet(ts=TIMES, load=[{"a": 1}] * 3),
        r"data\.targets .*row 1: fix",
        "data.features=[]",
    ),
    "a column of nothing": (
        "a.parquet",
        parquet(ts=TIMES, load=pa.nulls(3)),
        r"data\.targets must hold values, got only missing ones in column 'load': fill",
        "data.features=[]",
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_that_cannot_be_meant_are_refused(name, door):
    file, data, told, *overrides = COLUMNS[name]
    door.put(file, data)
    door.refuse(told, "train", *SMALL, f"data.path={file}", *overrides)
