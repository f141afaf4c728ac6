from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data import panel, quality
from forecast.data.schema import Schema
from forecast.data.sources import opened
from forecast.data.windows import Window
from forecast.errors import InputError

from .panels import QUIET, frames, hours, schema, windows_by_loop
from .panels import windows as any_window
from .test_panel import WEATHER
from .test_source import NYC

LOAD = Schema("time", ("load",))
SMALL = Window(2, 1)


@pytest.fixture(scope="module")
def weather():
    return quality.report(opened.read(opened.open(NYC)), WEATHER, Window(72, 24))


def test_the_report_of_the_embedded_weather_is_its_readme(weather):
    assert (weather.rows, weather.frequency, weather.faults) == (26115, "h", ())
    assert (weather.duplicated_rows, weather.duplicated_stamps) == (0, 0)
    assert [
        (one.series, one.rows, one.absent, one.gaps, one.longest) for one in weather.series
    ] == [
        ("EWR", 8703, 27, 17, 5),
        ("JFK", 8706, 24, 14, 5),
        ("LGA", 8706, 24, 14, 5),
    ]
    span = (pd.Timestamp("2013-01-01 06:00"), pd.Timestamp("2013-12-30 23:00"))
    assert (weather.first, weather.last) == span
    assert {(one.first, one.last) for one in weather.series} == {span}


def test_the_columns_of_the_embedded_weather_are_its_readmes(weather):
    found = {one.column: one for one in weather.columns}
    assert list(found) == list(WEATHER.features)
    assert [one.role for one in weather.columns] == ["target"] + ["feature"] * 7
    assert (found["temp"].missing, found["temp"].least, found["temp"].greatest) == (
        1,
        10.94,
        100.04,
    )
    assert found["pressure"].share == pytest.approx(0.1045, abs=5e-5)
    assert found["wind_dir"].share == pytest.approx(0.0176, abs=5e-5)
    wind = found["wind_speed"]
    assert (wind.out_of_range, round(wind.greatest, 2), wind.missing) == (1, 1048.36, 4)
    assert sum(one.out_of_range for one in weather.columns) == 1


def test_hold_keeps_24923_windows_of_the_weather_and_drop_less_than_a_tenth(weather):
    drop, hold, mask = weather.windows
    assert (drop.missing, hold.missing, mask.missing) == ("drop", "hold", "mask")
    assert mask == replace(hold, missing="mask")  # what is left out has no target
    assert hold.kept == 24923 and drop.kept < 2591
    assert drop.possible == hold.possible == 3 * (8730 - 96 + 1)
    assert hold.share == 24923 / 25905 > 0.9


@QUIET
@given(frames(), any_window())
def test_counts_are_those_of_loops(frame, window):
    told = quality.report(frame, schema(hold=2), window)
    one_a, one_b = told.series
    for name, one in (("a", one_a), ("b", one_b)):
        marks = sorted((frame.loc[frame["station"] == name, "time"]).tolist())
        apart = [(b - a) // pd.Timedelta("1h") - 1 for a, b in zip(marks, marks[1:], strict=False)]
        assert (one.series, one.rows, one.absent) == (name, len(marks), sum(apart))
        assert (one.gaps, one.longest) == (len([n for n in apart if n]), max(apart))
        assert (one.first, one.last) == (marks[0], marks[-1])
    for entry in told.windows:
        table = panel.build(frame, schema(hold=2, missing=entry.missing))
        table = table.padded(window.timesteps)
        assert entry.kept == len(windows_by_loop(table, window))
        table.inputs[:], table.outputs[:] = 0.0, 0.0
        assert entry.possible == len(windows_by_loop(table, window))
        assert entry.share == entry.kept / max(entry.possible, 1)


@QUIET
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(0, 1)), min_size=2)
)
def test_repeated_rows_and_the_clock_of_each_series_are_those_of_loops(drawn):
    frame = pd.DataFrame(drawn, columns=["station", "hour", "load"])
    frame["time"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame.hour, unit="h")
    task = Schema("time", ("load",), series=("station",), frequency="h")
    told = quality.report(frame, task, SMALL)
    seen: list[tuple[object, ...]] = []
    repeated = 0
    for row in drawn:
        repeated += row in seen
        seen.append(row)
    assert told.duplicated_rows == repeated
    assert told.duplicated_stamps == len(drawn) - len({row[:2] for row in drawn})
    assert [one.series for one in told.series] == sorted({row[0] for row in drawn})
    for one in told.series:
        mine = sorted({hour for name, hour, _ in drawn if name == one.series})
        apart = [b - a - 1 for a, b in zip(mine, mine[1:], strict=False)]
        assert one.rows == sum(name == one.series for name, *_ in drawn)
        assert (one.absent, one.gaps) == (sum(apart), sum(n > 0 for n in apart))
        assert one.longest == max(apart, default=0)
        assert (one.first.hour, one.last.hour) == (mine[0], mine[-1])


