"""A bundle knows whether the time stamps of its training stated a zone, and so do its forecasts."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.data import pair, panel
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation.intervals.margin import Reach
from forecast.serving import bundle, schema
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training

from ..conftest import load_frame

SCHEMA = Schema("time", ("load",), series=("site",), calendar=("hour",))
WINDOW, FIT = Window(6, 2), Training(epochs=1, tail=0)


def local(frame: pd.DataFrame, zone: str | None) -> pd.DataFrame:
    """The same wall clock, with or without its zone."""
    return frame.assign(time=pd.to_datetime(frame.time).dt.tz_localize(zone))


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(time=frame.time.map(str))


@pytest.fixture(scope="module", params=["America/New_York", None], ids=["zoned", "bare"])
def trained(request, tmp_path_factory) -> tuple[str | None, Path]:
    folder = tmp_path_factory.mktemp("bundle")
    table = panel.build(local(load_frame(60), request.param), SCHEMA)
    bundle.save(folder, Forecaster(Model("linear"), WINDOW, FIT).fit(table), SCHEMA, {})
    return request.param, folder


@pytest.mark.parametrize("write", [as_text, lambda frame: frame], ids=["text", "stamps"])
def test_stamps_of_the_other_kind_are_refused_and_the_cure_works(trained, write):
    zone, folder = trained
    served = bundle.load(folder)
    right, wrong = (write(local(load_frame(60), one)) for one in (zone, None if zone else "EST"))
    assert len(served.predict(right)) == 2 * 2
    rule = "a zone" if zone else "no zone"
    with pytest.raises(
        InputError, match=rf"data\.time column 'time' must state {rule}, as in"
    ) as told:
        served.predict(wrong)
    first = str(told.value).rpartition(" as ")[2]
    assert str(told.value).endswith(f"as {first}")
    apart = wrong.time.map(pd.Timestamp) - pd.Timestamp(wrong.time.iloc[0])
    mended = wrong.assign(time=(pd.Timestamp(first) + apart).map(str))
    assert len(served.predict(mended)) == 2 * 2


def test_forecasts_say_utc_where_training_stated_a_zone(trained, tmp_path: Path):
    zone, folder = trained
    frame = local(load_frame(60), zone)
    said = bundle.load(folder).predict(frame)
    said.to_csv(tmp_path / "a.csv", index=False)
    said.to_parquet(tmp_path / "a.parquet", index=False)
    text = pd.read_csv(tmp_path / "a.csv")
    again = pd.read_parquet(tmp_path / "a.parquet")
    for name, ahead in (("origin", [0] * 4), ("time", [1, 2] * 2)):
        moments = [frame.time.max() + pd.Timedelta(hours=hours) for hours in ahead]
        # pandas compares moments across zones, and refuses to compare them with bare stamps
        assert text[name].map(pd.Timestamp).tolist() == moments
        assert again[name].tolist() == moments
        assert text[name].str.endswith("+00:00").all() == bool(zone)


def as_before(folder: Path, found: int) -> None:
    """Write the bundle of a folder as an older format, whose arrays stood in the JSON."""
    served = bundle.load(folder)
    told = json.loads((folder / schema.FACTS).read_text("utf-8"))
    if found == 2:
        del told["schema"]["zoned"]
    told["series"], told["scaler"] = served.names.to_pylist(), served.scaler.to_dict()
    told["intervals"] = served.reach and served.reach.to_dict()
    kept = {key: told[key] for key in told if key not in ("format", "weights", schema.SEAL)}
    schema.write(folder, kept, found)
    for name in (schema.SERIES, schema.INTERVALS):
        (folder / name).unlink(missing_ok=True)


def test_a_bundle_of_before_takes_both_kinds(trained, tmp_path: Path):
    folder = Path(shutil.copytree(trained[1], tmp_path / "old"))
    as_before(folder, 2)
    served = bundle.load(folder)
    assert served.schema.zoned is None
    for one in ("America/New_York", None):
        said = served.predict(local(load_frame(60), one))
        assert len(said) == 4 and (said.time.dt.tz is None) == (one is None)


def test_a_bundle_whose_arrays_stand_in_its_json_forecasts_the_same(trained, tmp_path: Path):
    zone, folder = trained
    old = Path(shutil.copytree(folder, tmp_path / "old"))
    frame = local(load_frame(60), zone)
    reach = Reach(0.9, "split", None, np.array([[[1.0], [np.nan]], [[0.5], [2.0]]]))
    bundle.add_intervals(old, reach)
    now = bundle.load(old).predict(frame)
    as_before(old, 3)
    assert {file.name for file in old.iterdir()} == {schema.FACTS, schema.WEIGHTS}
    pd.testing.assert_frame_equal(bundle.load(old).predict(frame), now)
    # a run that an older version has begun is finished by this one, in the form that it has
    bundle.add_intervals(old, Reach(0.9, "split", None, 2 * reach.values))
    assert {file.name for file in old.iterdir()} == {schema.FACTS, schema.WEIGHTS}
    wider = bundle.load(old).predict(frame)
    np.testing.assert_allclose(wider.upper - wider.forecast, 2 * (now.upper - now.forecast))


@pytest.mark.parametrize("zone", ["Asia/Tokyo", None])
def test_an_estimator_refuses_rows_of_the_other_kind(zone):
    frame = local(load_frame(60), zone).query("site == 'north'").set_index("time")[["load"]]
    fitted = Forecaster(Model("linear"), WINDOW, FIT).fit(frame[:40], frame[:40])
    later = frame[40:]
    assert fitted.predict(later).shape == (19, 2, 1)
    rule, cure = ("a zone", "UTC") if zone else ("no zone", None)
    other = later.tz_localize(None) if zone else later.tz_localize("UTC")
    with pytest.raises(InputError, match=f"must state {rule}, as those of fit") as told:
        fitted.predict(other)
    assert f"tz_localize({cure!r})" in str(told.value)
    assert fitted.predict(other.tz_localize(cure) if zone else other.tz_localize(cure)).size


@pytest.mark.parametrize("zone", ["Asia/Tokyo", None])
def test_frames_of_a_table_make_it_again(zone):
    table = panel.build(local(load_frame(60), zone), SCHEMA)
    again = pair.from_xy(*table.frames())
    assert again.zoned == table.zoned == (zone is not None)
    np.testing.assert_array_equal(again.time, table.time)
