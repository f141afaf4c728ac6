"""Tables as blocks: cut in memory, written to disk piece by piece, read back to the bit."""

import dataclasses
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data import clock, fetch, panel, windows
from forecast.data.blocks import Blocks
from forecast.data.schema import Schema
from forecast.data.stored import write
from forecast.data.windows import Window
from forecast.errors import InputError
from tests.data.panels import QUIET, same, tables

START = pd.Timestamp("2024-01-31")
GRIDS = ("h", "D", "7D", "B", "ME", "2QE", "MS")


def equal(one, other):
    """Say which field of two tables differs, to the bit."""
    found = []
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            if not (a.shape == b.shape and a.dtype.kind == b.dtype.kind and same(a, b)):
                found.append(field.name)
        elif a != b:
            found.append(field.name)
    return found


@st.composite
def panels(draw):
    """Sorted raw rows with absent moments, holes and rows that are twice there; and a schema."""
    grid = draw(st.sampled_from(GRIDS))
    moments = pd.date_range(START, periods=40, freq=grid)
    exact = draw(st.booleans())
    seed = np.random.default_rng(draw(st.integers(0, 2**32)))
    missing = draw(st.sampled_from(("hold", "mask", "drop")))
    duplicates = draw(st.sampled_from(("refuse", "first", "last")))
    count = draw(st.integers(1, 4))
    several = draw(st.booleans())
    parts = []
    for number in range(count):
        first, length = int(seed.integers(0, 5)), int(seed.integers(8, 30))
        kept = np.sort(seed.choice(length, int(seed.integers(7, length + 1)), replace=False))
        if duplicates != "refuse":
            kept = np.sort(np.append(kept, seed.choice(kept, 2)))
        rows = len(kept)
        numbers = seed.integers(-40, 40, (rows, 4)) / (8 if exact else 10)
        numbers[seed.random((rows, 4)) < draw(st.sampled_from((0, 0.1, 0.6)))] = np.nan
        part = pd.DataFrame(numbers, columns=["load", "temp", "wind", "price"])
        part["wind"] = 45 * part["wind"]
        part["sky"] = seed.choice(["clear", "rain", None], rows)
        area = np.full(rows, number + 0.5)
        area[kept != seed.choice(kept)] = np.nan  # one moment says it
        part["area"] = area
        part["time"] = moments[first + kept]
        part["site"], part["meter"] = f"s {number // 2}", (9, 10, 2, 1)[number]  # 10 < 9
        parts.append(part)
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[0, ["load", "temp", "wind", "price"]] = 1.0  # no column is empty throughout
    task = draw(st.sampled_from(("values", "event", "labels", "edges")))
    asked = {
        "values": {"targets": draw(st.sampled_from((("load",), ("load", "temp"))))},
        "event": {"targets": ("load",), "events": {"load": 0.5}},
        "labels": {"targets": ("sky",)},
        "edges": {"targets": ("load",)},
    }[task]
    edges = {"load": (-1.0, 0.5)} if task == "edges" else {}
    schema = Schema(
        time="time",
        series=("site", "meter") if several else ("meter",),
        features=draw(st.sampled_from((("load", "temp", "wind", "sky"), ("wind",), ("temp",)))),
        frequency=grid,
        missing=missing,
        hold=draw(st.sampled_from((0, 1, 3, 12))),
        duplicates=duplicates,
        calendar=draw(st.sampled_from(((), ("weekday", "year")))),
        circular={"wind": 360},
        valid={"temp": (-3, 3)},
        known_future=draw(st.sampled_from(((), ("price",)))),
        static=draw(st.sampled_from(((), ("area",)))),
        classes={"sky": ("clear", "rain"), **edges},
        **asked,
    )
    cuts = np.sort(seed.integers(0, len(frame) + 1, draw(st.integers(0, 5))))
    return frame, schema, np.split(np.arange(len(frame)), cuts)


