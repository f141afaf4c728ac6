"""A call is repeated while the server is away, for a bounded time, and not where it was refused."""

import threading
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, INVALID_PARAMETER_VALUE

from forecast.tracking.mlflow.client import CLASHES, MOST, RetryingClient
from forecast.tracking.mlflow.direct import DirectRun
from forecast.tracking.mlflow.store import Store, Unreachable


class Away:
    """A client that fails some times."""

    def __init__(self, times: int, **why):
        self.times, self.why, self.calls = times, why, 0

    def get_run(self, run_id: str) -> str:
        self.calls += 1
        if self.calls <= self.times:
            raise MlflowException("Connection refused", **self.why)
        return run_id


def test_it_waits_longer_and_longer_and_answers():
    slept: list[float] = []
    client = Away(5)
    assert RetryingClient(client, "http://127.0.0.1:9", slept.append).get_run("a") == "a"
    assert client.calls == 6 and slept == [1, 2, 4, 8, 8]


def test_a_server_that_does_not_come_back_is_named_with_the_cure():
    slept: list[float] = []
    client = Away(1000)
    patient = RetryingClient(client, "http://me:secret@127.0.0.1:9", slept.append)
    with pytest.raises(Unreachable, match=r"^tracking\.uri .*'http://127\.0\.0\.1:9'.*again"):
        patient.get_run("a")
    assert MOST <= sum(slept) < MOST + 10
    count = client.calls
    with pytest.raises(Unreachable):  # once is enough
        patient.get_run("a")
    assert client.calls == count + 1


def test_a_lost_file_is_not_waited_for():
    client = Away(1000)
    client.download_artifacts = client.get_run
    with pytest.raises(MlflowException, match="refused"):
        RetryingClient(client, "http://127.0.0.1:9", lambda seconds: None).download_artifacts("a")
    assert client.calls == 1


def test_a_refusal_is_not_repeated():
    client = Away(1000, error_code=INVALID_PARAMETER_VALUE)
    with pytest.raises(MlflowException, match="refused"):
        RetryingClient(client, "http://127.0.0.1:9", lambda seconds: None).get_run("a")
    assert client.calls == 1


def test_what_stays_wrong_is_not_repeated_for_long():
    slept: list[float] = []
    client = Away(1000, error_code=BAD_REQUEST)
    with pytest.raises(MlflowException, match="refused"):
        RetryingClient(client, "http://127.0.0.1:9", slept.append).get_run("a")
    assert client.calls == CLASHES and not slept


def test_two_that_write_the_same_at_once_both_go_on(tmp_path: Path):
    """The slower one finds no parameter, and one when it writes: MLflow answers with an error."""
    store = Store(f"sqlite:///{tmp_path / 'mlflow.db'}", "load")
    store.client = RetryingClient(store.client, store.uri)
    values = {f"model.{number}": number for number in range(20)}
    for _ in range(10):
        run, together = DirectRun.create(store, "candidate", kind="candidate"), threading.Barrier(2)
        wrong: list[Exception] = []

        def write(run=run, together=together, wrong=wrong) -> None:
            together.wait()
            try:
                run.params(values)
            except Exception as error:
                wrong.append(error)

        writers = [threading.Thread(target=write) for _ in range(2)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert not wrong
        assert store.client.get_run(run.id).data.params == {k: str(v) for k, v in values.items()}


class Forgetful:
    """A client that does what it was asked for, and whose first answers to creations are lost."""

    def __init__(self, client, times: int):
        self.client, self.times, self.search_runs = client, times, client.search_runs

    def create_run(self, *arguments, **named):
        made = self.client.create_run(*arguments, **named)
        self.times -= 1
        if self.times >= 0:
            raise ConnectionResetError("Connection reset by peer")
        return made


def test_a_run_whose_creation_was_not_answered_is_there_once(tmp_path: Path):
    store = Store(f"sqlite:///{tmp_path / 'mlflow.db'}", "load")
    store.client = RetryingClient(Forgetful(store.client, 1), store.uri, lambda seconds: None)
    for kept in (1, 2):
        made = DirectRun.create(
            store, "trial · fold 1", kind="trial", tags={"forecast.trial_key": "a"}
        )
        runs = store.find("")
        assert len(runs) == kept and runs[0].info.run_id == made.id
        assert runs[0].data.tags["forecast.trial_key"] == "a"
