"""`training.seeds`, `refit` and `average`, beside weights of steps, as a person meets them."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from forecast.models.layers import networks_of
from forecast.serving import package
from forecast.tracking import folders, journalled
from forecast.tracking.mlflow.store import Store

from ..conftest import LSTM, TINY, Place, word

pytestmark = pytest.mark.slow

SEVERAL = [
    "training.seeds=2",
    "training.refit=true",
    "training.average=2",
    "training.step_weights=inverse_sqrt",
    "training.epochs=3",
    "model.dropout=0.2",
]


@pytest.fixture(scope="module")
def here(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A folder of its own: what is found dead in it is ours."""
    folder = tmp_path_factory.mktemp("several")
    shutil.copy(place.folder / "load.csv", folder)
    return Place(folder, [], [])


@pytest.fixture(scope="module")
def whole(here: Place) -> str:
    """A training in one piece."""
    assert here.run("train", *TINY, *LSTM, *SEVERAL) == 0, here.errors
    return word(here.printed[-1], "run")


def weights(here: Place, run_id: str):
    client = Store(here.uri, "load").client
    return package.fetch(client, run_id, here.folder / run_id).model.get_weights()


def test_the_run_holds_all_trainings(here: Place, whole: str):
    printed = here.printed[-1]
    for line in ("network 1 of 2\n", "network 2 of 2\n", "network 2 of 2, once more, with the val"):
        assert line in printed
    client = Store(here.uri, "load").client
    metrics = client.get_run(whole).data.metrics
    own = {key for key in metrics if key.startswith(("network_2", "refit"))}
    assert own == {
        "network_2/train_loss",
        "network_2/val_loss",
        "network_2/val_mae",
        "network_2/best_epoch",
        "network_2_refit/train_loss",
        "refit/train_loss",
    }
    assert len(client.get_metric_history(whole, "network_2/val_loss")) == 3
    assert len(client.get_metric_history(whole, "train/loss")) == 3
    assert {"test/coverage_90", "validation/mae"} <= metrics.keys()
    note = client.get_run(whole).data.tags["mlflow.note.content"]
    assert "(lstm, the mean of 2 networks," in note
    assert "until early stopping" in note and "then for as many epochs on both" in note
    folder = client.download_artifacts(whole, "report.html", str(here.folder))
    report = Path(folder).read_text("utf-8")
    assert "2, of the seeds from 0 on" in report and "on training and validation rows" in report
    gates = Path(client.download_artifacts(whole, "gates.html", str(here.folder))).read_text()
    assert "lstm_1" in gates and "network_1" not in gates


def test_the_bundle_is_one_model_that_predicts(here: Place, whole: str):
    client = Store(here.uri, "load").client
    kept = package.fetch(client, whole, here.folder / "bundle")
    assert [own.name for own in networks_of(kept.model)] == ["network_1", "network_2"]
    assert kept.reach is not None and kept.reach.values.shape == (2, 4, 1)
    assert here.run("predict", f"run={whole}") == 0, here.errors
    assert here.run("inspect", f"run={whole}") == 0, here.errors


def test_it_is_reproduced_to_the_bit(here: Place, whole: str):
    assert here.run("reproduce", f"run={whole}") == 0, here.errors
    assert "equal      reproduced: everything, to the last bit" in here.printed[-1]


@pytest.mark.parametrize("after", [2, 4, 8, 11])
def test_a_killed_training_goes_on_with_its_network(
    after: int, here: Place, whole: str, monkeypatch: pytest.MonkeyPatch
):
    write, written = journalled.Journalled.checkpoint, []

    def checkpoint(self, arrays):
        write(self, arrays)
        written.append(json.loads(str(arrays["history"])))
        if len(written) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(journalled.Journalled, "checkpoint", checkpoint)
    assert here.run("train", *TINY, *LSTM, *SEVERAL) == 130
    monkeypatch.undo()
    found = folders.runs(here.folder / "runs")
    run_id = next(str(run.run_id) for run in found if run.kind == "train")
    assert here.run("train", f"resume={run_id}") == 0, here.errors
    number = (after - 1) // 3
    which = f"network {1 + number % 2} of 2" + ", once more" * (number > 1)
    assert f"resume     {which}" in here.printed[-1]
    client = Store(here.uri, "load").client
    parts = word(here.printed[-1], "run")
    one, other = (client.get_run(name).data for name in (whole, parts))
    lasting = {key for key in one.metrics if not key.startswith("time/")}
    assert {key: one.metrics[key] for key in lasting} == {k: other.metrics[k] for k in lasting}
    for key in ("train/loss", "network_2/val_loss", "refit/train_loss"):
        both = (client.get_metric_history(name, key) for name in (whole, parts))
        assert len({tuple((m.step, m.value) for m in history) for history in both}) == 1
    for ours, theirs in zip(weights(here, parts), weights(here, whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_backtest_trains_all_of_them_in_each_fold(here: Place):
    assert here.run("backtest", *TINY, *LSTM, *SEVERAL, "backtest.folds=2") == 0, here.errors
    assert "2/2" in here.printed[-1]


def test_a_sweep_may_vary_the_number_of_networks(here: Place):
    grid = "sweep.grid={training.seeds: [1, 2]}"
    more = ["sweep.folds=2", "sweep.seeds=2", "sweep.workers=1", "training.refit=true"]
    assert here.run("sweep", *TINY, *LSTM, grid, *more) == 0, here.errors
    store = Store(here.uri, "load")
    trials = store.find("tags.`forecast.kind` = 'trial'", most=100)
    # two folds each: no repetition has a network that another one has
    assert Counter(run.data.params["seed"] for run in trials) == {"0": 4, "1": 2, "2": 2}
    winner = store.client.get_run(word(here.printed[-1], "run"))
    assert "validation/mae" in winner.data.metrics and "forecast.refit" not in winner.data.tags
    assert {"refit/train_loss", "test/coverage_90"} <= winner.data.metrics.keys()
