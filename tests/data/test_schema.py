import json

import pytest

from forecast.data.schema import Schema
from forecast.errors import InputError

FULL = Schema(
    "ts",
    ("load", "price"),
    ("temp", "wind", "price"),
    ("site", "meter"),
    frequency="h",
    time_format="%d.%m.%Y",
    circular={"wind": 360.0},
    valid={"load": (0.0, 9.0)},
    missing="drop",
    hold=3,
    calendar=("hour",),
    units={"load": "MW"},
    known_future=("temp", "hour"),
    static=("area",),
)


def test_a_schema_survives_json():
    assert Schema.from_dict(json.loads(json.dumps(FULL.to_dict()))) == FULL


def test_targets_among_the_features_come_first_and_other_targets_are_no_input():
    assert FULL.inputs == ("price", "temp", "wind", "area")
    assert Schema("t", ("b", "a"), ("x", "a", "b")).inputs == ("b", "a", "x")


def test_known_and_static_columns_are_features_without_being_named_there():
    schema = Schema("t", ("y",), calendar=("hour",), known_future=("fair", "hour"), static=("a",))
    assert schema.inputs == ("y", "fair", "a") and schema.known_columns == ("fair",)
    assert [schema.role(name) for name in ("y", "fair", "a", "x")] == [
        "target",
        "known ahead",
        "static",
        "feature",
    ]


def test_without_features_the_targets_are_the_inputs():
    assert Schema("t", ("a", "b")).inputs == ("a", "b")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"targets": ()}, r"data\.targets .*got none: set"),
        ({"missing": "mean"}, r"data\.missing must be one of drop, hold, mask, got 'mean'"),
        ({"hold": -1}, r"data\.hold .*got -1: write 0"),
        ({"calendar": ("hour", "minute")}, r"data\.calendar .*hour, weekday, year, .*got 'minute'"),
        ({"valid": {"x": (5.0, 5.0)}}, r"data\.valid\.x .*got \[5.0, 5.0\]: try"),
        ({"valid": {"x": (5.0, 1.0)}}, r"data\.valid\.x .*got \[5.0, 1.0\]: try"),
        ({"valid": {"x": (float("nan"), 1.0)}}, r"data\.valid\.x .*got \[nan, 1.0\]: try"),
        ({"valid": {"x": (1.0, 2.0, 3.0)}}, r"data\.valid\.x .*got \[1.0, 2.0, 3.0\]: try"),
        ({"circular": {"y": 360.0}}, r"data\.circular .*target, got 'y': predict another"),
        ({"circular": {"x": 0.0}}, r"data\.circular\.x .*got 0.0: try"),
        ({"circular": {"x": float("nan")}}, r"data\.circular\.x .*got nan: try"),
        ({"circular": {"x": float("inf")}}, r"data\.circular\.x .*got inf: try"),
        ({"series": ("ts",)}, r"data\.time, data\.series and data\.targets .*got 'ts' twice: name"),
        ({"targets": ("y", "y")}, r"data\.targets .*got 'y' twice: name"),
        ({"features": ("x", "z", "x")}, r"data\.features .*got 'x' twice: name"),
        ({"known_future": ("x", "x")}, r"data\.known_future .*got 'x' twice: name"),
        ({"static": ("x", "x")}, r"data\.static .*got 'x' twice: name"),
        ({"known_future": ("x", "y")}, r"data\.known_future .*a target, got 'y', .*: take it out"),
        ({"static": ("y",)}, r"data\.static .*a target, got 'y', .*: take it out of data\.static"),
        ({"static": ("x",), "known_future": ("x",)}, r"data\.known_future .*got 'x': leave it in"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_a_file_is_opened(changes, told):
    with pytest.raises(InputError, match=told):
        Schema(**{"time": "ts", "targets": ("y",), **changes})
