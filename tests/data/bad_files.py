"""Files that cannot be meant, and what is told of each."""

import bz2
import datetime
import gzip
import io
import lzma
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet


def lines(*text, header="ts,load,temp"):
    return "\n".join((header, *text, "")).encode()


def csv(load=None, temp=None, ts=None):
    """Six good hours, one cell of which is replaced: (row, text)."""
    rows = [[f"2024-01-01T0{hour}:00", f"{hour}.5", f"{9 - hour}"] for hour in range(6)]
    for position, change in enumerate((ts, load, temp)):
        if change:
            rows[change[0] - 1][position] = change[1]
    return lines(*(",".join(row) for row in rows))


def parquet(**columns):
    file = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns), file)
    return file.getvalue()


def damaged(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :]


GOOD = csv()
TIMES = pa.array(pd.date_range("2024-01-01", periods=3, freq="h"))


class Case(NamedTuple):
    """A file that is refused: its name and bytes, what differs in the schema, what is told."""

    name: str
    data: bytes | None
    told: str
    schema: dict = {}


FILES = {
    # the file
    "missing": Case("a.csv", None, r"data\.path must be a file, got .*, which is no file: check"),
    "empty": Case("a.csv", b"", r"data\.path .*readable csv.*got '.*a\.csv' .*: save it"),
    "empty gz": Case("a.csv.gz", b"", r"data\.path .*got '.*gz' .*: save it"),
    "gz of nothing": Case("a.csv.gz", gzip.compress(b""), r"data\.path .*got '.*gz' .*: save"),
    "blank lines": Case("a.csv", b"\n\n\n", r"data\.path .*got '.*a\.csv' .*: save it"),
    "header only": Case("a.csv", lines(), r"data\.path .*one row, got '.*a\.csv' with none: give"),
    "truncated gz": Case(
        "a.csv.gz", gzip.compress(GOOD)[:-12], r"data\.path .*ended before.*: save"
    ),
    "damaged gz": Case("a.csv.gz", damaged(gzip.compress(GOOD)), r"data\.path .*got '.*: save it"),
    "csv named gz": Case("a.csv.gz", GOOD, r"data\.path .*[Nn]ot a gzipped file.*: save it"),
    "csv named zip": Case("a.csv.zip", GOOD, r"data\.path .*not a zip file.*: save it"),
    "csv named xz": Case("a.csv.xz", GOOD, r"data\.path .*got '.*xz' .*: save it"),
    "csv named bz2": Case("a.csv.bz2", GOOD, r"data\.path .*got '.*bz2' .*: save it"),
    "csv named tar": Case("a.csv.tar", GOOD, r"data\.path .*got '.*tar' .*: save it"),
    "truncated xz": Case("a.csv.xz", lzma.compress(GOOD)[:-9], r"data\.path .*xz' .*: save it"),
    "truncated bz2": Case("a.csv.bz2", bz2.compress(GOOD)[:-9], r"data\.path .*bz2' .*: save it"),
    "csv named parquet": Case(
        "a.parquet", GOOD, r"data\.path .*readable parquet.*set data\.format"
    ),
    "truncated parquet": Case("a.parquet", parquet(ts=TIMES)[:-9], r"data\.path .*parquet.*: save"),
    "empty parquet": Case("a.parquet", b"", r"data\.path .*parquet' .*: save it"),
    "parquet without rows": Case(
        "a.parquet", parquet(ts=pa.array([], "int64")), r"data\.path .*with none: give another"
    ),
    "latin-1": Case(
        "a.csv",
        lines("2024-01-01,1,2", header="ts,load,größe").decode().encode("latin-1"),
        r"data\.path .*utf-8.*: save it as UTF-8",
    ),
    "utf-16": Case("a.csv", GOOD.decode().encode("utf-16"), r"data\.path .*: save it as UTF-8"),
    "open quote": Case("a.csv", lines('"2024-01-01,1,2'), r"data\.path .*inside string.*: save it"),
    "more fields than names": Case(
        "a.csv",
        lines("2024-01-01,1,2,3", "2024-01-02,1,2,3"),
        r"data\.path must hold a name for every field.*more than the 3 names.*: name all",
    ),
    "one row with more fields": Case(
        "a.csv", lines("2024-01-01,1,2", "2024-01-02,1,2,3"), r"data\.path .*line 3.*: save it"
    ),
    "semicolons": Case(
        "a.csv", GOOD.replace(b",", b";"), r"data\.path .*commas, got .*'ts;load;temp': save it"
    ),
    "tabs": Case("a.csv", GOOD.replace(b",", b"\t"), r"data\.path .*commas, got .*: save it"),
    # columns
    "time missing": Case(
        "a.csv", GOOD, r"data\.time .*got 'tss': did you mean \"ts\"", {"time": "tss"}
    ),
    "target missing": Case(
        "a.csv", GOOD, r"data\.targets .*got 'laod': did you mean \"load\"", {"targets": ("laod",)}
    ),
    "feature missing": Case(
        "a.csv",
        GOOD,
        r"data\.features .*got 'humid': known: load, temp, ts",
        {"features": ("load", "humid")},
    ),
    "series missing": Case(
        "a.csv", GOOD, r"data\.series .*got 'site': known", {"series": ("site",)}
    ),
    "circular missing": Case(
        "a.csv", GOOD, r"data\.circular .*got 'wind': known", {"circular": {"wind": 360.0}}
    ),
    "known ahead missing": Case(
        "a.csv",
        GOOD,
        r"data\.known_future .*data\.calendar, got 'tmep': did you mean \"temp\"",
        {"known_future": ("tmep",)},
    ),
    "calendar name without the calendar": Case(
        "a.csv",
        GOOD,
        r"data\.known_future .*got 'hours': did you mean \"hour\"",
        {"known_future": ("hours",), "calendar": ("hour",)},
    ),
    "static missing": Case(
        "a.csv", GOOD, r"data\.static .*got 'area': known: load, temp, ts", {"static": ("area",)}
    ),
    "known ahead words": Case(
        "a.csv",
        csv(temp=(3, "warm")),
        r"data\.known_future must be numbers, got 'warm' in column 'temp', row 3: mend",
        {"features": (), "known_future": ("temp",)},
    ),
    "static infinite": Case(
        "a.csv",
        csv(temp=(4, "-inf")),
        r"data\.static must be finite .*, got -inf .*'temp', row 4: write",
        {"features": (), "static": ("temp",)},
    ),
    "two static values": Case(
        "a.csv",
        lines("2024-01-01,1,7", "2024-01-02,2,7", "2024-01-03,2,7.5"),
        r"data\.static must be one value .* got 7 and 7\.5 in column 'temp' of series 'series': ",
        {"features": (), "static": ("temp",)},
    ),
    "no static value": Case(
        "a.csv",
        lines(
            *("2024-01-01,1,a,3", "2024-01-02,2,a,", "2024-01-01,1,b,", "2024-01-02,1,b,"),
            header="ts,load,site,area",
        ),
        r"data\.static must hold a value .*got none in column 'area' of series 'b': write it",
        {"features": (), "static": ("area",), "series": ("site",)},
    ),
    "one column": Case("a.csv", b"load\n1\n2\n", r"data\.time .*got 'ts': known: load"),
    "name twice": Case(
        "a.csv",
        lines("2024-01-01,1,2", header="ts,load,load"),
        r"data\.targets must be one column, got 'load' twice: rename one",
        {"features": ()},
    ),
    "name three times": Case(
        "a.csv",
        lines("2024-01-01,1,2,3,4", header="ts,load,temp,temp,temp"),
        r"data\.features must be one column, got 'temp' twice: rename one",
    ),
    # values
    "words": Case(
        "a.csv", csv(temp=(3, "warm")), r"data\.features .*got 'warm' in column 'temp', row 3: mend"
    ),
    "target words": Case(
        "a.csv", csv(load=(2, "?")), r"data\.targets .*got '\?' in column 'load', row 2: mend"
    ),
    "decimal comma": Case(
        "a.csv", csv(load=(1, '"0,5"')), r"data\.targets .*got '0,5' .*row 1: .*point"
    ),
    "categories": Case(
        "a.parquet",
        parquet(ts=TIMES, load=[1, 2, 3], temp=pa.array(list("lhl")).dictionary_encode()),
        r"data\.features .*got 'l' in column 'temp', row 1: mend",
    ),
    "dates as values": Case(
        "a.parquet",
        parquet(ts=TIMES, load=[1, 2, 3], temp=TIMES),
        r"data\.features .*got Timestamp.*row 1: mend",
    ),
    "durations": Case(
        "a.parquet",
        parquet(ts=TIMES, load=[1, 2, 3], temp=pa.array([None, datetime.timedelta(1), None])),
        r"data\.features .*got Timedelta.*row 2: mend",
    ),
    "lists": Case(
        "a.parquet",
        parquet(ts=TIMES, load=[1, 2, 3], temp=[[1, 2], [3], []]),
        r"data\.features .*row 1: mend",
    ),
    "infinite": Case(
        "a.csv",
        csv(temp=(4, "-inf")),
        r"data\.features .*finite .*, got -inf .*, row 4: write",
    ),
    "too large": Case(
        "a.csv", csv(load=(4, "1e999")), r"data\.targets .*finite .*, got inf .*row 4: write"
    ),
    "all missing": Case(
        "a.csv",
        lines("2024-01-01,1,", "2024-01-02,2,"),
        r"data\.features must hold values, got only missing ones in column 'temp': fill",
    ),
    "all out of range": Case(
        "a.csv",
        GOOD,
        r"data\.valid\.temp .*got \[50, 60\] for values from 4 to 9: mend",
        {"valid": {"temp": (50.0, 60.0)}},
    ),
    "series name empty": Case(
        "a.csv",
        csv(temp=(5, "")),
        r"data\.series .*got nan in column 'temp', row 5: name",
        {"series": ("temp",), "features": ()},
    ),
    "series name blank": Case(
        "a.parquet",
        parquet(ts=TIMES, load=[1, 2, 3], site=["a", " ", "a"]),
        r"data\.series .*got ' ' in column 'site', row 2: name",
        {"series": ("site",), "features": ()},
    ),
    # time
    "unparsable": Case(
        "a.csv", csv(ts=(3, "noon")), r"data\.time .*got 'noon' in row 3: mend it or set"
    ),
    "day first": Case(
        "a.csv",
        csv(ts=(1, "31/12/2023")),
        r"data\.time .*ISO 8601.*got '31/12/2023' in row 1: .*data\.time_format",
    ),
    "wrong format": Case(
        "a.csv",
        GOOD,
        r"data\.time .*%d\.%m\.%Y.*got '2024-01-01T00:00' in row 1: mend",
        {"time_format": "%d.%m.%Y"},
    ),
    "no format": Case(
        "a.csv", GOOD, r"data\.time_format .*got '%Q'.*: write such as", {"time_format": "%Q"}
    ),
    "stamp missing": Case("a.csv", csv(ts=(2, "")), r"data\.time .*got nan in row 2: mend"),
    "mixed zones": Case(
        "a.csv",
        csv(ts=(4, "2024-01-01T03:00Z")),
        r"data\.time .*zone in all rows or in none, got '2024-01-01T00:00' beside '.*Z': make",
    ),
    "far future": Case(
        "a.csv", csv(ts=(6, "3024-01-01")), r"data\.time .*to 2261, got '3024-01-01' in row 6: mend"
    ),
    "numeric time": Case(
        "a.csv",
        lines("0,1,2", "1,2,3"),
        r"data\.time .*got the number .*0.*: set data\.time_format",
    ),
    "duplicate stamps": Case(
        "a.csv",
        csv(ts=(4, "2024-01-01T02:00")),
        r"data\.time .*unique.*got 2024-01-01 02:00:00 twice: name",
    ),
    "duplicate stamps of a series": Case(
        "a.csv",
        lines("2024-01-01,1,7", "2024-01-01,1,8", "2024-01-01,2,8"),
        r"data\.time .*got 2024-01-01 00:00:00 twice of series '8': name",
        {"series": ("temp",), "features": ()},
    ),
    "no regular frequency": Case(
        "a.csv",
        csv(ts=(2, "2024-01-01T00:47")),
        r"data\.time must be regular .*01:00:00.* 00:00:00 followed by .* 00:47:00: resample",
    ),
    "one row": Case("a.csv", lines("2024-01-01,1,2"), r"data\.time .*got 1 rows of 1 series: set"),
    "one row a series": Case(
        "a.csv",
        lines("2024-01-01,1,7", "2024-01-02,1,8"),
        r"data\.time .*got 2 rows of 2 series: set",
        {"series": ("temp",), "features": ()},
    ),
    "off the grid": Case(
        "a.csv",
        csv(ts=(2, "2024-01-01T00:30")),
        r"data\.time .*data\.frequency=h, got 2024-01-01 00:30:00: resample",
        {"frequency": "h"},
    ),
    "off the calendar": Case(
        "a.csv",
        lines("2024-01-01,1,2", "2024-01-15,1,2"),
        r"data\.time .*data\.frequency=MS, got 2024-01-15 00:00:00: resample",
        {"frequency": "MS"},
    ),
    "off the phase": Case(
        "a.csv",
        lines("2024-01-01,1,2", "2024-03-01,1,2", "2024-06-01,1,2"),
        r"data\.time .*data\.frequency=2MS, got 2024-06-01 00:00:00: resample",
        {"frequency": "2MS"},
    ),
    "two a day on business days": Case(
        "a.csv",
        GOOD,
        r"data\.time .*data\.frequency=B, got 2024-01-01 01:00:00: resample",
        {"frequency": "B"},
    ),
    "stray date": Case(
        "a.csv",
        csv(ts=(1, "1970-01-01T00:00")),
        r"data\.time .*mostly filled.*got 6 rows for 473\d\d\d time stamps: set",
    ),
    **{
        f"frequency {alias}": Case(
            "a.csv",
            GOOD,
            rf"data\.frequency must be a pandas alias, got '{alias}': write such as",
            {"frequency": alias},
        )
        for alias in ("hourly", "H", "-1h", "0h", "bh", "")
        if alias
    },
}
