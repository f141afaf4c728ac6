"""`forecast train resume=…`, `runs` and `sync`, as a person meets them."""

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from forecast.cli.config.compose import compose
from forecast.cli.progress import TERMINAL
from forecast.serving import package
from forecast.tracking import folders, journalled
from forecast.tracking.mlflow.store import Store
from forecast.tracking.run import ending
from forecast.tracking.tracker import Tracker
from forecast.workflows.training import tracking

from ..conftest import CNN, LSTM, TINY, Place, word

EPOCHS = ["training.epochs=4", "model.dropout=0.2"]


@pytest.fixture(scope="module")
def here(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A folder of its own: what is found dead in it is ours."""
    folder = tmp_path_factory.mktemp("resumed")
    shutil.copy(place.folder / "load.csv", folder)
    return Place(folder, [], [])


def stopped(here: Place, monkeypatch: pytest.MonkeyPatch, after: int, *words: str) -> str:
    """Stop a training, as Ctrl-C does, once an epoch's checkpoint is written."""
    write = journalled.Journalled.checkpoint

    def checkpoint(self, arrays):
        write(self, arrays)
        if after == len(json.loads(str(arrays["history"]))["loss"]):
            raise KeyboardInterrupt

    monkeypatch.setattr(journalled.Journalled, "checkpoint", checkpoint)
    assert here.run("train", *TINY, *words, *EPOCHS) == 130
    monkeypatch.undo()
    found = folders.runs(here.folder / "runs")  # baselines of the same second come in any order
    return next(str(run.run_id) for run in found if run.kind == "train")


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", [LSTM, pytest.param(CNN, marks=pytest.mark.slow)], ids=["lstm", "causal_cnn"]
)
def test_it_goes_on_from_the_last_epoch_and_ends_with_the_same_weights(
    model: list[str], here: Place, monkeypatch: pytest.MonkeyPatch
):
    assert here.run("train", *TINY, *model, *EPOCHS) == 0, here.errors
    whole = word(here.printed[-1], "run")
    run_id = stopped(here, monkeypatch, 2, *model)
    assert f"forecast train resume={run_id}" in here.printed[-1]
    assert here.run("runs") == 0
    assert (
        "killed" in here.printed[-1] and f"forecast train resume={run_id[:8]}\n" in here.printed[-1]
    )
    assert here.run("train", f"resume={run_id}") == 0, here.errors
    assert "after epoch 2 of 4" in here.printed[-1]
    client = Store(here.uri, "load").client
    parts = word(here.printed[-1], "run")
    one, other = (client.get_run(name).data for name in (whole, parts))
    assert one.params == other.params
    lasting = {key for key in one.metrics if not key.startswith("time/")}
    assert {key: one.metrics[key] for key in lasting} == {k: other.metrics[k] for k in lasting}
    for key in ("train/loss", "val/mae", "train/learning_rate"):
        both = (client.get_metric_history(name, key) for name in (whole, parts))
        assert len({tuple((m.step, m.value) for m in history) for history in both}) == 1
    kept = [
        package.fetch(client, name, here.folder / name).model.get_weights()
        for name in (whole, parts)
    ]
    for own, undisturbed in zip(kept[1], kept[0], strict=True):
        np.testing.assert_array_equal(own, undisturbed)


def test_ctrl_c_names_the_training_and_none_of_its_younger_baselines(
    here: Place, capsys: pytest.CaptureFixture[str]
):
    folder = str(here.folder / "interrupted")
    settings = replace(compose([]).settings.tracking, uri=here.uri, folder=folder)
    with Tracker(here.uri, "load", Path(settings.folder)) as earlier:
        earlier.begin("earlier", kind="train").end("KILLED")
    names = []
    with pytest.raises(KeyboardInterrupt), tracking(settings, "load", TERMINAL) as tracker:
        for kind, second in (("train", 0), ("baseline", 5)):
            tracker.clock = lambda second=second: 4e9 + second
            with suppress(KeyboardInterrupt), ending(tracker.begin(kind, kind=kind)) as run:
                names.append(run.id)
                raise KeyboardInterrupt
        raise KeyboardInterrupt
    assert f"resume     forecast train resume={names[0]}\n" in capsys.readouterr().out
    with pytest.raises(KeyboardInterrupt), tracking(settings, "load", TERMINAL):
        raise KeyboardInterrupt  # of a command that has begun nothing
    assert "resume" not in capsys.readouterr().out


