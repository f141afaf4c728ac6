"""The reference names all there is: keys of the configuration, commands, what Python imports."""

import re
from importlib import import_module

import pytest
import yaml

from forecast import models
from forecast.cli.config import compose
from forecast.cli.main import COMMANDS

from .pages import ROOT

pytestmark = pytest.mark.docs


@pytest.fixture
def made(monkeypatch):
    """A module that makes pages of the site."""
    monkeypatch.syspath_prepend(ROOT / "docs" / "site")
    return import_module


MODELS = {file.stem: file for file in (ROOT / "conf" / "model").glob("*.yaml")}
ROW = re.compile(r"^\| `(.+?)` \| `.+?` \| (?:`(.*?)`)? \| (.+) \|$", re.M)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_setting_of_a_model_has_a_row_with_its_default_and_its_meaning(made, model):
    page = made("configuration_page").text(ROOT / "conf")
    common, *others = re.split(r"^### ", page.partition("## model\n")[2], flags=re.M)
    own = next(part for part in others if part.startswith(f"model={model}\n"))
    told = {key: default for key, default, _ in ROW.findall(common + own.partition("\n## ")[0])}
    held = yaml.safe_load(MODELS[model].read_text("utf-8"))
    assert held.keys() == {key.removeprefix("model.") for key in told}
    del held["name"]
    assert held == {key: yaml.safe_load(told[f"model.{key}"]) for key in held}


def test_every_key_of_other_groups_has_a_row_with_its_meaning(made):
    page = made("configuration_page").text(ROOT / "conf")
    told = dict(re.findall(r"^\| `(.+?)` \|.*\| (.*) \|$", page, re.M))
    flat = compose.compose([]).flat
    keys = {key for key in flat if not key.startswith("model.")}
    keys = {re.sub(r"^((?:data|evaluation)\.[a-z]+)\..*", r"\1", key) for key in keys}
    assert {"data.path", "gates.alerts.dead", "evaluation.regressors", "leak"} <= keys
    assert {key for key in keys - {"experiment"} if not told.get(key)} == set()


def test_every_option_of_a_group_is_there(made):
    page = made("configuration_page").text(ROOT / "conf")
    options = [file.relative_to(ROOT / "conf") for file in (ROOT / "conf").glob("*/**/*.yaml")]
    assert len(options) > 30
    for option in options:
        group, name = option.parts[0], "/".join(option.with_suffix("").parts[1:])
        assert name == "default" or f"### {group}={name}\n" in page


@pytest.fixture
def paths(made):
    """What the pages of Python document, and the modules whose names have pages of their own."""
    pages = made("python_pages")
    found = {path for name in pages.PAGES for path in pages.documented(name)}
    return found | {"forecast.gates", "forecast.metrics"}


def test_every_architecture_is_there(paths):
    for name in models.NAMES:
        assert f"{models.function(name).__module__}.{name}" in paths


@pytest.mark.parametrize("home", ["", ".gates", ".metrics", ".report"])
def test_every_public_name_of_python_is_there(paths, home):
    module = import_module(f"forecast{home}")
    for name in module.__all__:
        value = getattr(module, name)
        defined = getattr(value, "__module__", value.__name__)  # that of a module is its name
        assert defined in paths or f"{defined}.{name}" in paths


def test_every_command_is_there(made):
    page = made("commands_page").text()
    assert all(
        f"| [`forecast {name}`](#{name}) | {told} |" in page for name, told in COMMANDS.items()
    )
