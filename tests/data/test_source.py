import gzip
import hashlib
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.data.sources import opened
from forecast.data.stamps import span
from forecast.errors import InputError

NYC = Path(__file__).parents[2] / "data" / "nyc_weather.csv.gz"
TEXT = "ts,load,name\n2024-01-01,1.5,a\n2024-01-02,,b\n"


def read(path, format=None):
    return opened.read(opened.open(path, format))


def test_the_embedded_file_holds_what_its_readme_says():
    frame = read(NYC)
    assert frame.shape == (26115, 15)
    assert frame["origin"].value_counts().to_dict() == {"EWR": 8703, "JFK": 8706, "LGA": 8706}
    assert frame["wind_speed"].nlargest(2).round(2).tolist() == [1048.36, 42.58]
    assert frame["time_hour"].agg(["min", "max"]).tolist() == [
        "2013-01-01T06:00:00Z",
        "2013-12-30T23:00:00Z",
    ]
    assert hashlib.sha256(gzip.decompress(NYC.read_bytes())).hexdigest() == (
        "5d1ea2548a3941eac0b4a9ca70805daa9fa49bbb711a0c7557b2bba0bd7c3f64"
    )


def test_csv_gz_bz2_xz_zip_and_parquet_hold_the_same_rows(tmp_path):
    frame = pd.DataFrame({"ts": ["2024-01-01", "2024-01-02"], "load": [1.5, np.nan]})
    for name in ("a.csv", "a.csv.gz", "a.csv.bz2", "a.csv.xz", "a.csv.zip"):
        frame.to_csv(tmp_path / name, index=False)
        pd.testing.assert_frame_equal(read(tmp_path / name), frame)
    for name in ("a.parquet", "a.pq", "a.PARQUET"):
        frame.to_parquet(tmp_path / name)
        pd.testing.assert_frame_equal(read(tmp_path / name), frame)


def test_the_format_may_be_said_where_the_name_does_not_tell(tmp_path):
    path = tmp_path / "table.data"
    pd.DataFrame({"a": [1]}).to_parquet(path)
    assert read(str(path), "parquet")["a"].tolist() == [1]
    path.write_text("a\n2\n")
    assert read(path)["a"].tolist() == [2]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(TEXT, encoding="utf-8-sig")
    assert read(path).columns.tolist() == ["ts", "load", "name"]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_names_in_any_script_and_any_line_ending_are_read(tmp_path, ending):
    path = tmp_path / "a.csv"
    path.write_bytes(ending.join(["ts,größe,温度", "2024-01-01,1,2"]).encode())
    assert read(path).columns.tolist() == ["ts", "größe", "温度"]


def test_a_name_that_stands_twice_in_the_header_stays_twice(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('ts,load,load,"a,b",,\n1,2,3,4,5,6\n')
    names = read(path).columns.tolist()
    assert names[:4] == ["ts", "load", "load", "a,b"]
    assert len(set(names[4:])) == 2  # columns without a name are told apart


def test_an_index_kept_by_parquet_becomes_columns(tmp_path):
    path = tmp_path / "a.parquet"
    time = pd.date_range("2024", periods=2, name="ts")
    pd.DataFrame({"x": [1, 2]}, time).to_parquet(path)
    assert read(path).columns.tolist() == ["ts", "x"]
    pd.DataFrame({"x": [1, 2]}, time.rename(None)).to_parquet(path)
    assert read(path).columns.tolist() == ["index", "x"]
    both = pd.MultiIndex.from_arrays([["a", "b"], time], names=["who", "ts"])
    pd.DataFrame({"x": [1, 2]}, both).to_parquet(path)
    assert read(path).columns.tolist() == ["who", "ts", "x"]
    pd.DataFrame({"ts": [1, 2]}, time).to_parquet(path)  # the column is what a config names
    assert read(path).columns.tolist() == ["ts"]


def test_digest_is_the_beginning_of_sha256sum():
    told = subprocess.run(["sha256sum", NYC], capture_output=True, text=True, check=True).stdout
    assert opened.open(NYC).digest() == told[:16]


def test_digest_sees_one_changed_byte(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text(TEXT)
    two.write_text(TEXT.replace("1.5", "1.6"))
    assert opened.open(one).digest() != opened.open(two).digest()


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, None, 48),
        ("2024-01-02", None, 24),
        (None, "2024-01-01", 24),  # a day to its end
        (None, "2024-01-01 05:00", 6),
        ("2024-01-01 20:00", "2024-01-02 03:00", 8),
        ("2024", "2024-01", 48),
    ],
)
def test_a_span_holds_both_its_ends(since, until, expected):
    hours = np.arange("2024-01-01T00", "2024-01-03T00", dtype="datetime64[h]")
    assert span.between(hours.astype("datetime64[ns]"), since, until).sum() == expected


@pytest.mark.parametrize(("since", "until"), [("2025-01-01", None), ("someday", None), ("", "")])
def test_a_span_without_rows_or_meaning_is_refused(since, until):
    hours = np.arange("2024-01-01T00", "2024-01-03T00", dtype="datetime64[h]")
    with pytest.raises(InputError, match="data.since"):
        span.between(hours, since, until)
