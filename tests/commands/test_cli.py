"""The command line itself."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.cli.main import COMMANDS, main

from ..conftest import CNN, LSTM, TINY, Place, columns, load_frame, word

SHORT = [*TINY, "model=mlp", "model.hidden=[2]", "training.epochs=1"]
SHORT += ["gates.probe=0", "gates.memory=0"]


def test_help_names_every_command_and_imports_nothing_heavy():
    code = (
        "import sys; from forecast.cli.main import main; main(['--help']);"
        "print(sorted({'tensorflow', 'keras', 'pandas', 'mlflow', 'hydra'} & set(sys.modules)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert all(f"\n  {name}" in shown for name in COMMANDS)
    assert shown.endswith("[]\n")


def test_ctrl_c_is_answered_at_once_while_the_main_thread_cannot_hear(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    from forecast.cli import console, dispatch

    heard = threading.Event()
    monkeypatch.setattr(console, "say", lambda stage, text: heard.set() if stage == "stop" else 0)

    def deaf(command: str, overrides: list[str]) -> None:
        def hold(number: int, frame: object) -> None:
            assert heard.wait(10), "nobody has answered"
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGINT, hold)
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
        finally:
            signal.signal(signal.SIGINT, before)

    monkeypatch.setattr(dispatch, "enter", deaf)
    assert main(["train"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_quick_end_needs_no_further_word(monkeypatch: pytest.MonkeyPatch):
    from forecast.cli import console, dispatch

    said: list[str] = []
    monkeypatch.setattr(console, "say", lambda stage, text: said.append(stage))

    def quick(command: str, overrides: list[str]) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)

    monkeypatch.setattr(dispatch, "enter", quick)
    assert main(["train"]) == 130
    time.sleep(0.6)
    assert said == []


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]):
    assert main(["trian"]) == 2
    assert 'did you mean "train"?' in capsys.readouterr().err


def test_a_flag_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["train", "--epochs", "3"]) == 2
    assert "key=value" in capsys.readouterr().err


def test_explain_counts_what_keras_counts(place: Place):
    from forecast.data.windows import Window
    from forecast.models.settings import Sizes
    from forecast.training import fit
    from forecast.training.parameters import Model

    assert place.run("explain", *TINY, *LSTM) == 0
    # load, temp and the hour's sine and cosine
    model = fit.build_network(
        Model("lstm", units=[4], recurrent_dropout=0.0),
        Sizes(Window(8, 4).timesteps, 4, 4, 1, (0,)),
    )
    assert f"parameters {model.count_params():,}" in place.printed[-1]
    assert "4·((4 + 4)·4 + 4)" in place.printed[-1]


def test_explain_tells_the_receptive_field(place: Place):
    assert place.run("explain", *TINY, *CNN) == 0
    assert "the newest 7 of 8 timesteps" in place.printed[-1]


def test_only_the_process_of_a_command_looks_less_often_for_garbage(monkeypatch):
    asked = []
    monkeypatch.setattr("gc.set_threshold", lambda *often: asked.append(often))
    assert main(["--version"]) == 0 and asked == []
    monkeypatch.setattr(sys, "argv", ["forecast", "--version"])
    assert main() == 0
    [often] = asked
    assert all(ours > pythons for ours, pythons in zip(often, (700, 10, 10), strict=True))


def test_check_reports_and_refuses_faults(place: Place):
    assert place.run("check", *TINY) == 0
    assert "hold" in place.printed[-1] and "100.0%" in place.printed[-1]
    (place.folder / "bad.csv").write_text("time,load\n2024-01-01,1\n2024-01-02,x\n")
    bad = ["data.path=bad.csv", "data.series=[]", "data.features=[]", "window.timesteps=1"]
    assert place.run("check", *TINY, *bad, "window.horizon=1") == 2
    assert "'x'" in place.printed[-1]


@pytest.mark.parametrize("ending", ["csv", "parquet", None])
def test_check_of_many_series_prints_a_summary_and_writes_them(place: Place, ending: str | None):
    """Site n has 40 + n hours; sites 7 and 19 lack some in between."""
    hours = pd.date_range("2024-01-01", periods=70, freq="h")
    sites = [pd.DataFrame({"site": f"s{n:02}", "time": hours[: 40 + n]}) for n in range(25)]
    sites[7], sites[19] = sites[7].drop(index=[5, 6, 9]), sites[19].drop(index=3)
    frame = pd.concat(sites)
    frame["load"] = frame["temp"] = np.arange(float(len(frame)))
    frame.to_csv(place.folder / "many.csv", index=False)
    asked = ["data.path=many.csv", *([f"output=clocks.{ending}"] if ending else [])]
    assert place.run("check", *TINY, *asked) == 0, place.errors
    said = " ".join(place.printed[-1].split())
    assert "series 25 of 40 to 64 rows (median 52), 2 with gaps" in said
    assert "begin 2024-01-01 00:00 and end between 2024-01-02 15:00 and 2024-01-03 15:00" in said
    named = re.findall(r"^(s\d\d) ", place.printed[-1], re.M)
    assert named == ["s07", "s19", "s00", "s01", "s02", "s03", "s04"]
    file = place.folder / (f"clocks.{ending}" if ending else "series_many.csv")
    found = pd.read_parquet(file) if ending == "parquet" else pd.read_csv(file)
    assert found.series.tolist() == [f"s{n:02}" for n in range(25)]
    assert found.rows.tolist() == [len(site) for site in sites]
    assert found.absent.tolist() == [{7: 3, 19: 1}.get(n, 0) for n in range(25)]
    assert f"wrote {file.name}: the clock of each of 25 series" in said
    file.unlink()


def test_check_of_few_series_writes_them_where_it_is_asked_to(place: Place):
    assert place.run("check", *TINY) == 0
    assert not list(place.folder.glob("series_*"))
    assert place.run("check", *TINY, "output=few.csv") == 0
    assert pd.read_csv(place.folder / "few.csv").series.tolist() == ["north", "south"]
    assert place.run("check", *TINY, "output=few.txt") == 2


def test_check_proves_that_nothing_leaks_line_by_line(place: Place):
    model = ["model=mlp", "model.hidden=[2]", "training.epochs=5"]
    assert place.run("check", *TINY, *model, "leak=true") == 0, place.errors
    lines = place.printed[-1].splitlines()
    assert "leakage    trains twice, 2 of training.epochs=5 each" in lines
    held = [line for line in lines if line.startswith("passed ")]
    assert len(held) == 14 and max(map(len, lines)) <= 80
    assert held[-1].endswith("training: weights, history, best epoch of 2 trainings of 2 epochs")


def test_check_refuses_what_leaks_in_one_sentence(place: Place, monkeypatch: pytest.MonkeyPatch):
    from forecast.data.split import Holdout
    from forecast.evaluation.leakage import checks

    monkeypatch.setattr(checks, "training", lambda case: checks.columns(case))
    monkeypatch.setattr(Holdout, "train_rows", Holdout.test_rows)
    assert place.run("check", *TINY, "model=mlp", "model.hidden=[2]", "leak=true") == 2
    assert place.errors[-1].startswith("forecast: data and split must let nothing leak, got ")
    assert place.errors[-1].count("\n") == 1 and "\nLEAK " in place.printed[-1]


def test_a_users_own_conf_comes_first(place: Place):
    own = place.folder / "conf" / "model"
    own.mkdir(parents=True)
    (own / "small.yaml").write_text("name: lstm\nunits: [3]\nrecurrent_dropout: 0.0\n")
    assert place.run("explain", *TINY, "model=small") == 0
    assert "4·((4 + 3)·3 + 3)" in place.printed[-1]


def test_secrets_in_the_environment_are_not_tracked(monkeypatch: pytest.MonkeyPatch):
    from forecast.cli.config.compose import compose

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@host")
    request = compose([])
    assert request.settings.tracking.uri == "http://user:secret@host"
    assert "secret" not in request.yaml and "secret" not in str(request.flat)


@pytest.mark.processes
def test_a_reader_that_has_had_enough_is_no_fault_of_ours():
    started = subprocess.Popen(
        [sys.executable, "-m", "forecast", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    started.stdout.close()
    assert started.stderr.read() == b"" and started.wait() == 141
    started.stderr.close()


@pytest.mark.processes
def test_a_full_disk_is_told_in_a_sentence():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "forecast", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("forecast: standard output must have room")
    assert done.stderr.count("\n") == 1


@pytest.mark.processes
def test_commands_that_succeed_write_nothing_on_stderr_and_no_escapes(tmp_path: Path):
    load_frame().to_csv(tmp_path / "load.csv", index=False)
    path = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])

    def said(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "forecast", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "\x1b" not in done.stdout and "\r" not in done.stdout
        return done.stdout

    printed = said("train", *TINY, *LSTM)
    # without a terminal: one line an epoch, 80 columns at most
    assert len(re.findall(r"^train      epoch [12]/2", printed, re.M)) == 2
    assert columns(printed) <= 80
    stages = [line.split()[0] for line in printed.splitlines() if line[:1].strip()]
    assert stages[:5] == ["data", "train", "train", "train", "evaluate"]
    assert len(re.findall(r"^(?:evaluate|track) .*[^0-9.][0-9]+\.[0-9] s$", printed, re.M)) == 2
    said("predict", f"run={word(printed, 'run')}")
    grid = "sweep.grid={model.hidden:[[2],[3]]}"
    said("sweep", *SHORT, grid, "sweep.folds=2", "sweep.workers=1")
    quiet = said("backtest", "-q", *SHORT, "backtest.folds=2")
    assert [line for line in quiet.splitlines() if line][-1].startswith("run ")
    assert "fold 1/2" not in quiet and "persistence" in quiet
    jobs = said("explain", "-m", *TINY, "model=glob(*linear)", "model.patch=choice(1,2)")
    assert [line.split()[-2:] for line in jobs.splitlines() if line.startswith("job ")] == [
        [f"model={kind}linear", f"model.patch={patch}"]
        for kind in ("d", "", "n")
        for patch in (1, 2)
    ]


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["model=linear", "model.patc=1,2"], 'did you mean "model.patch"'),
        (["model=choice(linear,nlinaer)"], 'did you mean "nlinear"'),
        (["training.epochs=range(1,3)", "window.timestep=9"], 'did you mean "window.timesteps"'),
        (["model=linear,nlinear", "training.epochs=a,b"], "training.epochs must fit its type"),
    ],
)
def test_a_multirun_that_is_refused_leaves_no_folder(overrides: list[str], told: str, place: Place):
    assert place.run("explain", "-m", *TINY, *overrides) == 2
    assert told in place.errors[-1] and not (place.folder / "multirun").exists()


def test_ctrl_c_says_how_a_sweep_goes_on(place: Place, monkeypatch: pytest.MonkeyPatch):
    from forecast.workflows import load

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(load, "load", interrupted)
    assert place.run("sweep", *TINY) == 130
    assert place.errors[-1].endswith("is saved, and the same command resumes it\n")


def test_ctrl_c_is_heard_where_python_drops_it(place: Place, monkeypatch: pytest.MonkeyPatch):
    from forecast.workflows import load

    class Dropping:
        def __del__(self):
            raise KeyboardInterrupt

    def deaf(*_: object) -> None:
        Dropping()
        for _ in range(600):  # a signal ends the first of these sleeps
            time.sleep(0.1)

    monkeypatch.setattr(load, "load", deaf)
    # what a shell has started behind an & ignores it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert place.run("train", *TINY, *LSTM) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert place.errors[-1] == "forecast: interrupted; finished work is saved\n"
