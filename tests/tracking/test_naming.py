"""No two runs of an experiment bear one name."""

import pytest

from forecast.tracking.mlflow import pages
from forecast.tracking.mlflow.direct import DirectRun
from forecast.tracking.mlflow.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(f"sqlite:///{tmp_path_factory.mktemp('names') / 'mlflow.db'}", "names")


@pytest.mark.parametrize(
    "name", ["lstm-4 · 8→4 · mae 2.31", "50% of_it", 'it\'s "quoted" \\', "a [b]* ^?"]
)
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


def test_many_of_one_name_are_numbered_and_few_of_them_read(store, monkeypatch):
    for number in range(1, 41):
        DirectRun.create(store, "tcn" if number == 1 else f"tcn · {number}", kind="train")
    read = []
    search = store.client.search_runs

    def spy(*asked, **options):
        found = search(*asked, **options)
        read.extend(run.info.run_name for run in found)
        return found

    monkeypatch.setattr(store.client, "search_runs", spy)
    assert pages.unique(store, "tcn") == "tcn · 41"
    assert len(read) < 12, read


def test_a_number_that_was_deleted_or_left_out_gives_no_name_twice(store):
    for number in (1, 2, 4, 5, 9):
        DirectRun.create(store, "mlp" if number == 1 else f"mlp · {number}", kind="train")
    for _ in range(6):
        DirectRun.create(store, pages.unique(store, "mlp"), kind="train")
    names = [run.info.run_name for run in store.find("attributes.run_name LIKE 'mlp%'")]
    assert len(names) == len(set(names)) == 11


def test_without_a_server_a_name_stays():
    assert pages.unique(None, "lstm") == "lstm"
