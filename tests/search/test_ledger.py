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
from forecast.tracking.mlflow import store as store_room
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


@pytest.mark.parametrize("most", [1, 1000])
def test_few_of_many_trials_are_read_and_the_same_found(store: Store, monkeypatch, most: int):
    """However many trials the experiment holds: of this sweep, of another, and copies of those."""
    other, own = opened(store, f"others {most}"), opened(store, f"own {most}")
    keys = [f"{most:x}f{number}" for number in range(30)]
    for number, key in enumerate(keys):
        home = own if number % 3 == 0 else other
        home.finish(home.begin(trial(key)), Result(float(number), {}, 1, 3, 0.1))
    left = own.begin(trial(f"{most:x}dead"))
    left.tags({"forecast.owner": '{"host": "gone", "pid": 1, "start": 1.0}'})
    read, search = [], store.client.search_runs

    def spy(*asked, **options):
        found = search(*asked, **options)
        read.extend(found)
        return found

    monkeypatch.setattr(ledger, "PER_KEY", most)
    monkeypatch.setattr(store.client, "search_runs", spy)
    asked = [trial(key) for key in (*keys[:2], "unknown", f"{most:x}dead")]
    again = opened(store, f"own {most}")
    read.clear()
    found = again.finished(asked)
    assert {key: result.error for key, result in found.items()} == {keys[0]: 0.0, keys[1]: 1.0}
    assert (len(read) < 12) == (most == 1), len(read)
    assert store.client.get_run(left.id).info.status == "KILLED"
    copies = store.find(f"tags.`forecast.reused_key` = '{keys[1]}'")
    assert len(copies) == 1 and again.finished(asked) == found  # its copy is not copied again
    assert len(store.find(f"tags.`forecast.reused_key` = '{keys[1]}'")) == 1


def test_all_runs_are_found_however_many_are_asked_for_at_once(store: Store, monkeypatch):
    for number in range(7):
        DirectRun.create(store, f"page {number}", kind="paged")
    monkeypatch.setattr(store_room, "PAGE", 2)
    where = "tags.`forecast.kind` = 'paged'"
    names = [run.info.run_name for run in store.find(where, newest=False)]
    assert names == [f"page {number}" for number in range(7)]
    assert [run.info.run_name for run in store.find(where, newest=False, most=3)] == names[:3]


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
