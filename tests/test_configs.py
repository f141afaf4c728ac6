"""Every configuration composes, and every experiment trains for one tiny epoch."""

import dataclasses
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import models
from forecast.cli.config import compose, recorded
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation import experiment
from forecast.gates import GateSnapshots, Limits
from forecast.training.parameters import Model, Training
from forecast.workflows import gates, load
from forecast.workflows.settings import Config, TrainingConfig

CONF = Path(__file__).parents[1] / "conf"
OPTIONS = sorted(path.relative_to(CONF).with_suffix("") for path in CONF.glob("*/**/*.yaml"))
EXPERIMENTS = [option for option in OPTIONS if option.parts[0] == "experiment"]
FILE = ["data.path=my.csv", "data.time=ts", "data.targets=[load]"]
# what an option needs beside itself
NEEDS = {"data/file": FILE}
TINY = ["training.epochs=1", "training.batch_size=64", "window.timesteps=24", "window.horizon=6"]


@pytest.fixture(autouse=True)
def server(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """The first twelve days of the embedded data."""
    path = tmp_path_factory.mktemp("data") / "short.csv"
    frame = pd.read_csv(CONF.parent / "data" / "nyc_weather.csv.gz")
    frame.groupby("origin").head(288).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    """A file like those of the literature, which are never here."""
    path = tmp_path_factory.mktemp("data") / "transformer.csv"
    walks = np.random.default_rng(0).normal(size=(400, 7)).cumsum(axis=0)
    frame = pd.DataFrame(walks, columns=["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"])
    frame.insert(0, "date", pd.date_range("2016-07-01", periods=400, freq="h"))
    frame.to_csv(path, index=False)
    return path


def override(option):
    group, name = option.parts[0], "/".join(option.parts[1:])
    return f"{group}={name}"


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_every_option_composes_into_plain_frozen_values(option):
    request = compose.compose([override(option), *NEEDS.get(str(option), [])])
    found = request.settings
    assert isinstance(found, Config)
    assert recorded.request(request.yaml).settings == found
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.window.timesteps = 1
    spec = load.spec(found)
    assert spec.model.name in models.NAMES
    spec.window.check()
    spec.training.check()
    load.schema(found)
    assert set(spec.model.get_params()) == {"name"} | set(models.defaults(spec.model.name))


@pytest.mark.parametrize("name", models.NAMES)
def test_a_script_and_a_command_train_alike(name):
    spec = load.spec(compose.compose([f"model={name}"]).settings)

    def plain(estimator):
        found = estimator.get_params().items()
        return {k: list(v) if isinstance(v, (list, tuple)) else v for k, v in found}

    assert plain(spec.model) == plain(Model(name))
    assert plain(spec.training) == plain(Training())
    assert plain(spec.window) == plain(Window())


def test_intervals_of_a_command_are_those_of_a_script():
    spec = load.spec(compose.compose([]).settings)
    own = experiment.Spec(spec.model, spec.window, spec.training)
    assert (spec.interval, spec.calibration) == (own.interval, own.calibration)


def test_limits_of_alerts_are_those_of_a_script():
    settings = compose.compose([]).settings.gates
    assert gates.limits(settings) == Limits()
    assert GateSnapshots().pictures == settings.pictures


def test_every_group_has_an_option_and_every_option_a_group():
    groups = {option.parts[0] for option in OPTIONS}
    assert groups == {
        "backtest",
        "data",
        "evaluation",
        "experiment",
        "gates",
        "model",
        "split",
        "sweep",
        "tracking",
        "training",
    }


@pytest.mark.docs
@pytest.mark.parametrize("option", EXPERIMENTS, ids=str)
def test_every_experiment_trains_for_one_tiny_epoch(option, short, transformer):
    """Its sizes are its own; only rows, epochs, spans and the window are cut."""
    own, file = [], short
    if compose.compose([override(option)]).settings.data.sha256:
        own = ["data.sha256=null", "window.timesteps=72"]
        own += ["split.validation=0.2", "split.test=0.2"]
        file = transformer
    found = compose.compose([override(option), f"data.path={file}", *TINY, *own]).settings
    data = load.load(found)
    outcome = experiment.run(load.spec(found), data.table)
    assert len(outcome.forecaster.history_["loss"]) == 1
    assert np.isfinite(list(outcome.scores.values())).all()
    assert outcome.scores["test/windows"] > 0


@pytest.mark.parametrize("option", EXPERIMENTS, ids=str)
def test_every_experiment_says_the_command_that_runs_it(option):
    text = (CONF / option).with_suffix(".yaml").read_text("utf-8")
    assert f"forecast train {override(option)}" in text
    assert text.startswith("# @package _global_")


def test_the_default_configuration_by_hand():
    """What a newcomer gets with `make train`."""
    found = compose.compose([]).settings
    spec = load.spec(found)
    assert (spec.window.timesteps, spec.window.horizon) == (72, 24)
    assert (spec.window.stride, spec.window.lead) == (1, 0)
    assert (spec.validation, spec.test, spec.scaling) == (0.1, 0.2, "series")
    assert spec.model.name == "lstm"
    assert found.data.name == "nyc_weather" and found.data.targets == ["temp"]
    with gzip.open(load.where(found.data.path)) as file:
        assert b"origin" in file.readline()


def test_keys_of_the_configuration_are_settings_of_the_estimator():
    names = {f.name for f in dataclasses.fields(TrainingConfig)} - {"scaling", "recipe"}
    assert names <= set(Training().get_params())
    assert load.spec(compose.compose([]).settings).training.get_params().keys() >= names


@pytest.mark.parametrize(
    ("overrides", "attribute", "value"),
    [
        (["model.units=[64,32]"], ("model", "settings", "units"), [64, 32]),
        (["model=causal_cnn", "model.filters=8"], ("model", "settings", "filters"), 8),
        (["window.timesteps=96"], ("window", "timesteps"), 96),
        (["training.learning_rate=5e-4"], ("training", "learning_rate"), 5e-4),
        (["training.patience=null"], ("training", "patience"), None),
        (["training.scaling=global"], ("scaling",), "global"),
        (["split.test=2013-11-01"], ("test",), "2013-11-01"),
        (["split.validation=500"], ("validation",), 500),
        (["evaluation.season=168"], ("season",), 168),
        (["evaluation.interval=null"], ("interval",), None),
        (
            ["experiment=lstm_120_100_50"],
            ("model", "settings", "dense"),
            [100, 50],
        ),
        (
            ["experiment=lstm_120_100_50", "model.units=[7]"],
            ("model", "settings", "units"),
            [7],
        ),
    ],
)
def test_overrides_reach_the_spec(overrides, attribute, value):
    found = load.spec(compose.compose(overrides).settings)
    for name in attribute:
        found = found[name] if isinstance(found, dict) else getattr(found, name)
    assert found == value


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["model=lstn"], "model must be one of its options, got 'lstn': did you mean \"lstm\""),
        (["training.epoch=5"], 'training.epoch must be .* "training.epochs"'),
        (["training.epochs=many"], "training.epochs must fit its type, got 'many'"),
        (["data=file"], "data.path must be set, got nothing"),
        (["+model._target_=os.system"], "model._target_ must not be in a config"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(overrides, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        compose.compose(overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [
        ["data.valid={temp:[0,100]}", "data.circular.dewp=24", "data.units.temp=K"],
        ["data.valid.temp=[0,100]", "data.circular={dewp:24}", "data.units={temp:K}"],
    ],
)
def test_columns_of_a_file_are_keys_without_ceremony(overrides):
    found = load.schema(compose.compose(overrides).settings)
    assert found.valid["temp"] == (0, 100)
    # a mapping stands for the default one, a key of it is put beside the others
    assert ("wind_speed" in found.valid) == ("={" not in overrides[0])
    assert found.circular["dewp"] == 24
    assert found.units["temp"] == "K"


def test_a_key_that_only_begins_like_one_of_columns_is_unknown():
    with pytest.raises(InputError, match='data.validx must be a key .* "data.valid"'):
        compose.compose(["data.validx=3"])


def test_a_server_without_an_address_is_refused(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(InputError, match="^tracking.uri must be set, got nothing: .*TRACKING_URI"):
        compose.compose(["tracking=server"])


def test_an_option_in_a_users_own_conf_is_near(monkeypatch, tmp_path):
    (tmp_path / "conf" / "data").mkdir(parents=True)
    (tmp_path / "conf" / "data" / "load.yaml").write_text("path: load.csv\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match='data must be one .* did you mean "load"'):
        compose.compose(["data=lod"])


@pytest.mark.parametrize(
    "more",
    [
        ["model=causal_cnn", "model.filters=8"],
        ["training.learning_rate=5e-4", "training.patience=null", "window.timesteps=24"],
        ["data.features=[temp, dewp]", "data.valid.temp=[0, 120]"],
        ["split.test='2013-11-01'", "sweep.grid=[{model.units:[[8],[16]]}]"],
        [],
    ],
    ids=str,
)
def test_a_point_of_a_sweep_is_composed_as_hydra_composes_it(more):
    """Only groups go through Hydra again; keys are set on a copy of what it composed."""
    base = compose.compose(["training.epochs=3", "window.horizon=12"])
    again = [base.but(more) for _ in range(2)]
    whole = compose.compose([*base.overrides, *more])
    assert [one.yaml for one in again] == [whole.yaml] * 2
    assert again[0].settings == whole.settings and again[0].overrides == whole.overrides
    assert base.yaml == compose.compose(list(base.overrides)).yaml  # untouched


@pytest.mark.parametrize("wrong", ["trainin.epochs=3", "model.unitz=[3]", "window.timesteps=1.5"])
def test_a_wrong_point_is_told_in_the_same_words(wrong):
    base = compose.compose([])
    said = []
    for way in (base.but, compose.compose):
        with pytest.raises(InputError) as caught:
            way([wrong])
        said.append(str(caught.value))
    assert said[0] == said[1]
