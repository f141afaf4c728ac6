"""What is known ahead stands beside the past: held against loops over windows and rows."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data import features, panel, quality, scale, windows
from forecast.data.schema import Schema
from forecast.data.windows import Window

from .panels import QUIET, hours, tables
from .panels import windows as any_window

FAIR = Schema("time", ("load",), calendar=("hour",), known_future=("fair", "hour"))


def fairs(count=30, **columns):
    """Hours with a column that no other column tells."""
    fair = np.random.default_rng(3).normal(size=count)
    return hours(count, fair=fair, **columns)


def futures(window, later, known):
    """The known columns of the copies laid behind each other, as the first lines of ahead.py say.

    `later` is (timesteps, extra columns); the result has a list of values for each known column.
    """
    copies = later.shape[1] // known
    return [
        [float(later[step, copy * known + column]) for copy in reversed(range(copies))
         for step in range(window.timesteps)]
        for column in range(known)
    ]  # fmt: skip


@QUIET
@given(tables(), any_window(), st.sampled_from([(0,), (1,), (0, 1)]), st.booleans())
def test_the_extra_columns_of_a_window_end_with_the_predicted_rows(table, window, known, coded):
    table = replace(table, known=known, inputs=np.nan_to_num(table.inputs, nan=-1.0))
    rows = features.append_known_future(table.inputs, table, window, coded=coded)
    extra = features.input_count(table, window)
    assert extra == len(known) * -(-window.horizon // window.timesteps)
    assert rows.shape == (len(table), 2 + extra + coded)
    assert (rows[:, :2] == table.inputs).all()
    for start in windows.starts(table, window, truth="none").tolist():
        first = start + window.timesteps + window.lead  # the first predicted row
        past = windows.inputs(rows, np.array([start]), window)[0]
        found = futures(window, past[:, 2 : 2 + extra], len(known))
        for column, values in zip(known, found, strict=True):
            expected = [table.inputs[first + step, column] for step in range(window.horizon)]
            assert values[-window.horizon :] == expected
            last = first + window.horizon - 1  # what stands before them are the rows before them
            whole = [table.inputs[last - back, column] for back in range(len(values))]
            assert values == whole[::-1]
        if coded:
            assert (past[:, -1] == table.series[start]).all()


@pytest.mark.parametrize(
    ("timesteps", "horizon", "lead", "expected"),
    [
        # by hand: the row of each extra column in a window of rows 0, 1 (, 2); one column a copy
        (2, 1, 0, [[1], [2]]),
        (2, 2, 0, [[2], [3]]),
        (2, 3, 0, [[3, 1], [4, 2]]),
        (3, 2, 1, [[3], [4], [5]]),
        (2, 5, 1, [[6, 4, 2], [7, 5, 3]]),
    ],
)
def test_the_shift_by_hand(timesteps, horizon, lead, expected):
    window, table = Window(timesteps, horizon, lead=lead), panel.build(fairs(), FAIR)
    table = replace(table, inputs=np.arange(30.0)[:, None], known=(0,))
    rows = features.append_known_future(table.inputs, table, window)
    assert rows[:timesteps, 1:].tolist() == expected


def test_without_known_columns_rows_are_as_they_were():
    table = panel.build(fairs(), Schema("time", ("load",), ("load", "fair")))
    assert features.append_known_future(table.inputs, table, Window(2, 9)) is table.inputs
    assert (
        features.input_count(table, Window(2, 9)) == 0 and table.known == () and table.static == ()
    )
    assert features.input_names(table, Window(2, 9)) == table.features


def test_extra_columns_stand_before_those_that_say_what_is_missing_and_the_series_stands_last():
    table = panel.build(fairs(), replace(FAIR, missing="mask"))
    window = Window(2, 3)
    assert features.input_names(table, window, embedded=2) == (
        "load",
        "fair",
        "hour_sin",
        "hour_cos",
        "series_1",
        "series_2",
        "fair_ahead",
        "hour_sin_ahead",
        "hour_cos_ahead",
        "fair_ahead_2",
        "hour_sin_ahead_2",
        "hour_cos_ahead_2",
        "load_missing",
        "fair_missing",
    )
    rows = features.append_known_future(table.inputs, table, window, coded=True)
    assert rows.shape[1] == len(features.input_names(table, window)) + 1
    assert (rows[:-3, 4] == table.inputs[3:, 1]).all()  # the newest copy is three rows later
    assert (rows[:, -3:-1] == table.inputs[:, -2:]).all()
    lasting = features.lasting(table, window, coded=True)
    names = features.input_names(table, window)
    clock = ["hour_sin", "hour_cos"]  # of an older step they follow from those of the newest
    assert [names[n] for n in lasting[:-1]] == [*clock, *(n for n in names if "_ahead" in n)]
    assert lasting[-1] == len(names)


def test_extra_columns_have_the_scale_of_their_source():
    table, window = panel.build(fairs(), FAIR), Window(2, 2)
    scaler = scale.fit(table)
    rows = features.append_known_future(scaler.inputs(table), table, window)
    fair = table.inputs[:, 1]
    expected = ((fair - fair.mean()) / fair.std()).astype(np.float32)
    np.testing.assert_allclose(rows[:-2, 4], expected[2:], rtol=1e-6)


def test_raw_columns_circles_and_the_calendar_are_known_by_position():
    raw = fairs(wind=np.arange(30.0))
    schema = replace(FAIR, circular={"wind": 360.0}, known_future=("wind", "year"))
    schema = replace(schema, calendar=("hour", "year"))
    table = panel.build(raw, schema)
    named = [table.features[place] for place in table.known]
    assert named == ["wind_sin", "wind_cos", "year_sin", "year_cos"]


def test_a_name_of_the_calendar_means_the_calendar_even_beside_a_column_of_that_name():
    raw = fairs(hour=np.arange(30.0))
    schema = Schema("time", ("load",), ("load", "hour"), calendar=("hour",), known_future=("hour",))
    table = panel.build(raw, schema)
    assert table.features == ("load", "hour", "hour_sin", "hour_cos") and table.known == (2, 3)


def test_rows_made_behind_each_series_hold_the_calendar_alone():
    two = pd.concat([fairs(5).assign(site="b"), fairs(3).assign(site="a")])
    schema = Schema("time", ("load",), series=("site",), calendar=("hour",), known_future=("hour",))
    table = panel.build(two, schema, ahead=2)
    assert np.bincount(table.series).tolist() == [5, 7]
    made = np.array([False] * 3 + [True] * 2 + [False] * 5 + [True] * 2)
    assert (np.isnan(table.outputs[:, 0]) == made).all()
    hour = 2 * np.pi * np.array([0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6]) / 24
    np.testing.assert_allclose(table.inputs[:, 1:], np.column_stack([np.sin(hour), np.cos(hour)]))
    assert windows.latest(table, Window(2, 2)).tolist() == [1, 8]
    assert windows.origins(table).tolist() == [2, 9]


def test_a_static_value_fills_all_rows_of_its_series_wherever_it_stands():
    raw = pd.concat([fairs(4).assign(site="b"), fairs(3).assign(site="a")], ignore_index=True)
    raw["area"] = [np.nan, np.nan, 7, np.nan, np.nan, np.nan, 2.5]
    raw = raw.drop(index=1)  # an absent hour is filled too
    schema = Schema("time", ("load",), series=("site",), static=("area",), frequency="h")
    table = panel.build(raw, schema)
    assert table.static == (1,) and table.inputs[:, 1].tolist() == [2.5] * 3 + [7] * 4


def test_a_static_column_is_scaled_over_series_each_counting_once():
    sizes, areas = (9, 5, 2), (1.0, 2.0, 6.0)
    parts = [
        fairs(n).assign(site=f"s{k}", area=area)
        for k, (n, area) in enumerate(zip(sizes, areas, strict=True))
    ]
    schema = Schema("time", ("load",), series=("site",), static=("area",))
    table = panel.build(pd.concat(parts), schema)
    deviation = ((4 + 1 + 9) / 3) ** 0.5  # of 1, 2 and 6, whose mean is 3
    for per in scale.SCALING:
        found = scale.fit(table, per).inputs(table)[:, 1]
        expected = np.repeat([(area - 3) / deviation for area in areas], sizes)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    alone = table.take(table.series == 0)
    assert (scale.fit(alone).inputs(alone)[:, 1] == 0).all()


def test_a_static_column_needs_no_column_that_says_it_is_missing_and_is_there_before_the_series():
    raw = fairs(3, area=[np.nan, 4.0, np.nan])
    schema = Schema("time", ("load",), static=("area",), missing="mask", frequency="h")
    table = panel.build(raw, schema).padded(6)
    assert table.features == ("load", "area", "load_missing") and len(table) == 8
    assert (table.inputs[:, 1] == 4).all() and table.absent.tolist() == [True] * 5 + [False] * 3


def test_the_report_tells_known_and_static_columns():
    raw = pd.concat([fairs(8).assign(site=site) for site in "abc"], ignore_index=True)
    raw["area"] = np.nan
    raw.loc[[3, 9], "area"] = 5.0, 6.0  # of a and b
    raw.loc[raw.index[-2:], "load"] = np.nan
    schema = replace(FAIR, series=("site",), static=("area",))
    found = quality.report(raw, schema, Window(2, 1))
    assert {one.column: one.role for one in found.columns} == {
        "load": "target",
        "fair": "known ahead",
        "area": "static",
    }
    area = next(one for one in found.columns if one.column == "area")
    assert area.missing == 8 and area.share == pytest.approx(1 / 3)  # the rows of c
    assert [fault for fault in found.faults if "'area' of series 'c'" in fault] == [
        *found.faults
    ] and len(found.faults) == 1
    raw.loc[20, "area"] = 7.0
    assert quality.report(raw, schema, Window(2, 1)).faults == ()


def test_holes_among_the_known_columns_leave_windows_out_but_with_mask():
    raw = fairs()
    raw.loc[10, "fair"] = np.nan
    window = Window(3, 2, lead=1)
    table = panel.build(raw, replace(FAIR, missing="drop"))
    # rows 5 to 10 hold the hole in their past, lead or future
    assert set(range(25)) - set(windows.starts(table, window).tolist()) == set(range(5, 11))
    masked = panel.build(raw, replace(FAIR, missing="mask"))
    assert len(windows.starts(masked, window)) == 25
