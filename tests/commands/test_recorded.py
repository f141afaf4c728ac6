"""What a run recorded becomes a request again."""

from pathlib import Path

import pytest

from forecast.cli.config import compose, recorded
from forecast.errors import InputError

from ..conftest import LSTM, TINY, Place

GIVEN = ["model=causal_cnn", "training.learning_rate=1e-5", "data.targets=[temp, dewp]"]


@pytest.fixture(scope="module")
def given() -> compose.Request:
    return compose.compose(GIVEN)


def test_a_run_gives_back_its_settings_and_its_command(place: Place, client, lstm_run, tmp_path):
    text = Path(client.download_artifacts(lstm_run, recorded.CONFIG, str(tmp_path))).read_text()
    words = recorded.overrides(client.get_run(lstm_run).data.tags[recorded.COMMAND])
    again = recorded.request(text, overrides=words)
    assert list(again.overrides) == [*TINY, *LSTM]
    assert again.settings == compose.compose([*TINY, *LSTM]).settings


def test_values_keep_their_types_and_variables_stay_unresolved(given, monkeypatch):
    again = recorded.request(given.yaml)
    assert again.settings == given.settings and again.flat == given.flat
    assert again.yaml == given.yaml and "${oc.env:MLFLOW_TRACKING_URI" in again.yaml
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert recorded.request(given.yaml).settings.tracking.uri == "http://127.0.0.1:9"


def test_later_defaults_change_nothing(given, monkeypatch, tmp_path):
    (tmp_path / "conf" / "training").mkdir(parents=True)
    (tmp_path / "conf" / "training" / "default.yaml").write_text("epochs: 999")
    monkeypatch.chdir(tmp_path)
    assert recorded.request(given.yaml).settings.training == given.settings.training


def test_a_run_of_before_weighs_all_steps_alike(given):
    lines = given.yaml.splitlines(keepends=True)
    [weights] = [line for line in lines if "step_weights" in line]
    before = recorded.request(given.yaml.replace(weights, ""))
    assert before.settings == given.settings
    assert before.settings.training.step_weights is None


def test_given_keys_change(given):
    changes = {"tracking.uri": "sqlite:///other.db", "run": "12e4", "data.path": "moved.csv"}
    found = recorded.request(given.yaml, changes).settings
    assert found.tracking.uri == "sqlite:///other.db" and found.run == "12e4"
    assert found.data.path == "moved.csv" and found.data.targets == ["temp", "dewp"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "config.yaml of the run must be"),
        ("- 1", "config.yaml of the run must be"),
        ("foo: 1", "'foo'"),
        ("", "must be set, got nothing"),
        ("model: {layers: [{_target_: os.system}]}", r"model\.layers\[0\]\._target_ must not"),
        ("split: 3", "config.yaml of the run must be"),
    ],
)
def test_what_is_no_configuration_is_one_sentence(text: str, message: str):
    with pytest.raises(InputError, match=message) as raised:
        recorded.request(text)
    assert "\n" not in str(raised.value)


def test_a_command_that_was_cut_off_has_no_overrides():
    assert recorded.overrides("forecast train 'data.targets=[temp, de") == ()
