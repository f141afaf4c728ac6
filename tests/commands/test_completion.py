"""Completion, as who presses TAB in bash or zsh sees it, and beside what checks the values."""

import os
import re
import select
import subprocess
import sys
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import pytest

from forecast import models, vocabulary
from forecast.cli import completion
from forecast.cli.completion import BASH, SCRIPTS, candidates
from forecast.cli.main import COMMANDS, main
from forecast.evaluation.baselines.classical import CLASSICAL
from forecast.evaluation.baselines.rules import RULES
from forecast.evaluation.baselines.trees import NAMES
from forecast.tracking.journal import CHECKPOINT, Journal
from forecast.vocabulary import VALUES

from ..conftest import LSTM, TINY, Place
from ..terminals import at_terminal

PACKAGE = Path(completion.__file__).parents[1]

KERAS = {
    "training.loss": (keras.losses, "Loss"),
    "training.metrics": (keras.metrics, "Metric"),
    "training.optimizer": (keras.optimizers, "Optimizer"),
}
"""Key to a module of Keras, and the base of its classes, which is none to choose."""

SILENT = 120.0
"""Seconds without a sign after which a shell is taken to hang."""

# Ctrl-G writes the line as it stands between marks, so whatever comes before them was shown
SHELLS = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        'bind \'set bell-style none\'; bind -x \'"\\C-g": printf "<<%s>>" "$READLINE_LINE"\'\n',
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        'unsetopt beep listbeep; report() { print -n "<<$BUFFER>>"; }; zle -N report; '
        "bindkey '^G' report\n",
    ),
}


class Terminal:
    """A shell at a pseudo-terminal."""

    def __init__(self, fd: int):
        self.fd = fd
        self.seen = ""

    def until(self, pattern: str) -> re.Match[str]:
        """Read until something is there, and keep what comes behind it for the next time."""
        while not (found := re.search(pattern, self.seen, re.DOTALL)):
            assert select.select([self.fd], [], [], SILENT)[0], f"no {pattern!r} in {self.seen!r}"
            self.seen += os.read(self.fd, 65_536).decode(errors="replace")
        self.seen = self.seen[found.end() :]
        return found

    def tab(self, typed: str) -> tuple[str, set[str]]:
        """Type a line in place of the last one; return what it has become, and the words shown."""
        os.write(self.fd, b"\x05\x15" + typed.encode() + b"\x07")
        shown = self.until(r"(.*?)<<(.*?)>>")
        return shown[2], set(re.split(r"[\s\x1b]+", shown[1]))


@contextmanager
def opened(shell: str, home: Path) -> Iterator[Terminal]:
    """Install the completion into a home of its own, and open a shell that has sourced it."""
    program = home / "bin" / "forecast"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m forecast "$@"\n')
    program.chmod(0o755)
    work = home / "work"
    work.mkdir()
    (work / "load.csv").write_text("ts,load,temp,t:in\n")
    (work / "a=b.csv").write_text("when,what\n")
    journal(work / "runs" / "20261123-060539-fbcf37", "train", "a94c3b49ea694ea8")
    env = os.environ | {
        "HOME": str(home),
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]),
        "SHELL": f"/bin/{shell}",
        "TERM": "dumb",
    }
    env.pop("XDG_DATA_HOME", None)
    installed = [str(program), "--install-completion"]
    subprocess.run(installed, env=env, check=True, capture_output=True)
    [script] = [file for file in (home / ".local").rglob("*") if file.is_file()]
    assert script.read_text() == SCRIPTS[shell]
    command, bindings = SHELLS[shell]
    with at_terminal(["setsid", "--ctty", *command], work, env, (60, 300)) as (_, ours):
        terminal = Terminal(ours)
        os.write(ours, f"{bindings}source {script}; echo rea''dy\n".encode())
        terminal.until("ready")
        yield terminal


def journal(folder: Path, kind: str, run_id: str) -> None:
    """Write the folder of a run that its store has."""
    begun = Journal(folder)
    begun.append({"do": "create", "name": "lstm", "tags": {"forecast.kind": kind}})
    begun.mark(run=run_id)
    begun.close()


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    with opened("bash", tmp_path_factory.mktemp("bash")) as terminal:
        yield terminal


