"""`forecast backtest`, as a person meets it."""

import re

import pandas as pd
import pytest

from forecast.cli.progress import FoldProgress

from ..conftest import TINY, Place, columns, word

BACKTEST = [*TINY, "model=linear", "training.epochs=1", "tracking.experiment=backtests"]
BACKTEST += ["backtest.folds=3", "backtest.refit=2"]


def below(client, parent):
    """The runs of the folds, in order."""
    experiment = client.get_run(parent).info.experiment_id
    found = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    return sorted(found, key=lambda run: int(run.data.params["fold"]))


@pytest.fixture(scope="module")
def parent(place: Place, client):
    assert place.run("backtest", *BACKTEST) == 0, place.errors[-1]
    assert place.errors[-1] == ""
    return word(place.printed[-1], "run")


@pytest.fixture(scope="module")
def printed(place: Place, parent):
    return next(text for text in place.printed if parent in text)


def test_prints_a_row_for_each_fold_and_one_for_all(printed, client, parent):
    assert columns(printed) <= 80
    table = printed[printed.index("Backtest, MAE of 4 steps") : printed.index("\nrun ")]
    rows = [line.split() for line in table.splitlines() if re.match(r"([123]|all) ", line)]
    assert [row[0] for row in rows] == ["1", "2", "3", "all"]
    windows = [int(row[-6]) for row in rows]
    assert windows[3] == sum(windows[:3]) == 2 * (44 - 4 + 1)
    metrics = client.get_run(parent).data.metrics
    assert float(rows[3][-5]) == pytest.approx(metrics["test/mae"], rel=1e-3)
    assert any(line.startswith("next ") for line in printed.splitlines()[-2:])
    assert printed.count("best epoch 1 of 1") == 2 and "the model of fold 1" in printed


def test_the_parent_carries_the_scores_of_a_trained_run(client, parent, lstm_run):
    run, trained = client.get_run(parent), client.get_run(lstm_run)
    assert run.data.tags["forecast.kind"] == "backtest" and run.info.status == "FINISHED"

    def scores(of):
        return {k for k in of.data.metrics if k.split("/")[0] in ("test", "skill", "horizon")}

    assert scores(run) == scores(trained)
    assert trained.data.params.keys() - run.data.params.keys() <= {
        *(name for name in trained.data.params if name.startswith("model.")),
        "threads_used",
    }
    assert run.data.params["backtest.refit"] == "2"


def test_a_child_for_each_fold(client, parent):
    first, second, third = below(client, parent)
    for run in (first, second, third):
        assert run.data.tags["forecast.kind"] == "fold" and run.info.status == "FINISHED"
        assert "test/mae" in run.data.metrics and "skill/ridge" in run.data.metrics
    assert "train/loss" in first.data.metrics and "train/best_epoch" in third.data.metrics
    assert not {"train/loss", "train/best_epoch"} & second.data.metrics.keys()
    assert [run.data.params["fitted_before_fold"] for run in (first, second, third)] == [*"113"]
    assert second.data.params["test_from"] > first.data.params["test_to"]
    for key in ("fold/mae", "fold/skill_ridge"):
        history = client.get_metric_history(parent, key)
        name = key.replace("fold/mae", "test/mae").replace("fold/skill_", "skill/")
        expected = [(n, run.data.metrics[name]) for n, run in enumerate((first, second, third), 1)]
        assert [(metric.step, metric.value) for metric in history] == expected


def test_artifacts_hold_all_forecasts_with_their_fold(client, parent, tmp_path):
    figures = {file.path for file in client.list_artifacts(parent, "figures")}
    assert figures == {"figures/backtest.png", "figures/error_by_fold.png"}
    said = pd.read_parquet(client.download_artifacts(parent, "predictions.parquet", tmp_path))
    folds = pd.read_csv(client.download_artifacts(parent, "folds.csv", tmp_path))
    assert folds.fold.tolist() == [1, 2, 3]
    assert (said.groupby("fold").size() // 4).tolist() == folds.windows.tolist()
    metrics = client.get_run(parent).data.metrics
    assert (said.forecast - said.true).abs().mean() == pytest.approx(metrics["test/mae"])
    for fold in (1, 2, 3):
        own = said[said.fold == fold]
        assert (own.forecast - own.true).abs().mean() == pytest.approx(folds.mae[fold - 1])


def test_ctrl_c_keeps_the_folds_that_are_done(place: Place, client, parent, monkeypatch):
    def stop(self, epoch, logs=None):
        if self._fit == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(FoldProgress, "on_epoch_end", stop)
    assert place.run("backtest", *BACKTEST, "tracking.run_name=stopped") == 130
    experiment = client.get_run(parent).info.experiment_id
    [run] = client.search_runs([experiment], "attributes.run_name = 'stopped'")
    children = below(client, run.info.run_id)
    assert run.info.status == "KILLED"
    assert [child.info.status for child in children] == ["FINISHED", "FINISHED", "KILLED"]
    assert [m.step for m in client.get_metric_history(run.info.run_id, "fold/mae")] == [1, 2]


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("backtest.folds=0", "backtest.folds must be a whole number of 1 or more, got 0"),
        ("backtest.folds=100", "backtest.folds=100 must leave time stamps in every fold, got 44"),
        ("backtest.scheme=slide", "backtest.scheme must be one of expanding, rolling"),
        ("backtest.refit=0", "backtest.refit must be true, false or a whole number of 1 or more"),
    ],
)
def test_what_is_no_backtest_is_one_sentence_and_exit_2(place: Place, override, sentence):
    assert place.run("backtest", *BACKTEST, override) == 2
    said = place.errors[-1]
    assert said.startswith("forecast: ") and said.count("\n") == 1 and sentence in said
