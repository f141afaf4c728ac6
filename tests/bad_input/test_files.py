"""Files that cannot be meant, and what is told of each."""

import bz2
import gzip
import lzma

import pyarrow as pa
import pytest

from .door import SMALL
from .files import GOOD, TIMES, archive, damaged, hours, lines, parquet, twice

# name: file, its bytes, a regular expression of what is told, overrides behind those of door.SMALL
FILES = {
    # the file
    "missing": ("a.csv", None, r"data\.path must be a file, got .*, which is not a file: check"),
    "empty": ("a.csv", b"", r"data\.path .*readable csv.*got '.*a\.csv' .*: save it"),
    "empty gz": ("a.csv.gz", b"", r"data\.path .*got '.*gz' .*: save it"),
    "gz of nothing": ("a.csv.gz", gzip.compress(b""), r"data\.path .*got '.*gz' .*: save"),
    "blank lines": ("a.csv", b"\n\n\n", r"data\.path .*got '.*a\.csv' .*: save it"),
    "header only": ("a.csv", lines(), r"data\.path .*one row, got '.*a\.csv' with none: give"),
    "truncated gz": ("a.csv.gz", gzip.compress(GOOD)[:-12], r"data\.path .*ended before.*: save"),
    "damaged gz": ("a.csv.gz", damaged(gzip.compress(GOOD)), r"data\.path .*got '.*: save it"),
    "csv named gz": ("a.csv.gz", GOOD, r"data\.path .*[Nn]ot a gzipped file.*: save it"),
    "csv named zip": ("a.csv.zip", GOOD, r"data\.path .*not a zip file.*: save it"),
    "csv named xz": ("a.csv.xz", GOOD, r"data\.path .*got '.*xz' .*: save it"),
    "csv named bz2": ("a.csv.bz2", GOOD, r"data\.path .*got '.*bz2' .*: save it"),
    "csv named tar": ("a.csv.tar", GOOD, r"data\.path .*got '.*tar' .*: save it"),
    "truncated xz": ("a.csv.xz", lzma.compress(GOOD)[:-9], r"data\.path .*xz' .*: save it"),
    "truncated bz2": ("a.csv.bz2", bz2.compress(GOOD)[:-9], r"data\.path .*bz2' .*: save it"),
    "csv named parquet": ("a.parquet", GOOD, r"data\.path .*readable parquet.*set data\.format"),
    "truncated parquet": ("a.parquet", parquet(ts=TIMES)[:-9], r"data\.path .*parquet.*: save"),
    "empty parquet": ("a.parquet", b"", r"data\.path .*parquet' .*: save it"),
    "parquet without rows": (
        "a.parquet",
        parquet(ts=pa.array([], "int64")),
        r"data\.path .*with none: give another",
    ),
    "latin-1": (
        "a.csv",
        lines("2024-01-01,1,2", header="ts,load,größe").decode().encode("latin-1"),
        r"data\.path .*utf-8.*: save it as UTF-8",
    ),
    "utf-16": ("a.csv", GOOD.decode().encode("utf-16"), r"data\.path .*: save it as UTF-8"),
    "open quote": ("a.csv", lines('"2024-01-01,1,2'), r"data\.path .*inside string.*: save it"),
    "more fields than names": (
        "a.csv",
        lines("2024-01-01,1,2,3", "2024-01-02,1,2,3"),
        r"data\.path must have a name for every field.*more than the 3 names.*: name all",
    ),
    "one row with more fields": (
        "a.csv",
        lines("2024-01-01,1,2", "2024-01-02,1,2,3"),
        r"data\.path .*line 3.*: save it",
    ),
    "semicolons": (
        "a.csv",
        GOOD.replace(b",", b";"),
        r"data\.separator must be .*, got .*'ts;load;temp': write data\.separator=';'",
    ),
    "tabs": (
        "a.csv",
        GOOD.replace(b",", b"\t"),
        r"data\.separator must be .*, got .*: write data\.separator=tab",
    ),
    # what is no table at all
    "nothing but NUL": (
        "a.csv",
        bytes(999),
        r"data\.path must be a csv file, got bytes .*: download",
    ),
    "XLSX renamed": (
        "a.csv",
        archive(**{"xl/workbook.xml": b"<a/>"}),
        r"data\.path must be a csv file, got an Excel or ZIP file, 'a\.csv': save the sheet",
    ),
    "XLS renamed": (
        "a.csv",
        b"\xd0\xcf\x11\xe0" * 9,
        r"data\.path .*got an old Excel file.*: save",
    ),
    "parquet renamed": (
        "a.csv",
        parquet(ts=TIMES),
        r"data\.path .*a Parquet file.*: set data\.format",
    ),
    "gz renamed": ("a.csv", gzip.compress(GOOD), r"data\.path .*got a gzip file.*: end its name"),
    "picture": ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(99), r"data\.path .*got a picture.*: give"),
    "page of a missing file": (
        "a.csv",
        b"<!DOCTYPE html>\n<p>404, not found</p>\n",
        r"data\.path must have a name for every field, .*: name all",
    ),
    "two files in a zip": ("a.csv.zip", archive(a=GOOD, b=GOOD), r"data\.path .*Multiple.*: save"),
    "no file in a zip": ("a.csv.zip", archive(), r"data\.path .*Zero files.*: save"),
    "unknown compression": ("a.csv.zst", b"abc", r"data\.path .*got 'a\.csv\.zst' .*: save"),
    # shapes
    "semicolons and decimal commas": (
        "a.csv",
        GOOD.replace(b",", b";").replace(b".", b","),
        r"data\.separator must be what separates the fields, ',' by default, .*: write data\.sep",
    ),
    "a million columns": (
        "a.csv",
        b"ts,load,temp" + b",x" * 1_000_000 + b"\n",
        r"data\.path must hold at most 20,000 columns, got 'a\.csv' with 1,000,003: write",
    ),
    "too many columns of parquet": (
        "a.parquet",
        parquet(**{f"c{number}": [1] for number in range(20_001)}),
        r"data\.path must hold at most 20,000 columns, got 'a\.parquet' with 20,001: write",
    ),
    "two columns of one name in parquet": (
        "a.parquet",
        twice("load"),
        r"data\.path .*load.*: save",
    ),
    "time twice": (
        "a.csv",
        lines("2024-01-01,1,2", header="ts,load,ts"),
        r"data\.time must be one column, got 'ts' twice: rename",
        "data.features=[]",
    ),
    "a space in a name": (
        "a.csv",
        lines("2024-01-01,1,2", header="ts, load, temp"),
        r"data\.targets .*got 'load': for column ' load' write '.*did you mean \" load\"",
    ),
    "two rows": (
        "a.csv",
        lines("2024-01-01,1,2", "2024-01-02,2,3"),
        r"split\.test must leave rows .*, got 0\.2 of 2 time stamps: give",
    ),
    "fewer rows than a window": (
        "a.csv",
        hours(30),
        r"window\.timesteps=24 and window\.horizon=4 must leave a window .*: take a smaller",
        "window.timesteps=24",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_meant_is_refused(name, door):
    file, data, told, *overrides = FILES[name]
    door.put(file, data)
    door.refuse(told, "train", *SMALL, f"data.path={file}", *overrides)


def test_an_empty_folder_is_refused(door):
    (door.folder / "a.csv").mkdir()
    told = r"data\.path must hold a file in it, got 'a\.csv' with none: check"
    door.refuse(told, "train", *SMALL)


def test_a_name_that_is_too_long_is_refused(door):
    told = r"data\.path must be a file, got 'x+' \(.*too long.*\): give"
    door.refuse(told, "train", *SMALL, f"data.path={'x' * 300}.csv")


def test_check_says_every_fault_and_leaves_nothing(door):
    door.put("a.csv", hours(240, temp=(3, "warm"), load=(4, "?")))
    # first the report, then the sentence of a training
    door.refuse(r"data.targets must be numbers, got '\?' in column 'load'.*: fix", "check", *SMALL)
    assert "'warm'" in door.printed and "'?'" in door.printed
