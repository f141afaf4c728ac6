import numpy as np
import pandas as pd
import pytest

from forecast.data import pair, panel
from forecast.errors import InputError

from .panels import hours, same, schema

DAYS = pd.date_range("2024-01-01", periods=4)


def two_series():
    frame = pd.concat([hours(5).assign(station="b"), hours(4).assign(station="a")])
    return panel.build(frame.assign(temp=1.0), schema())


def test_a_table_survives_the_way_through_scikit_learns_pair():
    table = two_series()
    again = pair.from_xy(*table.frames())
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
    one, two = pair.from_xy(x, y), pair.from_xy(x.iloc[order], y.iloc[order])
    assert same(one.inputs, two.inputs) and same(one.outputs, two.outputs)
    assert one.time.tolist() == two.time.tolist()


def test_a_plain_array_has_no_clock_and_its_rows_follow_each_other():
    table = pair.from_xy(np.ones((3, 2)), [1, 2, 3])
    assert table.frequency is None and table.tick.tolist() == [0, 1, 2]
    assert table.features == ("0", "1") and table.targets == ("y0",)
    assert table.outputs.tolist() == [[1], [2], [3]]


def test_targets_are_named_after_their_frame_or_series():
    x = pd.DataFrame({"x": [1.0] * 4}, DAYS)
    assert pair.from_xy(x, x.rename(columns={"x": "load"})).targets == ("load",)
    assert pair.from_xy(x, x["x"].rename("load")).targets == ("load",)
    assert pair.from_xy(x, np.ones((4, 2))).targets == ("y0", "y1")


def test_without_targets_the_outputs_are_holes():
    assert np.isnan(pair.from_xy(pd.DataFrame({"x": [1.0] * 4}, DAYS)).outputs).all()


def test_a_zoned_index_becomes_utc():
    x = pd.DataFrame({"x": [1.0, 2.0]}, pd.date_range("2024", periods=2, freq="h", tz="Asia/Tokyo"))
    assert pair.from_xy(x).time[0] == np.datetime64("2023-12-31T15")


def test_series_keep_the_places_that_an_earlier_table_gave_them():
    x, y = two_series().frames()
    table = pair.from_xy(x.loc[["b"]], y.loc[["b"]], names=("a", "b"), frequency="h")
    assert table.names == ("a", "b") and set(table.series.tolist()) == {1}


@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        (np.ones(3), None, r"X must have two dimensions, got shape \(3,\): give"),
        (np.ones((3, 1)), np.ones((3, 1, 1)), r"y must have two dimensions, got shape .*: give"),
        (np.ones((3, 1)), np.ones(2), r"y must have X's 3 rows, got 2: give"),
        (pd.DataFrame({"x": [1, 2, "low", 4]}, DAYS), None, r"X .*got 'low' .*row 3: fix"),
        (np.ones((2, 1)), ["1", "many"], r"y must be numbers, got 'many' .*row 2: fix"),
        (pd.DataFrame({"x": [1.0] * 2}, DAYS[[0, 0]]), None, r"data\.time .*twice: name"),
        (pd.DataFrame({"x": [1.0]}, [DAYS[0]]), None, r"X must .*got 1 rows of 1 series: write"),
        (
            pd.DataFrame({"x": [1.0] * 3}, DAYS[:3] + pd.to_timedelta([0, 5, 7], "h")),
            None,
            r"X must .*be regular .*got .* followed by .*: write X\.resample",
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
        pair.from_xy(x, y)


def test_a_series_that_fit_has_not_seen_is_refused_with_the_nearest_name():
    x, y = two_series().frames()
    with pytest.raises(InputError, match=r"X must hold series seen in fit, got 'a': known: bb, c"):
        pair.from_xy(x, y, names=("bb", "c"))


def wide(rows=6, **zone):
    """Two sites of hourly rows, two columns, as people hold a panel."""
    hours_ = pd.date_range("2024-01-01", periods=rows, freq="h", **zone)
    index = pd.MultiIndex.from_product([["b", "a"], hours_])
    values = np.random.default_rng(0).normal(size=(2 * rows, 2))
    return pd.DataFrame(values, index, ["load", "temp"])


def equal(one, two):
    for name in ("inputs", "outputs", "series", "tick", "time"):
        assert same(getattr(one, name), getattr(two, name))
    assert (one.names, one.frequency) == (two.names, two.frequency)


@pytest.mark.parametrize("targets", [lambda x: x[["load"]], lambda x: x["load"]])
@pytest.mark.parametrize("lost", [lambda x: x.to_numpy(), lambda x: x.reset_index(drop=True)])
def test_an_index_that_x_has_lost_is_taken_from_y(lost, targets):
    x = wide().sample(frac=1, random_state=0)
    equal(pair.from_xy(lost(x), targets(x)), pair.from_xy(x, targets(x)))


@pytest.mark.parametrize("lost", [lambda x: x.to_numpy(), lambda x: x.reset_index(drop=True)])
def test_an_index_that_y_has_lost_is_that_of_x(lost):
    x = wide().sample(frac=1, random_state=0)
    equal(pair.from_xy(x, lost(x[["load"]])), pair.from_xy(x, x[["load"]]))


def test_a_column_of_an_array_that_is_a_target_in_another_unit_is_known_as_that_target():
    x = wide()
    scaled = (x - x.mean()) / x.std()
    scaled.iloc[3, 0], x.iloc[3, 0] = np.nan, np.nan
    assert pair.from_xy(scaled.to_numpy(), x[["load"]]).target_positions == (0,)
    assert pair.from_xy(scaled.to_numpy(), x["temp"]).target_positions == (1,)
    turned = scaled * [-1, 1]
    assert pair.from_xy(turned.to_numpy(), x[["load"]]).target_positions == (-1,)
    noisy = scaled.assign(load=scaled["load"] + 1e-3 * (np.arange(12) % 3))
    assert pair.from_xy(noisy.to_numpy(), x[["load"]]).target_positions == (-1,)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda y: y.sample(frac=1, random_state=1),
        lambda y: y.rename({"a": "c"}),
        lambda y: y.droplevel(0),
        lambda y: y.set_index(y.index.set_levels(y.index.levels[1] + pd.Timedelta("1h"), level=1)),
    ],
)
def test_indexes_that_differ_are_refused(spoil):
    x = wide()
    with pytest.raises(InputError, match=r"y must have the index of X, got .* in row \d+: write"):
        pair.from_xy(x, spoil(x[["load"]]))
    equal(pair.from_xy(x, spoil(x[["load"]]).to_numpy() * 0), pair.from_xy(x, x[["load"]] * 0))


