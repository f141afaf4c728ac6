"""A key that a command does not read is refused by its name, whatever its value."""

from dataclasses import fields, is_dataclass

import pytest

from forecast.cli.config import errors
from forecast.cli.main import COMMANDS
from forecast.errors import InputError
from forecast.workflows.settings import Config

OWN = {
    "run": {"predict", "inspect", "reproduce", "ui"},
    "history": {"predict"},
    "resume": {"train"},
    "other": {"inspect"},
    "runs": {"compare", "inspect"},
    "kind": {"compare"},
    "file": {"inspect"},
    "output": {"predict", "inspect", "compare", "check"},
    "register": {"train"},
    "registered": {"promote"},
    "force": {"reproduce"},
    "leak": {"check"},
    "sweep": {"sweep"},
    "backtest": {"backtest"},
    "budget": {"best"},
    "split": {"train", "backtest", "sweep", "best", "check", "explain"},
    "experiment": {"train", "backtest", "sweep", "check", "explain"},
    "scheduler": {"train", "backtest", "sweep", "best", "predict"},
    "workers": {"train", "backtest", "sweep", "best", "predict"},
}
"""Key or group to the commands that read it, as the comments of the schema say."""

CASES = [
    (command, key, command in readers)
    for key, readers in OWN.items()
    for command in sorted(COMMANDS)
]


@pytest.mark.parametrize(("command", "key", "read"), CASES)
def test_every_command_with_every_key(command, key, read):
    kinds = {own.name: own.type for own in fields(Config)}
    below = [own.name for own in fields(kinds[key])] if is_dataclass(kinds[key]) else []
    for word in [f"{key}.{name}=1" for name in below] or [f"{key}=1"]:
        if read:
            errors.refuse(command, [word])
            continue
        with pytest.raises(InputError) as caught:
            errors.refuse(command, [word])
        name = word.partition("=")[0]
        named = "reproduce" if command == "reproduce" else name  # which says whose the others are
        assert str(caught.value).startswith(f"{named} must be ") and name in str(caught.value)


def test_all_keys_are_asked():
    shared = {"data", "window", "model", "training", "evaluation", "gates", "tracking"}
    assert {own.name for own in fields(Config)} == OWN.keys() | shared


def test_a_sweep_registers_nothing_without_a_word(place):
    assert place.run("sweep", "register=x") == 2
    assert place.errors[-1].startswith("forecast: register must be a key that forecast sweep reads")
    assert place.run("explain", "leak=true", "run=abc") == 2
    assert place.errors[-1].startswith("forecast: leak must be a key that forecast explain reads")
