"""Each override that `forecast predict` is given is used, or refused by name."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from forecast.cli import dispatch
from forecast.cli.config import compose, errors
from forecast.errors import InputError
from forecast.serving import bundle, package
from forecast.serving.model import Bundle
from forecast.workflows.settings import Config

from ..conftest import TINY, Place, word


def keys() -> set[str]:
    """Every key of the schema, and every group with options."""
    found = {path.parent.name for path in compose.CONF.glob("*/*.yaml")}
    for group in fields(Config):
        if not is_dataclass(group.type):
            found.add(group.name)
            continue
        found |= {f"{group.name}.{own.name}" for own in fields(group.type)}
    return found | {"model.units", "gates.alerts.dead"}


class Spied:
    """Settings that note which of their values are read."""

    def __init__(self, real: Any, read: set[str], path: str = ""):
        self._real, self._read, self._path = real, read, path

    def __getattr__(self, name: str) -> Any:
        value, path = getattr(self._real, name), f"{self._path}{name}"
        if is_dataclass(value):
            return Spied(value, self._read, f"{path}.")
        self._read.add(path)
        return value


@pytest.fixture(scope="module")
def folder(client, lstm_run: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("model")
    return Path(client.download_artifacts(lstm_run, "model", str(where)))


@pytest.fixture(scope="module")
def served(folder: Path) -> Bundle:
    return bundle.load(package.inside(folder))


@pytest.fixture(scope="module")
def renamed(place: Place) -> str:
    """The rows of the training as another department writes them."""
    frame = pd.read_csv(place.folder / "load.csv", parse_dates=["time"])
    frame["time"] = frame.time.dt.strftime("%d.%m.%Y %H:%M")
    frame.rename(columns={"time": "when", "site": "shop"}).to_csv(
        place.folder / "renamed.csv", index=False
    )
    return "renamed.csv"


OTHERWISE = ("data.time=when", "data.series=[shop]", "data.time_format='%d.%m.%Y %H:%M'")


def test_what_predict_reads_is_what_it_may_be_given(place, lstm_run, renamed, monkeypatch):
    monkeypatch.chdir(place.folder)
    more = ("data.since=2024-03-02", "data.until=2024-03-09", "output=spied.csv")
    words = (f"run={lstm_run}", f"data.path={renamed}", *OTHERWISE, *more, "data.format=csv")
    overrides = [*words, "data.sha256=null", "data.duplicates=first", "history=false"]
    asked, read = compose.compose(overrides), set()
    spied = SimpleNamespace(settings=Spied(asked.settings, read), overrides=asked.overrides)
    dispatch._run("predict", spied)
    groups = {"data", "tracking"}  # which choose what is then read
    assert read == {*errors.READ["predict"], errors.HORIZON} - groups


def test_every_other_key_is_refused_or_compared_with_the_model():
    allowed = {*errors.READ["predict"], *errors.FIXED, errors.HORIZON}
    assert allowed < keys() | {"tracking"}
    for key in sorted(keys()):
        try:
            errors.refuse("predict", ["run=a", f"{key}=1"])
        except InputError as error:
            assert key not in allowed and str(error).startswith(f"{key} must be "), key
            assert f"got {key}=1: leave it out" in str(error)
        else:
            assert key in allowed, key


ANOTHER = {
    "data.targets": "[temp]",
    "data.features": "[load]",
    "data.calendar": "[hour,year]",
    "data.known_future": "[temp]",
    "data.static": "[temp]",
    "data.circular": "{temp: 9}",
    "data.valid": "{load: [0,9]}",
    "data.valid.load": "[0,9]",
    "data.classes": "{load: [50,60]}",
    "data.events": "{load: 50}",
    "data.events.load": "50",
    "data.units": "{load: MW}",
    "data.transform": "{load: log1p}",
    "data.transform.load": "log1p",
    "data.bounds": "{load: [0,null]}",
    "data.bounds.load": "[0,90]",
    "data.zone": "Europe/Paris",
    "data.holidays": "FR",
    "data.frequency": "2h",
    "data.resample": "{rule: h, how: mean}",
    "data.missing": "drop",
    "data.hold": "3",
    "window.timesteps": "9",
    "window.stride": "2",
    "window.lead": "1",
    "training.quantiles": "[0.1,0.5,0.9]",
    "evaluation.interval": "0.5",
    "evaluation.calibration": "split",
}
SAME = {
    "data.targets": "[load]",
    "data.features": "[load,temp]",
    "data.calendar": "[hour]",
    "data.circular": "{}",
    "data.valid": "{}",
    "data.transform": "none",
    "data.bounds": "{}",
    "data.frequency": "h",
    "data.missing": "hold",
    "window.horizon": "4",
    "window.timesteps": "8",
    "training.quantiles": "[]",
    "evaluation.interval": "0.9",
    "evaluation.calibration": "adaptive",
}


def test_each_key_that_a_model_fixes_is_tried():
    assert {errors._field(key) for key in ANOTHER} == set(errors.FIXED)


@pytest.mark.parametrize("key", ANOTHER)
def test_another_value_than_that_of_the_training_is_refused(key, served):
    words = [f"{key}={ANOTHER[key]}"]
    with pytest.raises(InputError, match=rf"^{key} must be .* fixed by the model, got ") as told:
        errors.refuse_fixed(served, compose.compose(words).settings, words)
    cure = str(told.value).rpartition(": ")[2]
    assert f"or train with {key}=" in cure
    # the cure, applied literally: the word behind "train with" is an override that says the same
    again = [str(told.value).rpartition("train with ")[2]]
    group, name = errors._field(key).split(".")
    found = [getattr(getattr(compose.compose(one).settings, group), name) for one in (words, again)]
    assert found[0] == found[1]


@pytest.mark.parametrize("key", SAME)
def test_the_value_of_the_training_does_no_harm(key, served):
    words = [f"{key}={SAME[key]}"]
    errors.refuse_fixed(served, compose.compose(words).settings, words)


def test_what_a_group_sets_by_itself_does_not_count(served):
    words = ["data=etth1"]  # which has other targets
    errors.refuse_fixed(served, compose.compose(words).settings, words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("window.horizon=48",),
            "window.horizon must be 4 or less, as in training, for a model that reads temp",
        ),
        (("evaluation.interval=0.5",), "evaluation.interval must be 0.9, which is fixed"),
        (("data=file", "data.path=load.csv", "data.time=time", 'data.targets=["*"]'), "write data"),
        (("data.series=[site,load]",), "data.series must be [site], which is fixed by the model"),
        (("model=gru",), "model must be left to the run that run= names"),
        (("training.epochs=9",), "training.epochs must be left to the run"),
        (("data.name=x",), "data.name must be left to the run"),
        (("leak=true",), "leak must be a key that forecast predict reads, got leak=true"),
        (("register=x",), "register must be a key that forecast predict reads"),
        (("split.test=9",), "split.test must be a key that forecast predict reads"),
    ],
)
def test_predict_says_which_override_it_cannot_follow(words, said, place: Place, lstm_run: str):
    assert place.run("predict", f"run={lstm_run}", *words, "output=never.csv") == 2
    assert said in place.errors[-1] and place.errors[-1].count("\n") == 1
    assert not (place.folder / "never.csv").exists()


def forecast_of(place: Place, run: str, *words: str) -> pd.DataFrame:
    assert place.run("predict", f"run={run}", *words, "output=own.csv") == 0, place.errors[-1]
    return pd.read_csv(place.folder / "own.csv")


def test_other_names_and_another_time_format_give_the_same_forecast(place, lstm_run, renamed):
    expected = forecast_of(place, lstm_run)
    found = forecast_of(place, lstm_run, f"data.path={renamed}", *OTHERWISE)
    pd.testing.assert_frame_equal(found, expected)
    group = place.folder / "conf" / "data" / "elsewhere.yaml"
    group.parent.mkdir(parents=True)
    group.write_text(
        f"path: {renamed}\ntime: when\ntime_format: '%d.%m.%Y %H:%M'\nseries: [shop]\n"
        "targets: [other]\n"
    )
    try:
        found = forecast_of(place, lstm_run, "data=elsewhere")
    finally:
        group.unlink()
    pd.testing.assert_frame_equal(found, expected)


def test_rows_that_are_twice_there_may_be_left_out(place: Place, lstm_run: str):
    frame = pd.read_csv(place.folder / "load.csv")
    pd.concat([frame, frame.tail(1)]).to_csv(place.folder / "twice.csv", index=False)
    assert place.run("predict", f"run={lstm_run}", "data.path=twice.csv") == 2
    cure = "data.duplicates=first"
    assert f"set {cure}" in place.errors[-1]
    found = forecast_of(place, lstm_run, "data.path=twice.csv", cure)
    pd.testing.assert_frame_equal(found, forecast_of(place, lstm_run))


def test_a_span_alone_is_one_of_the_runs_own_file(place: Place, lstm_run: str):
    found = forecast_of(place, lstm_run, "data.until='2024-03-05'")
    assert set(found.origin) == {"2024-03-05 23:00:00"}


@pytest.mark.parametrize("command", ["inspect", "compare", "promote"])
def test_other_commands_on_runs_refuse_what_they_do_not_read(command, place: Place):
    for text in ("window.horizon=48", "register=x", "model=gru"):
        assert place.run(command, text) == 2
        key = text.partition("=")[0]
        assert f"{key} must be a key that forecast {command} reads" in place.errors[-1]


@pytest.mark.slow
def test_training_with_a_zone_writes_and_shows_utc(place: Place, lstm_run: str):
    del lstm_run
    frame = pd.read_csv(place.folder / "load.csv", parse_dates=["time"])
    zoned = frame.assign(time=frame.time.dt.tz_localize("America/Bogota").map(str))
    zoned.to_csv(place.folder / "zoned.csv", index=False)
    words = [text for text in TINY if not text.startswith("data.path")]
    small = ("model=linear", "gates.probe=0", "evaluation.regressors={}", "training.epochs=1")
    assert place.run("train", *words, "data.path=zoned.csv", *small) == 0, place.errors[-1]
    run = word(place.printed[-1], "run")
    found = forecast_of(place, run)
    last = zoned.time.map(pd.Timestamp).max()
    assert set(found.origin.map(pd.Timestamp)) == {last}
    assert found.time.str.endswith("+00:00").all()
    assert f"Forecast from {last.tz_convert('UTC'):%Y-%m-%d %H:%M} UTC" in place.printed[-1]
    assert place.run("predict", f"run={run}", "data.path=load.csv") == 2
    assert "must state a zone, as in training, got '2024-03-01 00:00:00'" in place.errors[-1]
