"""`forecast train`, as a person meets it."""

import re
from collections import Counter
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import models
from forecast.cli.commands.train import warn
from forecast.cli.console import console
from forecast.data import scale, windows
from forecast.data.table import Table
from forecast.workflows import proof

from ..conftest import LSTM, TINY, Place, load_frame, word
from ..forked import Forked

BASELINES = ("persistence", "seasonal_naive", "boosted_trees", "ridge")


def test_prints_model_and_baselines_with_skill(place: Place, lstm_run: str):
    printed = next(text for text in place.printed if lstm_run in text)
    for name in ("lstm", *BASELINES):
        assert name in printed
    table = printed.partition("Test span")[2].partition("\n\n")[0].splitlines()
    assert table[1].split()[-2:] == ["skill", "verdict"]
    words = r"((better|worse), p [=<] [0-9.]+|no significant difference \(p = [0-9.]+\))$"
    assert len([row for row in table if re.search(words, row)]) == len(BASELINES)
    assert max(map(len, table)) <= 80
    assert re.search(
        r"intervals  90% intervals cover [0-9.]+% of actual values \(adaptive", printed
    )
    assert "MAE by steps ahead" not in printed  # it is in the report
    assert f"forecast predict run={lstm_run}" in printed


def test_a_successful_run_writes_nothing_to_stderr(place: Place, lstm_run: str, cnn_run: str):
    both = zip(place.printed, place.errors, strict=True)
    mine = [errors for printed, errors in both if lstm_run in printed or cnn_run in printed]
    assert len(mine) >= 2 and set(mine) == {""}


def test_a_run_keeps_its_report(place: Place, lstm_run: str, client, tmp_path):
    text = Path(client.download_artifacts(lstm_run, "report.html", str(tmp_path))).read_text(
        "utf-8"
    )
    mae = client.get_run(lstm_run).data.metrics["test/mae"]
    assert f"{mae:.3g} MAE over 4 steps; " in text
    for shown in ("Gates and memory", lstm_run, "model=lstm 'model.units=[4]'", "Keras 3."):
        assert shown in unescape(text)


@pytest.mark.slow
def test_the_same_command_gives_the_same_scores_to_the_last_digit(
    place: Place, lstm_run: str, client
):
    assert place.run("train", *TINY, *LSTM) == 0
    again = word(place.printed[-1], "run")

    def scores(run_id: str) -> dict[str, float]:
        metrics = client.get_run(run_id).data.metrics
        return {key: value for key, value in metrics.items() if not key.startswith("time/")}

    assert scores(again) == scores(lstm_run)


def test_every_run_says_how_far_it_was_proved(place: Place, lstm_run: str, cnn_run: str, client):
    for run in (client.get_run(lstm_run), client.get_run(cnn_run)):
        assert run.data.tags["forecast.leak_proof"] == "data"
        assert run.data.metrics["time/leak_proof_seconds"] > 0
    printed = next(text for text in place.printed if lstm_run in text)
    assert "all 13 checks passed" in printed and "LEAKS" not in printed


