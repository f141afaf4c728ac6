"""What a trained run looks like in MLflow, read back from the store."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from forecast.errors import InputError
from forecast.tracking.mlflow.direct import DirectRun
from forecast.tracking.mlflow.store import Store
from forecast.tracking.run import ending
from forecast.training import runtime

EPOCH_METRICS = {
    "train/loss",
    "val/loss",
    "val/mae",
    "train/learning_rate",
    "time/epoch_seconds",
    "time/samples_per_second",
}
FINAL = {f"test/{name}" for name in ("mae", "rmse", "mase", "rmsse", "smape", "wape", "r2")}


def artifacts(client, run_id: str, path: str = "") -> list[str]:
    return [item.path for item in client.list_artifacts(run_id, path)]


@pytest.fixture(scope="module")
def run(client, lstm_run: str):
    return client.get_run(lstm_run)


def test_it_is_finished_and_says_what_it_is(run):
    assert run.info.status == "FINISHED"
    tags = run.data.tags
    assert tags["forecast.kind"] == "train"
    assert {"forecast.version", "forecast.git_commit", "forecast.data_digest"} <= set(tags)
    assert run.info.run_name.startswith("lstm-4 · mae ")


def test_every_epoch_has_every_metric_with_its_step(client, lstm_run: str):
    for key in EPOCH_METRICS:
        assert [m.step for m in client.get_metric_history(lstm_run, key)] == [1, 2]


def test_final_metrics_are_there_once_and_finite(client, run, lstm_run: str):
    metrics = run.data.metrics
    assert FINAL | {"test/mae_z", "test/mse_z", "skill/persistence", "skill/ridge"} <= set(metrics)
    assert all(math.isfinite(value) for value in metrics.values())
    assert len(client.get_metric_history(lstm_run, "test/mae")) == 1
    # 220 hours, the newest fifth is the test span, two sites
    assert metrics["test/windows"] == 2 * (44 - 4 + 1)


def test_horizon_metrics_have_a_step_for_each_step_ahead(client, lstm_run: str):
    skills = ("horizon/skill_persistence", "horizon/skill_seasonal_naive")
    for key in ("horizon/mae", "horizon/coverage_90", *skills):
        assert [m.step for m in client.get_metric_history(lstm_run, key)] == [1, 2, 3, 4]


def test_params_are_named_as_the_overrides_that_set_them(run):
    params = run.data.params
    assert params["model"] == "lstm" and params["model.units"] == "[4]"
    assert params["window.timesteps"] == "8" and params["training.batch_size"] == "32"
    assert params["threads_used"] == str(runtime.start())  # what was in force, asked for or not


def test_gates_are_measured_at_every_epoch(client, run, lstm_run: str):
    for gate in "ifco":
        parts = ("kernel", "recurrent", "bias")
        sizes = [f"{part}_{kind}" for part in parts for kind in ("norm", "rms")]
        for statistic in (*sizes, "update"):
            key = f"gates.lstm_1/{gate}_{statistic}"
            assert [m.step for m in client.get_metric_history(lstm_run, key)] == [1, 2]
    for gate in "ifo":
        for statistic in ("mean", "shut", "open", "never_open", "always_open"):
            key = f"gates.lstm_1/{gate}_{statistic}"
            assert [m.step for m in client.get_metric_history(lstm_run, key)] == [1, 2]
    # seven of every gate, the candidate's radius, five of the probe for three gates, four time
    # scales, dead units
    assert len([k for k in run.data.metrics if k.startswith("gates.")]) == 4 * 7 + 1 + 3 * 5 + 4 + 1


def test_taps_of_the_convolutions_are_measured(client, cnn_run: str):
    metrics = client.get_run(cnn_run).data.metrics
    assert [key for key in metrics if key.startswith("taps.conv_1/lag")] != []


def test_snapshots_and_pictures_are_kept(client, lstm_run: str, tmp_path):
    names = artifacts(client, lstm_run, "snapshots")
    epochs = [f"snapshots/epoch_{epoch:04d}.npz" for epoch in (0, 1, 2)]
    assert names == ["snapshots/about.json", *epochs]
    with np.load(client.download_artifacts(lstm_run, names[-1], str(tmp_path))) as snapshot:
        assert snapshot["lstm_1/kernel/f"].shape == (4, 4)
        assert snapshot["lstm_1/bias/o"].shape == (4,)
    pictures = [name for name in artifacts(client, lstm_run, "images") if name.endswith(".png")]
    drawn = sorted(Path(name).name.split("+step+") for name in pictures)
    found = [(key, int(rest.split("+")[0])) for key, rest in drawn]
    keys = ("activity~lstm_1", "gates~lstm_1", "inputs~lstm_1", "weights~lstm_1")
    shares = [(key, share) for key in keys for share in (0, 100)]
    assert sorted(found) == sorted([("gates.final~lstm_1", 0), *shares])


def test_artifacts_are_those_of_the_design(client, lstm_run: str):
    assert {"config.yaml", "model", "predictions.parquet", "figures"} <= set(
        artifacts(client, lstm_run)
    )


def test_predictions_repeat_the_score(client, run, lstm_run: str, tmp_path):
    import pandas as pd

    frame = pd.read_parquet(client.download_artifacts(lstm_run, "predictions.parquet", tmp_path))
    mae = (frame.forecast - frame.true).abs().mean()
    assert mae == pytest.approx(run.data.metrics["test/mae"], rel=1e-12)
    inside = frame.true.between(frame.lower, frame.upper).mean()
    assert inside == pytest.approx(run.data.metrics["test/coverage_90"], rel=1e-12)
    assert frame.forecast.between(frame.lower, frame.upper).all()
    assert frame.columns[-1] == "crps"
    assert frame.crps.mean() == pytest.approx(run.data.metrics["test/crps"], rel=1e-12)
    assert "figures/reliability.png" in artifacts(client, lstm_run, "figures")


def test_the_data_set_is_an_input_with_its_spans(run):
    (data,) = run.inputs.dataset_inputs
    profile = json.loads(data.dataset.profile)
    assert data.dataset.digest == run.data.tags["forecast.data_digest"]
    assert profile["rows"] == "440" and profile["test_from"].startswith("2024-03-08T08")


def test_baselines_are_runs_once_for_each_question(place, client, lstm_run: str, cnn_run: str):
    own = client.get_run(lstm_run)
    found = client.search_runs([own.info.experiment_id], "tags.`forecast.kind` = 'baseline'")
    # other tests may have asked other questions in the same experiment
    asked = own.data.params | {"model": None, "data.name": "None"}
    found = [
        run
        for run in found
        if all(asked.get(key) in (None, own) for key, own in run.data.params.items())
    ]
    names = sorted(run.data.params["model"] for run in found)
    assert names == ["boosted_trees", "persistence", "ridge", "seasonal_naive"]
    assert all(set(run.data.metrics) >= FINAL for run in found)
    assert all("predictions.parquet" in artifacts(client, run.info.run_id) for run in found)


def test_baselines_have_intervals_and_the_same_scores_of_them(client, lstm_run: str, tmp_path):
    import pandas as pd

    experiment = client.get_run(lstm_run).info.experiment_id
    for run in client.search_runs([experiment], "tags.`forecast.kind` = 'baseline'"):
        told = run.data.metrics
        assert {"test/crps", "test/coverage_90", "test/width_90", "test/winkler_90"} <= set(told)
        file = client.download_artifacts(run.info.run_id, "predictions.parquet", tmp_path)
        frame = pd.read_parquet(file)
        assert frame.crps.mean() == pytest.approx(told["test/crps"], rel=1e-12)
        inside = frame.true.between(frame.lower, frame.upper).mean()
        assert inside == pytest.approx(told["test/coverage_90"], rel=1e-12)
        steps = client.get_metric_history(run.info.run_id, "horizon/coverage_90")
        assert np.mean([one.value for one in steps]) == pytest.approx(inside)


def test_verdicts_are_metrics(run):
    for name in ("persistence", "seasonal_naive", "boosted_trees", "ridge"):
        assert 0 <= run.data.metrics[f"dm/{name}_p"] <= 1
        # fewer errors, and a statistic below 0, are one
        lower = run.data.metrics[f"skill/{name}"] > 0
        assert (run.data.metrics[f"dm/{name}_statistic"] < 0) == lower


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'own.db'}", "tests")


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, "KILLED"), (RuntimeError, "FAILED")]
)
def test_a_run_ends_with_the_status_it_deserves(store: Store, error, status: str):
    run = DirectRun.create(store, "one", kind="train")
    with pytest.raises(error), ending(run):
        raise error("why")
    seen = store.client.get_run(run.id)
    assert seen.info.status == status
    assert ("forecast.error" in seen.data.tags) == (status == "FAILED")


def test_sigterm_closes_the_run_as_killed(store: Store):
    import os
    import signal

    run = DirectRun.create(store, "one", kind="train")
    with pytest.raises(KeyboardInterrupt), ending(run):
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    assert store.client.get_run(run.id).info.status == "KILLED"


def test_only_finite_numbers_are_written(store: Store):
    run = DirectRun.create(store, "one", kind="train")
    run.metrics({"a": 1.0, "b": float("nan"), "c": float("inf")})
    assert store.client.get_run(run.id).data.metrics == {"a": 1.0}


def test_a_claim_is_given_once(store: Store):
    run = DirectRun.create(store, "claims", kind="ledger")
    assert run.claim("claim.x.0", "me")
    assert not run.claim("claim.x.0", "you")
    assert run.claim("claim.x.0", "me")


def test_artifacts_lie_beside_the_store_and_not_in_mlruns(store: Store, tmp_path):
    DirectRun.create(store, "one", kind="train").keep("text", "note.txt")
    assert list((tmp_path / "mlartifacts").rglob("note.txt"))
    assert not (tmp_path / "mlruns").exists()


def test_a_store_that_cannot_be_reached_is_named(tmp_path):
    from forecast.errors import InputError

    with pytest.raises(InputError, match=r"tracking\.uri"):
        Store("unknown://nowhere", "tests")


def test_a_server_that_is_not_there_is_named_with_the_cause():
    patience = {key: value for key, value in os.environ.items() if "HTTP_REQUEST" in key}
    with pytest.raises(
        InputError, match=r"^tracking.uri must .*'http://127.0.0.1:9' \(\[Errno 111\]"
    ):
        Store("http://127.0.0.1:9", "any")
    assert patience == {key: value for key, value in os.environ.items() if "HTTP_REQUEST" in key}


def test_two_that_open_a_new_experiment_at_once_have_the_same(tmp_path: Path, monkeypatch):
    """Between the look and the creation, which a server does not lock, another creates it."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    sooner = Store(uri, "load")
    look, looks = MlflowClient.get_experiment_by_name, []

    def late(client: MlflowClient, name: str):
        looks.append(name)
        return look(client, name) if len(looks) > 1 else None

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", late)
    assert Store(uri, "load").experiment_id == sooner.experiment_id and len(looks) == 2
