"""Targets as events and classes, against loops and pandas' own cut."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data import panel, scale
from forecast.data.schema import Schema
from forecast.errors import InputError


def frame(load, sky=None, sites=1):
    time = pd.date_range("2024-01-01", periods=len(load) // sites, freq="h")
    data = {"time": list(time) * sites, "load": load, "other": np.arange(len(load)) % 5}
    if sky is not None:
        data["sky"] = sky
    return pd.DataFrame(data)


values = st.lists(st.one_of(st.floats(-5, 5), st.just(np.nan)), min_size=6, max_size=20).filter(
    lambda column: np.isfinite(column).sum() > 1
)


@given(values, st.floats(-4, 4))
def test_an_event_is_one_where_the_target_exceeds_its_threshold(load, threshold):
    table = panel.build(frame(load), Schema("time", ("load",), events={"load": threshold}))
    expected = [np.nan if np.isnan(v) else float(v > threshold) for v in load]
    np.testing.assert_array_equal(table.outputs[:, 0], expected)
    assert table.task == "event" and table.about == ("load",)
    np.testing.assert_array_equal(table.inputs[:, 0][np.isfinite(load)], pd.Series(load).dropna())


@given(values, st.lists(st.floats(-4, 4), min_size=1, max_size=4, unique=True))
def test_classes_are_pandas_cut_from_the_left_edge(load, edges):
    edges = sorted(edges)
    table = panel.build(frame(load), Schema("time", ("load",), classes={"load": tuple(edges)}))
    bins = [-np.inf, *edges, np.inf]
    code = pd.cut(pd.Series(load), bins, right=False, labels=False)
    assert table.outputs.shape == (len(load), len(edges) + 1)
    for row, own in zip(code, table.outputs, strict=True):
        if np.isnan(row):
            assert np.isnan(own).all()
        else:
            assert own.tolist() == np.eye(len(edges) + 1)[int(row)].tolist()


def test_classes_are_named_by_their_edges_or_labels():
    table = panel.build(frame([1.0, 2, 3]), Schema("time", ("load",), classes={"load": (2, 3)}))
    assert table.targets == ("load < 2", "2 ≤ load < 3", "load ≥ 3")
    sky = ["rain", "clear", None]
    schema = Schema("time", ("sky",), ("load",), classes={"sky": ("clear", "rain", "snow")})
    table = panel.build(frame([1.0, 2, 3], sky), schema)
    assert table.targets == ("sky = clear", "sky = rain", "sky = snow")
    assert table.outputs[:2].tolist() == [[0, 1, 0], [1, 0, 0]]
    assert np.isnan(table.outputs[2]).all()
    assert table.target_positions == (-1, -1, -1)  # its labels are no feature here


def test_a_feature_of_labels_becomes_a_column_each_and_is_held_like_any_other():
    schema = Schema("time", ("load",), ("load", "sky"), classes={"sky": ("clear", "rain")})
    table = panel.build(frame([1.0, 2, 3], ["rain", None, "clear"]), schema)
    assert table.features == ("load", "sky=clear", "sky=rain") and table.task == "regression"
    assert table.inputs[:, 1:].tolist() == [[0, 1], [0, 1], [1, 0]]


def test_labels_may_be_numbers_in_quotes():
    schema = Schema("time", ("other",), ("load",), classes={"other": ("0", "1", "2", "3", "4")})
    table = panel.build(frame(np.arange(10.0)), schema)
    assert table.outputs.argmax(axis=1).tolist() == [0, 1, 2, 3, 4] * 2


def test_a_label_that_nobody_listed_is_refused_with_the_nearest():
    schema = Schema("time", ("load",), ("load", "sky"), classes={"sky": ("clear", "rain")})
    with pytest.raises(
        InputError, match="data.classes.sky must list every label .*got 'rian' in row 2: .*\"rain\""
    ):
        panel.build(frame([1.0, 2], ["clear", "rian"]), schema)


def test_what_is_0_or_1_is_never_standardised():
    load = np.random.default_rng(0).normal(size=40)
    schema = Schema("time", ("load",), events={"load": 9.0})  # which never happens
    table = panel.build(frame(load), schema)
    scaler = scale.fit(table)
    assert scaler.outputs(table).tolist() == table.outputs.tolist()
    np.testing.assert_allclose(scaler.inputs(table).std(axis=0), 1, rtol=1e-5)


def test_a_schema_comes_back_from_json():
    for more in ({"events": {"load": 2.5}}, {"classes": {"load": (1.0, 2.0), "sky": ("a", "b")}}):
        schema = Schema("time", ("load",), ("load", "sky"), **more)
        assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


@pytest.mark.parametrize(
    ("targets", "more", "match"),
    [
        (("load", "other"), {"events": {"load": 1}}, "data.events must give a threshold for each"),
        (("load",), {"events": {"laod": 1}}, "data.events must give a threshold for each"),
        (("load",), {"events": {"load": "high"}}, "data.events.load must be a number"),
        (("load",), {"classes": {"load": (None, 1)}}, "data.classes.load must be two or more"),
        (("load", "other"), {"classes": {"load": (1,)}}, "data.classes must be of the only target"),
        (("load",), {"events": {"load": 1}, "classes": {"load": (1,)}}, "data.classes must be of"),
        (("load",), {"classes": {"load": ()}}, "data.classes.load must be two or more"),
        (("load",), {"classes": {"load": (2, 1)}}, "data.classes.load must be two or more"),
        (("load",), {"classes": {"load": (1, 1)}}, "data.classes.load must be two or more"),
        (("load",), {"classes": {"load": ("a",)}}, "data.classes.load must be two or more"),
        (("load",), {"classes": {"load": ("a", 2)}}, "data.classes.load must be two or more"),
        (("load",), {"classes": {"other": (1, 2)}}, "data.classes.other must be two or more"),
        (
            ("load",),
            {"classes": {"other": ("a", "b")}, "circular": {"other": 24}},
            "data.circular must not hold a column of data.events",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(targets, more, match):
    with pytest.raises(InputError, match=match):
        Schema("time", targets, **more)


def test_a_column_of_labels_that_the_file_lacks_is_named():
    schema = Schema("time", ("load",), classes={"sky": ("a", "b")})
    with pytest.raises(InputError, match="data.classes must name columns of the file, got 'sky'"):
        panel.build(frame([1.0, 2, 3]), schema)
