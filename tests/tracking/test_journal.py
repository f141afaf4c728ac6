"""What is written reaches the store once, whatever happens to store, line or process."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mlflow.exceptions import MlflowException

from forecast.errors import InputError
from forecast.tracking import folders, journal, sender
from forecast.tracking import tracker as trackers
from forecast.tracking.journal import Held, Journal
from forecast.tracking.mlflow.store import Store, Unreachable
from forecast.tracking.tracker import Tracker


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables, which take a second to make."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    Store(f"sqlite:///{file}", "tests")
    return file


@pytest.fixture
def uri(empty: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(empty, tmp_path)}"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing that a test has taken away on purpose."""
    monkeypatch.setattr(sender, "PAUSES", (0.01, 0.02))
    monkeypatch.setattr(trackers, "PATIENCE", 2.0)
    monkeypatch.setattr(trackers, "START", 0.3)


def fill(run, epochs: int = 5) -> None:
    run.params({"model": "lstm", "units": [4]})
    for epoch in range(1, epochs + 1):
        run.metrics({"train/loss": 1 / epoch, "val/loss": float("nan")}, step=epoch)
    run.tags({"forecast.note": "a"})
    run.tags({"forecast.note": "b"})
    run.keep("text", "notes/one.txt")
    run.image("gates/lstm_1", np.zeros((8, 8, 3), np.uint8), step=2)
    run.data("load", "abc", "load.csv", {"rows": 3})


def check(store: Store, run_id: str, epochs: int = 5) -> None:
    """One run has what `fill` told, once."""
    seen = store.client.get_run(run_id)
    assert seen.data.params == {"model": "lstm", "units": "[4]"}
    assert seen.data.tags["forecast.note"] == "b"
    history = store.client.get_metric_history(run_id, "train/loss")
    assert [(m.step, m.value) for m in history] == [(n, 1 / n) for n in range(1, epochs + 1)]
    assert "val/loss" not in seen.data.metrics
    names = [item.path for item in store.client.list_artifacts(run_id, "images")]
    assert sorted(Path(name).suffix for name in names) == [".png", ".webp"]
    assert [item.path for item in store.client.list_artifacts(run_id, "notes")] == ["notes/one.txt"]
    assert len(seen.inputs.dataset_inputs) == 1


def test_a_run_arrives_with_everything_and_its_times(uri: str, tmp_path: Path):
    seconds = iter(range(1_700_000_000, 1_700_001_000))
    with Tracker(uri, "tests", tmp_path / "runs", clock=lambda: float(next(seconds))) as tracker:
        run = tracker.begin("one", kind="train", tags={"forecast.version": "1"})
        fill(run)
        run.end()
    store = Store(uri, "tests")
    (found,) = store.find("")
    check(store, found.info.run_id)
    assert found.info.status == "FINISHED" and found.info.run_name == "one"
    assert run.id == found.info.run_id
    stamps = [m.timestamp for m in store.client.get_metric_history(run.id, "train/loss")]
    assert found.info.start_time < stamps[0] < stamps[-1] < found.info.end_time
    assert tracker.waiting == []
    assert {path.name for path in run.journal.folder.iterdir()} == {"journal.jsonl", "sent.jsonl"}


class Faulty:
    """A client some of whose calls fail, before the server has acted or after it."""

    def __init__(self, client, fails: Counter[str], late: bool):
        self._client, self._fails, self._late = client, fails, late
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str):
        found = getattr(self._client, name)

        def call(*words, **more):
            self.calls[name] += 1
            broken = self._fails[name] > 0
            self._fails[name] -= broken
            if broken and not self._late:
                raise MlflowException("API request failed with error code 500")
            answer = found(*words, **more)
            if broken:
                raise MlflowException("the answer was lost")
            return answer

        return call


@pytest.mark.parametrize("late", [False, True], ids=["refused", "answer lost"])
@pytest.mark.parametrize(
    "method", ["create_run", "log_batch", "log_artifacts", "log_inputs", "set_terminated"]
)
def test_a_request_that_fails_is_repeated_and_nothing_is_there_twice(
    method: str, late: bool, uri: str, tmp_path: Path
):
    with Tracker(uri, "tests", tmp_path / "runs") as tracker:
        tracker.store.client = Faulty(tracker.store.client, Counter({method: 3}), late)
        run = tracker.begin("one", kind="train")
        fill(run)
        run.end()
    assert tracker.waiting == []
    store = Store(uri, "tests")
    (found,) = store.find("")
    check(store, found.info.run_id)
    assert found.info.status == "FINISHED"


