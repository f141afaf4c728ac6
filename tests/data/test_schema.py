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
)


def test_a_schema_survives_json():
    assert Schema.from_dict(json.loads(json.dumps(FULL.to_dict()))) == FULL


def test_targets_among_the_features_come_first_and_other_targets_are_no_input():
    assert FULL.inputs == ("price", "temp", "wind")
    assert Schema("t", ("b", "a"), ("x", "a", "b")).inputs == ("b", "a", "x")


def test_without_features_the_targets_are_the_inputs():
    assert Schema("t", ("a", "b")).inputs == ("a", "b")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"targets": ()}, r"data\.targets .*got none: set"),
        ({"missing": "mean"}, r"data\.missing must be one of drop, hold, mask, got 'mean'"),
        ({"hold": -1}, r"data\.hold .*got -1: write 0"),
        ({"calendar": ("hour", "minute")}, r"data\.calendar .*hour, weekday, year, got 'minute'"),
        ({"valid": {"x": (5.0, 5.0)}}, r"data\.valid\.x .*got \[5.0, 5.0\]: write"),
        ({"valid": {"x": (5.0, 1.0)}}, r"data\.valid\.x .*got \[5.0, 1.0\]: write"),
        ({"valid": {"x": (float("nan"), 1.0)}}, r"data\.valid\.x .*got \[nan, 1.0\]: write"),
        ({"valid": {"x": (1.0, 2.0, 3.0)}}, r"data\.valid\.x .*got \[1.0, 2.0, 3.0\]: write"),
        ({"circular": {"y": 360.0}}, r"data\.circular .*target, got 'y': predict another"),
        ({"circular": {"x": 0.0}}, r"data\.circular\.x .*got 0.0: write"),
        ({"circular": {"x": float("nan")}}, r"data\.circular\.x .*got nan: write"),
        ({"circular": {"x": float("inf")}}, r"data\.circular\.x .*got inf: write"),
        ({"series": ("ts",)}, r"data\.time, data\.series and data\.targets .*got 'ts' twice: name"),
        ({"targets": ("y", "y")}, r"data\.targets .*got 'y' twice: name"),
        ({"features": ("x", "z", "x")}, r"data\.features .*got 'x' twice: name"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_a_file_is_opened(changes, told):
    with pytest.raises(InputError, match=told):
        Schema(**{"time": "ts", "targets": ("y",), **changes})
