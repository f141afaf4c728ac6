"""Files as one table: lists, globs, folders, partitions, formats, and what cannot be read."""

import gzip
import hashlib
import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv
from pyarrow import dataset, parquet

from forecast.data.sources import opened
from forecast.data.sources.source import Content
from forecast.errors import InputError

SITES = ("007", "A1", "b")


def frame_of(site: str, rows: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(len(site) + ord(site[0]))
    return pd.DataFrame(
        {
            "ts": pd.date_range("2024-01-01", periods=rows, freq="h").astype(str),
            "load": rng.normal(50, 10, rows),
            "count": rng.integers(0, 100, rows),
        }
    )


def write(frame: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    elif path.suffix == ".feather":
        frame.to_feather(path)
    elif ".jsonl" in path.name:
        frame.to_json(path, orient="records", lines=True, double_precision=15)
    else:
        frame.to_csv(path, index=False)


def expected() -> pd.DataFrame:
    parts = [frame_of(site).assign(site=site) for site in SITES]
    return pd.concat(parts, ignore_index=True)


def read(path, **how) -> pd.DataFrame:
    return opened.read(opened.open(path, **how))


@pytest.mark.parametrize("end", ["csv", "csv.gz", "csv.xz", "parquet", "feather", "jsonl"])
def test_a_folder_a_glob_and_a_list_hold_the_rows_of_their_files(tmp_path, monkeypatch, end):
    monkeypatch.chdir(tmp_path)
    for number, site in enumerate(SITES):
        write(frame_of(site).assign(site=site), Path(f"loads/deep/{number}.{end}"))
    Path("loads/_SUCCESS").touch()
    Path("loads/.hidden.txt").touch()
    Path("loads/_temporary").mkdir()
    Path("loads/_temporary/0.csv").write_text("not,this\n")
    listed = [f"loads/deep/{number}.{end}" for number in range(3)]
    for path in ("loads", "loads/", f"loads/*/*.{end}", f"lo?ds/**/*.{end}", "load*", listed):
        source = opened.open(path)
        assert source.parts == tuple(listed)
        assert source.size == sum(Path(name).stat().st_size for name in listed)
        assert source.columns() == ["ts", "load", "count", "site"]
        # JSON is written with fewer digits than it takes
        exact = {"rtol": 1e-12} if end == "jsonl" else {"check_exact": True}
        pd.testing.assert_frame_equal(opened.read(source), expected(), **exact)


def test_partitions_are_columns_and_their_names_stay_text(tmp_path):
    whole = expected().assign(year="2024", part="x y")
    dataset.write_dataset(
        pa.Table.from_pandas(whole, preserve_index=False),
        tmp_path / "loads",
        format="parquet",
        partitioning=["site", "part"],
        partitioning_flavor="hive",
    )
    source = opened.open(str(tmp_path / "loads"))
    found = opened.read(source)
    assert source.columns() == ["ts", "load", "count", "year", "site", "part"]
    pd.testing.assert_frame_equal(found, whole[source.columns()])
    only = pa.Table.from_batches(source.batches(["part", "site"]))
    assert only.column_names == ["part", "site"] and only["site"].to_pylist() == [*whole.site]
    of_two = opened.open(str(tmp_path / "loads" / "site=[0A]*"))
    assert set(opened.read(of_two)["site"]) == {"007", "A1"}


def test_a_partition_without_a_value_is_missing_and_one_held_by_the_files_is_theirs(tmp_path):
    for value in ("__HIVE_DEFAULT_PARTITION__", "1"):
        write(frame_of("b").assign(own=7), tmp_path / f"zone={value}" / "own=8" / "x.parquet")
    found = read(tmp_path)
    assert found["zone"].isna().tolist() == [False] * 40 + [True] * 40
    assert set(found["own"]) == {7}


@pytest.mark.parametrize("rows", [1, 7, 1000])
@pytest.mark.parametrize("end", ["csv", "parquet", "feather", "jsonl"])
def test_batches_are_short_have_one_type_and_the_order_asked_for(tmp_path, end, rows):
    write(frame_of("007"), tmp_path / f"a.{end}")
    # whole numbers here, a missing one there: the column is of fractions in both
    other = frame_of("A1").assign(count=[None, *range(39)])
    write(other, tmp_path / f"b.{end}")
    source = opened.open(tmp_path)
    batches = list(source.batches(["count", "ts"], rows))
    assert {batch.schema for batch in batches} == {
        pa.schema([("count", pa.float64()), ("ts", pa.string())])
    }
    assert all(0 < len(batch) <= rows for batch in batches)
    found = pa.Table.from_batches(batches)
    assert found["ts"].to_pylist() == [*frame_of("007").ts, *other.ts]
    assert found["count"].to_pylist() == [*frame_of("007")["count"], *[None, *range(39)]]


def test_a_csv_file_has_the_types_in_pieces_that_it_has_as_a_whole(tmp_path, monkeypatch):
    """What a column is may show only in its last row."""
    rng = np.random.default_rng(3)
    columns = {
        "whole": rng.integers(0, 9, 5000),
        "late": [*range(4999), 0.5],
        "label": [*range(1, 5000), "x7"],
        "text": ["007"] * 4999 + ["NA"],
        "hole": [np.nan] * 4999 + [2],
        "yes": [True, False] * 2500,
        "sometimes": [None, True] * 2500,
        "empty": [np.nan] * 5000,
        "value": rng.normal(size=5000) * 10.0 ** rng.integers(-20, 20, 5000),
    }
    pd.DataFrame(columns).to_csv(tmp_path / "a.csv", index=False)
    text = (tmp_path / "a.csv").read_text()
    monkeypatch.setattr("forecast.data.sources.csv_files.CELLS", 0)  # a thousand rows at a time
    whole, source = pd.read_csv(tmp_path / "a.csv", low_memory=False), opened.open(tmp_path)
    table = pa.Table.from_batches(source.batches(source.columns()))
    pieces = table.to_pandas()
    for name in columns:
        if name == "sometimes":
            assert pieces[name].isna().equals(whole[name].isna())
            assert pieces[name].dropna().tolist() == [True] * 2500
        else:
            pd.testing.assert_series_equal(pieces[name], whole[name], check_exact=True)
    assert str(table.schema.field("value").type) == "double" and "e-1" in text


def test_one_file_is_read_as_pandas_reads_it(tmp_path):
    frame = expected().assign(ts=lambda rows: pd.to_datetime(rows.ts, utc=True))
    frame["kind"] = frame.site.astype("category")
    write(frame, tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(read(tmp_path / "a.parquet"), frame)
    frame.to_csv(tmp_path / "a.csv", index=False)
    pd.testing.assert_frame_equal(
        read(str(tmp_path / "a.csv")), pd.read_csv(tmp_path / "a.csv", low_memory=False)
    )


def test_an_index_is_a_column_in_pieces_too(tmp_path):
    time = pd.date_range("2024", periods=2, name="ts")
    both = pd.MultiIndex.from_arrays([["a", "b"], time], names=["who", "ts"])
    for index in (time, time.rename(None), both, both.rename([None, None])):
        file = tmp_path / "a.parquet"
        pd.DataFrame({"x": [1, 2]}, index).to_parquet(file)
        source = opened.open(file)
        pieces = pa.Table.from_batches(source.batches(source.columns())).to_pandas()
        pd.testing.assert_frame_equal(pieces, opened.read(source), check_dtype=False)


def test_a_digest_tells_bytes_and_names_and_no_place(tmp_path):
    for place in ("here", "there"):
        for site in SITES:
            write(frame_of(site), tmp_path / place / f"site={site}" / "a.parquet")
    here, there = (opened.open(tmp_path / place) for place in ("here", "there"))
    assert here.digest() == there.digest() and len(here.digest()) == 16
    one = tmp_path / "there" / "site=b" / "a.parquet"
    assert opened.open(one).digest() == hashlib.sha256(one.read_bytes()).hexdigest()[:16]
    one.parent.rename(tmp_path / "there" / "site=c")
    assert opened.open(tmp_path / "there").digest() != here.digest()
    write(frame_of("b", 41), tmp_path / "here" / "site=b" / "a.parquet")
    assert opened.open(tmp_path / "here").digest() != here.digest()
    for site in SITES:
        write(frame_of(site), tmp_path / "plain" / f"{site}.csv")
    before = opened.open(tmp_path / "plain").digest()
    write(frame_of("b", 41), tmp_path / "plain" / "b.csv")
    assert opened.open(tmp_path / "plain").digest() != before


def test_rows_have_one_digest_in_any_order_and_another_where_one_value_moves():
    def digest(rows: list[tuple], kinds: tuple = (pa.string(), pa.float64(), pa.timestamp("us"))):
        content = Content()
        for first in range(0, len(rows), 3):
            columns = zip(*rows[first : first + 3], strict=True)
            arrays = [pa.array(values, kind) for values, kind in zip(columns, kinds, strict=True)]
            content.add(pa.RecordBatch.from_arrays(arrays, names=["a", "b", "c"]))
        return content.digest(["a", "b", "c"])

    stamps = pd.date_range("2024", periods=10).to_pydatetime()
    rows = [(f"s{n % 3}", float(n), stamp) for n, stamp in enumerate(stamps)]
    found = digest(rows)
    assert digest(random.Random(1).sample(rows, len(rows))) == found
    others = [
        [("s1", *rows[0][1:]), *rows[1:]],
        [(None, *rows[0][1:]), *rows[1:]],
        [(rows[0][0], None, rows[0][2]), *rows[1:]],
        [(rows[0][0], 1.0, rows[0][2]), (rows[1][0], 0.0, rows[1][2]), *rows[2:]],  # swapped
        rows[1:],
        [*rows, rows[0]],
    ]
    assert len({found, *map(digest, others)}) == len(others) + 1
    whole = digest(rows, (pa.string(), pa.int64(), pa.timestamp("us")))
    assert whole == found  # a number is a number


REFUSED = {
    "an empty folder": ({}, ".", r"must hold a file in it, got '\.' with none: check"),
    "a folder of hidden files": (
        {"_x.csv": "a\n1\n", ".b/y.csv": "a\n1\n"},
        ".",
        r"must hold a file in it, got '\.' with none: check",
    ),
    "no match": (
        {"a.csv": "a\n1\n"},
        "b*.csv",
        r"must hold a file that matches, got 'b",
    ),
    "two formats": (
        {"a.csv": "a\n1\n", "b.jsonl": '{"a": 1}\n'},
        ".",
        r"must hold files of one format, got 'b\.jsonl' beside 'a\.csv': take it out",
    ),
    "a file beside the data": (
        {"README.md": "# Data\n", "b.csv": "a\n1\n"},
        ".",
        r"must hold files of one format, got 'README\.md', whose name tells none: take",
    ),
    "a column more": (
        {"a.csv": "t,x\n1,2\n", "b.csv": "t,x,y\n1,2,3\n"},
        ".",
        r"must hold files with the same columns, got 'y' in 'b\.csv' and not in 'a\.csv': add",
    ),
    "a column less": (
        {"a.csv": "t,x\n1,2\n", "b.csv": "t\n1\n"},
        ["a.csv", "b.csv"],
        r"must hold files with the same columns, got 'x' in 'a\.csv' and not in 'b\.csv': add",
    ),
    "another partition": (
        {"site=a/x.csv": "t\n1\n", "zone=b/x.csv": "t\n1\n"},
        ".",
        r"must hold files with the same columns, got 'site' in 'site=a/x\.csv' and not in 'zone=b",
    ),
    "more fields than names": (
        {"a.csv": "t,x\n1,2\n", "b.csv": "t,x\n1,2,3\n4,5,6\n"},
        ".",
        r"must have a name for every field, got rows of 'b\.csv' with more than the 2 names",
    ),
    "bytes that are no text": (
        {"a.csv": "t\n1\n", "b.csv": b"t\n\xff\xfe\n"},
        ".",
        r"must be a readable csv file, got 'b\.csv' \('utf-8' codec.*\): save it as UTF-8",
    ),
    "a part cut off": (
        {"a.parquet": b"PAR1", "b.parquet": b"PAR1"},
        ".",
        r"must be a readable parquet file, got 'a\.parquet' \(.*\): save it again",
    ),
    "a broken archive": (
        {"a.jsonl.gz": b"\x1f\x8bnothing"},
        "a.jsonl.gz",
        r"must be a readable jsonl file, got 'a\.jsonl\.gz' \(.*\): save it again",
    ),
    "no Arrow file": (
        {"a.feather": b"x" * 99},
        "a.feather",
        r"must be a readable feather file, got 'a\.feather' \(.*\): save it again",
    ),
    "a list in JSON": (
        {"a.jsonl": json.dumps([{"a": 1}])},
        "a.jsonl",
        r"must hold an object in each line, got the list of 'a\.jsonl': write it as JSON lines",
    ),
    "a value that is a number and text": (
        {"a.jsonl": '{"a": 1}\n', "b.jsonl": '{"a": "x"}\n'},
        ".",
        r"must hold files that agree, got column 'a' as string in 'b\.jsonl' and as int64 before",
    ),
    "a lake": (
        {"_delta_log/0.json": "{}", "a.parquet": b"PAR1"},
        ".",
        r"must be a folder of plain files, got '\.', a Delta Lake table whose files",
    ),
    "no row": ({"a.csv": "t,x\n", "b.csv": "t,x\n"}, ".", r"must hold at least one row, got '\.'"),
    "nothing": ({}, [], r"must name a file, got an empty list: name one"),
    "another network": (
        {},
        "ftp://me:word@h/a",
        r"must be an address .*, got 'ftp://h/a': w",
    ),
    "one slash": (
        {},
        "postgresql:/me:word@h/a",
        r"must be a file, got '…@h/a', which is not a f",
    ),
    "a database in a list": (
        {"a.csv": "a\n1\n"},
        ["a.csv", "sqlite:///b.db"],
        r"must be one database, got 'sqlite:///b\.db' in a list: read",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path, monkeypatch, name):
    files, path, told = REFUSED[name]
    monkeypatch.chdir(tmp_path)
    for file, content in files.items():
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=rf"^data\.path {told}") as raised:
        read(path)
    assert "word" not in str(raised.value)


def test_links_are_followed_and_no_circle_is_walked_twice(tmp_path):
    write(frame_of("b"), tmp_path / "else" / "b.csv")
    folder = tmp_path / "loads"
    write(frame_of("007"), folder / "a.csv")
    (folder / "more").symlink_to(tmp_path / "else")
    (folder / "self").symlink_to(folder)
    assert opened.open(folder).parts == (str(folder / "a.csv"), str(folder / "more" / "b.csv"))
    (folder / "gone.csv").symlink_to(tmp_path / "nowhere")
    told = r"must hold files that can be read, got '.*gone\.csv' \(No such file.*\): take it out"
    with pytest.raises(InputError, match=told):
        opened.open(folder)


def test_types_that_differ_name_file_and_column(tmp_path):
    write(frame_of("b"), tmp_path / "a.parquet")
    write(frame_of("b").astype({"load": str}), tmp_path / "b.parquet")
    told = r"must hold files that agree, got column 'load' as string in '.*b\.parquet' and as d"
    with pytest.raises(InputError, match=told):
        read(tmp_path)


def test_a_format_may_be_said_for_a_whole_folder(tmp_path):
    for name in ("part-0", "part-1"):
        parquet.write_table(pa.table({"a": [1]}), tmp_path / name)
    assert read(tmp_path, format="parquet")["a"].tolist() == [1, 1]
    with pytest.raises(InputError, match="whose name tells none"):
        read(tmp_path)


def test_wide_files_come_in_fewer_rows_at_a_time(tmp_path, monkeypatch):
    """A batch holds a bounded number of values, whatever number of rows is asked for."""
    asked = []
    original = pd.read_csv

    def spied(*args, **how):
        asked.append(how.get("chunksize"))
        return original(*args, **how)

    table = pa.table({f"c{n}": np.zeros(1) for n in range(3000)})
    arrow_csv.write_csv(table, tmp_path / "a.csv")
    monkeypatch.setattr(pd, "read_csv", spied)
    list(opened.open(tmp_path).batches(["c0"]))
    assert max(size for size in asked if size) * 3000 <= 4_000_000


def test_compressed_json_lines_are_unpacked_and_keys_may_be_left_out(tmp_path):
    lines = [{"ts": "2024-01-01T00:00:00", "x": 1}, {"ts": "2024-01-02T00:00:00", "y": 2.5}]
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    found = read(file)
    assert found["ts"].tolist() == [line["ts"] for line in lines]  # as it was written
    assert found["x"].tolist()[0] == 1 and np.isnan(found["x"][1]) and found["y"][1] == 2.5


def test_the_bound_of_rows_is_found_without_reading_them(tmp_path, monkeypatch):
    rows = pd.DataFrame({"a": range(7), "b": ["x\ny"] * 7})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    rows.to_csv(tmp_path / "rows.csv.gz", index=False)
    rows.to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    for number in range(2):
        (tmp_path / "many").mkdir(exist_ok=True)
        rows.to_parquet(tmp_path / "many" / f"{number}.parquet")
    bound = {name: opened.open(tmp_path / name).most() for name in ("rows.csv", "rows.jsonl")}
    assert bound["rows.csv"] >= 7 and 7 <= bound["rows.jsonl"] <= 8
    assert opened.open(tmp_path / "many").most() == 14
    assert opened.open(tmp_path / "rows.csv.gz").most() is None
