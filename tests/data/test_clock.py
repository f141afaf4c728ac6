import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data import clock
from forecast.data.stamps import calendar, reading

from .panels import QUIET

REGULAR = ["h", "15min", "90min", "D", "2D", "7D", "B", "MS", "2MS", "ME", "QS", "QE", "YE"]


def stamps(*text):
    return np.array(text, "datetime64[ns]")


def parse(*text, form=None):
    return reading.read(pd.Series(text, name="ts"), form).time


@pytest.mark.parametrize(
    "text",
    ["2024-03-01T06:30Z", "2024-03-01T08:30+02:00", "2024-03-01 01:30:00-0500", "20240301T063000Z"],
)
def test_a_stated_zone_becomes_utc(text):
    assert parse(text).tolist() == stamps("2024-03-01T06:30").tolist()


@pytest.mark.parametrize("frequency", [*REGULAR, "3MS", "2B", "SME"])
def test_stamps_of_ticks_are_those_of_a_range_for_each_series(frequency):
    rng = np.random.default_rng(0)
    days = pd.date_range("2023-01-02 00:00", periods=90, freq=frequency).to_numpy("datetime64[ns]")
    begin, count = rng.integers(0, 60, 9), rng.integers(1, 30, 9)
    expected = np.concatenate(
        [
            pd.date_range(days[a], periods=n, freq=frequency).to_numpy("datetime64[ns]")
            for a, n in zip(begin, count, strict=True)
        ]
    )
    found = clock.along(days[begin], count, frequency)
    assert found.dtype == expected.dtype and (found == expected).all()


def test_a_stamp_without_zone_is_taken_as_written():
    assert parse("2024-03-01 06:30").tolist() == stamps("2024-03-01T06:30").tolist()


def test_offsets_may_change_inside_a_column_as_daylight_saving_makes_them():
    # New York falls back on 2013-11-03: 01:00 comes twice, one hour apart
    found = parse("2013-11-03T01:00-04:00", "2013-11-03T01:00-05:00", "2013-11-03T02:00-05")
    assert found.tolist() == stamps("2013-11-03T05", "2013-11-03T06", "2013-11-03T07").tolist()


def test_zoned_plain_and_text_columns_of_any_unit_agree():
    utc = pd.date_range("2024-03-30T20:00", periods=12, freq="h", tz="UTC")
    berlin = utc.tz_convert("Europe/Berlin")  # the clock jumps from 2 to 3 on the 31st
    expected = utc.tz_localize(None).to_numpy("datetime64[ns]").tolist()
    for unit in ("s", "ms", "us", "ns"):
        for index in (berlin.as_unit(unit), utc.tz_localize(None).as_unit(unit)):
            assert reading.read(index.to_series(), None).time.tolist() == expected
    for column in (berlin.map(str), berlin.map(pd.Timestamp.isoformat)):
        assert reading.read(pd.Series(column), None).time.tolist() == expected
        assert reading.read(pd.Series(column).astype("category"), None).time.tolist() == expected


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["01.02.2024 03:00"], "%d.%m.%Y %H:%M"),
        ([2024020103], "%Y%m%d%H"),
        (["1 Feb 2024, 3h"], "%d %b %Y, %Hh"),
        (["2024-02-01 05:00 +0200"], "%Y-%m-%d %H:%M %z"),
    ],
)
def test_a_format_reads_what_iso_does_not(values, form):
    assert parse(*values, form=form).tolist() == stamps("2024-02-01T03").tolist()


@pytest.mark.parametrize("frequency", REGULAR)
def test_a_gapless_series_tells_its_frequency(frequency):
    time = pd.date_range("2024-01-01T00:00", periods=40, freq=frequency).to_numpy("datetime64[ns]")
    assert clock.infer(time, np.zeros(40, int)) == frequency
    assert np.diff(clock.ticks(time, frequency)).tolist() == [1] * 39


@pytest.mark.parametrize("frequency", REGULAR)
def test_absent_rows_change_neither_frequency_nor_distances(frequency):
    full = pd.date_range("2024-01-01", periods=40, freq=frequency).to_numpy("datetime64[ns]")
    kept = np.delete(np.arange(40), [3, 11, 12, 13, 30])
    assert clock.infer(full[kept], np.zeros(35, int)) == frequency
    assert np.diff(clock.ticks(full[kept], frequency)).tolist() == np.diff(kept).tolist()


