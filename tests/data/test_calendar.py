"""The calendar of a place, against the standard library's clock and lists of holidays."""

import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data import panel
from forecast.data.schema import Schema
from forecast.data.stamps import calendar
from forecast.data.stamps.calendar import KINDS, Place
from forecast.errors import InputError
from forecast.evaluation.baselines import trees
from forecast.vocabulary import CALENDAR

ZONES = ("Australia/Melbourne", "America/New_York", "Asia/Kolkata", "Pacific/Chatham")


@given(st.datetimes(pd.Timestamp("1990-01-01"), pd.Timestamp("2050-01-01")), st.sampled_from(ZONES))
def test_columns_are_those_of_the_clocks_there(moment, zone):
    moment = moment.replace(second=0, microsecond=0)
    names = ("hour_onehot", "weekday_onehot", "weekend")
    values, made = calendar.describe(np.array([moment], "datetime64[ns]"), names, Place(zone))
    there = moment.replace(tzinfo=datetime.UTC).astimezone(ZoneInfo(zone))
    found = dict(zip(made, values[0].tolist(), strict=True))
    own = {name for name, value in found.items() if value}
    weekend = {"weekend"} if there.weekday() > 4 else set()
    assert own == {f"hour_{there.hour:02}", calendar.WEEKDAYS[there.weekday()], *weekend}
    assert set(found.values()) <= {0.0, 1.0}


@pytest.mark.parametrize("zone", [None, *ZONES])
def test_weeks_months_and_quarters_are_those_of_pandas(zone):
    time = pd.date_range("1999-12-25", "2027-01-10", freq="9h")  # weeks 52, 53 and 1 in January
    there = time if zone is None else time.tz_localize("UTC").tz_convert(zone)
    names = ("week", "month", "quarter")
    values, made = calendar.describe(time.to_numpy(), names, Place(zone))
    assert made == tuple(f"{name}_{way}" for name in names for way in ("sin", "cos"))
    turns = np.arctan2(values[:, ::2], values[:, 1::2]) / (2 * np.pi) % 1
    weeks = there.isocalendar()["week"].to_numpy(int)
    for place, (number, most) in enumerate(
        [(weeks, 365.2425 / 7), (there.month, 12), (there.quarter, 4)]
    ):
        np.testing.assert_allclose(turns[:, place] * most, np.asarray(number) - 1, atol=1e-6)
    np.testing.assert_allclose(np.hypot(values[:, ::2], values[:, 1::2]), 1)


@pytest.mark.parametrize(
    ("where", "day", "off"),
    [
        ("AU-VIC", "2024-11-05", True),  # Melbourne Cup
        ("AU", "2024-11-05", False),
        ("FR", "2024-07-14", True),
        ("FR", "2024-07-15", False),
        ("US", "2024-11-28", True),  # Thanksgiving
    ],
)
def test_public_holidays_are_those_of_the_place(where, day, off):
    hours = np.arange(np.datetime64(day, "h"), np.datetime64(day, "h") + 24)
    values, made = calendar.describe(
        hours.astype("datetime64[ns]"), ("holiday",), Place(None, where)
    )
    assert made == ("holiday",) and values.shape == (24, 1) and (values == off).all()


def frame(zoned: bool) -> pd.DataFrame:
    time = pd.date_range("2024-10-04", periods=96, freq="h", tz="UTC" if zoned else None)
    return pd.DataFrame({"ts": time, "load": np.arange(96.0)})  # Melbourne's clocks move on the 6th


SCHEMA = Schema(
    "ts",
    ("load",),
    calendar=("hour_onehot", "holiday"),
    zone="Australia/Melbourne",
    holidays="AU-VIC",
)


def test_a_table_has_the_hours_of_its_zone():
    table = panel.build(frame(zoned=True), SCHEMA)
    hour = table.inputs[:, 1:25].argmax(axis=1)
    there = frame(zoned=True).ts.dt.tz_convert("Australia/Melbourne")
    assert hour.tolist() == there.dt.hour.tolist()
    assert 2 not in hour[36:44]  # at two o'clock they showed three
    assert (table.zone, table.holidays) == ("Australia/Melbourne", "AU-VIC")


def test_stamps_without_a_zone_are_taken_as_they_are():
    table = panel.build(frame(zoned=False), SCHEMA)
    assert table.inputs[:, 1:25].argmax(axis=1).tolist() == [*range(24)] * 4
    assert table.zone is None


def test_trees_read_the_clocks_there():
    found = [
        trees.clock_of(panel.build(frame(zoned=True), schema))[:, 0].tolist()
        for schema in (SCHEMA, Schema("ts", ("load",)))
    ]
    there = frame(zoned=True).ts.dt.tz_convert("Australia/Melbourne").dt.hour.tolist()
    assert found == [there, [*range(24)] * 4]


def test_every_name_makes_columns_of_its_own():
    assert {*CALENDAR} == {*KINDS, "holiday"}
    every = [column for name in CALENDAR for column in calendar.columns(name)]
    assert len(every) == len({*every})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"zone": "Europe/Pariss"}, "data.zone must be a time zone"),
        ({"calendar": ("holiday",)}, "data.holidays must name a country"),
        ({"holidays": "XX"}, "data.holidays must be a country of the package"),
        ({"holidays": "AU-VIK"}, "must name a part of AU that there is"),
    ],
)
def test_places_that_there_are_not_are_refused(changes, said):
    with pytest.raises(InputError, match=said):
        Schema("ts", ("load",), **changes)
