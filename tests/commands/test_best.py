"""`forecast best`: one command, an ensemble that predicts, nothing trained twice."""

import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.search.portfolio import Idea, Portfolio
from forecast.serving import bundle
from forecast.tracking.mlflow.store import Store

from ..conftest import Place, columns, load_frame, word

pytestmark = pytest.mark.slow

COMMAND = [
    "best",
    "budget=60",
    "data=file",
    "data.path=load.csv",
    "data.time=time",
    "data.series=[site]",
    "data.targets=[load]",
    "window.timesteps=24",
    "window.horizon=4",
]


@pytest.fixture(scope="module")
def few():
    """Race three candidates of a fast kind, and no more."""
    with pytest.MonkeyPatch.context() as patched:
        settings = {"model.hidden": [4], "training.epochs": 4}
        ideas = [Idea("mlp", (), settings), Idea("nlinear"), Idea("mlp", ("log1p",), settings)]
        patched.setattr(Portfolio, "first", lambda self: ideas)
        patched.setattr(Portfolio, "next", lambda self, errors: [])
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, few) -> Place:
    folder = tmp_path_factory.mktemp("best")
    load_frame(400).to_csv(folder / "load.csv", index=False)
    found = Place(folder, [], [])
    assert found.run(*COMMAND) == 0, found.errors[-1]
    return found


@pytest.fixture(scope="module")
def store(home: Place) -> Store:
    return Store(home.uri, "load")


def trials(store: Store) -> list:
    return store.find("tags.`forecast.kind` = 'trial'")


def test_it_says_what_it_has_found(home: Place):
    said = home.printed[-1]
    assert re.search(r"^race +\d+ s: a first look at 3 candidates$", said, re.M)
    assert "Members" in said and re.search(r"^result .+ MAE over 4 steps", said, re.M)
    assert re.search(r"^budget +\d+ of 60 s spent$", said, re.M)
    assert columns(said) <= 80


def test_its_run_holds_model_report_and_scores(home: Place, store: Store):
    run = store.client.get_run(word(home.printed[-1], "run"))
    assert run.info.status == "FINISHED" and run.data.tags["forecast.kind"] == "best"
    assert run.data.params["model"] == "ensemble" and run.data.params["budget"] == "60"
    assert not any(name.startswith(("model.", "training.")) for name in run.data.params)
    files = {one.path for one in store.client.list_artifacts(run.info.run_id)}
    assert {"model", "report.html", "tried.csv", "config.yaml", "predictions.parquet"} <= files
    assert run.data.metrics["test/mae"] > 0 and "skill/persistence" in run.data.metrics
    assert run.data.tags["forecast.result"].startswith(f"{run.data.metrics['test/mae']:.3g} MAE")


def test_every_trial_ran_once(home: Place, store: Store):
    done = Counter(run.data.tags["forecast.trial_key"] for run in trials(store))
    assert {*done.values()} == {1}
    ended = {run.info.status for run in store.find("tags.`forecast.kind` = 'candidate'")}
    assert ended == {"FINISHED"}
    kinds = Counter(key.rpartition("-")[2] for key in done)
    assert kinds["forecasts"] == 3 and kinds["model"] >= 1


def test_all_that_was_tried_is_listed_in_time_order(home: Place, store: Store):
    run = store.client.get_run(word(home.printed[-1], "run"))
    place = store.client.download_artifacts(run.info.run_id, "tried.csv", str(home.folder))
    tried = pd.read_csv(place)
    assert {"persistence", "seasonal_naive", "boosted_trees", "nlinear"} <= {*tried["name"]}
    assert (tried["at"].diff().dropna() >= 0).all() and (tried["at"] <= 60).all()


def test_its_model_forecasts_what_was_scored(home: Place, store: Store):
    """The bundle, given all rows, says of the test span what the evaluation has scored."""
    run_id = word(home.printed[-1], "run")
    local = home.folder / "again"
    local.mkdir(exist_ok=True)
    place = store.client.download_artifacts(run_id, "model/artifacts/bundle", str(local))
    found = bundle.load(place).predict(pd.read_csv(home.folder / "load.csv"), history=True)
    kept = store.client.download_artifacts(run_id, "predictions.parquet", str(local))
    scored = pd.read_parquet(kept)
    found["time"] = pd.to_datetime(found["time"])
    both = scored.merge(found, on=["series", "time", "step", "target"], suffixes=("", "_again"))
    assert len(both) == len(scored) > 200
    np.testing.assert_allclose(both["forecast_again"], both["forecast"], rtol=1e-4)
    error = (scored["forecast"] - scored["true"]).abs().mean()
    metrics = store.client.get_run(run_id).data.metrics
    assert error == pytest.approx(metrics["test/mae"], rel=1e-9)


def test_the_same_command_trains_nothing_again(home: Place, store: Store):
    before = len(trials(store))
    assert home.run(*COMMAND) == 0, home.errors[-1]
    assert "(found before)" in home.printed[-1]
    assert len(trials(store)) == before


def test_more_budget_trains_nothing_of_before_again(home: Place, store: Store):
    before = {run.data.tags.get("forecast.trial_key") for run in trials(store)} - {None}
    assert home.run(*COMMAND, "budget=70") == 0, home.errors[-1]
    ran = Counter(run.data.tags.get("forecast.trial_key") for run in trials(store))
    assert all(ran[key] == 1 for key in before)


def test_predict_takes_the_run(home: Place):
    run_id = word(home.printed[0], "run")
    assert home.run("predict", f"run={run_id}", "output=next.csv") == 0, home.errors[-1]
    found = pd.read_csv(home.folder / "next.csv")
    assert len(found) == 8 and {"lower", "upper"} <= {*found.columns}
    assert (found["lower"] <= found["upper"]).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["budget=5"], "budget must be 60 seconds or more, got 5: try budget=600"),
        (["model=lstm"], "model must be a key that forecast best reads, got model=lstm"),
        (["training.epochs=3"], "training.epochs must be a key that forecast best reads"),
        (["data.events={load: 55}"], "data.targets must be values for forecast best, which"),
        (["split.validation=3"], "split must leave validation and test rows for a look-back of"),
    ],
)
def test_what_it_does_not_take_is_refused(home: Place, words: list[str], said: str):
    assert home.run(*COMMAND, *words) == 2
    assert home.errors[-1].startswith(f"forecast: {said}")


def test_all_candidates_of_a_small_table(tmp_path: Path):
    """Nothing is patched here: whatever the portfolio holds for two short series trains."""
    found = Place(tmp_path, [], [])
    load_frame(400).to_csv(tmp_path / "load.csv", index=False)
    shutil.copy(tmp_path / "load.csv", tmp_path / "other.csv")
    assert found.run(*COMMAND, "budget=120") == 0, found.errors[-1]
    spent = int(re.search(r"^budget +(\d+) of 120", found.printed[-1], re.M)[1])
    assert spent <= 126
    store = Store(found.uri, "load")
    assert {run.info.status for run in trials(store)} == {"FINISHED"}