def test_a_grid_is_made_once_for_all_that_may_become_of_holes(monkeypatch):
    made = []
    grid = panel.Grid
    monkeypatch.setattr(panel, "Grid", lambda *given: made.append(1) or grid(*given))
    assert len(quality.report(hours(30), LOAD, SMALL).windows) == 3 and len(made) == 1


def test_duplicates_are_counted_and_the_rest_is_told_of_the_first_rows():
    frame = hours(30).astype({"load": float})
    frame = pd.concat([frame, frame.iloc[[3]], frame.iloc[[5]].assign(load=99.0)])
    told = quality.report(frame, LOAD, SMALL)
    assert (told.rows, told.duplicated_rows, told.duplicated_stamps) == (32, 1, 2)
    assert len(told.faults) == 1 and "2024-01-01 03:00:00 twice" in told.faults[0]
    assert told.frequency == "h" and told.series[0].rows == 32 and told.series[0].absent == 0
    assert told.windows[0].kept == 28


def test_constant_columns_are_marked_and_a_constant_target_is_a_fault():
    told = quality.report(
        hours(9, flat=[2.0] * 9), Schema("time", ("flat",), ("load", "flat")), SMALL
    )
    assert {one.column: one.constant for one in told.columns} == {"flat": True, "load": False}
    assert len(told.faults) == 1 and "'flat' constant at 2" in told.faults[0]
    assert told.windows[0].kept == 7


def test_all_faults_are_told_at_once():
    frame = hours(4, temp=["1", "warm", "3", "4"], wind=[1.0, np.inf, 2.0, np.nan])
    frame["time"] = ["2024-01-01", "2024-01-02", "soon", "2024-01-04"]
    told = quality.report(frame, Schema("time", ("load",), ("load", "temp", "wind", "rain")), SMALL)
    expected = ("'rain'", "'warm'", "inf in column 'wind'", "'soon'")
    assert len(told.faults) == len(expected)
    assert all(part in fault for part, fault in zip(expected, told.faults, strict=True))
    assert (told.first, told.last, told.frequency, told.series, told.windows) == (None,) * 3 + (
        (),
        (),
    )
    wind = told.columns[2]
    assert (wind.column, wind.missing, wind.least, wind.mean, wind.greatest) == (
        "wind",
        1,
        1,
        1.5,
        2,
    )


def test_without_a_frequency_the_series_are_told_without_gaps():
    frame = hours(4)
    frame["time"] = ["2024-01-01", "2024-01-02", "2024-01-02T05:00", "2024-01-09"]
    told = quality.report(frame, LOAD, SMALL)
    assert told.frequency is None and "must be regular" in told.faults[0]
    assert (told.series[0].rows, told.series[0].absent, told.series[0].longest) == (4, None, None)
    assert told.windows == ()


def test_a_window_longer_than_every_series_is_a_fault_with_the_numbers():
    told = quality.report(hours(9), LOAD, Window(8, 2, lead=1))
    assert told.faults == (
        "window.timesteps=8 + window.lead=1 + window.horizon=2 must fit a series, got 9 time "
        "stamps in the longest: take smaller ones or more rows",
    )
    assert [(one.kept, one.possible, one.share) for one in told.windows] == [(0, 0, 0.0)] * 3


def test_a_range_for_a_column_that_is_not_there_is_a_fault():
    ranged = Schema("time", ("load",), valid={"laod": (0.0, 5.0)})
    fault = "data.valid must name columns of the file, got 'laod': did you mean \"load\"?"
    assert quality.report(hours(9), ranged, SMALL).faults == (fault,)
    with pytest.raises(InputError, match=r"data\.valid"):
        panel.build(hours(9), ranged)


def test_a_window_that_is_none_is_refused():
    with pytest.raises(InputError, match=r"window\.horizon"):
        quality.report(hours(9), LOAD, Window(2, 0))


def test_a_frame_without_rows_has_a_report_too():
    told = quality.report(hours(0), LOAD, SMALL)
    assert told.rows == 0 and told.faults[0].startswith("data must hold at least one row")
    assert set(told.to_frames()) == {"data", "series", "columns", "windows"}


def test_frames_of_the_report_hold_one_row_an_entry(weather):
    told = weather.to_frames()
    assert {name: len(frame) for name, frame in told.items()} == {
        "data": 1,
        "series": 3,
        "columns": 8,
        "windows": 3,
    }
    assert told["data"].loc[0, "rows"] == 26115
    assert told["columns"].set_index("column").loc["pressure", "missing"] == 2729
    assert list(told["windows"]) == ["missing", "kept", "possible", "share"]


def test_looking_changes_neither_the_frame_nor_the_verdict_of_build():
    frame = hours(9)
    before = frame.copy()
    assert quality.report(frame, LOAD, SMALL).faults == ()
    pd.testing.assert_frame_equal(frame, before)
    assert len(panel.build(frame, LOAD)) == 9
