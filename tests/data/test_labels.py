"""Columns of text whose labels nobody has listed: which they are, and what becomes of others."""

import sqlite3
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast import Schema, Window, build
from forecast.cli.config.compose import compose
from forecast.data.columns import (
    MOST_LABELS,
    counted_labels,
    holds_labels,
    text_columns,
    unlisted,
    with_labels,
)
from forecast.data.features import input_names, lasting
from forecast.errors import InputError
from forecast.workflows import load
from forecast.workflows.loaded import labelled, stored_labels
from forecast.workflows.settings import SplitConfig

SCHEMA = Schema("time", ("load",), ("load", "sky"))
SPANS = SplitConfig(validation=0.1, test=0.2)


def rows(count: int = 100, seed: int = 0) -> pd.DataFrame:
    """One series, whose sky is text with holes."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "time": pd.date_range("2024-01-01", periods=count, freq="h"),
            "load": rng.normal(size=count),
            "sky": rng.choice(["clear", "rain ", "fog", "", None], count),
        }
    )


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (["rain", "clear", None], True),
        (["A", "B", "1", "2"], False),
        (["A1", "B2", "1"], True),
        (["1", "2", "?"], False),
        (["1,5", "2,5", "3,5"], False),
        (["1.234,5", "2 345", "-3", "4e5", "50 %"], False),
        ([True, False, None], False),
        ([1, 2, 3], False),
        ([1.0, "rain", "fog", "snow"], True),
        ([None, None], False),
        ([1, "rain", True, "fog", "snow"], True),
    ],
)
@pytest.mark.parametrize("category", [False, True])
def test_text_is_what_is_mostly_no_number(values: list, text: bool, category: bool):
    column = pd.Series(values, dtype=None if category else object)
    assert holds_labels(column.astype("category") if category else column) == text


def test_the_most_frequent_labels_are_kept_whatever_the_order():
    rng = np.random.default_rng(1)
    names = [f"label {n:03}" for n in range(60)]
    values = rng.choice([*names, "other"], 5000, p=(share := rng.random(61)) / share.sum())
    found = with_labels(SCHEMA, {"sky": counted_labels(pd.Series(values))})
    counts = Counter(values.tolist())
    del counts["other"]
    expected = sorted(counts, key=lambda label: (-counts[label], label))[:MOST_LABELS]
    assert found.classes["sky"] == tuple(sorted(expected))
    assert found.labels("sky") == (*sorted(expected), "other")
    assert Schema.from_dict(found.to_dict()) == found
    assert "others" not in SCHEMA.to_dict()


def test_each_label_and_other_has_a_column():
    frame = rows()
    schema = replace(SCHEMA, classes={"sky": ("clear", "rain")}, others=("sky",), missing="drop")
    table = build(frame, schema)
    assert table.features == ("load", "sky=clear", "sky=rain", "sky=other")
    sky = frame.sky.str.strip()
    expected = np.column_stack([sky == "clear", sky == "rain", sky == "fog"]).astype(float)
    expected[(sky.isna() | (sky == "")).to_numpy(bool)] = np.nan
    np.testing.assert_array_equal(table.inputs[:, 1:], expected)


def test_labels_are_those_of_the_training_rows():
    frame = rows()
    frame.loc[69, "sky"] = "hail"  # the last training row
    found = labelled(frame, SCHEMA, SPANS, 4)
    assert found.classes["sky"] == ("clear", "fog", "hail", "rain")
    later = frame.copy()
    later.loc[70:, "sky"] = [f"later {n}" for n in range(30)]
    assert labelled(later, SCHEMA, SPANS, 4) == found
    assert labelled(frame.sample(frac=1, random_state=0), SCHEMA, SPANS, 4) == found
    assert not build(later, found).inputs[70:, 1:-1].any()
    assert build(later, found).inputs[70:, -1].all()


def test_parts_of_a_stream_have_the_labels_of_the_whole():
    frame = rows(seed=3)
    frame["count"] = frame.index.astype(str)  # numbers as text
    schema = replace(SCHEMA, features=("load", "sky", "count"))
    cut = frame.time[70].to_datetime64()
    for size in (1, 7, 100):

        def read(names, size=size):
            return [frame[names].iloc[first : first + size] for first in range(0, 100, size)]

        found = stored_labels(read, schema, ["sky", "count"], cut)
        assert found == labelled(frame, schema, SPANS, 4)


def test_columns_that_mean_something_else_are_none_of_labels():
    frame = rows()
    asked = {"circular": {"sky": 360}, "valid": {"sky": (0, 1)}, "classes": {"sky": ("a", "b")}}
    for name, own in asked.items():
        assert unlisted(replace(SCHEMA, **{name: own})) == []
    assert text_columns(frame, SCHEMA) == ["sky"]
    assert text_columns(frame, Schema("time", ("sky",))) == []


@pytest.mark.parametrize("role", ["static", "known_future"])
def test_static_and_known_columns_have_labels_too(role: str):
    frame = rows().assign(region="coast")
    schema = replace(SCHEMA, features=("load",), **{role: ("region",)})
    found = labelled(frame, schema, SPANS, 4)
    table = build(frame, found)
    assert table.features == ("load", "region=coast", "region=other")
    assert (table.static if role == "static" else table.known) == (1, 2)
    assert table.inputs[:, 1:].tolist() == [[1.0, 0.0]] * 100


def test_what_is_no_label_is_refused():
    frame = rows()
    with pytest.raises(InputError, match=r"labels that come again, got 70 different texts in 70 "):
        labelled(frame.assign(sky=[f"text {n}" for n in range(100)]), SCHEMA, SPANS, 4)
    late = frame.assign(sky=None)
    late.loc[80:, "sky"] = "rain"
    with pytest.raises(InputError, match=r"data\.features must hold labels in the training rows"):
        labelled(late, SCHEMA, SPANS, 4)
    with pytest.raises(InputError, match="'1,5' in column 'sky', row 1: fix it"):
        build(frame.assign(sky="1,5"), labelled(frame.assign(sky="1,5"), SCHEMA, SPANS, 4))
    with pytest.raises(InputError, match=r"row 2: fix it"):
        frame["sky"] = ["1", "x", *["2", "3"] * 49]
        build(frame, labelled(frame, SCHEMA, SPANS, 4))
    with pytest.raises(InputError, match=r"list its labels in data\.classes or leave"):
        build(rows(), SCHEMA)
    with pytest.raises(InputError, match=r"data\.targets must be numbers.*decimals take a point"):
        build(rows(), Schema("time", ("sky",)))


def test_no_two_inputs_are_called_alike():
    frame = rows().drop(columns="sky")
    made = ["hour_sin", "hour_cos", "load_missing", "wind_sin", "load_ahead", "temp=hot"]
    frame[[*made, "temp", "wind"]] = 1.0
    schema = Schema(
        "time",
        ("load",),
        ("load", "wind", *made, "temp"),
        circular={"wind": 360},
        calendar=("hour",),
        known_future=("hour",),
        missing="mask",
        classes={"temp": ("hot", "cold")},
    )
    table = build(frame.assign(temp="hot"), schema)
    names = input_names(table, Window(4, 2))
    for found in (table.features, names):
        assert len(set(found)) == len(found)
        assert {*made} <= {*found}  # columns of the file keep their names
    assert {"hour_sin_2", "wind_sin_2", "load_missing_2", "temp=hot_2"} <= {*table.features}
    np.testing.assert_array_equal(table.inputs[:, table.features.index("hour_sin")], 1.0)
    place = table.features.index("hour_sin_2")
    expected = np.sin(2 * np.pi * frame.time.dt.hour / 24)
    np.testing.assert_allclose(table.inputs[:, place], expected, atol=1e-12)
    assert place in lasting(table, Window(4, 2))


@pytest.mark.parametrize("name", ["", " ", "Unnamed: 0", "Unnamed: 12", "__index_level_0__"])
@pytest.mark.parametrize("end", ["parquet", "feather", "jsonl", "db"])
def test_columns_without_a_name_are_none_of_all(name: str, end: str, tmp_path, monkeypatch):
    if end == "db" and not name.strip():
        name = "Unnamed: 0"  # SQLite has no column without a name
    monkeypatch.chdir(tmp_path)
    frame = rows().drop(columns="sky").assign(temp=1.0, **{name: range(100)})
    path = [f"data.path=rows.{end}"]
    if end == "jsonl":
        frame.assign(time=frame.time.astype(str)).to_json(
            "rows.jsonl", orient="records", lines=True
        )
    elif end == "db":
        with sqlite3.connect("rows.db") as connection:
            frame.to_sql("rows", connection, index=False)
        path = ["data.path=sqlite:///rows.db", "data.table=rows"]
    else:
        getattr(frame, f"to_{end}")(f"rows.{end}")
    asked = ["data=file", *path, "data.time=time", 'data.targets=["*"]']
    found = load.load(compose(asked).settings)
    assert found.schema.targets == ("load", "temp")
    shown = name if name.strip() else repr(name)
    assert load.without_names(found.columns) == f"; columns without a name: {shown}"
