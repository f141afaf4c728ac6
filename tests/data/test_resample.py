"""Rows put together on a clock, against the resampling of pandas; time in several columns."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data import panel
from forecast.data.schema import Schema
from forecast.data.sources import opened
from forecast.data.sources.together import Together
from forecast.data.stamps.resample import Resample
from forecast.errors import InputError

from ..conftest import Place, load_frame, word
from .panels import QUIET

SMALL = [
    *("data=file", "data.targets=[load]", "model=linear", "window.timesteps=6"),
    *("window.horizon=2", "training.epochs=1", "gates.memory=0", "evaluation.regressors={}"),
]


def readings(seed: int, count: int = 300) -> pd.DataFrame:
    """Two loggers that report whenever they like."""
    rng = np.random.default_rng(seed)
    parts = []
    for site in ("a", "b"):
        seconds = np.unique(rng.integers(0, 86_400 * 40, count))
        time = pd.Timestamp("2024-01-20") + pd.to_timedelta(seconds, "s")
        load = rng.normal(50, 9, len(time))
        load[rng.random(len(time)) < 0.1] = np.nan
        parts.append(pd.DataFrame({"time": time, "site": site, "load": load}))
    return pd.concat(parts).sample(frac=1, random_state=seed)


def schema(rule: str, how: str, **more) -> Schema:
    own = {"rule": rule, "how": how}
    return Schema("time", ("load",), series=("site",), frequency=rule, resample=own, **more)


@pytest.mark.parametrize("rule", ["h", "90min", "D", "MS", "ME", "QE", "YS"])
@pytest.mark.parametrize("how", ["mean", "sum", "min", "max", "median", "first", "last"])
def test_rows_are_put_together_as_pandas_does(rule, how):
    frame = readings(0)
    table = panel.build(frame, schema(rule, how))
    for code, site in enumerate(("a", "b")):
        load = frame[frame.site == site].set_index("time").load.sort_index()
        fixed = {"origin": "epoch"} if rule in ("h", "90min", "D") else {}
        grouped = load.resample(rule, **fixed)
        expected = grouped.sum(min_count=1) if how == "sum" else grouped.agg(how)
        own = table.series == code
        found = pd.Series(table.outputs[own, 0], pd.DatetimeIndex(table.time[own]))
        there = expected.dropna()
        np.testing.assert_allclose(found.reindex(there.index), there)
        assert found.drop(there.index).isna().all()


@given(st.integers(0, 50), st.integers(1, 25))
@QUIET
def test_stamps_a_little_off_are_those_of_the_clock(seed, seconds):
    rng = np.random.default_rng(seed)
    hours = pd.date_range("2024-01-01", periods=60, freq="h")
    frame = pd.DataFrame({"time": hours, "site": "a", "load": np.arange(60.0)}).drop(index=[4, 9])
    off = pd.to_timedelta(rng.integers(-seconds, seconds + 1, len(frame)), "s")
    found = panel.build(frame.assign(time=frame.time + off), schema("h", "nearest"))
    exact = panel.build(frame, Schema("time", ("load",), series=("site",)))
    assert found.time.tolist() == exact.time.tolist()
    np.testing.assert_array_equal(found.outputs, exact.outputs)


def test_of_two_rows_the_nearer_stays():
    stamps = ["2024-01-01T00:10", "2024-01-01T00:59", "2024-01-01T01:02", "2024-01-01T02:00"]
    frame = pd.DataFrame({"time": stamps, "site": "a", "load": [1.0, 2.0, 3.0, 4.0]})
    assert panel.build(frame, schema("h", "nearest")).outputs[:, 0].tolist() == [1, 2, 4]


def test_directions_are_averaged_as_directions_and_sentinels_left_out():
    stamps = pd.date_range("2024-01-01", periods=8, freq="15min")
    wind = [350.0, 10.0, 350.0, 10.0, 80.0, 100.0, -999.0, 90.0]
    frame = pd.DataFrame({"time": stamps, "site": "a", "load": 1.0, "wind": wind})
    more = {"circular": {"wind": 360.0}, "valid": {"wind": (0.0, 360.0)}}
    table = panel.build(frame, schema("h", "mean", features=("load", "wind"), **more))
    sine, cosine = table.inputs[:, -2:].T
    np.testing.assert_allclose([sine, cosine], [[0, 1], [1, 0]], atol=1e-12)


def test_days_are_those_of_the_place_where_stamps_were_written():
    hours = pd.date_range("2024-03-28", "2024-04-03", freq="h", tz="Europe/Berlin")[:-1]
    frame = pd.DataFrame({"time": hours, "site": "a", "load": 1.0})
    table = panel.build(frame, schema("D", "sum"))
    assert table.outputs[:, 0].tolist() == [24, 24, 24, 23, 24, 24]


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"how": "mean"}, "data.resample must have a rule"),
        ({"rule": "h", "how": "avg"}, "data.resample must put rows together by mean.* got 'avg'"),
        ({"rule": "hourly"}, "data.frequency must be a pandas alias, got 'hourly'"),
        ({"rule": "rows"}, "data.resample.rule must be a distance in time"),
        ({"rule": "h", "why": "x"}, "data.resample must have a rule and a way, got 'why'"),
    ],
)
def test_what_cannot_be_meant_is_refused(own, said):
    with pytest.raises(InputError, match=said):
        Schema("time", ("load",), resample=own)


def test_together_refuses_another_frequency():
    with pytest.raises(InputError, match="must be that of data.resample, h, or left out, got D"):
        Schema("time", ("load",), resample={"rule": "h"}, frequency="D")


def test_how_is_the_mean_where_nothing_is_said():
    assert Resample("h").how == "mean"


# through commands


@pytest.mark.slow
def test_a_model_of_resampled_rows_resamples_new_ones(place: Place):
    """Training and forecast of raw readings are those of the rows put together by hand."""
    frame = readings(1, 1000)[["time", "site", "load"]]
    means = [
        part.set_index("time").sort_index().load.resample("12h").mean().rename(site)
        for site, part in frame.groupby("site")
    ]
    wide = pd.concat(means, axis=1).rename_axis("time")
    long = wide.reset_index().melt("time", var_name="site", value_name="load").dropna()
    more = ["data.time=time", "data.duplicates=first", "data.resample={rule: 12h, how: mean}"]
    pd.testing.assert_frame_equal(
        learned(place, "raw", frame, more), learned(place, "mean", long, more[:1])
    )


@pytest.mark.parametrize("kind", ["text", "numbers", "typed"])
def test_time_may_stand_in_several_columns(tmp_path, kind):
    hours = pd.date_range("2024-01-30", periods=60, freq="h")
    frame = pd.DataFrame({"load": range(60)})
    if kind == "numbers":
        parts, form = ["year", "month", "day", "hour"], "%Y %m %d %H"
        frame = frame.assign(**{name: getattr(hours, name) for name in parts})
    else:
        parts, form = ["Date", "Time"], None
        days = hours.normalize() if kind == "typed" else hours.strftime("%Y-%m-%d")
        frame = frame.assign(Date=days, Time=hours.strftime("%H:%M"))
    file = tmp_path / "load.parquet"
    frame.to_parquet(file)
    source = Together(opened.open(file), parts)
    assert source.columns()[-1] == " ".join(parts)
    raw = opened.read(source)
    table = panel.build(raw, Schema(" ".join(parts), ("load",), time_format=form))
    assert table.time.tolist() == hours.to_numpy("datetime64[ns]").tolist()
    batches = list(source.batches([" ".join(parts), "load"], rows=7))
    assert pa.Table.from_batches(batches).num_rows == 60


def test_columns_of_time_that_are_not_there_are_named(tmp_path):
    pd.DataFrame({"Date": ["2024-01-01"], "load": [1]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"data.time must name columns of the file, got 'Tine'"):
        Together(opened.open(tmp_path / "a.parquet"), ["Date", "Tine"])


def since_1970(time: pd.Series) -> pd.Series:
    """Count the seconds."""
    return pd.to_datetime(time).dt.as_unit("s").astype("int64")


def hourly() -> pd.DataFrame:
    """Rows of two series, hour by hour."""
    return load_frame(120).sort_values(["time", "site"]).astype({"time": str})


def learned(place: Place, name: str, frame: pd.DataFrame, asked: list[str]) -> pd.DataFrame:
    """Train on a file, and return what the command forecasts from its last rows."""
    frame.to_csv(place.folder / f"{name}.csv", index=False)
    store = f"tracking.uri=sqlite:///{name}.db"
    typed = [*SMALL, f"data.path={name}.csv", "data.series=[site]", *asked, store]
    assert place.run("train", *typed) == 0, place.errors[-1]
    run = word(place.printed[-1], "run")
    assert place.run("predict", f"run={run}", f"output={name}_next.csv", store) == 0
    assert (place.folder / f"{name}_next.png").is_file()
    return pd.read_csv(place.folder / f"{name}_next.csv")


@pytest.fixture(scope="module")
def plainly(place: Place) -> pd.DataFrame:
    """The forecast where nothing is special."""
    return learned(place, "plain", hourly(), ["data.time=time"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spell", "more", "written"),
    [
        (
            lambda time: time.assign(Date=time.time.str[:10], Time=time.time.str[11:16]),
            ["data.time=[Date,Time]"],
            "2024-",
        ),
        (
            lambda time: time.assign(
                time=pd.to_datetime(time.time).dt.as_unit("s").astype("int64")
            ),
            ["data.time=time", "data.time_format=s", "data.zone=Europe/Paris"],
            "+0",
        ),
        (
            lambda time: time.assign(time=np.arange(len(time)) // 2),
            ["data.time=time", "data.time_format=number"],
            "",
        ),
        (lambda time: time, ["data.time=time", "data.frequency=rows"], ""),
    ],
    ids=["two columns", "epoch", "numbers", "rows"],
)
def test_every_clock_trains_and_forecasts(place: Place, plainly, spell, more, written):
    """The forecast of one network for the same rows, whatever clock they have."""
    found = learned(place, "other", spell(hourly()), more)
    assert written in str(found.time.iloc[0])
    np.testing.assert_allclose(found.forecast, plainly.forecast, rtol=1e-5)


def test_the_household_power_file_is_read_by_overrides(place: Place):
    """The set that tutorials begin with: minutes, semicolons, question marks, day beside time."""
    rng = np.random.default_rng(0)
    minutes = pd.date_range("2006-12-16 17:24", periods=6000, freq="min")
    power = rng.normal(1.0, 0.2, len(minutes)).round(3).astype(str)
    power[rng.random(len(minutes)) < 0.05] = "?"
    rows = (
        f"{moment.day}/{moment.month}/{moment.year};{moment:%H:%M:%S};{own}"
        for moment, own in zip(minutes, power, strict=True)
    )
    text = "\n".join(["Date;Time;Global_active_power", *rows])
    (place.folder / "household.txt").write_text(text)
    asked = [
        *("check", "data=file", "data.path=household.txt", "data.format=csv"),
        *("data.separator=;", 'data.na=["?"]', "data.time=[Date,Time]"),
        *("data.time_format=%d/%m/%Y %H:%M:%S", "data.targets=[Global_active_power]"),
        *("data.resample={rule: h, how: mean}", "window.timesteps=6", "window.horizon=2"),
    ]
    assert place.run(*asked) == 0, place.errors[-1]
    assert "frequency h" in place.printed[-1]
