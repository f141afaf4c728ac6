"""A finished training is never lost: whatever fails behind the fit leaves the model."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.cli.config import recorded
from forecast.evaluation import experiment
from forecast.serving import bundle, package
from forecast.tracking import folders, record
from forecast.tracking.mlflow.store import Store
from forecast.training import loop
from forecast.workflows import describe, proof, training
from forecast.workflows.gates import Observer

from ..conftest import LSTM, TINY, Place, load_frame, word

ONE = [*TINY, *LSTM, "training.epochs=1", "gates.memory=0"]
REST = "scores, baselines, intervals, leak proof, gates, report, description"

STAGES = {
    "model": (package, "package", "model, intervals"),
    "evaluation": (experiment, "evaluate", REST),
    "scores": (record, "record", "scores"),
    "baselines": (record, "record_baselines", "baselines, description"),
    "intervals": (bundle, "add_intervals", "intervals"),
    "leak proof": (proof, "leak_proof", "leak proof"),
    "gates": (Observer, "finish", "gates, report"),
    "report": (training, "page", "report"),
    "description": (describe, "describe", "description"),
}
"""Stage to what a planted fault replaces, and to what is missing then."""


class Held:
    """What a store holds of one run, but for what no repetition repeats."""

    def __init__(self, place: Place, run_id: str):
        client = Store(place.uri, "load").client
        run = client.get_run(run_id)
        self.status, self.tags, self.params = run.info.status, run.data.tags, run.data.params
        self.metrics = {
            (key, point.step): point.value
            for key in run.data.metrics
            if not key.startswith("time/")
            for point in client.get_metric_history(run_id, key)
        }
        folder = Path(client.download_artifacts(run_id, "", str(place.folder / run_id)))
        self.artifacts = {
            str(path.relative_to(folder)).split("+timestamp")[0]
            for path in folder.rglob("*")
            if path.is_file()
        }
        self.config = (folder / "config.yaml").read_text("utf-8")
        self.bundle = bundle.load(folder / "model" / package.INSIDE)
        self.forecasts = pd.DataFrame()
        if "predictions.parquet" in self.artifacts:
            self.forecasts = pd.read_parquet(folder / "predictions.parquet")


def same(found: Held, undisturbed: Held) -> None:
    assert found.status == "FINISHED"
    assert found.metrics == undisturbed.metrics
    assert found.params == undisturbed.params
    assert found.artifacts == undisturbed.artifacts
    pd.testing.assert_frame_equal(found.forecasts, undisturbed.forecasts, check_exact=True)
    pairs = zip(
        found.bundle.model.get_weights(), undisturbed.bundle.model.get_weights(), strict=True
    )
    for own, other in pairs:
        np.testing.assert_array_equal(own, other)
    reaches = [held.bundle.reach and held.bundle.reach.to_dict() for held in (found, undisturbed)]
    assert reaches[0] == reaches[1]
    own, other = (
        {*held.tags} - {"forecast.error", "forecast.missing"} for held in (found, undisturbed)
    )
    assert own == other


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Place:
    folder = tmp_path_factory.mktemp("stages")
    shutil.copy(place.folder / "load.csv", folder)
    return Place(folder, [], [])


@pytest.fixture(scope="module")
def undisturbed(here: Place) -> Held:
    assert here.run("train", *ONE) == 0, here.errors
    return Held(here, word(here.printed[-1], "run"))


def plant(monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    def fault(*_, **__):
        raise MemoryError("Unable to allocate 94.6 GiB for an array with shape (9, 9)")

    monkeypatch.setattr(*STAGES[stage][:2], fault)


def newest(here: Place) -> folders.LocalRun:
    return next(run for run in folders.runs(here.folder / "runs") if run.kind == "train")


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_runs_out_of_memory_leaves_the_rest_and_is_resumed(
    stage: str, here: Place, undisturbed: Held, monkeypatch: pytest.MonkeyPatch
):
    missing = STAGES[stage][2]
    plant(monkeypatch, stage)
    assert here.run("train", *ONE) == 1
    monkeypatch.undo()
    run, said = newest(here), here.errors[-1]
    assert said.count("\n") == 1 and said.startswith("forecast: run ")
    assert "MemoryError: Unable to allocate 94.6 GiB" in said
    assert f"continue with `forecast train resume={run.run_id}`" in said
    assert run.state == "FAILED" and ", ".join(run.missing) == missing
    assert here.run("runs") == 0
    assert f"missing {missing} of {run.run_id[:8]}" in " ".join(here.printed[-1].split())
    failed = Store(here.uri, "load").client.get_run(run.run_id)
    assert failed.info.status == "FAILED" and failed.data.tags["forecast.missing"] == missing
    assert "Traceback" in failed.data.tags["forecast.error"]
    # the model predicts, by either id, and a run that has its scores has them
    for name in (run.local_id, *([run.run_id] if stage != "model" else [])):
        assert here.run("predict", f"run={name}", "output=next.csv") == 0, here.errors[-1]
    assert ("test/mae" in failed.data.metrics) == (stage not in ("evaluation", "scores"))

    def trained(*_, **__):
        raise AssertionError("it is trained again")

    monkeypatch.setattr(loop, "train", trained)
    assert here.run("train", f"resume={run.local_id}") == 0, here.errors[-1]
    assert f"missing: {missing}" in " ".join(here.printed[-1].split())
    found = Held(here, run.run_id)
    same(found, undisturbed)
    assert found.tags["forecast.missing"] == "nothing"


@pytest.mark.slow
def test_what_did_not_fit_may_be_switched_off_and_nothing_else(
    here: Place, undisturbed: Held, monkeypatch: pytest.MonkeyPatch
):
    plant(monkeypatch, "evaluation")
    assert here.run("train", *ONE) == 1
    monkeypatch.undo()
    assert "adding evaluation.interval=null needs less memory" in here.errors[-1]
    resume = f"resume={newest(here).local_id}"
    for other in ("training.epochs=3", "gates.probe=0", "tracking.experiment=other"):
        assert here.run("train", resume, other) == 2
        assert f"got {other!r}: leave it out" in here.errors[-1]
    plant(monkeypatch, "leak proof")
    assert here.run("train", resume, "evaluation.interval=null") == 1
    monkeypatch.undo()
    assert newest(here).missing == ("leak proof",)
    # what it has scored it keeps
    assert here.run("train", resume, "evaluation.interval=0.5") == 2
    assert "once scores are written, got 'evaluation.interval=0.5'" in here.errors[-1]
    assert here.run("train", resume) == 0, here.errors[-1]
    found = Held(here, newest(here).run_id)
    assert found.params["evaluation.interval"] == "None" and found.bundle.reach is None
    assert found.tags["forecast.command"].endswith(" evaluation.interval=null")
    assert "lower" not in found.forecasts and "test/coverage_90" not in {
        k for k, _ in found.metrics
    }
    errors = {
        key: value for key, value in found.metrics.items() if key[0] in ("test/mae", "skill/ridge")
    }
    assert len(errors) == 2 and errors.items() <= undisturbed.metrics.items()
    config = recorded.request(found.config).settings
    assert config.evaluation.interval is None and config.resume is None


def test_a_setting_of_what_follows_comes_too_soon_before_the_training_is_finished(
    here: Place, monkeypatch: pytest.MonkeyPatch
):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "keep_fit", stop)
    assert here.run("train", *ONE) == 130
    monkeypatch.undo()
    run = newest(here)
    assert run.state == "KILLED" and run.missing is None
    assert here.run("train", f"resume={run.local_id}", "gates.memory=0") == 2
    assert "until the training is finished, got 'gates.memory=0'" in here.errors[-1]


@pytest.mark.slow
def test_ctrl_c_behind_the_training_keeps_what_is_there(
    here: Place, undisturbed: Held, monkeypatch: pytest.MonkeyPatch
):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(proof, "leak_proof", stop)
    assert here.run("train", *ONE) == 130
    monkeypatch.undo()
    run, missing = newest(here), "leak proof, gates, report, description"
    assert run.state == "KILLED" and ", ".join(run.missing) == missing
    assert f"forecast train resume={run.run_id}" in here.printed[-1]
    assert Held(here, run.run_id).tags["forecast.missing"] == missing
    shutil.rmtree(here.folder / run.run_id)
    assert here.run("train", f"resume={run.local_id}") == 0
    same(Held(here, run.run_id), undisturbed)


SWEEP = ["sweep", *ONE, "sweep.grid={model.units:[[3],[4]]}", "sweep.folds=2", "sweep.workers=1"]


@pytest.fixture(scope="module")
def winner(tmp_path_factory: pytest.TempPathFactory) -> Held:
    """The winner of a sweep that nothing has disturbed."""
    folder = tmp_path_factory.mktemp("winner")
    load_frame().to_csv(folder / "load.csv", index=False)
    there = Place(folder, [], [])
    assert there.run(*SWEEP) == 0, there.errors
    return Held(there, word(there.printed[-1], "run"))


@pytest.mark.processes
@pytest.mark.parametrize("stage", ["evaluation", "gates"])
def test_the_winner_of_a_sweep_is_not_trained_twice(
    stage: str, winner: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    load_frame().to_csv(tmp_path / "load.csv", index=False)
    here = Place(tmp_path, [], [])
    plant(monkeypatch, stage)
    assert here.run(*SWEEP) == 1
    monkeypatch.undo()
    run = newest(here)
    assert run.missing and not run.resumable and "continue with `forecast sweep" in here.errors[-1]

    def trained(*_, **__):
        raise AssertionError("it is trained again")

    monkeypatch.setattr(loop, "train", trained)  # trials are other processes
    assert here.run(*SWEEP) == 0, here.errors[-1]
    assert newest(here).run_id == run.run_id == word(here.printed[-1], "run")
    same(Held(here, run.run_id), winner)
