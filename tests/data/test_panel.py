import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data import panel, windows
from forecast.data.schema import Schema
from forecast.data.sources import opened
from forecast.data.windows import Window
from forecast.errors import InputError

from .panels import QUIET, START, frames, hours, same, schema
from .test_source import NYC

WEATHER = Schema(
    "time_hour",
    ("temp",),
    ("temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"),
    ("origin",),
    circular={"wind_dir": 360.0},
    valid={"wind_speed": (0.0, 200.0)},
    calendar=("hour", "year"),
)


@pytest.fixture(scope="module")
def weather():
    return panel.build(opened.read(opened.open(NYC)), WEATHER)


def by_hand(frame, hold):
    """Rows of the grid in order: (station, hour, load held, temp held, load as written)."""
    rows = []
    for name in sorted(set(frame["station"])):
        given_rows = {
            (time - START) // pd.Timedelta("1h"): (load, temp)
            for station, time, load, temp in frame.itertuples(index=False)
            if station == name
        }
        last, age = [math.nan, math.nan], [0, 0]
        for hour in range(min(given_rows), max(given_rows) + 1):
            written = given_rows.get(hour, (math.nan, math.nan))
            shown = []
            for column, value in enumerate(written):
                if math.isnan(value):
                    age[column] += 1
                    shown.append(last[column] if age[column] <= hold else math.nan)
                else:
                    last[column], age[column] = value, 0
                    shown.append(value)
            rows.append((name, hour, *shown, written[0]))
    return rows


@QUIET
@given(frames(), st.integers(0, 5))
def test_grid_and_hold_are_those_of_a_loop_over_hours(frame, hold):
    table = panel.build(frame, schema(hold=hold))
    expected = by_hand(frame, hold)
    assert [table.names[code] for code in table.series] == [row[0] for row in expected]
    assert ((table.time - START.to_datetime64()) // np.timedelta64(1, "h")).tolist() == [
        row[1] for row in expected
    ]
    assert same(table.inputs, np.array([row[2:4] for row in expected]))
    assert same(table.outputs[:, 0], np.array([row[4] for row in expected]))


@QUIET
@given(frames())
def test_drop_leaves_every_hole(frame):
    dropped, held = (
        panel.build(frame, schema(**kind)) for kind in ({"missing": "drop"}, {"hold": 0})
    )
    assert same(dropped.inputs, held.inputs)
    assert same(dropped.inputs[:, :1], dropped.outputs)  # the target as a feature, as written


@QUIET
@given(frames(), st.integers(0, 15), st.data())
def test_hold_never_looks_ahead(frame, hour, data):
    """What lies after an hour may change or vanish: no input up to that hour moves by a bit."""
    now = START + pd.Timedelta(hours=hour)
    later = frame["time"] > now
    changed = frame.copy()
    changed.loc[later, ["load", "temp"]] = data.draw(st.sampled_from([np.nan, 1e9, -7.0]))
    gone = data.draw(st.lists(st.booleans(), min_size=len(frame), max_size=len(frame)))
    changed = changed[~(later & np.array(gone))]
    if changed["load"].isna().all() or changed["temp"].isna().all():
        return  # refused: a column without a value
    before, after = (panel.build(rows, schema(hold=3)) for rows in (frame, changed))
    for name in set(changed["station"]):
        last = min(now, changed.loc[changed["station"] == name, "time"].max())
        one, two = (
            table.take(
                (table.series == table.names.index(name)) & (table.time <= last.to_datetime64())
            )
            for table in (before, after)
        )
        assert one.time.tolist() == two.time.tolist()
        assert same(one.inputs, two.inputs) and same(one.outputs, two.outputs)


@QUIET
@given(frames())
def test_hold_never_crosses_series(frame):
    """A series beside another holds what it holds alone."""
    both = panel.build(frame, schema(hold=9))
    for code, name in enumerate(both.names):
        own = frame[frame["station"] == name]
        alone = panel.build(own, schema(hold=9))
        assert same(both.take(both.series == code).inputs, alone.inputs)


@QUIET
@given(frames(), st.randoms(use_true_random=False))
def test_rows_in_any_order_make_the_same_table(frame, random):
    order = list(range(len(frame)))
    random.shuffle(order)
    ordered = frame.sort_values(["station", "time"])
    one, two = (panel.build(rows, schema()) for rows in (ordered, frame.iloc[order]))
    for name in ("inputs", "outputs", "series", "tick", "time"):
        assert same(getattr(one, name), getattr(two, name))


@QUIET
@given(frames(), st.integers(-50, 0), st.integers(1, 50))
def test_values_out_of_range_are_as_good_as_missing(frame, low, high):
    emptied = frame.copy()
    emptied["load"] = [value if low <= value <= high else math.nan for value in frame["load"]]
    if emptied["load"].isna().all():
        return
    one = panel.build(frame, schema(valid={"load": (low, high)}))
    two = panel.build(emptied, schema())
    assert same(one.inputs, two.inputs) and same(one.outputs, two.outputs)