TYPED = {
    "forecast tra\t": "forecast train ",
    ": ; forecast ba\t": ": ; forecast backtest ",
    "forecast train mod\t": "forecast train model",
    "forecast train training.lear\t": "forecast train training.learning_rate=",
    "forecast train data.missing=h\t": "forecast train data.missing=hold ",
    "forecast train -m model=lstm,ca\t": "forecast train -m model=lstm,causal_cnn ",
    "forecast train training.loss=Hu\t": "forecast train training.loss=Huber ",
    "forecast predict run=a9\t": "forecast predict run=a94c3b49ea694ea8 ",
    "forecast check data.path=lo\t": "forecast check data.path=load.csv ",
    "forecast inspect file=lo\t": "forecast inspect file=load.csv ",
    "forecast predict output=lo\t": "forecast predict output=load.csv ",
    "forecast check data.path=load.csv data.time=t:\t": (
        "forecast check data.path=load.csv data.time=t:in "
    ),
    "forecast check data.path=a=b.csv data.time=whe\t": (
        "forecast check data.path=a=b.csv data.time=when "
    ),
    "forecast check data.path=load.csv 'data.features=[load,te\t": (
        "forecast check data.path=load.csv 'data.features=[load,temp"
    ),
}
"""What is typed, and the line that it becomes in either shell."""


@pytest.mark.processes
@pytest.mark.parametrize(
    ("typed", "line"),
    [
        *TYPED.items(),
        ("forecast check data.path=a\t", "forecast check data.path=a\\=b.csv "),
        (
            "forecast check data.path=a\\=b.csv data.time=whe\t",
            "forecast check data.path=a\\=b.csv data.time=when ",
        ),
        (
            "forecast check data.path=load.csv data.features=[load,te\t",
            "forecast check data.path=load.csv data.features=[load,temp",
        ),
        (
            "forecast check data.path=load.csv data.targets=[t:\t",
            "forecast check data.path=load.csv data.targets=[t:in",
        ),
    ],
)
def test_bash_completes_what_is_typed(bash: Terminal, typed: str, line: str):
    assert bash.tab(typed)[0] == line


@pytest.mark.processes
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("forecast train model=l", {"linear", "lstm"}),
        ("forecast train sweep.strategy=", {"grid", "random", "halving", "tpe"}),
        ("forecast check data.path=load.csv data.features=[load,", {"[load,temp", "[load,ts"}),
        ("forecast check data.path=", {"load.csv", "a=b.csv"}),
    ],
)
def test_bash_lists_where_several_fit(bash: Terminal, line: str, words: set[str]):
    left, shown = bash.tab(f"{line}\t\t\t")
    assert left.startswith(line) and words <= shown


@pytest.mark.processes
def test_zsh_completes_what_is_typed(tmp_path: Path):
    with opened("zsh", tmp_path) as zsh:
        for typed, line in TYPED.items():
            assert zsh.tab(typed)[0] == line
        left, shown = zsh.tab("forecast train model=l\x04")  # Ctrl-D lists and inserts nothing
        assert left == "forecast train model=l" and {"model=linear", "model=lstm"} <= shown


@pytest.mark.processes
def test_an_answer_imports_nothing_heavy(tmp_path: Path):
    journal(tmp_path / "runs" / "20261123-060539-fbcf37", "train", "a94c3b49ea694ea8")
    script = (
        "import sys; from forecast.cli.main import main\n"
        "for word in ('run=', 'training.loss=', 'model.head=', 'data.features='):\n"
        "    main(['--complete', f'forecast train {word}'])\n"
        "print(*{'tensorflow', 'keras', 'mlflow', 'hydra', 'numpy'} & set(sys.modules))"
    )
    env = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=env, capture_output=True, check=True
    ).stdout.decode()
    assert "run=a94c3b49ea694ea8\n" in said and said.endswith("\n\n")


def test_baselines_are_those_that_there_are():
    assert sorted(VALUES["evaluation.baselines"]) == sorted([*RULES, *CLASSICAL, *NAMES])


def test_every_closed_set_that_a_sentence_lists_is_offered():
    rule = re.compile(r"(\w+\.\w+) must be one of \{', '\.join\((\w+)\)\}")
    listed = {
        found.groups()
        for file in PACKAGE.rglob("*.py")
        for found in rule.finditer(file.read_text())
    }
    known = {key: getattr(vocabulary, name) for key, name in listed}
    assert len(listed) > 5 and known.items() <= VALUES.items()


