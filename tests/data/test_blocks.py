"""Tables as blocks: cut in memory, written to disk piece by piece, read back to the bit."""

import dataclasses
import json
import multiprocessing
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data import fetch, panel, scale, windows
from forecast.data.blocks import Blocks
from forecast.data.schema import Schema
from forecast.data.stored import pieces, write
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
        area[np.arange(rows) != seed.integers(rows)] = np.nan  # one row says it
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