def test_circular_columns_are_points_on_a_circle():
    frame = hours(5, wind=[0.0, 90.0, 180.0, 350.0, 10.0])
    table = panel.build(
        frame, Schema("time", ("load",), ("load", "wind"), circular={"wind": 360.0})
    )
    assert table.features == ("load", "wind_sin", "wind_cos")
    points = table.inputs[:, 1:]
    np.testing.assert_allclose(points[:3], [[0, 1], [1, 0], [0, -1]], atol=1e-12)
    assert np.linalg.norm(points[3] - points[4]) < 0.35  # 350 and 10 are neighbours


def test_calendar_columns_stand_last_and_are_not_scaled():
    table = panel.build(hours(25), Schema("time", ("load",), calendar=("hour", "weekday")))
    circles = ("hour_sin", "hour_cos", "weekday_sin", "weekday_cos")
    assert table.features == ("load", *circles)
    np.testing.assert_allclose(table.inputs[[0, 6, 12, 24], 2], [1, 0, -1, 1], atol=1e-12)


def test_absent_hours_have_a_calendar_too():
    frame = hours(10).drop(index=[4, 5])
    table = panel.build(frame, Schema("time", ("load",), calendar=("hour",), missing="drop"))
    assert np.isnan(table.inputs[[4, 5], 0]).all() and np.isfinite(table.inputs[:, 1:]).all()


def test_several_series_columns_are_joined_and_numbers_among_them_are_names():
    frame = pd.concat([hours(3, site="x", meter=1), hours(3, site="x", meter=2)])
    table = panel.build(frame, Schema("time", ("load",), series=("site", "meter")))
    assert table.names == ("x/1", "x/2")
    assert table.series.tolist() == [0, 0, 0, 1, 1, 1]


def test_targets_that_are_no_feature_are_predicted_only():
    frame = hours(4, temp=[9.0, 8.0, 7.0, 6.0])
    table = panel.build(frame, Schema("time", ("load", "temp"), ("temp",)))
    assert table.features == ("temp",) and table.targets == ("load", "temp")
    assert table.target_positions == (-1, 0)
    assert table.outputs.tolist() == [[0, 9], [1, 8], [2, 7], [3, 6]]


def test_numbers_of_any_kind_are_read():
    frame = hours(
        3,
        text=["1.5", " 2 ", "1e3"],
        whole=pd.array([1, None, 3], "Int64"),
        flag=[True, False, True],
        kind=pd.Categorical([7, 8, 7]),
    )
    given_ = ("text", "whole", "flag", "kind")
    table = panel.build(frame, Schema("time", ("load",), given_, missing="drop"))
    expected = [[1.5, 1, 1, 7], [2, math.nan, 0, 8], [1000, 3, 1, 7]]
    assert same(table.inputs, np.array(expected))


def test_local_clock_with_offsets_survives_the_end_of_daylight_saving():
    time = pd.date_range("2013-11-02T20:00", periods=12, freq="h", tz="America/New_York")
    frame = pd.DataFrame({"time": time.map(pd.Timestamp.isoformat), "load": range(12)})
    table = panel.build(frame, Schema("time", ("load",)))
    assert len(table) == 12 and table.frequency == "h"
    assert np.diff(table.tick).tolist() == [1] * 11
    with pytest.raises(InputError, match=r"01:00:00 twice.*UTC"):
        panel.build(frame.assign(time=time.tz_localize(None)), Schema("time", ("load",)))


def test_embedded_weather_becomes_three_series_on_whole_hours(weather):
    assert weather.names == ("EWR", "JFK", "LGA") and weather.frequency == "h"
    assert len(weather) == 26190 and np.bincount(weather.series).tolist() == [8730] * 3
    assert set(np.diff(weather.time[:8730]).tolist()) == {3_600_000_000_000}
    # 26,115 rows, one of them without a temperature
    assert int(np.isfinite(weather.outputs).sum()) == 26114


def test_embedded_weather_keeps_24923_windows_of_72_to_24_hours(weather):
    found = windows.starts(weather, Window(72, 24))
    assert len(found) == 24923
    assert len(found) >= 0.9 * 3 * (8730 - 95)


def test_the_impossible_wind_is_missing_and_the_hour_before_is_held(weather):
    row = int(np.flatnonzero(weather.time == np.datetime64("2013-02-12T08"))[0])
    wind = weather.inputs[:, weather.features.index("wind_speed")]
    assert weather.names[weather.series[row]] == "EWR"
    assert wind[row] == wind[row - 1] and np.nanmax(wind) < 43


@pytest.mark.parametrize(("keep", "expected"), [("first", [1, 2, 4]), ("last", [1, 3, 4])])
def test_of_rows_with_one_stamp_the_one_asked_for_is_kept(keep, expected):
    hours = pd.to_datetime(["2024-01-01 02:00", "2024-01-01 01:00", "2024-01-01 00:00"])
    frame = pd.DataFrame({"ts": hours[[0, 1, 1, 2]], "load": [4.0, 2.0, 3.0, 1.0]})
    schema = Schema("ts", ("load",), frequency="h", duplicates=keep)
    assert panel.build(frame, schema).outputs[:, 0].tolist() == expected
    with pytest.raises(InputError, match="must be unique .* 01:00:00 twice.*data.duplicates=first"):
        panel.build(frame, replace(schema, duplicates="refuse"))
