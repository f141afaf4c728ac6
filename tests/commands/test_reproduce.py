"""`forecast reproduce`: the same bits again, or what stands in their way."""

import json
import re
import shutil

import pandas as pd
import pytest

from forecast.workflows import environment

from ..conftest import Place, columns, word


def runs(client, lstm_run: str) -> int:
    """How many runs the experiment holds."""
    return len(client.search_runs([client.get_run(lstm_run).info.experiment_id]))


def baselines(client, lstm_run: str) -> list[str]:
    """The models of all runs of baselines beside this run."""
    found = client.search_runs(
        [client.get_run(lstm_run).info.experiment_id], "tags.`forecast.kind` = 'baseline'"
    )
    return sorted(run.data.params["model"] for run in found)


@pytest.fixture(scope="module")
def before(client, lstm_run: str) -> list[str]:
    """The baselines that were there before anything was reproduced."""
    return baselines(client, lstm_run)


@pytest.fixture(scope="module")
def again(place: Place, client, lstm_run: str, before: list[str]) -> str:
    """A reproduction, by the local id and of a file that has moved: what it printed."""
    del before
    (place.folder / "elsewhere").mkdir()
    shutil.copy(place.folder / "load.csv", place.folder / "elsewhere" / "moved.csv")
    local_id = client.get_run(lstm_run).data.tags["forecast.local_id"]
    words = [f"run={local_id}", "data.path=elsewhere/moved.csv"]
    assert place.run("reproduce", *words) == 0, place.errors[-1] + place.printed[-1]
    return place.printed[-1]


def test_the_same_machine_gives_the_same_bits(again: str):
    table = again.partition("Compared with the run")[2].partition("\n\n")[0].splitlines()[2:]
    found = {row[:16].strip(): row.split()[-2:] for row in table}
    assert list(found) == [
        "config",
        "data",
        "splits",
        "metrics",
        "metrics by step",
        "forecasts",
        "weights",
    ]
    assert all(words[-1] == "equal" for words in found.values())
    # four gates of (4 columns in, 4 units, 1 bias), a head of 4 steps and a linear path of 8 rows
    assert int(found["weights"][0].replace(",", "")) > 4 * (4 * 4 + 4 * 4 + 4)
    assert "equal      reproduced: everything, to the last bit" in again
    assert columns(again) <= 80


def test_it_is_a_run_that_says_what_it_repeats(again: str, client, lstm_run: str):
    made, first = client.get_run(word(again, "run")), client.get_run(lstm_run)
    tags = made.data.tags
    assert tags["forecast.kind"] == "reproduce" and tags["forecast.reproduces"] == lstm_run
    assert tags["forecast.reproduced"] == "all" and made.info.status == "FINISHED"
    assert made.info.experiment_id == first.info.experiment_id
    assert made.info.run_name == f"reproduces {first.info.run_name}"
    assert made.data.params["data.path"] == "elsewhere/moved.csv"
    assert tags["forecast.command"] == first.data.tags["forecast.command"]
    assert json.loads(tags["forecast.versions"])["pandas"] == pd.__version__


@pytest.fixture(scope="module")
def touched(place: Place) -> str:
    """The data of the run with one training row changed."""
    frame = pd.read_csv(place.folder / "load.csv")
    frame.loc[5, "load"] += 0.5
    frame.to_csv(place.folder / "touched.csv", index=False)
    return "data.path=touched.csv"


def test_baselines_of_a_file_that_moved_are_not_written_twice(
    before: list[str], again, client, lstm_run: str
):
    assert {"boosted_trees", "persistence", "ridge", "seasonal_naive"} <= set(before)
    assert baselines(client, lstm_run) == before


def test_other_data_are_refused(place: Place, client, lstm_run: str, touched: str):
    before = runs(client, lstm_run)
    assert place.run("reproduce", f"run={lstm_run}", touched) == 2
    said = place.errors[-1]
    assert said.startswith("forecast: run must find its own data and versions again, got data with")
    assert "force=true" in said and said.count("\n") == 1
    assert runs(client, lstm_run) == before


@pytest.mark.slow
def test_by_force_other_data_are_told_apart(place: Place, client, lstm_run: str, touched: str):
    assert place.run("reproduce", f"run={lstm_run}", touched, "force=true") == 3, place.errors[-1]
    printed = place.printed[-1]
    text = " ".join(printed.split())
    assert "warning changed since the run: data with sha256 " in text
    assert "differs not reproduced: data, metrics, metrics by step, forecasts, weights" in text
    assert re.search(r"^Not equal: metrics, 12 of \d+ *$", printed, re.M)
    assert re.search(r"^config +\d+ +equal$", printed, re.M)
    assert columns(printed) <= 80
    tags = client.get_run(word(printed, "run")).data.tags
    assert tags["forecast.reproduced"].startswith("all but data, metrics")


def test_other_versions_are_refused(place: Place, lstm_run: str, monkeypatch):
    here = environment.tags()
    now = json.loads(here["forecast.versions"]) | {"keras": "9.9"}
    others = here | {"forecast.versions": json.dumps(now), "forecast.git_commit": "beef"}
    monkeypatch.setattr(environment, "tags", lambda: others)
    assert place.run("reproduce", f"run={lstm_run}") == 2
    said = place.errors[-1]
    assert "commit beef (it had " in said and "keras 9.9 (it had 3." in said
    assert "numpy" not in said


def test_what_is_no_run_to_repeat(place: Place, client, lstm_run: str):
    experiment = client.get_run(lstm_run).info.experiment_id
    baseline = client.search_runs([experiment], "tags.`forecast.kind` = 'baseline'")[0].info.run_id
    here = f"run={lstm_run}"
    marks = {"forecast.kind": "train", "forecast.refit": "train and validation, without stopping"}
    winner = client.create_run(experiment, tags=marks).info.run_id
    client.set_terminated(winner)
    wrong = {
        (): "run must be the id of a trained run, got nothing",
        ("run=12e4567",): "run must be the id of a trained run, got '12e4567'",
        (f"run={baseline}",): f"run must be a finished training, got '{baseline}' of kind baseline",
        (f"run={winner}",): f"run must be a training with its own validation span, got '{winner}'",
        (here, "training.epochs=3"): "reproduce must be given only run, data.path, tracking and",
        (here, "data.path=gone.csv"): "data.path must be what the run has read",
    }
    for words, message in wrong.items():
        assert place.run("reproduce", *words) == 2
        assert message in place.errors[-1] and place.errors[-1].count("\n") == 1
    client.delete_run(winner)
