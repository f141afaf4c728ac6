"""`forecast sweep` as a person meets it, and scikit-learn's grid search as its oracle."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV

from forecast import Folds, Forecaster, Model, Schema, Training, Window, build, windows
from forecast.data import split

from ..conftest import LSTM, TINY, Place, word

pytestmark = pytest.mark.processes  # workers of Dask

GRID = "sweep.grid={window.timesteps:[6,8],model.units:[[3],[4]]}"
SWEEP = [*TINY, *LSTM, GRID, "sweep.folds=2", "tracking.experiment=sweeps", "sweep.workers=1"]


@dataclass
class Swept:
    """A finished sweep."""

    parent: str
    printed: str
    children: list
    trials: list


def read(place: Place, client, printed: str) -> Swept:
    parent = word(printed[printed.rindex("\nsweep ") :], "sweep")
    experiment = client.get_run(parent).info.experiment_id

    def below(run_id: str, kind: str) -> list:
        where = f"tags.`mlflow.parentRunId` = '{run_id}' and tags.`forecast.kind` = '{kind}'"
        return client.search_runs([experiment], where)

    children = below(parent, "candidate")
    trials = [trial for child in children for trial in below(child.info.run_id, "trial")]
    return Swept(parent, printed, children, trials)


@pytest.fixture(scope="module")
def swept(place: Place, client) -> Swept:
    assert place.run("sweep", *SWEEP) == 0, place.errors[-1]
    assert place.errors[-1] == ""
    return read(place, client, place.printed[-1])


def test_parent_candidates_and_trials_form_a_tree(swept: Swept, client):
    assert client.get_run(swept.parent).data.tags["forecast.kind"] == "sweep"
    assert len(swept.children) == 4 and len(swept.trials) == 8
    everything = [*swept.children, *swept.trials, client.get_run(swept.parent)]
    assert {run.info.status for run in everything} == {"FINISHED"}


def test_candidates_carry_their_overrides_and_scores(swept: Swept, client):
    params = [child.data.params for child in swept.children]
    points = {(p["window.timesteps"], p["model.units"]) for p in params}
    assert points == {("6", "[3]"), ("6", "[4]"), ("8", "[3]"), ("8", "[4]")}
    for child in swept.children:
        folds = client.get_metric_history(child.info.run_id, "cv/mae")
        assert [m.step for m in folds] == [1, 2]
        mean = sum(m.value for m in folds) / 2
        assert child.data.metrics["cv/mae_mean"] == pytest.approx(mean)


def test_the_parent_has_the_leaderboard_and_the_best(swept: Swept, client, tmp_path):
    names = [item.path for item in client.list_artifacts(swept.parent)]
    assert {"leaderboard.csv", "leaderboard.png", "parallel_coordinates.png"} <= set(names)
    board = pd.read_csv(client.download_artifacts(swept.parent, "leaderboard.csv", tmp_path))
    assert board["cv/mae_mean"].is_monotonic_increasing and len(board) == 4
    tags = client.get_run(swept.parent).data.tags
    best = client.get_run(tags["forecast.best_candidate_id"])
    assert best.data.metrics["cv/mae_mean"] == pytest.approx(board["cv/mae_mean"][0])
    assert tags["forecast.best_candidate"] == board.candidate[0]


def test_the_winner_is_refitted_and_scored_once_on_test(swept: Swept, client):
    winner = client.get_run(word(swept.printed, "run"))
    assert winner.data.tags["mlflow.parentRunId"] == swept.parent
    assert winner.data.metrics["test/windows"] == 2 * (44 - 4 + 1)
    parent = client.get_run(swept.parent).data.tags
    assert parent["forecast.best_run_id"] == winner.info.run_id
    assert {item.path for item in client.list_artifacts(winner.info.run_id)} >= {"model"}


def test_the_winner_learns_from_all_rows_before_the_test_span(swept: Swept, place: Place, client):
    """Fitted by hand on train and validation, for the median of the epochs its trials kept."""
    tags = client.get_run(swept.parent).data.tags
    winner = client.get_run(tags["forecast.best_run_id"]).data
    kept = [
        trial.data.metrics["train/best_epoch"]
        for trial in swept.trials
        if trial.data.tags["mlflow.parentRunId"] == tags["forecast.best_candidate_id"]
    ]
    epochs = round(float(np.median(kept)))
    assert winner.params["training.epochs"] == str(epochs)
    schema = Schema("time", ("load",), ("load", "temp"), ("site",), calendar=("hour",))
    table = build(pd.read_csv(place.folder / "load.csv"), schema)
    window = Window(int(winner.params["window.timesteps"]), 4)
    units = json.loads(winner.params["model.units"])
    own = Forecaster(
        Model("lstm", units=units, recurrent_dropout=0.0),
        window,
        Training(epochs=epochs, batch_size=32, tail=0),
    )
    test = split.holdout(table).test_rows(table)
    own.fit(table, rows=~test)
    starts = windows.starts(table, window, within=test)
    error = own.predict_windows(table, starts) - windows.outputs(table.outputs, starts, window)
    assert np.abs(error).mean() == pytest.approx(winner.metrics["test/mae"], rel=1e-6)


def test_nothing_is_left_running(swept: Swept, client):
    experiment = client.get_run(swept.parent).info.experiment_id
    assert client.search_runs([experiment], "attributes.status = 'RUNNING'") == []


def test_all_baselines_are_scored_on_the_same_folds(swept: Swept):
    line = swept.printed.partition("on the same origins: ")[2][:160]  # it may be wrapped
    assert all(name in line for name in ("persistence", "seasonal_naive", "boosted_trees", "ridge"))


def test_the_same_command_again_trains_nothing(swept: Swept, place: Place, client):
    assert place.run("sweep", *SWEEP) == 0
    assert "0 trials run, 8 reused" in place.printed[-1]
    again = read(place, client, place.printed[-1])
    assert again.parent == swept.parent
    assert {run.info.run_id for run in again.trials} == {run.info.run_id for run in swept.trials}


def test_what_a_killed_driver_left_is_run_again_and_closed(swept: Swept, place: Place, client):
    """A FINISHED trial is turned into one that a dead driver left RUNNING."""
    lost = swept.trials[0]
    client.set_tag(lost.info.run_id, "forecast.owner", '{"host": "gone", "pid": 1, "start": 1.0}')
    client.update_run(lost.info.run_id, status="RUNNING")
    assert place.run("sweep", *SWEEP) == 0
    assert "1 trials run, 7 reused" in place.printed[-1]
    assert client.get_run(lost.info.run_id).info.status == "KILLED"
    again = read(place, client, place.printed[-1])
    key = lost.data.tags["forecast.trial_key"]
    redone = [
        run
        for run in again.trials
        if run.data.tags.get("forecast.trial_key") == key and run.info.status == "FINISHED"
    ]
    assert [run.data.metrics["cv/mae"] for run in redone] == [lost.data.metrics["cv/mae"]]


def test_another_sweep_reuses_trials_they_share(swept: Swept, place: Place, client):
    smaller = "sweep.grid={window.timesteps:[6,8],model.units:[[3]]}"
    assert place.run("sweep", *SWEEP, smaller) == 0
    assert "0 trials run, 4 reused" in place.printed[-1]
    other = read(place, client, place.printed[-1])
    assert other.parent != swept.parent and len(other.trials) == 4
    assert all("forecast.reused_from" in run.data.tags for run in other.trials)


def test_a_candidate_that_fails_is_recorded_and_the_sweep_goes_on(place: Place, client, swept):
    grid = "sweep.grid={training.learning_rate:[1e-3,1e38]}"
    plain = ["training.optimizer=SGD", "training.weight_decay=null"]
    assert place.run("sweep", *SWEEP, *plain, grid) == 0
    found = read(place, client, place.printed[-1])
    status = {c.data.params["training.learning_rate"]: c.info.status for c in found.children}
    assert status == {"0.001": "FINISHED", "1e+38": "FAILED"}
    failed = next(c for c in found.children if c.info.status == "FAILED")
    assert "training.learning_rate" in failed.data.tags["forecast.error"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sweep.grid={model.unitz:[[3]]}", "model.unitz"),
        ("sweep.grid={window.timesteps:[8,400]}", "window.timesteps=400"),
        ("sweep.grid={window.horizon:[2,4]}", "window.horizon"),
        ("sweep.strategy=gird", "sweep.strategy"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_starts(
    place: Place, override: str, message: str
):
    assert place.run("sweep", *SWEEP, override) == 2
    assert message in place.errors[-1] and "trials" not in place.printed[-1]


def test_scores_equal_those_of_scikit_learns_grid_search(swept: Swept, place: Place):
    """The panel's Folds, `timesteps` in the grid, the same seed, threads and stopping tail."""
    schema = Schema("time", ("load",), ("load", "temp"), ("site",), calendar=("hour",))
    table = build(pd.read_csv(place.folder / "load.csv"), schema)
    cuts = split.holdout(table)
    training = Training(
        epochs=2,
        batch_size=32,
        optimizer="AdamW",
        weight_decay=0.3,
        schedule="ExponentialDecay",
        decay=0.8,
    )
    model = Model("lstm", units=[4], recurrent_dropout=0.0)
    estimator = Forecaster(model, Window(8, 4), training)
    X, y = table.take(~cuts.test_rows(table)).frames()
    grid = {"window__timesteps": [6, 8], "model__units": [[3], [4]]}
    search = GridSearchCV(estimator, grid, cv=Folds(2), refit=False)
    search.fit(X, y)
    theirs = {
        (str(p["window__timesteps"]), str(p["model__units"])): [
            -search.cv_results_[f"split{fold}_test_score"][i] for fold in (0, 1)
        ]
        for i, p in enumerate(search.cv_results_["params"])
    }
    parents = {child.info.run_id: child for child in swept.children}
    for trial in swept.trials:
        params = parents[trial.data.tags["mlflow.parentRunId"]].data.params
        point = (params["window.timesteps"], params["model.units"])
        fold = int(trial.data.params["fold"]) - 1
        assert trial.data.metrics["cv/mae"] == pytest.approx(theirs[point][fold], rel=1e-6)