@pytest.mark.parametrize(
    ("text", "frequency"),
    [
        (("2021-01-01", "2022-01-01", "2023-01-01"), "YS"),  # not 365 days
        (("2023-12-01", "2024-01-01", "2024-02-01"), "MS"),  # not 31 days
        (("2020-07-01", "2021-07-01", "2022-07-01"), "4QS"),
        (("2024-01-01", "2024-01-08", "2024-01-15"), "7D"),  # all Mondays, yet not business days
        (("2024-01-01", "2024-01-02", "2024-01-03"), "D"),  # no weekend tells
        (("2024-01-04T16", "2024-01-05T16", "2024-01-08T16"), "B"),
        (("2024-01-04", "2024-01-05", "2024-01-07"), "D"),
        (("2024-01-01T00:30", "2024-01-01T01:30", "2024-01-01T05:30"), "h"),
    ],
)
def test_few_stamps_tell_the_frequency_that_people_would_say(text, frequency):
    time = stamps(*text)
    assert clock.infer(time, np.zeros(len(time), int)) == frequency
    assert clock.ticks(time, frequency)[0] < clock.ticks(time, frequency)[-1]


def test_distances_between_series_do_not_count():
    time = stamps("2024-01-01T00", "2024-01-01T01", "2024-01-01T00", "2024-01-01T01")
    assert clock.infer(time, np.array([0, 0, 1, 1])) == "h"


def test_tables_read_apart_count_the_same_ticks():
    for frequency in REGULAR:
        time = pd.date_range("2024-01-01", periods=20, freq=frequency).to_numpy("datetime64[ns]")
        both = clock.ticks(time, frequency)
        apart = [clock.ticks(time[:7], frequency), clock.ticks(time[7:], frequency)]
        assert np.concatenate(apart).tolist() == both.tolist()


def test_following_stamps_go_on_as_the_calendar_does():
    def after(time, frequency, steps):
        return clock.following(np.array([time], "datetime64[ns]"), frequency, steps)[0].tolist()

    assert after("2024-02-28", "D", 2) == stamps("2024-02-29", "2024-03-01").tolist()
    assert after("2024-01-31", "ME", 2) == stamps("2024-02-29", "2024-03-31").tolist()
    assert after("2024-01-05", "B", 1) == stamps("2024-01-08").tolist()
    assert after("2024-12-31T23", "h", 1) == stamps("2025-01-01T00").tolist()


@pytest.mark.parametrize(
    ("frequency", "times", "expected"),
    [
        ("B", ["2024-01-05", "2024-01-03", "2024-01-05"], ["08 09 10", "04 05 08", "08 09 10"]),
        ("W-WED", ["2024-01-10", "2024-01-03"], ["17 24 31", "10 17 24"]),
        ("36h", ["2024-01-02T12", "2024-01-01"], ["04 05 07", "02 04 05"]),
    ],
)
def test_each_of_many_stamps_is_followed_by_its_own(frequency, times, expected):
    found = clock.following(stamps(*times), frequency, 3)
    days = found.astype("datetime64[D]").astype(str)
    assert [" ".join(day[-2:] for day in row) for row in days] == expected
    assert clock.following(stamps(), frequency, 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("frequency", "days"),
    [("15min", 1 / 96), ("2D", 2), ("B", 1), ("W-WED", 7), ("MS", 31), ("ME", 28), ("YE", 365)],
)
def test_a_tick_is_as_long_as_from_one_stamp_of_the_grid_to_the_next(frequency, days):
    assert clock.days(frequency) == days


@QUIET
@given(st.datetimes(pd.Timestamp("1990-01-01"), pd.Timestamp("2050-01-01")))
def test_calendar_points_are_the_angles_of_clock_week_and_year(moment):
    moment = moment.replace(second=0, microsecond=0)
    values, names = calendar.describe(stamps(str(moment)), ("hour", "weekday", "year"))
    hour = moment.hour + moment.minute / 60
    turns = [
        hour / 24,
        (moment.weekday() + hour / 24) / 7,
        (moment.timetuple().tm_yday - 1 + hour / 24) / 365.2425,
    ]
    expected = [f(2 * np.pi * turn) for turn in turns for f in (np.sin, np.cos)]
    np.testing.assert_allclose(values[0], expected, atol=1e-12)
    assert names == ("hour_sin", "hour_cos", "weekday_sin", "weekday_cos", "year_sin", "year_cos")


def test_without_names_nothing_is_described():
    values, names = calendar.describe(stamps("2024-01-01", "2024-01-02"), ())
    assert values.shape == (2, 0) and names == ()


@pytest.mark.parametrize(
    ("frequency", "rows"),
    [
        (None, 1),
        ("30min", 48),
        ("h", 24),
        ("6h", 4),
        ("24h", 7),
        ("D", 7),
        ("7D", 52),
        ("W", 52),
        ("B", 5),
        ("MS", 12),
        ("ME", 12),
        ("3MS", 4),
        ("QS", 4),
        ("QE-NOV", 4),
        ("YS", 1),
        ("4QS", 1),
    ],
)
def test_the_season_is_a_day_a_week_or_a_year(frequency, rows):
    assert clock.season(frequency) == rows