def test_a_server_that_is_away_from_the_start_costs_nothing_but_the_sending(
    uri: str, tmp_path: Path
):
    away, folder = "http://127.0.0.1:9", tmp_path / "runs"
    with Tracker(away, "tests", folder) as tracker:
        assert tracker.store is None and "refused" in str(tracker.trouble)
        parent = tracker.begin("one", kind="backtest")
        child = tracker.begin("two", kind="fold", parent=parent)
        fill(child)
        child.end()
        parent.end()
        assert parent.id == parent.local_id
    assert tracker.waiting == [parent.local_id, child.local_id]
    # the same address, now that somebody listens there
    for path in folder.glob("*/journal.jsonl"):
        path.write_text(path.read_text().replace(away, uri))
    with Tracker(uri, "tests", folder) as later:
        later.begin("three", kind="train").end()
    store = Store(uri, "tests")
    found = {run.info.run_name: run for run in store.find("")}
    assert set(found) == {"one", "two", "three"}
    check(store, found["two"].info.run_id)
    assert found["two"].data.tags["mlflow.parentRunId"] == found["one"].info.run_id
    assert {run.info.status for run in found.values()} == {"FINISHED"}


def test_what_a_server_will_never_take_is_left_and_the_rest_goes_on(uri: str, tmp_path: Path):
    with Tracker(uri, "tests", tmp_path / "runs") as tracker:
        gone, other = (tracker.begin(name, kind="train") for name in ("gone", "other"))
        tracker.store.client.delete_run(gone.id)
        fill(gone)
        fill(other)
        gone.end()
        other.end()
    assert list(tracker.refused) == [gone.local_id] and tracker.waiting == []
    states = {run.local_id: run for run in folders.runs(tmp_path / "runs")}
    assert states[gone.local_id].refused and not states[other.local_id].refused
    check(Store(uri, "tests"), other.id)


def test_a_run_that_lost_its_files_holds_up_no_other(uri: str, tmp_path: Path):
    folder = tmp_path / "runs"
    with Tracker("http://127.0.0.1:9", "tests", folder) as tracker:
        broken = tracker.begin("broken", kind="train")
        fill(broken)
        broken.end()
    shutil.rmtree(folder / broken.local_id / "files")
    file = folder / broken.local_id / "journal.jsonl"
    file.write_text(file.read_text().replace("http://127.0.0.1:9", uri))
    with Tracker(uri, "tests", folder) as later:
        parent = later.begin("parent", kind="backtest")
        child = later.begin("child", kind="fold", parent=parent)  # behind the broken one
        fill(child)
        child.end()
        parent.end()
    assert later.waiting == []
    check(Store(uri, "tests"), child.id)
    states = {run.name: run for run in folders.runs(folder)}
    assert "is not there" in states["broken"].refused


def test_one_that_cannot_be_sent_holds_up_no_other(uri: str, tmp_path: Path):
    with Tracker(uri, "tests", tmp_path / "runs") as tracker:
        first, second = (tracker.begin(name, kind="train") for name in ("first", "second"))
        send = tracker.store.client.log_batch

        def log_batch(run_id, *words):
            if run_id == first.id:
                raise MlflowException("out of order, for this one")
            send(run_id, *words)

        tracker.store.client.log_batch = log_batch
        fill(first)
        time.sleep(0.5)  # it has failed many times
        third = tracker.begin("third", kind="train")
        assert third.id != third.local_id
        fill(second)
        for run in (first, second, third):
            run.end()
    assert tracker.waiting == [first.local_id]
    check(Store(uri, "tests"), second.id)


def test_a_port_is_no_status(tmp_path: Path):
    with pytest.raises(Unreachable):  # and no refusal for good, as 401 would be
        Store("http://127.0.0.1:40125", "tests")


def test_a_torn_line_is_dropped_and_written_behind(tmp_path: Path):
    own = Journal(tmp_path / "one")
    own.append({"do": "create", "name": "x"})
    own.append({"do": "tags", "values": {"a": "1"}})
    own.close()
    file = tmp_path / "one" / "journal.jsonl"
    for cut in range(1, len(file.read_bytes().splitlines(keepends=True)[1])):
        whole = file.read_bytes()
        file.write_bytes(whole[:-cut])
        assert [record["do"] for record in journal.records(tmp_path / "one")] == ["create"]
        again = Journal(tmp_path / "one")
        again.append({"do": "tags", "values": {"a": "1"}})
        again.close()
        assert file.read_bytes() == whole


def test_a_number_of_a_key_and_step_is_written_once(uri: str, tmp_path: Path):
    with Tracker(uri, "tests", tmp_path / "runs") as tracker:
        run = tracker.begin("one", kind="train")
        run.metrics({"loss": 1.0}, step=1)
        run.metrics({"loss": 2.0, "mae": 3.0}, step=1)
        run.metrics({"loss": 4.0}, step=2)
        run.end("KILLED")
    with Tracker(uri, "tests", tmp_path / "runs") as tracker:
        again = tracker.again(run.local_id)
        again.metrics({"loss": 5.0}, step=2)
        again.metrics({"loss": 6.0}, step=3)
        again.end()
    client = Store(uri, "tests").client
    history = client.get_metric_history(run.id, "loss")
    assert [(m.step, m.value) for m in history] == [(1, 1.0), (2, 4.0), (3, 6.0)]
    assert client.get_run(run.id).info.status == "FINISHED"


