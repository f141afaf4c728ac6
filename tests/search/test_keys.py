"""What the code is called in a trial's key, and that keys stay what they are."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import forecast
from forecast import Model, Training, Window
from forecast.evaluation.experiment import Spec
from forecast.search import keys

MOVED = "A key is another: whoever upgrades trains all finished trials again. "


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A code that no version changes."""
    monkeypatch.setattr(keys, "version", lambda name: "1")


def test_the_code_is_the_number_and_the_packages(plain, monkeypatch):
    monkeypatch.setattr(keys, "RESULTS", 7)
    assert keys.code_version() == "results 7, tensorflow 1, keras 1, numpy 1"
    monkeypatch.setattr(keys, "version", lambda name: {"numpy": "2"}.get(name, "1"))
    assert keys.code_version() == "results 7, tensorflow 1, keras 1, numpy 2"


def key(training: dict[str, object] | None = None, **settings) -> str:
    model = Model("lstm", units=[3], patch=2, **settings)
    spec = Spec(model, Window(8, 3), Training(epochs=4, **training or {}))
    stamps = np.datetime64("2024-03-01", "ns") + np.arange(40) * np.timedelta64(1, "h")
    scored = np.stack([np.zeros(5, np.int64), np.arange(40, 45)])
    return keys.trial_key(spec, data="d t", train=stamps, scored=scored, seed=1, epochs=2)


def test_the_key_changes_with_the_number(plain, monkeypatch):
    before = key()
    monkeypatch.setattr(keys, "RESULTS", keys.RESULTS + 1)
    assert key() != before


def test_the_key_of_a_fixed_trial_stays(plain, monkeypatch):
    monkeypatch.setattr(keys, "RESULTS", 1)
    assert key() == "29667f24d6be7ddf", (
        f"{MOVED}Settings of model, training and window stand in it, defaults too: leave out one "
        "that is new where it has its default, and say for one that is gone what it was."
    )


def test_settings_of_training_that_came_later_stand_in_the_key_once_they_are_asked_for(plain):
    asked = {"seeds": 2, "refit": True, "average": 3, "step_weights": "inverse_sqrt"}
    keys_of = [key(), *(key({name: own}) for name, own in asked.items())]
    assert len({*keys_of}) == 5 and key({name: keys.LATER[name] for name in asked}) == keys_of[0]


@pytest.mark.parametrize(("name", "other"), [("season", 6), ("decoder", "state"), ("cycle", 24)])
def test_a_setting_that_came_later_stands_in_the_key_where_it_has_not_its_default(name, other):
    assert keys.LATER[name] == Model("lstm").get_params()[name]
    assert key(**{name: keys.LATER[name]}) == key() != key(**{name: other})


def test_the_name_of_a_table_in_the_key_stays():
    from forecast.cli.config.compose import compose
    from forecast.workflows.load import schema_name

    words = ["data=file", "data.path=x.csv", "data.time=t", "data.targets=[y]"]
    found = schema_name(compose(words).settings)
    assert found == "9ef6fd517db0", f"{MOVED}The fields of the schema stand in it, by its repr."


@pytest.mark.processes
def test_moved_files_and_other_texts_leave_the_code_as_it_is(tmp_path: Path):
    copy = tmp_path / "forecast"
    shutil.copytree(Path(forecast.__file__).parent, copy)
    for file in copy.rglob("*.py"):
        text = file.read_text("utf-8")
        file.write_text(text.replace('"""', '"""Mended. ', 1) + "\n# a word more\n", "utf-8")
    (copy / "data" / "pair.py").rename(copy / "data" / "row_pair.py")
    (copy / "data" / "pair.py").write_text("from forecast.data.row_pair import *\n", "utf-8")
    told = [
        subprocess.run(
            [sys.executable, "-c", "from forecast.search import keys; print(keys.code_version())"],
            env={**os.environ, "PYTHONPATH": str(root)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for root in (Path(forecast.__file__).parents[1], tmp_path)
    ]
    assert told[0] == told[1] == keys.code_version() + "\n"


def test_a_hash_of_the_sources_stands_for_the_results_of_today():
    """A trial that was finished before keys held the number is found by its old key."""
    for named in keys.HASHED:
        assert named.startswith(f"results {keys.RESULTS}, "), "take the entry out"
    packages = {name: version(name) for name in keys.PACKAGES}
    if packages == {"tensorflow": "2.21.0", "keras": "3.15.1", "numpy": "2.4.6"}:
        assert keys.code_version() == "8bdba48b0ef558d4"