def test_rows_of_y_in_another_order_may_be_put_in_order_as_the_message_says():
    x = wide()
    turned = x[["load"]].iloc[::-1]
    with pytest.raises(InputError, match=r"y\.loc\[X\.index\]"):
        pair.from_xy(x, turned)
    equal(pair.from_xy(x, turned.loc[x.index]), pair.from_xy(x, x[["load"]]))


def test_a_zone_in_x_alone_is_refused_and_two_zones_are_compared_in_utc():
    x = wide(tz="UTC")
    with pytest.raises(InputError, match=r"y must state a zone where X does, got .*to_numpy"):
        pair.from_xy(x, wide()[["load"]])
    elsewhere = x[["load"]].tz_convert("Asia/Tokyo", level=1)
    equal(pair.from_xy(x, elsewhere), pair.from_xy(x, x[["load"]]))


def test_a_pair_that_is_there_twice_is_refused_wherever_the_index_stands():
    x = pd.concat([wide(), wide().iloc[:1]])
    for given in (x, x.to_numpy()):
        with pytest.raises(InputError, match="data.time must be unique within a series"):
            pair.from_xy(given, x[["load"]])


@pytest.mark.parametrize("start", [0, 7])
def test_row_numbers_say_no_more_than_the_order(start):
    x = wide().reset_index(drop=True)
    moved = x.set_axis(range(start, start + len(x)))
    assert pair.from_xy(moved, moved[["load"]]).tick.tolist() == list(range(12))
    assert pair.from_xy(moved, x[["load"]]).frequency is None
    equal(pair.from_xy(moved, x[["load"]]), pair.from_xy(x, x[["load"]]))


def test_row_numbers_that_differ_are_refused():
    x = wide().reset_index(drop=True)
    with pytest.raises(InputError, match="y must have the index of X, got row number 5 for row nu"):
        pair.from_xy(x.set_axis(range(3, 15)), x[["load"]].set_axis(range(5, 17)))


@pytest.mark.parametrize(
    ("index", "told"),
    [
        ([0, 1, 2, 3, 9, 10, 11, 12, 13, 14, 15, 16], "got 3 followed by 9: write X.reset_index"),
        (list(range(12))[::-1], "got 11 followed by 10: write X.reset_index"),
        (list("aaaaaabbbbbb"), r"got 'a': write X.set_index\(pd.to_datetime"),
        ([f"2024-01-{day:02}" for day in range(1, 13)], r"write X.set_index\(pd.to_datetime"),
        (pd.period_range("2024-01", periods=12, freq="M"), r"write X.to_timestamp\(\)"),
        (pd.to_timedelta(range(12), "h"), r"or X.reset_index\(drop=True\)"),
    ],
)
def test_an_index_that_is_no_clock_and_no_count_is_refused(index, told):
    x = wide().set_axis(index)
    with pytest.raises(InputError, match=f"X must have time stamps as its index.*{told}"):
        pair.from_xy(x)
    pair.from_xy(x.reset_index(drop=True))


def test_a_row_without_a_series_is_refused():
    x = wide().rename({"a": np.nan})
    with pytest.raises(InputError, match="X must name the series of every row in its index"):
        pair.from_xy(x)


def test_several_levels_of_series_are_joined():
    x = pd.concat({"north": wide(), "south": wide()})
    assert pair.from_xy(x).names == ("north/a", "north/b", "south/a", "south/b")


def test_time_stamps_alone_are_no_rows_of_a_panel():
    x = wide().loc["b"]
    told = r"X must have a \(series, time\) index as in fit, got time stamps alone: write pd.concat"
    with pytest.raises(InputError, match=told):
        pair.from_xy(x, names=("a", "b"), frequency="h")
    assert pair.from_xy(pd.concat({"b": x}), names=("a", "b"), frequency="h").series.max() == 1