@QUIET
@given(panels(), st.sampled_from((1, 5, 12, 1000)))
def test_a_table_on_disk_is_what_build_makes_of_all_rows(tmp_path_factory, drawn, rows):
    frame, schema, cuts = drawn
    folder = tmp_path_factory.mktemp("tables") / "one"
    parts = [frame.iloc[cut] for cut in cuts]
    blocks = write.write(parts, schema, folder, rows=rows)
    [table] = blocks.tables()
    assert equal(table, panel.build(frame, schema)) == []
    assert [path.name for path in folder.parent.iterdir()] == ["one"]
    assert len(blocks) == len(table) and blocks.names.to_pylist() == list(table.names)


@QUIET
@given(tables(), st.integers(1, 12), st.integers(1, 4), st.integers(1, 4))
def test_blocks_hold_every_row_and_every_window_once(table, rows, past, ahead):
    window = Window(past, ahead)
    blocks = Blocks.of(table)
    overlap = window.span - 1
    own = [block for block in blocks.tables(rows + overlap, overlap) if len(block)]
    found = np.concatenate(
        [np.zeros(0, int), *(windows.starts(one, window) + one.first_row for one in own)]
    )
    # ticks of a table that lost rows are no grid, but windows are cut along neighbours only
    assert sorted(found) == windows.starts(table, window).tolist()
    assert all(len(block) <= rows + overlap for block in own)
    for block in own:
        span = slice(block.first_row, block.first_row + len(block))
        assert same(block.inputs, table.inputs[span])
        assert (block.series + block.first_series == table.series[span]).all()
        assert [block.names[code] for code in block.series] == [
            table.names[code] for code in table.series[span]
        ]
    apart = blocks.cut(rows, 0)
    assert (np.diff(apart.rows, axis=1).sum(), apart.shared.sum()) == (len(table), 0)
    [whole] = blocks.tables()
    assert whole is table


def daily(series=3, rows=20, **columns):
    """Raw rows of some series without holes, sorted."""
    day = np.tile(pd.date_range("2024-01-01", periods=rows), series)
    name = np.repeat([f"s{number}" for number in range(series)], rows)
    load = np.arange(len(day)) / 8
    return pd.DataFrame({"site": name, "day": day, "load": load, **columns})


PLAIN = Schema("day", ("load",), series=("site",))


def test_batches_and_frames_give_one_table(tmp_path):
    raw = daily()
    batches = pa.Table.from_pandas(raw).to_batches(max_chunksize=7)
    one = write.write(iter(batches), PLAIN, tmp_path / "one")
    two = write.write([raw[:31], raw[:0], raw[31:]], PLAIN, tmp_path / "two", rows=25)
    [first], [second] = one.tables(), two.tables()
    assert equal(first, second) == equal(first, panel.build(raw, PLAIN)) == []
    # float32 holds these values, and inputs and outputs are one column
    assert one.backing.bytes == len(raw) * 4 and repr(one) == "Blocks: 60 rows of 3 series"
    tenth = write.write([raw.assign(load=raw["load"] / 10)], PLAIN, tmp_path / "three")
    assert tenth.backing.bytes == len(raw) * 8


def test_blocks_travel_as_the_name_of_their_folder(tmp_path):
    blocks = write.write([daily()], PLAIN, tmp_path / "one")
    bytes_ = pickle.dumps(blocks)
    assert len(bytes_) < 1000
    [table], [other] = blocks.tables(), pickle.loads(bytes_).tables()
    assert equal(table, other) == []


@pytest.mark.parametrize("grid", GRIDS)
def test_time_stamps_follow_from_the_first_and_the_frequency(grid):
    """Against pandas, series by series."""
    lengths = np.array([5, 1, 9])
    moments = pd.date_range("2024-01-31 06:00", periods=20, freq=grid).to_numpy("datetime64[ns]")
    first = np.array([3, 0, 7])
    found = clock.along(moments[first], lengths, grid)
    each = [moments[a : a + n] for a, n in zip(first, lengths, strict=True)]
    assert (found == np.concatenate(each)).all()
    assert clock.later(moments[3], grid, 4) == moments[7]


