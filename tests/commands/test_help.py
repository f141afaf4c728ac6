"""The help of every command: its keys, its example, its width, and that it comes at once."""

import re
import shlex
import subprocess
import sys

import pytest
import yaml

from forecast.cli import help as helps
from forecast.cli.config import compose, errors
from forecast.cli.config.keys import GROUPS
from forecast.cli.main import COMMANDS, main
from forecast.errors import InputError

from ..conftest import Place
from ..docs.pages import ROOT

KEY = re.compile(r"^  ([a-z_0-9.]+)(?:=\S*)?(?: {2,}|\n {30})(\S.*(?:\n {20,}.*)*)", re.M)
"""A key or group and what is said of it, on lines of their own."""


@pytest.fixture(scope="module")
def shown() -> dict[str, str]:
    return {command: helps.text(command) for command in COMMANDS}


def entries(text: str) -> dict[str, str]:
    """The keys and groups that a help has a line for, and what it says of them."""
    about_keys = text.partition("\nExample:")[0].partition("\n")[2]
    return {name: " ".join(told.split()) for name, told in KEY.findall(about_keys)}


def test_every_help_is_another_one_of_80_columns_and_two_screens(shown):
    heads = {text.split("\n\n")[1] for text in shown.values()}
    assert len(heads) == len(COMMANDS)
    for command, text in shown.items():
        lines = text.splitlines()
        assert lines[0] == f"usage: forecast {command} [key=value …]"
        assert max(map(len, lines)) <= 80 and len(lines) <= 70, command
        assert all((ROOT / page).is_file() for page in re.findall(r"docs/\w+\.md", text))
        assert " \n" not in text and ".." not in re.sub(r"\[…\]", "", text)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_help_lists_what_the_command_reads_and_nothing_that_it_refuses(shown, command):
    lines = entries(shown[command])
    read = errors.READ[command]
    for entry in read:
        group = entry.removesuffix(".*")
        if group == command:  # a group of its own stands there key by key
            below = compose.compose([]).settings.__getattribute__(group)
            assert {f"{group}.{name}" for name in vars(below)} <= lines.keys()
        else:
            assert group in lines
    for key in lines:
        errors.refuse(command, [f"{key}=x"])


@pytest.mark.parametrize("command", COMMANDS)
def test_an_example_composes_and_is_accepted(shown, command):
    [example] = re.findall(r"^Example:\n  (.+)$", shown[command], re.M)
    program, said, *overrides = shlex.split(example)
    assert (program, said) == ("forecast", command)
    errors.refuse(command, overrides)
    assert compose.compose(overrides).settings


def test_defaults_are_those_of_the_composition(shown):
    flat = compose.compose([]).flat
    for command, text in shown.items():
        for key, value in re.findall(r"^  ([a-z_]+\.[a-z_.]+)=(\S+)", text, re.M):
            if value.endswith("…") or key == "tracking.uri":
                continue
            assert yaml.safe_load(value) == flat[key], (command, key)
    composed = helps.text("train", ["model=gru", "window.timesteps=96", "split=tenths"])
    assert "\n  model=gru " in composed and "\n  window.timesteps=96 " in composed
    assert "\n  split=tenths " in composed


@pytest.mark.parametrize("group", sorted(GROUPS.keys() - {"experiment"}))
def test_every_key_of_a_group_has_its_meaning(group):
    command = group if group in COMMANDS else "train"
    text = helps.of_group(command, group)
    known = {
        re.sub(r"^((?:data|evaluation)\.[a-z_]+)\..*", r"\1", k) for k in compose.compose([]).flat
    }
    told = entries(text)
    assert told.keys() == {key for key in known if key.startswith(f"{group}.")}
    assert all(re.match(r"\S.*\w.*\.$", meaning) for meaning in told.values())
    assert max(map(len, text.splitlines())) <= 80


def test_a_key_that_must_be_set_says_so():
    told = entries(helps.text("check", ["data=file"]))
    assert told["data.path"].endswith("input. It must be set.")
    assert "must be set" not in told["data.missing"]


def test_what_a_help_cannot_show_is_refused(place: Place):
    assert place.run("sweep", "--help", "register=x") == 2
    assert place.errors[-1].startswith("forecast: register must be a key that forecast sweep reads")
    assert place.run("train", "sweep", "-h") == 2
    assert "must be followed by a group that forecast train reads" in place.errors[-1]
    assert place.run("train", "-h", "training.epochs=x") == 2
    assert place.errors[-1].startswith("forecast: training.epochs must fit its type")
    assert place.run("trian", "-h") == 2
    with pytest.raises(InputError, match='did you mean "tracking"'):
        helps.of_group("runs", "trackin")


def test_an_address_in_the_environment_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@host")
    text = helps.text("ui")
    assert "tracking.uri=$MLFLOW_TRACKING_URI" in text and "secret" not in text


@pytest.mark.parametrize("words", [["train", "--help"], ["-h", "data=file", "train"][::-1]])
def test_help_is_printed_with_status_0(words, capsys: pytest.CaptureFixture[str]):
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("usage: forecast train [key=value …]\n")


def test_a_help_imports_nothing_that_takes_seconds():
    code = (
        "import sys; from forecast.cli.main import main\n"
        "for words in (['train', '-h'], ['predict', '--help'], ['train', '-h', 'model']):\n"
        "    main(words)\n"
        "print(sorted({'tensorflow', 'keras', 'mlflow', 'sklearn', 'dask'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.endswith("\n[]\n")


CLOSED = [
    ["train", "--help"],
    ["sweep", "--cfg", "job"],
    ["explain", "--hydra-help"],
    ["train", "--info", "all"],
    ["runs"],
]
"""What prints through us, through Hydra, through its log and through Rich."""


@pytest.mark.processes
@pytest.mark.parametrize("words", CLOSED, ids=" ".join)
def test_a_closed_pipe_ends_quietly(words, tmp_path):
    started = subprocess.Popen(
        [sys.executable, "-m", "forecast", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    started.stdout.close()
    assert started.stderr.read() == b"" and started.wait() == 141
    started.stderr.close()
