"""What is kept of an experiment: later reads ask for what is new or has changed, and no more."""

import os
import stat
from collections import Counter
from contextlib import closing
from types import SimpleNamespace

import pytest

from forecast.tracking.mlflow import kept
from forecast.tracking.mlflow.direct import DirectRun
from forecast.tracking.mlflow.kept import Kept
from forecast.tracking.mlflow.store import Store


class Counting:
    """MLflow's client, which counts the runs that each kind of question brings."""

    def __init__(self, client):
        self.client, self.brought, self.asked = client, Counter(), Counter()

    def search_runs(self, *arguments, **named):
        found = self.client.search_runs(*arguments, **named)
        self.brought["runs"] += len(found)
        self.asked["search"] += 1
        return found

    def get_metric_history(self, *arguments):
        self.asked["history"] += 1
        return self.client.get_metric_history(*arguments)


@pytest.fixture
def store(tmp_path):
    return Store(f"sqlite:///{tmp_path / 'mlflow.db'}", "one")


def write(store, error, *, status="FINISHED", **params):
    """A run as trainings write them."""
    run = DirectRun.create(store, f"run {error}", kind="train", tags={"forecast.data_digest": "d"})
    run.params({"model": "lstm", "window.horizon": 4, **params})
    run.series({"val/mae": {1: error + 1, 2: error, 3: error + 0.5}})
    run.metrics({"test/mae": error, "gates.lstm_1/f_mean": 0.5, "train/best_epoch": 2.0})
    if status:
        run.end(status)
    return run.id


@pytest.fixture
def read(store, tmp_path):
    """Read the experiment; return its runs by id, and the client that was asked."""

    def reading(parallel=False):
        counting = Counting(store.client)
        file = tmp_path / "kept.sqlite"
        with closing(Kept(counting, store.experiment_id, file, parallel=parallel)) as found:
            found.update()
            return {run.id: run for run in found.runs()}, counting

    return reading


def test_it_holds_what_the_store_holds(store, read):
    first, second = write(store, 2.0, **{"model.units": "[8]"}), write(store, 1.0, model="gru")
    runs, _ = read()
    assert list(runs) == [first, second]
    assert runs[first].params == {"model": "lstm", "window.horizon": "4", "model.units": "[8]"}
    assert runs[second].params == {"model": "gru", "window.horizon": "4"}
    assert runs[first].metrics == {"val/mae": 2.5, "test/mae": 2.0, "train/best_epoch": 2.0}
    assert runs[first].epochs == {"val/mae": 3} and runs[first].kind == "train"
    info = store.client.get_run(second).info
    assert (runs[second].began, runs[second].ended) == (info.start_time, info.end_time)


@pytest.mark.parametrize("parallel", [False, True])
def test_a_second_read_brings_only_what_is_new(store, read, parallel):
    ids = [write(store, float(n)) for n in range(5)]
    runs, client = read(parallel)
    assert set(runs) == set(ids) and client.brought["runs"] == 5
    runs, client = read(parallel)
    assert set(runs) == set(ids) and client.brought["runs"] == 0
    new = write(store, 9.0)
    runs, client = read(parallel)
    assert set(runs) == {*ids, new} and client.brought["runs"] in (1, 2)  # it also ended later


def test_runs_that_began_before_all_others_are_found(store, read):
    """As those that were sent once their server was back."""
    late = write(store, 1.0)
    read()
    begin = store.client.get_run(late).info.start_time - 1_000_000
    made = store.client.create_run(
        store.experiment_id, start_time=begin, tags={"forecast.kind": "train"}
    )
    store.client.set_terminated(made.info.run_id, end_time=begin + 5)
    runs, client = read()
    assert list(runs) == [made.info.run_id, late] and client.brought["runs"] == 1


def test_many_runs_are_asked_for_in_parts(store, read, monkeypatch):
    monkeypatch.setattr(kept, "CHUNK", 3)
    monkeypatch.setattr(kept, "PAGE", 2)
    ids = [write(store, float(n)) for n in range(11)]
    assert set(read()[0]) == set(ids)
    runs, client = read()
    assert set(runs) == set(ids) and client.brought["runs"] == 0
    gone = ids[4]
    store.client.delete_run(gone)
    assert set(read()[0]) == {*ids} - {gone}
    assert read()[1].brought["runs"] == 0  # of the deleted as well
    store.client.restore_run(gone)
    assert set(read()[0]) == set(ids)
    store.client.delete_run(gone)
    assert set(read()[0]) == {*ids} - {gone}


def test_a_run_is_read_until_it_has_ended_and_when_it_was_resumed(store, read):
    running, killed = write(store, 1.0, status=None), write(store, 2.0, status="KILLED")
    assert [run.status for run in read()[0].values()] == ["RUNNING", "KILLED"]
    store.client.set_terminated(running)
    assert read()[0][running].status == "FINISHED"
    store.client.update_run(killed, status="RUNNING")
    store.client.log_metric(killed, "test/mae", 0.5)
    store.client.set_terminated(killed)
    found = read()[0][killed]
    assert found.status == "FINISHED" and found.metrics["test/mae"] == 0.5


def test_curves_and_answers_are_asked_for_once(store, tmp_path):
    run_id = write(store, 1.0)
    client = Counting(store.client)
    for _ in range(2):
        with closing(Kept(client, store.experiment_id, tmp_path / "k.sqlite")) as found:
            found.update()
            [run] = found.runs()
            assert found.history(run, "val/mae") == {1: 2.0, 2: 1.0, 3: 1.5}
            assert found.remember(("pair", run_id), lambda: [client.asked["history"], None]) == [
                1,
                None,
            ]
    assert client.asked["history"] == 1


def test_its_place_holds_no_secret_and_is_private(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    home = SimpleNamespace(experiment_id="1", creation_time=5)
    secret, plain = (kept.place(f"http://{who}host:5000", home) for who in ("me:secret@", ""))
    assert secret == plain and "secret" not in secret.name and "host" not in secret.name
    assert stat.S_IMODE(os.stat(secret.parent).st_mode) == 0o700
    home.creation_time = 6  # the store was made anew
    assert kept.place("http://host:5000", home) != plain


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(90)])
def test_a_damaged_file_is_made_anew(store, read, tmp_path, content):
    run_id = write(store, 1.0)
    (tmp_path / "kept.sqlite").write_bytes(content)
    assert list(read()[0]) == [run_id]
    assert read()[1].brought["runs"] == 0


def test_without_a_place_it_reads_all_the_same(store):
    run_id = write(store, 1.0)
    with closing(Kept(store.client, store.experiment_id, None)) as found:
        found.update()
        assert [run.id for run in found.runs()] == [run_id]
