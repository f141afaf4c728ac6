"""`run=last` and `run=best`: which runs they are, against a search of the store by hand."""

from collections.abc import Mapping

import pytest

from forecast.cli.config.compose import compose
from forecast.cli.dispatch import named
from forecast.errors import InputError
from forecast.tracking.mlflow import lookup, store
from forecast.tracking.mlflow.store import Store

PARAMS = {
    "data.targets": "['load']",
    "data.name": "load",
    "window.horizon": "4",
    "split.test": "0.2",
    "window.timesteps": "8",
}

Curve = Mapping[int, float]


class Runs:
    """A store with runs that were never trained."""

    def __init__(self, uri: str):
        self.uri, self.store, self.clock = uri, Store(uri, "load"), 0

    def add(
        self,
        curve: Curve,
        kept: int | None,
        *,
        kind: str = "train",
        status: str = "FINISHED",
        digest: str = "aa",
        summary: float | None = None,
        colour: str | None = None,
        **params: str,
    ) -> str:
        """Add a run that is younger than the others."""
        client = self.store.client
        self.clock += 1000
        tags = {"forecast.kind": kind, "forecast.data_digest": digest}
        tags |= {"mlflow.runColor": colour} if colour else {}
        run = client.create_run(self.store.experiment_id, self.clock, tags, f"run {self.clock}")
        run_id = run.info.run_id
        for key, value in (PARAMS | {k.replace("__", "."): v for k, v in params.items()}).items():
            client.log_param(run_id, key, value)
        for step, value in curve.items():
            client.log_metric(run_id, "val/mae", value, step=step)
        if kept is not None:
            client.log_metric(run_id, "train/best_epoch", kept, step=len(curve))
        if summary is not None:
            client.log_metric(run_id, "validation/mae", summary)
        client.set_terminated(run_id, status)
        return str(run_id)

    def found(self, *words: str) -> list[str]:
        """Return the ids that a line means."""
        settings = named(compose([*words, f"tracking.uri={self.uri}"])).settings
        return [str(one) for one in (settings.run, settings.other, *settings.runs) if one]


@pytest.fixture
def runs(tmp_path) -> Runs:
    return Runs(f"sqlite:///{tmp_path / 'mlflow.db'}")


def test_last_is_the_training_that_was_begun_last(runs: Runs):
    runs.add({1: 3.0}, 1)
    last = runs.add({1: 4.0}, 1)
    runs.add({1: 1.0}, 1, status="KILLED")
    runs.add({}, None, kind="baseline")
    runs.add({}, None, kind="backtest")
    assert runs.found("run=last") == [last]


def test_best_goes_by_the_epoch_whose_weights_were_kept(runs: Runs, capsys):
    early = runs.add({1: 5.0, 2: 2.0, 3: 9.0}, 2)  # its last epoch is the worst of all
    late = runs.add({1: 4.0, 2: 3.0}, 2)
    runs.add({1: 1.0, 2: 6.0}, 2)  # its best error is not that of its weights
    assert runs.found("run=best") == [early]
    assert "lowest validation MAE (2) of 3 comparable trainings" in " ".join(
        capsys.readouterr().out.split()
    )
    assert runs.found(f"runs=[best,{late},last]")[:2] == [early, late]
    summed = runs.add({}, None, summary=1.5)
    assert runs.found("run=last", "other=best") == [summed, summed]


@pytest.mark.slow
@pytest.mark.parametrize(
    "other",
    [
        {"digest": "bb"},
        {"window__horizon": "8"},
        {"split__test": "0.3"},
        {"data__targets": "['temp']"},
        {"kind": "fold"},
        {"status": "FAILED"},
    ],
    ids=str,
)
def test_best_compares_nothing_that_has_other_validation_windows(runs: Runs, other):
    better = {"curve": {1: 0.5}, "kept": 1}
    runs.add(**better, **other)
    mine = runs.add({1: 2.0}, 1, window__timesteps="16")
    runs.add({}, None)  # the winner of a sweep has no validation windows, and is the newest
    assert runs.found("run=best") == [mine]
    again = runs.add(**better, window__timesteps="24")
    assert runs.found("run=best") == [again]


@pytest.mark.parametrize("targets", ["['temp']", 'a "b"', 'it\'s "b"', "x" * 400])
def test_best_is_found_among_more_than_are_counted(runs: Runs, monkeypatch, capsys, targets):
    monkeypatch.setattr(lookup, "MOST", 3)
    monkeypatch.setattr(store, "PAGE", 2)
    mine = {"data__targets": targets, "colour": "#0072b2"}
    best = runs.add({}, None, summary=1.0, **mine)
    for error in (5.0, 0.5, 4.0, 0.25, 3.0, 6.0):
        other = {"window__horizon": "9"} if error < 1 else {}
        runs.add({}, None, summary=error, **mine, **other)
    newest = runs.add({}, None, summary=2.0, **mine)
    assert runs.found("run=best", "other=last") == [best, newest]
    said = " ".join(capsys.readouterr().out.split())
    assert "lowest validation MAE (1) of more than 3 comparable trainings" in said
    old = runs.add({1: 0.75, 2: 9.0}, 1, data__targets=targets)  # it has neither metric nor colour
    assert runs.found("run=best") == [old]


def test_any_number_of_experiments_is_looked_through(runs: Runs, monkeypatch):
    monkeypatch.setattr(store, "PAGE", 2)
    found = runs.add({}, None, summary=1.0)
    for number in range(5):
        runs.store.client.create_experiment(f"later {number}")
    assert runs.found("run=best", "other=last") == [found, found]
    from forecast.tracking import folders

    assert folders.in_store(runs.store.client, found[:9]).info.run_id == found


@pytest.mark.parametrize("word", ["last", "best"])
def test_an_empty_store_has_neither(runs: Runs, word: str):
    with pytest.raises(InputError, match=f"run={word} must find a finished training"):
        runs.found(f"run={word}")


def test_a_line_without_these_words_asks_no_store():
    request = compose(["run=0123", "tracking.uri=http://127.0.0.1:9"])
    assert named(request) is request


def test_too_few_letters_of_an_id_are_refused(runs: Runs, monkeypatch):
    ids = ("abcdef01" + "0" * 24, "abcdef02" + "0" * 24)
    for run_id in ids:
        monkeypatch.setattr("uuid.uuid4", lambda run_id=run_id: type("U", (), {"hex": run_id}))
        runs.add({1: 1.0}, 1)
    monkeypatch.undo()
    from forecast.tracking import folders

    client = runs.store.client
    assert folders.in_store(client, "abcdef01").info.run_id == ids[0]
    with pytest.raises(InputError, match="enough letters"):
        folders.in_store(client, "abcdef")
    assert lookup.newest(client).info.run_id == ids[1]