LISTS = ("data.calendar", "data.known_future", "evaluation.baselines", "training.metrics")
LSTM_SETTINGS = {
    f"model.{name}": values
    for name, values in completion.settings("lstm").items()
    if "true" not in values
}


@pytest.mark.parametrize("key", [*VALUES, *LSTM_SETTINGS])
def test_a_value_that_is_nearly_one_is_refused_with_the_one_that_was_meant(place: Place, key: str):
    known = LSTM_SETTINGS.get(key) or VALUES[key]
    meant = "hour" if key == "data.known_future" else max(known, key=len)  # of those asked for
    wrong = f"[{meant[:-1]}]" if key in LISTS else meant[:-1]
    command = key.split(".")[0] if key.startswith(("backtest.", "sweep.")) else "train"
    command = "compare" if key == "kind" else command
    grid = ["sweep.grid={model.units:[[2],[3]]}"] if command == "sweep" else []
    question = [*TINY, *LSTM, *grid] if key != "kind" else []  # of `compare`
    assert place.run(command, *question, f"{key}={wrong}") == 2
    said = place.errors[-1]
    assert said.startswith(f"forecast: {key} must ") and f'did you mean "{meant}"?' in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("key", KERAS)
def test_names_of_keras_are_those_that_it_has(key: str):
    module, base = KERAS[key]
    kind = getattr(module, base)
    kinds = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, kind)]
    wrappers = {"LossScaleOptimizer", "MultiOptimizer"}
    assert set(VALUES[key]) == {k.__name__ for k in kinds} - {base} - wrappers


@pytest.mark.parametrize("name", models.NAMES)
def test_settings_are_those_of_the_architecture(name: str):
    kind = typing.get_type_hints(models.function(name))["settings"]
    hints = typing.get_type_hints(kind)
    literal = {k: list(typing.get_args(v)) for k, v in hints.items() if "Literal" in str(v)}
    flags = {k: ["true", "false"] for k, v in hints.items() if v is bool}
    assert completion.settings(name) == literal | flags and literal


def test_runs_are_offered_by_the_id_that_the_key_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    journal(tmp_path / "kept" / "20261123-060539-fbcf37", "train", "aaa")
    journal(tmp_path / "kept" / "20261123-060540-fbcf38", "baseline", "bbb")
    (tmp_path / "kept" / "20261123-060539-fbcf37" / CHECKPOINT).touch()
    (tmp_path / "kept" / "20261123-060541-fbcf39").mkdir()
    begin = "forecast predict tracking.folder=kept "
    assert candidates(f"{begin}run=", COMMANDS) == ["run=aaa", "run=best", "run=last"]
    offered = candidates(f"{begin}runs=[aaa,", COMMANDS)
    assert offered == [f"runs=[aaa,{one}" for one in ("bbb", "best", "last")]
    begun = "runs=[last,best,aaa,"
    assert candidates(begin + begun, COMMANDS) == [f"{begun}bbb,", f"{begun}bbb]"]
    assert candidates(f"{begin}resume=", COMMANDS) == ["resume=aaa", "resume=last"]
    assert candidates("forecast predict tracking.folder=none run=", COMMANDS) == []


def test_it_is_written_where_the_shell_looks_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    for _ in range(2):
        assert main(["--install-completion"]) == 0
        assert str(tmp_path) in capsys.readouterr().out
    [file] = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert file.read_text() == BASH
    assert main(["--completion"]) == 0 and capsys.readouterr().out == BASH
    assert main(["--completion", "fish"]) == 2
    assert "must be for bash or zsh, got 'fish'" in capsys.readouterr().err


def test_a_users_own_options_and_the_chosen_models_keys_are_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    own = tmp_path / "conf" / "model"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("name: lstm\nsecret_knob: 1\n")
    monkeypatch.chdir(tmp_path)
    assert main(["--complete", "forecast train model=mi"]) == 0
    assert capsys.readouterr().out == "model=mine\n"
    assert main(["--complete", "forecast train model=mine model.sec"]) == 0
    assert capsys.readouterr().out == "model.secret_knob=\n"
    assert main(["--complete", "forecast train model.secret_knob="]) == 0
    assert capsys.readouterr().out == ""