def test_one_process_at_a_time(uri: str, tmp_path: Path):
    with Tracker(uri, "tests", tmp_path / "runs") as tracker:
        run = tracker.begin("one", kind="train")
        with pytest.raises(Held):
            Journal(run.journal.folder)
        assert [one.state for one in folders.runs(tmp_path / "runs")] == ["RUNNING"]
        with (
            Tracker(uri, "tests", tmp_path / "runs") as other,
            pytest.raises(InputError, match="that nobody is training"),
        ):
            other.again(run.local_id)
        run.end()
    with Tracker(uri, "tests", tmp_path / "runs") as tracker:
        with pytest.raises(InputError, match="which has finished"):
            tracker.again(run.local_id)
        with pytest.raises(InputError, match="must be a run of this machine"):
            tracker.again("nothing")


DYING = """
import os, signal, sys
from pathlib import Path
from forecast.tracking.tracker import Tracker

tracker = Tracker(sys.argv[1], "tests", Path(sys.argv[2]))
run = tracker.begin("dies", kind="train")
run.metrics({"loss": 1.0}, step=1)
tracker.begin("baseline", kind="baseline", tags={"forecast.baseline_key": "k"})
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.processes
def test_a_run_whose_process_was_killed_is_found_dead(uri: str, tmp_path: Path):
    Store(uri, "tests")
    done = subprocess.run([sys.executable, "-c", DYING, uri, str(tmp_path / "runs")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert {one.state for one in folders.runs(tmp_path / "runs")} == {"DIED"}
    with Tracker(uri, "tests", tmp_path / "runs") as tracker:
        tracker.begin("next", kind="train").end()
    found = {run.info.run_name: run for run in Store(uri, "tests").find("")}
    assert set(found) == {"dies", "next"}  # of a baseline nobody knew, nothing is left
    assert found["dies"].info.status == "KILLED"
    assert found["dies"].data.tags["forecast.error"] == folders.DIED
    assert found["dies"].data.metrics == {"loss": 1.0}
    assert [one.kind for one in folders.runs(tmp_path / "runs")] == ["train", "train"]


def test_a_baseline_that_others_have_answered_meanwhile_is_not_sent(uri: str, tmp_path: Path):
    tags = {"forecast.baseline_key": "k"}
    for number in range(2):
        with Tracker(uri, "tests", tmp_path / f"runs{number}") as tracker:
            run = tracker.begin("ridge", kind="baseline", tags=tags)
            run.metrics({"test/mae": 1.0})
            run.end()
    (only,) = Store(uri, "tests").find("")
    assert only.info.status == "FINISHED"
    with Tracker(uri, "tests", tmp_path / "runs1") as tracker:
        assert tracker.known("k") == only.info.run_id and tracker.known("other") is None


def test_a_checkpoint_replaces_the_one_before_as_a_whole(uri: str, tmp_path: Path):
    with Tracker(uri, "tests", tmp_path / "runs") as tracker:
        run = tracker.begin("one", kind="train")
        assert run.last_checkpoint() is None
        for value in (1.0, 2.0):
            run.checkpoint({"a": np.array(value)})
        assert run.last_checkpoint() == {"a": np.array(2.0)}
        names = {path.name for path in run.journal.folder.iterdir()}
        assert "checkpoint.npz" in names and not any(name.endswith(".new") for name in names)
        run.end("KILLED")


def test_no_thread_outlives_its_command(uri: str, tmp_path: Path):
    with Tracker(uri, "tests", tmp_path / "runs") as tracker:
        tracker.begin("one", kind="train").end()
    assert "tracking" not in {thread.name for thread in threading.enumerate()}
    assert not [key for key in os.environ if "HTTP_REQUEST_MAX_RETRIES" in key]


@pytest.mark.parametrize("way", ["absolute", "above", "link", "linked file"])
def test_a_strangers_journal_sends_no_file_of_mine(uri: str, tmp_path: Path, way: str):
    """Runs lie in the working folder, which may come with an archive from anywhere."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "key").write_text("secret")
    found = Journal(tmp_path / "runs" / "20260101-000000-abcdef")
    place = found.place()
    (place / "public.txt").write_text("public")
    tags = {"forecast.local_id": found.local_id, "forecast.kind": "train"}
    head = {"do": "create", "name": "x", "tags": tags, "parent": None, "time": 1}
    found.append(head | {"store": uri, "experiment": "tests"})
    found.append({"do": "files", "from": str(place.relative_to(found.folder)), "to": "a"})
    if way == "link":
        (found.folder / "files" / "00002").symlink_to(mine)
    elif way == "linked file":
        (found.place() / "key").symlink_to(mine / "key")
    named = {"absolute": str(mine), "above": "files/../../../mine"}.get(way, "files/00002")
    found.append({"do": "files", "from": named, "to": "a"})
    store = Store(uri, "tests")
    carrier = sender.Sender(lambda experiment: store)
    carrier.take(found)
    carrier.close(10, 20)
    assert [item.path for item in store.client.list_artifacts(found.run_id, "a")] == [
        "a/public.txt"
    ]
    assert "not the run's own" in found.marks["refused"]
    assert journal.kept(found.folder, "a/key") is None
    found.close()
