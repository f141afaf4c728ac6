"""Rows by series and time, whatever order they come in and however many they are."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from forecast.data.sources import opened, ordered, spill
from forecast.errors import InputError

MUCH = 2**30


def table(rows: int = 3000, twice: int = 20) -> pd.DataFrame:
    """Rows of three series in disorder, some moments twice; `row` tells which row is which."""
    rng = np.random.default_rng(rows)
    frame = pd.DataFrame(
        {
            "site": rng.choice(["é", "a-b", "a", "Z", "10", "9"], rows),
            "ts": rng.permutation(pd.date_range("2024", periods=rows, freq="min")),
            "value": rng.normal(size=rows),
        }
    )
    frame.loc[rng.choice(rows, twice, replace=False), "ts"] = frame.ts[0]
    frame.loc[::7, "value"] = np.nan
    return frame.assign(row=np.arange(rows))


def by_hand(frame: pd.DataFrame, by: list[str]) -> list[int]:
    """The numbers of the rows, sorted by Python."""
    names = ["/".join(map(str, names)) for names in frame[by[:-1]].itertuples(index=False)]
    keys = zip(names, pd.to_datetime(frame[by[-1]], utc=True), frame.row, strict=True)
    return [row for *_, row in sorted(keys)]


def found(source, by, memory: int = MUCH, **how) -> pa.Table:
    return pa.Table.from_batches(ordered.ordered(source, by, memory, **how))


WRITTEN = {
    "moments": lambda ts: ts,
    "text": lambda ts: ts.dt.strftime("%Y-%m-%d %H:%M:%S"),
    "zones": lambda ts: [
        f"{one + pd.Timedelta(hours=n % 3)}+0{n % 3}:00" for n, one in enumerate(ts)
    ],
}
"""How the time of a file may be written; text of several zones sorts otherwise than its moments."""


@pytest.mark.parametrize("memory", [MUCH, 0], ids=["in memory", "on disk"])
@pytest.mark.parametrize("written", WRITTEN)
def test_rows_are_sorted_by_series_and_moment(tmp_path, written, memory):
    frame = table().assign(ts=lambda rows: WRITTEN[written](rows.ts))
    frame.to_parquet(tmp_path / "a.parquet", index=False)
    source = opened.open(tmp_path / "a.parquet")
    rows = found(source, ["site", "ts"], memory, rows=100)
    assert rows.schema.names == [*frame]
    assert rows["row"].to_pylist() == by_hand(frame, ["site", "ts"])
    expected = frame.iloc[rows["row"].to_numpy()].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows.to_pandas(), expected, check_dtype=False)
    types = pa.Table.from_batches(source.batches([*frame])).schema
    assert rows.schema == types


@pytest.mark.parametrize("memory", [MUCH, 0], ids=["in memory", "on disk"])
def test_days_first_several_columns_and_none_are_sorted_too(tmp_path, memory):
    frame = table().assign(plant=lambda rows: rows.row % 3, ts=lambda rows: rows.ts.dt.floor("s"))
    written = frame.assign(ts=frame.ts.dt.strftime("%d.%m.%Y %H:%M"))
    written.to_csv(tmp_path / "a.csv", index=False)
    source = opened.open(tmp_path / "a.csv")
    for by in (["site", "plant", "ts"], ["plant", "ts"], ["ts"]):
        rows = found(source, by, memory, time_format="%d.%m.%Y %H:%M", wanted=["row"])
        assert rows.column_names == ["row"]
        assert rows["row"].to_pylist() == by_hand(frame, by)


def test_rows_that_are_sorted_are_passed_on_as_they_come(tmp_path, monkeypatch):
    frame = table().sort_values(["site", "ts"], kind="stable")
    frame.to_parquet(tmp_path / "a.parquet", index=False)
    monkeypatch.setattr(ordered, "_inside", None)
    monkeypatch.setattr(ordered, "_outside", None)
    source = opened.open(tmp_path / "a.parquet")
    given = list(ordered.ordered(source, ["site", "ts"], 0, rows=77))
    assert given == list(source.batches([*frame], 77))


def in_files(frame: pd.DataFrame, folder: Path) -> None:
    """Write a hundred rows a file, so that no batch holds more."""
    for first in range(0, len(frame), 100):
        part = frame.iloc[first : first + 100]
        part.to_parquet(folder / f"{first:05}.parquet", index=False)


@pytest.mark.parametrize("row", [99, 100, 101, 2999])
def test_one_row_out_of_place_is_seen_within_a_batch_and_between_two(tmp_path, row):
    frame = table(twice=0).sort_values(["site", "ts"]).assign(row=range(3000))
    order = [*range(3000)]
    order[row - 1], order[row] = order[row], order[row - 1]
    in_files(frame.iloc[order], tmp_path)
    rows = found(opened.open(tmp_path), ["site", "ts"])
    assert rows["row"].to_pylist() == list(range(3000))


def test_more_rows_than_memory_holds_go_to_disk_and_leave_nothing(tmp_path, monkeypatch):
    """DuckDB may use 64 MiB and the rows take more, so it must write, and keep to its limit."""
    duckdb = pytest.importorskip("duckdb")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rng, count = np.random.default_rng(1), 700_000
    numbers = rng.permutation(count)
    columns = {
        "site": pa.array(np.char.add("site", (numbers % 1000).astype(str))),
        "ts": pa.array(numbers * 10**9).cast(pa.timestamp("ns")),
    }
    rows = pa.table(columns | {f"c{n}": rng.normal(size=count) for n in range(12)})
    parquet.write_table(rows, tmp_path / "a.parquet", row_group_size=100_000)
    assert rows.nbytes > 1.1 * ordered.LEAST
    opened_by_us = []

    def connect(*args, **how):
        opened_by_us.append(duckdb.connect(*args, **how))
        return opened_by_us[-1]

    spied = SimpleNamespace(connect=connect, Error=duckdb.Error)
    monkeypatch.setattr(ordered.duck, "imported", lambda: spied)
    home, taken, written, seen = tmp_path / "forecast" / "spill", [], [], []
    for batch in ordered.ordered(opened.open(tmp_path / "a.parquet"), ["site", "ts"], 0):
        seen.append(batch.select(["site", "ts"]))
        used = "select sum(memory_usage_bytes) from duckdb_memory()"
        taken.append(opened_by_us[0].cursor().execute(used).fetchone()[0])
        written.append(sum(file.stat().st_size for file in home.rglob("*.tmp")))
    assert max(written) > 2**25 and max(taken) <= ordered.LEAST
    assert list(home.iterdir()) == []
    found = pa.Table.from_batches(seen).to_pandas()
    expected = pd.DataFrame({"site": numbers % 1000, "ts": numbers})
    expected = expected.assign(site="site" + expected.site.astype(str)).sort_values(["site", "ts"])
    assert found["site"].tolist() == expected.site.tolist()
    assert (found["ts"].astype("int64") == expected.ts.to_numpy() * 10**9).all()


def test_a_reader_that_stops_early_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    table().to_parquet(tmp_path / "a.parquet", index=False)
    batches: Iterator = ordered.ordered(opened.open(tmp_path / "a.parquet"), ["ts"], 0, rows=10)
    next(batches)
    home = tmp_path / "forecast" / "spill"
    assert len(list(home.iterdir())) == 1
    batches.close()
    assert list(home.iterdir()) == []


REFUSED = {
    "no date": (
        "ts",
        "soon",
        r"data\.time column 'ts' must hold ISO 8601 .*'soon' in row 2501: fix",
    ),
    "no name": ("site", None, r"data\.series must be filled .*column 'site', row 2501: name"),
    "one zone": (
        "ts",
        "2024-01-01 00:00+01:00",
        r"data\.time column 'ts' must state a zone",
    ),
}


@pytest.mark.parametrize("memory", [MUCH, 0], ids=["in memory", "on disk"])
@pytest.mark.parametrize("name", REFUSED)
def test_rows_that_have_no_place_are_named_by_their_number(tmp_path, name, memory):
    column, value, told = REFUSED[name]
    frame = table(twice=0).sort_values(["site", "ts"]).astype({"ts": str})
    frame.iloc[2500, frame.columns.get_loc(column)] = value
    in_files(frame.iloc[[1, 0, *range(2, 3000)]], tmp_path)
    with pytest.raises(InputError, match=told):
        found(opened.open(tmp_path), ["site", "ts"], memory)


def test_a_disk_without_room_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rows = 400_000
    frame = pd.DataFrame({"ts": pd.date_range("2024", periods=rows, freq="s")[::-1]})
    for n in range(40):
        frame[f"c{n}"] = np.random.default_rng(n).normal(size=rows)
    frame.to_parquet(tmp_path / "a.parquet", index=False)
    limit = {"max_temp_directory_size": "1MiB"}
    monkeypatch.setattr(ordered.duck, "ALONE", ordered.duck.ALONE | limit)
    with pytest.raises(InputError, match=r"^data\.path must fit on disk once more to be sorted"):
        found(opened.open(tmp_path / "a.parquet"), ["ts"], 0)
    assert list((tmp_path / "forecast" / "spill").iterdir()) == []


def test_a_home_that_cannot_be_written_sorts_in_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(
        spill, "private_cache_folder", lambda name: (_ for _ in ()).throw(OSError())
    )
    monkeypatch.setattr(spill.tempfile, "gettempdir", lambda: str(tmp_path))
    kept = spill.Spill()
    assert kept.path.parent == tmp_path
    kept.close()
    assert not kept.path.exists()
