"""No two runs of an experiment bear one name."""

import pytest

from forecast.tracking.mlflow import pages
from forecast.tracking.mlflow.direct import DirectRun
from forecast.tracking.mlflow.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(f"sqlite:///{tmp_path_factory.mktemp('names') / 'mlflow.db'}", "names")


@pytest.mark.parametrize("name", ["lstm-4 · 8→4 · mae 2.31", "50% of_it", 'it\'s "quoted" \\'])
def test_the_first_keeps_it_and_others_are_numbered(store, name):
    made = []
    for _ in range(3):
        made.append(DirectRun.create(store, pages.unique(store, name), kind="train"))
    names = [store.client.get_run(run.id).info.run_name for run in made]
    assert names == [name, f"{name} · 2", f"{name} · 3"]
    assert pages.unique(store, name, made[0].id) == name  # its own name is nobody else's


def test_a_longer_name_is_another(store):
    DirectRun.create(store, "gru-4 · 8→4 · mae 2.311", kind="train")
    assert pages.unique(store, "gru-4 · 8→4 · mae 2.31") == "gru-4 · 8→4 · mae 2.31"


def test_without_a_server_a_name_stays():
    assert pages.unique(None, "lstm") == "lstm"