def test_a_part_of_something_larger_is_not_resumed_by_itself(here: Place):
    with Tracker(here.uri, "load", here.folder / "runs") as tracker:
        parent = tracker.begin("backtest", kind="backtest")
        child = tracker.begin("fold 1", kind="fold", parent=parent)
        child.end("KILLED")
        parent.end("KILLED")
    for run in (parent, child):
        assert here.run("train", f"resume={run.id}") == 2
        assert "which is not a training of its own" in here.errors[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["resume=nothing"], "resume must be a run of this machine, got 'nothing'"),
        (
            ["resume=nothing", "training.epochs=9"],
            "resume must be given alone, or with settings of evaluation,",
        ),
    ],
)
def test_what_cannot_be_resumed(words: list[str], said: str, here: Place):
    assert here.run("train", *words) == 2
    assert here.errors[-1].startswith(f"forecast: {said}")


@pytest.mark.slow
def test_other_data_is_refused(here: Place, monkeypatch: pytest.MonkeyPatch):
    assert here.run("train", "resume=last") == 2
    assert "got 'last' with none in runs" in here.errors[-1]
    run_id = stopped(here, monkeypatch, 1, *LSTM)
    file = here.folder / "load.csv"
    before = file.read_text()
    file.write_text(before.replace("2024-03-01 05:00:00", "2024-03-01 05:00"))
    for name in (run_id, run_id[:8], "last"):
        assert here.run("train", f"resume={name}") == 2
        assert here.errors[-1].startswith("forecast: data must be what the run has seen (sha256 ")
    file.write_text(before)
    assert next(folders.runs(here.folder / "runs")).state == "KILLED"
    (here.folder / "runs").rename(here.folder / "moved")
    moved = "tracking.folder=moved"
    assert here.run("train", f"resume={run_id}", moved, f"tracking.uri={here.uri}") == 0
    assert here.run("train", f"resume={run_id}", moved) == 2
    assert "which has finished" in here.errors[-1]
    (here.folder / "moved").rename(here.folder / "runs")
    assert here.run("train", f"resume={run_id}") == 2
    assert "which has finished" in here.errors[-1]


@pytest.mark.slow
def test_a_training_without_its_server_ends_well_and_is_sent_later(here: Place):
    away = "tracking.uri=http://127.0.0.1:9"
    assert here.run("train", *TINY, *LSTM, "training.epochs=1", away) == 0, here.errors
    said = here.printed[-1]
    assert said.count("warning") == 1 and "127.0.0.1:9 does not answer" in said
    assert here.run("runs") == 0
    assert "forecast sync" in here.printed[-1]
    assert here.run("sync", away) == 2
    assert here.errors[-1].startswith("forecast: tracking.uri must be a store that can be reached")
    assert here.run("sync") == 0  # nothing is for this store
    assert "no run in runs/ is waiting" in here.printed[-1]
    run = next(run for run in folders.runs(here.folder / "runs") if run.kind == "train")
    for file in (here.folder / "runs").glob("*/journal.jsonl"):  # the server is found at last
        file.write_text(file.read_text().replace("http://127.0.0.1:9", "sqlite:///mlflow.db"))
    assert here.run("sync") == 0
    assert word(here.printed[-1], "sync") and "5 runs" in here.printed[-1]
    found = {r.data.tags["forecast.local_id"]: r for r in Store(here.uri, "load").find("")}
    assert found[run.local_id].info.status == "FINISHED"
    assert found[run.local_id].data.metrics["test/mae"] > 0
