"""Time stamps as files have them: spellings, numbers, zones; against what they were made of."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data import clock, pair, panel
from forecast.data.schema import Schema
from forecast.data.stamps import numbers, reading, span
from forecast.errors import InputError

from .panels import QUIET

HOURS = pd.date_range("2024-02-27", periods=120, freq="h")


def read(values, form=None, **more):
    return reading.read(pd.Series(values, name="ts"), form, **more)


def same(found, expected) -> bool:
    return found.tolist() == pd.DatetimeIndex(expected).to_numpy("datetime64[ns]").tolist()


@pytest.mark.parametrize(
    "spell",
    [
        lambda moment: f"{moment} UTC",
        lambda moment: f"{moment:%Y-%m-%dT%H:%M}GMT",
        lambda moment: f"{moment:%Y-%m-%dT%H:%M}+00:00[UTC]",
        lambda moment: f"{moment + pd.Timedelta(hours=2):%Y-%m-%dT%H:%M}+02:00[Europe/Berlin]",
        lambda moment: f" {moment:%Y-%m-%d %H:%M}Z ",
    ],
    ids=["UTC", "GMT", "place of zero", "place", "blanks"],
)
def test_zones_as_words_are_read(spell):
    found = read([spell(moment) for moment in HOURS])
    assert found.zoned and not found.dates and same(found.time, HOURS)


@pytest.mark.parametrize("form", [None, "%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M"])
def test_midnight_may_end_a_day(form):
    def spell(moment):
        at = moment.strftime(form or "%Y-%m-%d %H:%M")
        before = (moment - pd.Timedelta(days=1)).strftime(form or "%Y-%m-%d %H:%M")
        return before.replace("00:00", "24:00") if moment.hour == 0 else at

    texts = [spell(moment) for moment in HOURS]
    assert sum("24:00" in text for text in texts) == 5
    assert same(read(texts, form).time, HOURS)
    with pytest.raises(InputError, match="got '2024-02-27 25:00'"):
        read(["2024-02-27 25:00"])
    with pytest.raises(InputError, match="got '2024-02-27 24:10'"):
        read(["2024-02-27 24:10"])


def test_seconds_of_24_are_no_midnight():
    assert same(read(["2024-02-27 10:24:00"]).time, ["2024-02-27 10:24"])


@pytest.mark.parametrize("form", ["{}Q{}", "{}-Q{}", "{} q{}"])
def test_quarters_are_their_first_days(form):
    every = pd.period_range("1979Q3", periods=30, freq="Q")
    found = read([form.format(one.year, one.quarter) for one in every])
    assert same(found.time, every.start_time)
    assert clock.infer(found.time, np.zeros(30, int)) == "QS"


@given(st.dates(date(1700, 1, 1), date(2200, 12, 31)), st.booleans(), st.booleans())
@QUIET
def test_iso_weeks_are_their_mondays_or_the_day_that_they_name(day, bare, named):
    year, week, weekday = day.isocalendar()
    dash = "" if bare else "-"
    text = f"{year}{dash}W{week:02}" + (f"{dash}{weekday}" if named else "")
    expected = day if named else day - timedelta(days=weekday - 1)
    assert same(read([text]).time, [expected])


@given(
    st.lists(st.integers(-(10**9), 4 * 10**9), min_size=1, max_size=5),
    st.sampled_from(["s", "ms", "us", "ns"]),
    st.booleans(),
)
@QUIET
def test_counted_moments_are_those_of_pandas(seconds, unit, text):
    counts = [own * 10 ** {"s": 0, "ms": 3, "us": 6, "ns": 9}[unit] for own in seconds]
    found = read([str(own) for own in counts] if text else counts, unit)
    assert found.zoned and same(found.time, pd.to_datetime(counts, unit=unit))


@given(st.datetimes(pd.Timestamp("1900-03-01"), pd.Timestamp("2200-01-01")))
@QUIET
def test_days_of_a_spreadsheet_are_read_to_the_millisecond(moment):
    stamp = pd.Timestamp(moment).floor("ms")
    serial = (stamp - pd.Timestamp("1899-12-30")) / pd.Timedelta(days=1)
    assert same(read([serial], "excel").time, [stamp])


def test_whole_numbers_stay_what_they_are():
    found = read([0, 10, 20, 40], "number")
    assert found.time.tolist() == [0, 10, 20, 40] and not found.zoned
    assert clock.infer(found.time, np.zeros(4, int)) == "10"
    assert clock.ticks(found.time, "10").tolist() == [0, 1, 2, 4]
    assert clock.following(found.time[-1:], "10", 3).tolist() == [[50, 60, 70]]
    assert span.inside(found.time, "10", "20").tolist() == [False, True, True, False]
    with pytest.raises(InputError, match="must hold whole numbers in every row.*got 1.5 in row 2"):
        read([1, 1.5], "number")


@pytest.mark.parametrize(
    ("values", "form"),
    [
        ([1704067200, 1704070800], "s"),
        ([1704067200000], "ms"),
        ([1704067200000000], "us"),
        ([1704067200000000000], "ns"),
        ([20240131, 20240201], "%Y%m%d"),
        ([20240131.0, 20240201.0], "%Y%m%d"),
        ([202401, 202402], "%Y%m"),
        ([45292.5, 45293.5], "excel"),
        ([1999, 2000], "%Y"),
        ([0, 1, 2], "number"),
        ([-3.0, 5.0], "number"),
    ],
)
def test_the_cure_for_numbers_names_the_format_that_reads_them(values, form):
    with pytest.raises(InputError, match=r"got the number") as told:
        read(values)
    assert f"set data.time_format={form} for " in str(told.value)
    found = read(values, form).time
    if form in numbers.FORMATS[-1:]:
        assert found.tolist() == values
    else:
        assert pd.Timestamp(found[0]).year in (1999, 2024)


@pytest.mark.parametrize("form", numbers.FORMATS)
def test_what_is_no_such_number_is_named_with_its_row(form):
    with pytest.raises(InputError, match=rf"data.time_format={form} says, got 'soon' in row 7"):
        read(["5", "soon"], form, before=5)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("frequency", ["D", "7D", "B", "MS", "ME", "QS", "YE"])
@pytest.mark.parametrize("how", ["typed", "text"])
def test_dates_of_a_place_stay_dates(zone, frequency, how):
    """Whatever the place, the rows have the grid of the same dates without a zone."""
    days = pd.date_range("2022-01-03", periods=60, freq=frequency, tz=zone)
    column = pd.Series(days) if how == "typed" else pd.Series(days.map(pd.Timestamp.isoformat))
    found = read(column)
    assert found.zoned and found.dates and same(found.time, days.tz_localize(None))
    assert clock.infer(found.time, np.zeros(60, int)) == frequency
    assert read(column, frequency=frequency).dates and not read(column, frequency="h").dates
    assert same(read(column, frequency="h").time, days.tz_convert("UTC").tz_localize(None))


def test_hours_of_a_place_are_moments():
    hours = pd.date_range("2024-03-30", periods=60, freq="h", tz="Europe/Berlin")
    found = read(pd.Series(hours))
    assert found.zoned and not found.dates
    assert same(found.time, hours.tz_convert("UTC").tz_localize(None))


def test_written_stamps_are_read_again_as_the_same_moments():
    hours = HOURS.to_numpy("datetime64[ns]")
    for zone in (None, "Asia/Kolkata"):
        again = reading.read(pd.Series(reading.written(hours, True, zone).map(str)), None)
        assert again.zoned and again.time.tolist() == hours.tolist()
    assert reading.written(hours, True, "Asia/Kolkata", "D").tz is None


def test_an_empty_field_is_said_to_be_one():
    with pytest.raises(InputError, match="got nothing in row 2: fill it, or take the row out"):
        read(["2024-01-01", None])


# the clock of each series, and of rows


@pytest.mark.parametrize("frequency", ["h", "D", "7D", "MS", "2MS", "B"])
def test_each_series_has_a_phase_of_its_own(frequency):
    """Two series of which one reports half a tick later are as good as each alone."""
    days = pd.date_range("2024-01-01", periods=40, freq=frequency)
    shift = pd.Timedelta(minutes=30)
    load = np.arange(40.0)
    one = pd.DataFrame({"time": days, "site": "a", "load": load})
    two = pd.DataFrame({"time": days + shift, "site": "b", "load": load}).drop(index=[5, 6])
    table = panel.build(pd.concat([two, one]), Schema("time", ("load",), series=("site",)))
    assert table.frequency == frequency and len(table) == 80
    assert np.diff(table.tick).tolist().count(1) >= 78
    assert same(table.time[table.series == 1], days + shift)


def test_a_stamp_off_the_grid_of_its_series_is_refused():
    hours = pd.date_range("2024-01-01", periods=6, freq="h").to_series()
    hours.iloc[4] += pd.Timedelta(minutes=7)
    frame = pd.DataFrame({"time": hours, "load": range(6)})
    with pytest.raises(InputError, match=r"grid of data.frequency=h, got 2024-01-01 04:07"):
        panel.build(frame, Schema("time", ("load",), frequency="h"))


@given(st.data())
@QUIET
def test_rows_are_ticks_whatever_their_stamps(data):
    """Any rising stamps: no row is absent, and every series counts on by one."""
    rows = []
    for site in ("a", "b", "c"):
        steps = data.draw(st.lists(st.integers(1, 10**6), min_size=1, max_size=12))
        time = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.cumsum(steps), "s")
        rows.append(pd.DataFrame({"time": time, "site": site, "load": 1.0}))
    frame = pd.concat(rows)
    schema = Schema("time", ("load",), series=("site",), frequency="rows")
    table = panel.build(frame.sample(frac=1, random_state=0), schema)
    assert len(table) == len(frame) and table.frequency == "rows"
    for code, part in enumerate(rows):
        own = table.series == code
        assert same(table.time[own], part.time)
        assert (np.diff(table.tick[own]) == 1).all()


def test_the_next_rows_of_such_a_clock_have_no_time():
    last = np.array(["2024-01-05T16:00"], "datetime64[ns]")
    assert np.isnat(clock.following(last, "rows", 3)).all()
    assert clock.following(np.array([7]), "rows", 2).tolist() == [[8, 9]]
    with pytest.raises(InputError, match="what time the next rows have is not known"):
        Schema("t", ("x",), frequency="rows", calendar=("hour",), known_future=("hour",))


@pytest.mark.parametrize(
    "frequency", ["BMS", "BME", "BQS", "BQE", "BYS", "BYE", "SMS", "SME", "YS"]
)
def test_business_months_and_half_months_are_found(frequency):
    time = pd.date_range("2000-01-03", periods=48, freq=frequency).to_numpy("datetime64[ns]")
    kept = np.delete(np.arange(48), [7, 8, 20])
    assert clock.infer(time[kept], np.zeros(45, int)) == frequency
    assert np.diff(clock.ticks(time[kept], frequency)).tolist() == np.diff(kept).tolist()
    assert clock.following(time[:1], frequency, 47)[0].tolist() == time[1:].tolist()


@pytest.mark.parametrize("frequency", ["BME", "BQS", "W-WED", "QS-FEB", "YS-APR", "15min", "2D"])
def test_the_frequency_of_an_index_is_believed(frequency):
    index = pd.date_range("2000-01-05", periods=60, freq=frequency)
    frame = pd.DataFrame({"load": np.arange(60.0)}, index)
    table = pair.from_xy(frame, frame)
    assert table.frequency == index.freqstr
    assert table.tick.tolist() == [*range(table.tick[0], table.tick[0] + 60)]


def test_an_irregular_index_is_refused_with_cures_for_frames():
    index = pd.DatetimeIndex(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-05T07:00"])
    frame = pd.DataFrame({"load": np.arange(4.0)}, index)
    with pytest.raises(InputError, match=r"X.resample\('h'\)") as told:
        pair.from_xy(frame, frame)
    assert "data.frequency" not in str(told.value)
    assert pair.from_xy(frame.resample("h").mean(), None).frequency == "h"
    assert len(pair.from_xy(frame.reset_index(drop=True), None)) == 4
