"""The ledger on a store of its own: who creates, who claims, what is found again."""

from dataclasses import replace

import numpy as np
import pytest

from forecast import Model, Training, Window
from forecast.evaluation.outcome import Spec
from forecast.search import ledger
from forecast.search.candidates import Candidate
from forecast.search.ledger import Ledger
from forecast.search.trial import Result, Rung, Trial
from forecast.tracking.mlflow.direct import DirectRun
from forecast.tracking.mlflow.store import Store

SPEC = Spec(Model("lstm", units=[2]), Window(4, 2), Training())


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    folder = tmp_path_factory.mktemp("ledger")
    return Store(f"sqlite:///{folder / 'mlflow.db'}", "tests")


def opened(store: Store, key: str, **options) -> Ledger:
    made = Ledger.open(store, key, "sweep", {}, **options)
    made.admit([Candidate(0, {"model.units": [2]}, SPEC, "t", {"model.units": "[2]"})])
    return made


def trial(key: str) -> Trial:
    return Trial(key, 0, 0, 0, SPEC, "t", (0, 30), np.arange(30, 37))


def test_a_key_has_one_parent_and_a_candidate_one_run(store: Store):
    first, second = opened(store, "one"), opened(store, "one")
    assert first.parent.id == second.parent.id and first.claims.id == second.claims.id
    assert first.candidate(0).id == second.candidate(0).id
    assert opened(store, "one").candidate(0).id == first.candidate(0).id


def test_who_comes_second_on_a_server_joins_the_first(store: Store):
    """While one creates its run, a rival that also found none has created another."""
    where = "tags.`forecast.kind` = 'race'"
    rival = []

    def create() -> DirectRun:
        rival.append(DirectRun.create(store, "rival", kind="race"))
        return DirectRun.create(store, "ours", kind="race")

    assert ledger.only(store, where, create).id == rival[0].id
    assert [run.info.run_id for run in store.find(where)] == [rival[0].id]  # ours is gone


def test_starting_afresh_counts_nothing_as_finished(store: Store):
    first = opened(store, "afresh")
    first.finish(first.begin(trial("done")), Result(1.0, {}, 1, 3, 0.1))
    assert list(opened(store, "afresh").finished([trial("done")])) == ["done"]
    afresh = opened(store, "afresh", resume=False)
    assert afresh.parent.id != first.parent.id and afresh.finished([trial("done")]) == {}
    run = afresh.begin(trial("done"))
    assert run is not None
    afresh.finish(run, Result(1.0, {}, 1, 3, 0.1))
    assert list(opened(store, "afresh").finished([trial("done")])) == ["done"]


def test_a_trial_is_claimed_once_while_its_owner_lives(store: Store):
    own = opened(store, "claims")
    run = own.begin(trial("k1"))
    assert run is not None and own.begin(trial("k1")) is not None  # it is its own: begun again
    # process 1 always lives, and its start differs from ours
    other = replace_owner(opened(store, "claims"), pid=1)
    held = other.begin(trial("k2"))
    assert held is not None and own.begin(trial("k2")) is None
    dead = replace_owner(opened(store, "claims"), pid=1, start=1.0)
    assert dead.begin(trial("k3")) is not None and own.begin(trial("k3")) is not None


def replace_owner(made: Ledger, *, pid: int, start: float | None = None) -> Ledger:
    import json

    import psutil

    begun = psutil.Process(pid).create_time() if start is None else start
    who = json.loads(ledger.owner_tag()) | {"pid": pid, "start": begun}
    made.owner = json.dumps(who)
    return made


def test_a_checkpoint_comes_back_as_it_was(store: Store):
    own = opened(store, "checkpoints")
    arrays = {"state.0": np.random.default_rng(0).normal(size=(7, 8)).astype("float32")}
    short = replace(trial("short"), rung=Rung(1, 2, 2))
    own.finish(own.begin(short), Result(1.0, {"loss": [0.5]}, 1, 3, 0.1, arrays))
    found = ledger.checkpoint(store, "short")
    assert found.keys() == arrays.keys() and (found["state.0"] == arrays["state.0"]).all()
    own.finish(own.begin(trial("plain")), Result(1.0, {"loss": [0.5]}, 1, 3, 0.1))
    assert ledger.checkpoint(store, "plain") is None
    assert ledger.checkpoint(store, "unknown") is None
    again = opened(store, "checkpoints").finished([short, trial("plain")])
    assert {key: result.error for key, result in again.items()} == {"short": 1.0, "plain": 1.0}


def test_a_refit_that_a_dead_driver_left_is_closed_and_one_that_lives_is_not(store: Store):
    own = opened(store, "refits")
    dead, alive = (
        DirectRun.create(
            store, "winner", kind="train", tags={"forecast.owner": who}, parent=own.parent.id
        )
        for who in ('{"host": "gone", "pid": 1, "start": 1.0}', own.owner)
    )
    ledger.bury(own)
    found = [store.client.get_run(run.id).info.status for run in (dead, alive)]
    assert found == ["KILLED", "RUNNING"]


def test_the_winner_is_claimed_by_one_driver(store: Store):
    own, other = opened(store, "winner"), replace_owner(opened(store, "winner"), pid=1)
    assert own.claim("winner") and not other.claim("winner")
    assert replace_owner(opened(store, "winner"), pid=1, start=1.0).claim("other")
    assert own.claim("other")  # its holder is dead
