"""Trials on real Dask workers, one of which cannot survive what it is given."""

import os
from dataclasses import replace

import numpy as np
import pytest

from forecast import Model, Training, Window
from forecast.evaluation.outcome import Spec
from forecast.search import engine
from forecast.search.trial import Trial

from .. import forked
from ..training.problems import table

pytestmark = pytest.mark.faults

DATA = table(rows=40)


@pytest.fixture(autouse=True)
def forked_workers():
    with forked.workers():
        yield


class Deadly(Model):
    """Takes the process that builds it with it, unless that is the one it comes from."""

    home = 0

    @property
    def settings(self):
        if os.getpid() != self.home:
            os._exit(1)
        return {"filters": 2}

    @settings.setter
    def settings(self, _):
        self.home = os.getpid()


class Notes:
    """Keeps what the engine tells."""

    def __init__(self):
        self.began, self.scores, self.failed = [], {}, {}

    def begin(self, trial):
        self.began.append(trial.key)
        return "run"

    def checkpoint(self, trial):
        return None

    def finish(self, trial, result):
        self.scores[trial.key] = result.error

    def fail(self, trial, reason):
        self.failed[trial.key] = reason


def trial(key, model):
    spec = Spec(model, Window(8, 3), Training(epochs=1))
    origins = np.arange(30, 37)
    return Trial(key, 0, 0, 0, spec, "t", (DATA.time.min(), DATA.time[30]), origins)


def test_a_trial_that_kills_its_worker_is_given_up_and_the_others_are_not():
    harmless = trial("harmless", Model("causal_cnn", filters=2))
    trials = [trial("deadly", Deadly("causal_cnn")), harmless, replace(harmless, key="again")]
    notes = Notes()
    with engine.cluster(None, 1) as workers:
        workers.execute(trials, {"t": DATA}, notes)
    assert notes.failed == {"deadly": f"its worker died {engine.TRIES} times"}
    assert notes.scores["harmless"] == notes.scores["again"] > 0
    assert sorted(notes.began) == ["again", "deadly", "harmless"]  # a retry is no new beginning


class Mortal:
    """A table that kills the first worker which unpacks it."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return unpack, (self.marker, DATA, os.getpid())


def unpack(marker, data, home):
    if os.getpid() != home and not marker.exists():
        marker.touch()
        os._exit(1)
    return data


def test_a_worker_that_dies_while_its_table_travels_has_an_heir(tmp_path):
    notes = Notes()
    with engine.cluster(None, 1) as workers:
        one = trial("one", Model("causal_cnn", filters=2))
        workers.execute([one], {"t": Mortal(tmp_path / "died")}, notes)
    assert (tmp_path / "died").exists()
    assert notes.failed == {} and notes.scores["one"] > 0


def test_a_worker_that_has_compiled_enough_is_replaced_and_takes_large_checkpoints(monkeypatch):
    monkeypatch.setattr(engine, "SHAPES", 2)
    notes = Notes()
    trials = [trial(f"{n}", Model("causal_cnn", filters=2 + n)) for n in range(3)]
    with engine.cluster(None, 1) as workers:
        workers.execute(trials[:1], {"t": DATA}, notes)
        [before] = workers._client.run(os.getpid).values()
        workers.execute(trials[1:3], {"t": DATA}, notes)  # the third shape is one too many
        [after] = workers._client.run(os.getpid).values()
        workers.execute([replace(trials[2], key="again")], {"t": DATA}, notes)
        large = np.zeros(3_000_000)
        assert workers._client.submit(len, large).result() == len(large)  # without a warning
    assert before != after
    assert sorted(notes.scores) == ["0", "1", "2", "again"] and not notes.failed
    assert notes.scores["2"] == notes.scores["again"]
