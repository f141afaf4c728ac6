"""`forecast inspect`: from a run id, or a file, to numbers and a page."""

import re

import keras
import numpy as np
import pytest

from forecast import gates

from ..conftest import Place, columns

BIAS = "lstm_1/bias/f"


@pytest.fixture(scope="module")
def inspected(place: Place, lstm_run: str) -> str:
    assert place.run("inspect", f"run={lstm_run}") == 0, place.errors[-1]
    assert place.errors[-1] == ""
    return place.printed[-1]


def test_prints_gates_and_memory(inspected: str, place: Place, lstm_run: str, client):
    for gate in "ifco":
        assert re.search(rf"^lstm_1 {gate} +[\d.]+", inspected, re.MULTILINE)
    assert columns(inspected) <= 80
    for name in ("load", "temp", "hour_sin", "hour_cos"):
        assert re.search(rf"^{name}( +[\d.]+){{4}}$", inspected, re.MULTILINE)
    metrics = client.get_run(lstm_run).data.metrics
    assert f"{metrics['gates.lstm_1/f_kernel_norm']:.2f}" in inspected
    used = int(metrics["memory/look_back_used"])
    words = "the newest step alone" if used == 1 else f"the newest {used} steps"
    trained = next(text for text in place.printed if lstm_run in text)
    for said in (inspected, trained):
        assert words in " ".join(said.split())


def test_writes_one_page(inspected: str, place: Place, lstm_run: str):
    del inspected
    page = (place.folder / f"gates_{lstm_run[:8]}.html").read_text()
    assert page.startswith("<!doctype html>") and "Gates on real windows: lstm_1" in page
    assert "http" not in re.sub(r'src="data:[^"]*"', "", page)


def test_a_training_has_all_of_it_in_the_tracker(lstm_run: str, cnn_run: str, client):
    for run_id, layers in ((lstm_run, ["lstm_1"]), (cnn_run, [])):
        metrics = client.get_run(run_id).data.metrics
        history = client.get_metric_history(run_id, "memory/mae")
        curve = {point.step: point.value for point in history}
        assert {1, 2, 4, 8} <= set(curve)
        whole = curve[8] * 1.01
        assert metrics["memory/look_back_used"] == min(k for k, v in curve.items() if v <= whole)
        figures = {item.path for item in client.list_artifacts(run_id, "figures")}
        assert {"figures/memory.png", *(f"figures/gates_{n}.png" for n in layers)} <= figures
        assert "gates.html" in {item.path for item in client.list_artifacts(run_id)}
        assert ("memory/mae_frozen_lstm_1.f" in metrics) == bool(layers)
        assert ("gates.lstm_1/f_scale_50" in metrics) == bool(layers)


def test_the_whole_look_back_scores_as_validation_does(lstm_run: str, client):
    metrics = client.get_run(lstm_run).data.metrics
    curve = {p.step: p.value for p in client.get_metric_history(lstm_run, "memory/mae")}
    best = int(metrics["train/best_epoch"])
    epochs = {p.step: p.value for p in client.get_metric_history(lstm_run, "val/mae")}
    assert curve[8] == pytest.approx(epochs[best], rel=1e-5)


def test_two_runs_side_by_side(place: Place, client, lstm_run: str, cnn_run: str):
    other = client.get_run(cnn_run).data.tags["forecast.local_id"]
    assert place.run("inspect", f"run={lstm_run}", f"other={other}", "output=two.html") == 0
    said = place.printed[-1]
    assert "lstm_1 only in the first run" in said and "conv_1" in said
    assert "receptive field" in said and "wrote      two.html" in said
    assert place.run("inspect", f"run={other}") == 0  # a date alone would name many
    assert f"wrote      gates_{other}.html" in place.printed[-1]


def test_a_model_that_this_project_never_saw(place: Place):
    model = keras.Sequential(
        [keras.Input((5, 3)), keras.layers.GRU(4, name="reader"), keras.layers.Dense(1)]
    )
    model.save(place.folder / "other.keras")
    assert place.run("inspect", "file=other.keras") == 0, place.errors[-1]
    assert re.search(r"^reader z +[\d.]+", place.printed[-1], re.MULTILINE)
    assert (place.folder / "gates_other.html").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "run or file must say"),
        (["run=0123", "file=a.keras"], "run or file must say"),
        (["run=0123456789abcdef"], "run must be the id"),
        (["run=LSTM", "other=0123456789abcdef"], "other must be the id"),
        (["file=nothing.keras"], "file must be an existing"),
        (["file=load.csv"], "file must be a model that Keras can load"),
        (["file=flat.keras"], "file must hold recurrent layers"),
    ],
)
def test_what_cannot_be_inspected(place: Place, lstm_run: str, words, message):
    words = [word.replace("LSTM", lstm_run) for word in words]
    flat = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    flat.save(place.folder / "flat.keras")
    assert place.run("inspect", *words) == 2
    assert message in place.errors[-1] and place.errors[-1].count("\n") == 1


def test_snapshots_hold_what_the_gates_do(lstm_run: str, client, tmp_path):
    path = client.download_artifacts(lstm_run, "snapshots/epoch_0002.npz", str(tmp_path))
    found = gates.load(path)
    assert found[BIAS].shape == found["lstm_1/mean/f"].shape == (4,)
    assert np.isfinite(found["lstm_1/shut/o"]).all()
