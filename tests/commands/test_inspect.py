"""`forecast inspect`: from a run id, or a file, to numbers and a page."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

from forecast import gates

from ..conftest import LSTM, TINY, Place, columns, word

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
    assert f"{metrics['gates.lstm_1/f_kernel_rms']:.3f}" in inspected
    used = int(metrics["memory/look_back_used"])
    curve = {p.step: p.value for p in client.get_metric_history(lstm_run, "memory/mae")}
    best = min(curve, key=curve.get)
    hurts = best < max(curve) and "better with" in " ".join(inspected.split())
    used = best if hurts else used
    words = "the newest step alone" if used == 1 else f"the newest {used} steps"
    words = f"no look-back below {used} steps" if not hurts and used > max(curve) // 2 else words
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


@pytest.fixture(scope="module")
def short_run(place: Place) -> str:
    """One with other units, and a horizon short enough for blocks of windows to be many."""
    own = ["model.units=[3]", "window.horizon=2", "tracking.experiment=short"]
    assert place.run("train", *TINY, *LSTM, *own) == 0, place.errors[-1]
    return word(place.printed[-1], "run")


@pytest.mark.slow
def test_intervals_are_kept_and_told_again(place: Place, client, short_run: str):
    metrics, history = client.get_run(short_run).data.metrics, client.get_metric_history
    curve, lows, highs = (
        {p.step: p.value for p in history(short_run, f"memory/{key}")}
        for key in ("mae", "change_low", "change_high")
    )
    assert lows.keys() == highs.keys() == curve.keys() - {8}
    for steps, low in lows.items():
        assert low <= curve[steps] / curve[8] - 1 <= highs[steps]
    for part in ("without_recurrence", *(f"frozen_lstm_1.{gate}" for gate in "ifco")):
        low, high = (metrics[f"memory/change_{part}_{end}"] for end in ("low", "high"))
        assert low <= metrics[f"memory/mae_{part}"] / curve[8] - 1 <= high
    trained = next(text for text in place.printed if short_run in text)
    assert place.run("inspect", f"run={short_run}", "output=short.html") == 0
    memory = [text.split() for text in sentences(trained)]
    assert memory == [text.split() for text in sentences(place.printed[-1])]
    assert "(95 % interval" in " ".join(memory[0])


def sentences(said: str) -> list[str]:
    """Return what was said of memory and gates, a sentence each."""
    return re.findall(r"^(?:memory|gates) [^\n]*(?:\n +[^\n]*)*", said, re.MULTILINE)


def test_a_run_of_an_older_store_has_no_intervals(place: Place, client, lstm_run: str, tmp_path):
    """Its metrics are those that were written before there were intervals and RMS."""
    run = client.get_run(lstm_run)
    old = client.create_run(run.info.experiment_id, run_name="old").info.run_id
    client.log_artifacts(
        old, client.download_artifacts(lstm_run, "snapshots", str(tmp_path)), "snapshots"
    )
    for step, value in {1: 2.0, 2: 1.99, 4: 1.98, 8: 2.0}.items():
        client.log_metric(old, "memory/mae", value, step=step)
    for gate, value in {"i": 2.001, "f": 2.5, "c": 2.4, "o": 2.4}.items():
        client.log_metric(old, f"memory/mae_frozen_lstm_1.{gate}", value)
    client.log_metric(old, "memory/mae_without_recurrence", 1.9)
    client.log_metric(old, "memory/look_back_used", 1)
    assert place.run("inspect", f"run={old}") == 0, place.errors[-1]
    said = " ".join(place.printed[-1].split())
    assert "the recurrence seems to hurt: MAE −5.0 % without it" in said
    assert "at their mean): lstm_1 i 0.0 %" in said and "interval" not in said
    assert "RMS per weight" in said


def test_two_runs_have_a_column_each_and_one_order_of_rows(
    place: Place, client, lstm_run: str, short_run: str
):
    assert place.run("inspect", f"run={lstm_run}", f"other={short_run}", "output=order.html") == 0
    said = place.printed[-1]
    assert columns(said) <= 80
    assert "run A" in said and "run B" in said
    for name in ("hour_cos", "hour_sin", "load", "temp"):
        assert re.search(rf"^{name}( +[\d.]+){{2}}$", said, re.MULTILINE)
    ours, theirs = (
        client.get_run(run).data.metrics["gates.lstm_1/f_kernel_rms"]
        for run in (lstm_run, short_run)
    )
    change = f"{100 * (theirs / ours - 1):+.1f} %".replace("-", "−")
    [row] = re.findall(r"^f kernel .*$", said, re.MULTILINE)
    assert row.split()[2:] == [f"{ours:.3f}", f"{theirs:.3f}", *change.split()]
    # 4 units and 3 units: their weights have a distance
    assert "Most different (RMS per weight, Wasserstein distance)" in said
    assert re.search(r"^lstm_1 \w kernel( +[\d.]+){2} +[+−][\d.]+ % +[\d.]+$", said, re.MULTILINE)


def test_any_number_of_runs_make_one_page(
    place: Place, lstm_run: str, short_run: str, cnn_run: str
):
    ids = f"runs=[{lstm_run},{short_run},{cnn_run}]"
    assert place.run("inspect", ids) == 0, place.errors[-1]
    assert re.search(r"^run C +causal_cnn", place.printed[-1], re.MULTILINE)
    page = (place.folder / f"gates_{lstm_run[:8]}_and_2.html").read_text()
    assert "Gates of lstm-4" in page and "Convolutions: how the weights are spread" in page
    assert place.run("inspect", f"runs=[{lstm_run},{short_run}]", "output=both.html") == 0
    both = (place.folder / "both.html").read_text()
    assert both == (place.folder / "order.html").read_text()


def test_a_network_of_which_nothing_is_watched_says_so(place: Place, client):
    flat = ["model=mlp", "model.hidden=[2]", "training.epochs=1", "tracking.experiment=flat"]
    assert place.run("train", *TINY, *flat) == 0, place.errors[-1]
    assert place.errors[-1] == ""
    words = "no recurrent or convolution layer: nothing to watch"
    assert " ".join(place.printed[-1].split()).count(words) == 1
    run_id = word(place.printed[-1], "run")
    for name in ("gates.html", "report.html"):
        page = Path(client.download_artifacts(run_id, name, str(place.folder)))
        assert words[1:] in page.read_text(encoding="utf-8")


def test_two_runs_side_by_side(place: Place, client, lstm_run: str, cnn_run: str):
    other = client.get_run(cnn_run).data.tags["forecast.local_id"]
    assert place.run("inspect", f"run={lstm_run}", f"other={other}", "output=two.html") == 0
    said = place.printed[-1]
    assert "lstm_1 only in A" in said and "conv_1" in said
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
        (["runs=[LSTM,0123456789abcdef]"], "runs must be the id"),
        (["runs=[LSTM,LSTM]"], "runs must name each run once"),
        (["runs=[LSTM]", "run=LSTM"], "runs must be given alone"),
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