@pytest.mark.slow
def test_a_run_that_leaks_is_kept_and_says_so(place: Place, client):
    frame = pd.read_csv(place.folder / "load.csv")
    frame["soon"] = frame.groupby("site").load.shift(-2).ffill()
    frame.to_csv(place.folder / "soon.csv", index=False)
    given = ["data.path=soon.csv", "data.features=[load,soon]", "tracking.experiment=heads"]
    only = ["model=mlp", "training.epochs=1", "gates.memory=0", *given]
    assert place.run("train", *TINY, *only) == 0
    said = " ".join(place.printed[-1].split())
    copy = "input 'soon' is a copy of target 'load' 2 rows later"
    assert "warning THIS RUN LEAKS, do not trust its scores: 1 of 13 checks" in said
    assert copy in said
    run = client.get_run(word(place.printed[-1], "run"))
    assert run.data.tags["forecast.leak_proof"].startswith(f"FAILED: columns: {copy}")
    assert run.info.status == "FINISHED"
    assert place.run("check", *TINY, *given, *LSTM) == 0
    assert f"warning {copy}" in " ".join(place.printed[-1].split())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epochz=3", r'training\.epochz .*did you mean "training\.epochs"'),
        ("model=lsmt", r'model .*\'lsmt\'.*did you mean "lstm"'),
        ("model.unitz=[3]", r"model\.unitz"),
        ("training.epochs=abc", r"training\.epochs .*'abc'"),
        ("training.epochs=0", r"training\.epochs .*0"),
        ("training.optimizer=Adma", r'training\.optimizer .*did you mean "Adam'),
        ("training.loss=MeanAbsolute", r"training\.loss .*'MeanAbsolute'"),
        ("training.schedule=Step", r"training\.schedule .*'Step'"),
        ("data.path=nothing.csv", r"data\.path .*'nothing\.csv'"),
        ("data.targets=[laod]", r'data\.targets .*did you mean "load"'),
        ("window.timesteps=500", r"window\.timesteps=500"),
        ("window.horizon=0", r"window\.horizon .*0"),
        ("split.test=1.5", r"split\.test .*1\.5"),
        ("evaluation.interval=1.5", r"evaluation\.interval .*1\.5"),
        ("evaluation.calibration=cqr", r"training\.quantiles with 0\.05 and 0\.95, got \[\]"),
        ("gates.probe=-1", r"gates\.probe .*-1"),
        ("gates.pictures=0", r"gates\.pictures .*0"),
        ("+model._target_=os.system", r"_target_"),
        ("data.path=[", r"data.path must have a value"),
        ("model.activation=rleu", r"rleu"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_and_exit_2(place: Place, override: str, message: str):
    assert place.run("train", *TINY, *LSTM, override) == 2
    said = place.errors[-1]
    assert said.startswith("forecast: ") and said.count("\n") == 1
    assert "Traceback" not in said
    assert re.search(message, said), said


@pytest.mark.slow
def test_the_gates_need_not_be_watched(place: Place):
    words = ["gates.probe=0", "gates.memory=0", "training.epochs=1"]
    assert place.run("train", *TINY, *LSTM, *words) == 0, place.errors[-1]
    assert "\nmemory " not in place.printed[-1]


def test_hydra_shows_the_configuration(place: Place, capfd: pytest.CaptureFixture[str]):
    assert place.run("train", "--cfg", "job", *TINY) == 0
    shown = place.printed[-1] + capfd.readouterr().out
    assert "timesteps: 8" in shown


@pytest.mark.processes
def test_hydras_multirun_trains_each_point(tmp_path: Path):
    # in a process of its own: Hydra sets up logging anew, which closes the streams of this one
    load_frame().to_csv(tmp_path / "load.csv", index=False)
    small = ["model=mlp", "model.hidden=[2]", "gates.probe=0", "gates.memory=0"]
    points = ["training.seed=1,2", "training.epochs=1"]
    assert Forked(tmp_path, "train", "-m", *TINY, *small, *points).wait(timeout=300) == 0
    told = (tmp_path / "said.txt").read_text()
    assert len([line for line in told.splitlines() if line.startswith("run ")]) == 2


@pytest.mark.slow
def test_an_event_that_the_training_rows_never_show_is_named(place: Place, client):
    only = [*TINY, "model=mlp", "training.epochs=1", "gates.memory=0", "tracking.experiment=heads"]
    assert place.run("train", *only, "data.events={load: 999}") == 0
    assert "the training rows contain no 'load > 999'" in " ".join(place.printed[-1].split())
    run = client.get_run(word(place.printed[-1], "run"))
    assert run.data.metrics["test/brier"] < 0.25 and "test/auc" not in run.data.metrics
    assert "brier" in run.info.run_name and "val/brier" in run.data.metrics


@pytest.mark.slow
def test_quantiles_are_kept_served_and_drawn(place: Place, client):
    only = [*TINY, "model=mlp", "training.epochs=1", "gates.memory=0", "tracking.experiment=heads"]
    assert place.run("train", *only, "training.quantiles=[0.1,0.5,0.9]") == 0
    run = word(place.printed[-1], "run")
    assert 0 < client.get_run(run).data.metrics["test/coverage_80_raw"] < 1
    assert place.run("predict", f"run={run}", "output=levels.csv") == 0
    said = pd.read_csv(place.folder / "levels.csv")
    assert (said["q0.1"] < said.forecast).all() and (said.forecast < said["q0.9"]).all()
    assert (said.forecast == said["q0.5"]).all()


def test_what_a_fold_never_shows_is_named_with_the_fold():
    happened = np.array([[0.0], [0.0], [1.0]])
    nothing = np.zeros(3, int)
    table = Table(happened, happened, ("a",), ("a > 1",), nothing, nothing, nothing, task="event")
    with console.capture() as said:
        warn(table, np.array([True, True, False]), "the training rows of fold 2")
    text = " ".join(said.get().split())
    assert text.startswith(
        "warning the training rows of fold 2 contain no 'a > 1': its probability"
    )
    with console.capture() as said:
        warn(table, np.array([True, True, True]), "all rows")
    assert said.get() == ""


@pytest.mark.slow
def test_a_training_standardises_lists_and_builds_once(place: Place, monkeypatch):
    """Its leak proof aside, which does all of it again with other rows."""
    calls: Counter[str] = Counter()

    def counted(owner, name):
        work = getattr(owner, name)

        def count(*arguments, **more):
            calls[name] += 1
            return work(*arguments, **more)

        monkeypatch.setattr(owner, name, count)

    monkeypatch.setattr(proof, "prove", lambda *_, **__: None)
    for owner, name in (
        (scale, "fit"),
        (scale.Scaler, "inputs"),
        (scale.Scaler, "outputs"),
        (windows, "starts"),
        (models, "build_model"),
    ):
        counted(owner, name)
    assert place.run("train", *TINY, *LSTM, "training.epochs=1", "gates.memory=4") == 0
    # windows: training, stopping, and those of the three spans
    assert calls == {"fit": 1, "inputs": 1, "outputs": 1, "starts": 6, "build_model": 1}
