"""Completion, in bash itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from forecast.__main__ import main
from forecast.commands.completion import BASH


def offered(folder: Path, line: str, *words: str) -> list[str]:
    """What bash offers at the end of a line, whose words readline has broken at "="."""
    program = folder / "bin" / "forecast"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m forecast "$@"\n')
    program.chmod(0o755)
    script = (
        f'{BASH}\nCOMP_LINE=$1; COMP_POINT=${{#1}}; shift; COMP_WORDS=("$@")\n'
        'COMP_CWORD=$(($# - 1)); _forecast; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{program.parent}:{os.environ['PATH']}"
    here = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        ["bash", "-c", script, "bash", line, *words],
        cwd=folder,
        env=os.environ | {"PATH": path, "PYTHONPATH": here},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()


@pytest.mark.processes
def test_bash_is_offered_commands_groups_options_keys_and_runs(tmp_path: Path):
    (tmp_path / "runs" / "a94c3b").mkdir(parents=True)
    assert offered(tmp_path, "forecast ba", "forecast", "ba") == ["backtest"]
    assert "model=" in offered(tmp_path, "forecast train mod", "forecast", "train", "mod")
    broken = ("forecast", "train", "model", "=", "patch_")
    assert offered(tmp_path, "forecast train model=patch_", *broken) == ["patch_gru", "patch_lstm"]
    key = ("forecast", "train", "training.epo")
    assert offered(tmp_path, "forecast train training.epo", *key) == ["training.epochs="]
    run = ("forecast", "predict", "run", "=", "a")
    assert offered(tmp_path, "forecast predict run=a", *run) == ["a94c3b"]


def test_it_is_written_where_bash_looks_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    for _ in range(2):
        assert main(["--install-completion"]) == 0
        assert str(tmp_path) in capsys.readouterr().out
    [file] = tmp_path.rglob("forecast")
    assert file.read_text() == BASH
    assert main(["--completion"]) == 0 and capsys.readouterr().out == BASH


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