FAULTS = {
    "again": (
        lambda raw: pd.concat([raw, raw[:20].assign(day=raw["day"][:20] + pd.Timedelta("30D"))]),
        "data.series must name rows that stand together in a table on disk, got series 's0' again",
    ),
    "back": (
        lambda raw: raw.iloc[np.r_[0:20, 25:30, 20:25, 30:60]],
        r"data.time must rise within a series of a table on disk, got 2024-01-01 00:00:00 behind",
    ),
    "twice": (
        lambda raw: raw.iloc[np.r_[0:30, 29:60]],
        "data.time must be unique within a series, got 2024-01-10 00:00:00 twice of series 's1'",
    ),
    "no number": (
        lambda raw: raw.assign(load=raw["load"].astype(object).where(raw.index != 33, "x")),
        "data.targets must be numbers, got 'x' in column 'load', row 34: fix it",
    ),
    "no date": (
        lambda raw: raw.assign(day=raw["day"].where(raw.index != 47)),
        "got nothing in row 48: fill it",
    ),
    "no series": (
        lambda raw: raw.assign(site=raw["site"].where(raw.index != 52)),
        "data.series must be filled in every row, got nan in column 'site', row 53",
    ),
    "empty": (lambda raw: raw.assign(load=np.nan), "data.targets must hold values, got only"),
    "no rows": (lambda raw: raw[:0], "data must hold at least one row, got none"),
    "irregular": (
        lambda raw: raw.assign(day=raw["day"] + pd.to_timedelta((raw.index == 45) * 6, "h")),
        "data.time must be regular .commonest distance 1 days 00:00:00., got 2024-01-0",
    ),
    "stray": (
        lambda raw: raw.assign(day=raw["day"] + pd.to_timedelta((raw.index == 59) * 9000, "D")),
        "data.time must be mostly filled at frequency D, got 60 rows for 9060 time stamps",
    ),
    "zones": (
        lambda raw: raw.assign(
            day=[f"{day}{'Z' * (n > 40)}" for n, day in enumerate(raw["day"].astype(str))]
        ),
        "must state a zone in all rows or in none",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_build_refuses_is_refused_in_its_words(tmp_path, fault):
    change, sentence = FAULTS[fault]
    raw = change(daily())
    parts = [raw[first : first + 13] for first in range(0, len(raw), 13)]
    with pytest.raises(InputError, match=sentence):
        write.write(parts, PLAIN, tmp_path / "one", rows=20)
    assert not any(tmp_path.iterdir())
    if fault not in ("again", "back"):  # which build sorts
        with pytest.raises(InputError) as error:
            panel.build(raw, PLAIN)
        assert error.match(sentence) or fault == "zones"


def test_a_range_that_holds_nothing_is_refused(tmp_path):
    schema = dataclasses.replace(PLAIN, valid={"load": (90, 99)})
    with pytest.raises(InputError, match=r"data.valid.load must hold some.*from 0 to 7.375"):
        write.write([daily()], schema, tmp_path / "one", rows=10)


def test_static_values_of_a_long_series(tmp_path):
    """One that is never said, and two that differ far apart."""
    schema = dataclasses.replace(PLAIN, features=("load",), static=("area",))
    for area, sentence in (
        (np.full(60, np.nan), "data.static must hold a value for every series, got none in"),
        (
            np.where(np.arange(60) < 3, 1.0, np.where(np.arange(60) > 56, 2.0, np.nan)),
            "got 1 and 2",
        ),
    ):
        raw = daily(1, 60, area=area)
        for rows in (10, 1000):
            with pytest.raises(InputError, match="data.static must|" + sentence):
                write.write([raw], schema, tmp_path / "one", rows=rows)


def test_a_frequency_that_the_first_series_alone_has_is_refused(tmp_path):
    day = pd.date_range("2024-01-01", periods=40)
    part = [pd.DataFrame({"site": "a", "day": day[:10], "load": 1.0})]
    part += [pd.DataFrame({"site": s, "day": day[::2], "load": 1.0}) for s in "bcd"]
    with pytest.raises(InputError, match="data.frequency must be set where the first series"):
        write.write(part, PLAIN, tmp_path / "one", rows=5)
    whole = write.write(part, dataclasses.replace(PLAIN, frequency="D"), tmp_path / "two", rows=5)
    assert len(whole) == 10 + 3 * 39


def test_a_writer_that_is_killed_leaves_nothing_that_is_read(tmp_path):
    code = textwrap.dedent(
        f"""
        import time
        from tests.data.test_blocks import PLAIN, daily
        from forecast.data.stored import write

        def frames():
            yield daily()
            print("begun", flush=True)
            time.sleep(60)

        write.write(frames(), PLAIN, {str(tmp_path / "one")!r}, rows=10)
        """
    )
    begin = [sys.executable, "-c", code]
    with subprocess.Popen(begin, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "one").exists()
    blocks = write.write([daily()], PLAIN, tmp_path / "one")
    assert len(blocks) == 60


def test_of_two_writers_the_first_one_stays(tmp_path):
    def frames():
        write.write([daily(2)], PLAIN, tmp_path / "one")  # another is done meanwhile
        yield daily(2)

    blocks = write.write(frames(), PLAIN, tmp_path / "one")
    assert len(blocks) == 40 and [path.name for path in tmp_path.iterdir()] == ["one"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return fetch.cache_folder("tables")


def test_the_cache_writes_a_table_once(cache):
    calls = []

    def frames():
        calls.append(1)
        return [daily()]

    one, two = write.cached("abc", PLAIN, frames), write.cached("abc", PLAIN, frames)
    assert len(calls) == 1 and len(one) == len(two) == 60
    other = dataclasses.replace(PLAIN, missing="drop")
    write.cached("abc", other, frames)
    write.cached("abd", PLAIN, frames)
    assert len(calls) == len(list(cache.iterdir())) == 3
    for folder in cache.iterdir():  # half of a table is written again
        (folder / "values.bin").write_bytes(b"1234")
    assert len(list(write.cached("abc", PLAIN, frames).tables())) == 1
    assert len(calls) == 4


def test_the_cache_keeps_the_tables_used_last(cache, monkeypatch):
    def size(folder):
        return sum(file.stat().st_size for file in folder.iterdir())

    for number in range(3):
        write.cached(str(number), PLAIN, lambda: [daily()])
    old = time.time() - 3600
    first = write.cached("0", PLAIN, lambda: [daily()]).backing.folder
    for folder in cache.iterdir():
        os.utime(folder, (old, old))
    os.utime(first)
    monkeypatch.setattr(write, "MOST_BYTES", int(2.5 * size(first)))
    newest = write.cached("3", PLAIN, lambda: [daily()]).backing.folder
    assert set(cache.iterdir()) == {first, newest}
    monkeypatch.setattr(write, "MOST_BYTES", 1)
    last = write.cached("4", PLAIN, lambda: [daily()])
    assert set(cache.iterdir()) == {last.backing.folder}
    assert len(next(last.tables())) == 60


def test_a_folder_of_something_else_is_refused(tmp_path):
    for text in (None, "{", '{"format": 0}'):
        if text:
            (tmp_path / "facts.json").write_text(text)
        with pytest.raises(InputError, match="folder must hold a table that"):
            Blocks.open(tmp_path)


def test_blocks_smaller_than_their_overlap_are_refused():
    raw = panel.build(daily(), PLAIN)
    with pytest.raises(InputError, match="rows must be more than the overlap of two blocks, got 5"):
        Blocks.of(raw).cut(5, 5)
