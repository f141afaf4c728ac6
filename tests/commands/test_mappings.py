"""A mapping that is typed stands for the default one, an empty one for none."""

import json
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_origin

import pytest

from forecast.cli.config import compose, misread
from forecast.workflows.settings import Config

ENTRIES = {
    "data.circular": ("wind_dir", "180"),
    "data.valid": ("temp", "[-40,120]"),
    "data.units": ("temp", "K"),
    "data.events": ("temp", "90"),
    "data.classes": ("sky", "[clear,rain]"),
    "data.transform": ("temp", "log1p"),
    "data.bounds": ("temp", "[0,null]"),
    "data.resample": ("rule", "h"),
    "evaluation.regressors": ("KNeighborsRegressor", "{n_neighbors: 3}"),
}
"""Mapping to a name and a value that it can hold."""


def mappings() -> list[str]:
    """Every mapping of the schema, but that whose group chooses a model."""
    return [
        f"{group.name}.{own.name}"
        for group in fields(Config)
        if is_dataclass(group.type)
        for own in fields(group.type)
        if get_origin(own.type) is dict or own.default_factory is dict
    ]


def found(key: str, *overrides: str) -> dict:
    group, name = key.split(".")
    return getattr(getattr(compose.compose(list(overrides)).settings, group), name)


def test_each_mapping_of_the_schema_is_tried():
    assert sorted(mappings()) == sorted(ENTRIES) == sorted(misread.MAPPINGS)


@pytest.mark.parametrize("key", ENTRIES)
def test_an_empty_mapping_is_none_of_them(key):
    name, value = ENTRIES[key]
    assert found(key, f"{key}={{}}") == {}
    assert found(key, f"++{key}.{name}={value}", f"{key}={{}}") == {}


@pytest.mark.parametrize("key", ENTRIES)
def test_a_mapping_stands_for_the_default_and_a_plus_adds_to_it(key):
    name, value = ENTRIES[key]
    default = found(key)
    alone = found(key, f"{key}={{{name}: {value}}}")
    assert list(alone) == [name]
    assert found(key, f"{key}={{}}", f"{key}.{name}={value}") == alone
    for text in (f"{key}.{name}={value}", f"+{key}.{name}={value}"):
        if name not in default or text[0] != "+":
            assert found(key, text) == default | alone
    assert found(key, f"{key}={{other: {value}}}", f"{key}={{{name}: {value}}}") == alone


def test_the_settings_of_one_entry_are_replaced_too():
    key = "evaluation.regressors"
    given = (f"+{key}.Lasso={{alpha: 2.0, positive: true}}", f"{key}.Lasso={{alpha: 3.0}}")
    assert found(key, *given)["Lasso"] == {"alpha": 3.0}
    assert found(key, given[0], f"{key}.Lasso={{}}")["Lasso"] == {}


def test_more_overrides_on_a_request_replace_likewise():
    request = compose.compose([]).but(["evaluation.regressors={}", "data.units={temp: K}"])
    assert request.settings.evaluation.regressors == {}
    assert request.settings.data.units == {"temp": "K"}


def test_a_multirun_and_what_hydra_shows_do_so_too(tmp_path: Path, monkeypatch, capfd):
    from forecast.cli.main import main

    monkeypatch.chdir(tmp_path)
    assert main(["train", "--cfg", "job", "evaluation.regressors={}"]) == 0
    shown = capfd.readouterr().out
    assert "regressors: {}" in shown


@pytest.mark.processes
def test_each_job_of_a_multirun_has_its_own(tmp_path: Path):
    code = (
        "import json, sys; from forecast.cli import dispatch;"
        "dispatch._run = lambda command, request: print('has',"
        " json.dumps(request.settings.evaluation.regressors));"
        "dispatch.enter('train', sys.argv[1:])"
    )
    sweep = "evaluation.regressors={},{Lasso: {alpha: 1.0}}"
    done = subprocess.run(
        [sys.executable, "-c", code, "-m", sweep], cwd=tmp_path, capture_output=True, text=True
    )
    lines = [line[4:] for line in done.stdout.splitlines() if line.startswith("has ")]
    assert [json.loads(line) for line in lines] == [{}, {"Lasso": {"alpha": 1.0}}], done.stderr
