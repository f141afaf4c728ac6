import numpy as np
import pandas as pd
import pytest

from forecast.data import panel
from forecast.errors import InputError

from .panels import hours, same, schema

DAYS = pd.date_range("2024-01-01", periods=4)


def two_series():
    frame = pd.concat([hours(5).assign(station="b"), hours(4).assign(station="a")])
    return panel.build(frame.assign(temp=1.0), schema())


def test_a_table_survives_the_way_through_scikit_learns_pair():
    table = two_series()
    again = panel.from_xy(*table.frames())
    for name in ("inputs", "outputs", "series", "tick", "time"):
        assert same(getattr(again, name), getattr(table, name))
    assert (again.names, again.features, again.targets, again.frequency) == (
        table.names,
        table.features,
        table.targets,
        "h",
    )


def test_rows_of_a_frame_are_sorted_by_series_and_time():
    x, y = two_series().frames()
    order = np.random.default_rng(0).permutation(len(x))
    one, two = panel.from_xy(x, y), panel.from_xy(x.iloc[order], y.iloc[order])
    assert same(one.inputs, two.inputs) and same(one.outputs, two.outputs)
    assert one.time.tolist() == two.time.tolist()


def test_a_plain_array_has_no_clock_and_its_rows_follow_each_other():
    table = panel.from_xy(np.ones((3, 2)), [1, 2, 3])
    assert table.frequency is None and table.tick.tolist() == [0, 1, 2]
    assert table.features == ("0", "1") and table.targets == ("y0",)
    assert table.outputs.tolist() == [[1], [2], [3]]


def test_targets_are_named_after_their_frame_or_series():
    x = pd.DataFrame({"x": [1.0] * 4}, DAYS)
    assert panel.from_xy(x, x.rename(columns={"x": "load"})).targets == ("load",)
    assert panel.from_xy(x, x["x"].rename("load")).targets == ("load",)
    assert panel.from_xy(x, np.ones((4, 2))).targets == ("y0", "y1")


def test_without_targets_the_outputs_are_holes():
    assert np.isnan(panel.from_xy(pd.DataFrame({"x": [1.0] * 4}, DAYS)).outputs).all()


def test_a_zoned_index_becomes_utc():
    x = pd.DataFrame({"x": [1.0, 2.0]}, pd.date_range("2024", periods=2, freq="h", tz="Asia/Tokyo"))
    assert panel.from_xy(x).time[0] == np.datetime64("2023-12-31T15")


def test_series_keep_the_places_that_an_earlier_table_gave_them():
    x, y = two_series().frames()
    table = panel.from_xy(x.loc[["b"]], y.loc[["b"]], names=("a", "b"), frequency="h")
    assert table.names == ("a", "b") and set(table.series.tolist()) == {1}


@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        (np.ones(3), None, r"X must have two dimensions, got shape \(3,\): give"),
        (np.ones((3, 1)), np.ones((3, 1, 1)), r"y must have two dimensions, got shape .*: give"),
        (np.ones((3, 1)), np.ones(2), r"y must have X's 3 rows, got 2: give"),
        (pd.DataFrame({"x": [1, 2, "low", 4]}, DAYS), None, r"X .*got 'low' .*row 3: mend"),
        (np.ones((2, 1)), ["1", "many"], r"y must be numbers, got 'many' .*row 2: mend"),
        (pd.DataFrame({"x": [1.0] * 2}, DAYS[[0, 0]]), None, r"data\.time .*twice: name"),
        (pd.DataFrame({"x": [1.0]}, DAYS[:1]), None, r"data\.time .*got 1 rows of 1 series: set"),
        (
            pd.DataFrame({"x": [1.0] * 3}, DAYS[:3] + pd.to_timedelta([0, 5, 7], "h")),
            None,
            r"data\.time must be regular .*got .* followed by .*: resample",
        ),
        (
            pd.DataFrame({"x": [1.0] * 2}, pd.MultiIndex.from_tuples([("a", 0), ("b", 0)])),
            None,
            r"X must have time stamps as the last level of its index, got .*: write",
        ),
    ],
)
def test_a_pair_that_cannot_be_meant_is_refused(x, y, told):
    with pytest.raises(InputError, match=told):
        panel.from_xy(x, y)


def test_a_series_that_fit_has_not_seen_is_refused_with_the_nearest_name():
    x, y = two_series().frames()
    with pytest.raises(InputError, match=r"X must hold series seen in fit, got 'a': known: bb, c"):
        panel.from_xy(x, y, names=("bb", "c"))
