"""A registered model: versions, its challenger, its champion."""

import sys
from pathlib import Path

import pytest

from forecast.errors import InputError
from forecast.tracking.mlflow import registry
from forecast.tracking.mlflow.direct import DirectRun
from forecast.tracking.mlflow.store import Store
from forecast.tracking.run import ending

from ..search.test_cluster import free_port, process, wait_for


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return Store(f"sqlite:///{tmp_path_factory.mktemp('registry') / 'own.db'}", "tests")


def kept(store: Store) -> str:
    """A run with something in its model/."""
    with ending(DirectRun.create(store, "one", kind="train")) as run:
        run.keep("a model", "model/MLmodel")
    return run.id


def fetched(uri: str, name: str, folder: Path) -> str:
    """What MLflow itself finds behind an alias."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    try:
        return (
            Path(mlflow.artifacts.download_artifacts(f"models:/{name}@champion", dst_path=folder))
            .joinpath("MLmodel")
            .read_text("utf-8")
        )
    finally:
        mlflow.set_tracking_uri(None)  # or it stands in the environment of all later tests


def test_versions_count_up_and_the_newest_is_the_challenger(store: Store):
    first, second = kept(store), kept(store)
    registry.check_registry(store.client, "load")
    assert registry.register(store.client, "load", first, {"forecast.score": "mae 2"}) == "1"
    challenger, champion = registry.holders(store.client, "load")
    assert (str(challenger.version), challenger.run_id, champion) == ("1", first, None)
    assert challenger.tags["forecast.score"] == "mae 2"
    assert registry.register(store.client, "load", second, {}) == "2"
    challenger, champion = registry.holders(store.client, "load")
    assert challenger.run_id == second and champion is None


def test_the_champion_stays_until_another_is_promoted(store: Store, tmp_path):
    first, second = kept(store), kept(store)
    registry.register(store.client, "stays", first, {})
    registry.promote(store.client, "stays", "1", "promoted: there was no champion")
    registry.register(store.client, "stays", second, {})
    registry.refuse(store.client, "stays", "2", "not promoted: worse")
    challenger, champion = registry.holders(store.client, "stays")
    assert (challenger.run_id, champion.run_id) == (second, first)
    assert champion.tags[registry.PROMOTION] == "promoted: there was no champion"
    assert challenger.tags[registry.PROMOTION] == "not promoted: worse"
    assert fetched(store.uri, "stays", tmp_path) == "a model"


@pytest.mark.parametrize("name", ["a/b", "a:b", "a@b", "", "..", "é", "a b"])
def test_names_that_no_address_can_hold_are_refused(store: Store, name: str):
    with pytest.raises(InputError, match="^register must be a name of letters"):
        registry.check_registry(store.client, name)


def test_what_is_not_there_is_named(store: Store):
    with pytest.raises(
        InputError, match="got 'lode': (there are no models yet|known|did you mean)"
    ):
        registry.holders(store.client, "lode")
    store.client.create_registered_model("empty")
    with pytest.raises(InputError, match="^registered=empty must have a challenger"):
        registry.holders(store.client, "empty")


def test_a_store_without_a_registry_is_one_sentence():
    from mlflow import MlflowClient

    nowhere = MlflowClient(tracking_uri="http://127.0.0.1:9", registry_uri="http://127.0.0.1:9")
    for call in (registry.check_registry, registry.holders):
        with pytest.raises(InputError, match="^tracking.uri must be a store with a model registry"):
            call(nowhere, "load")


@pytest.mark.processes
def test_a_server_keeps_models_too(tmp_path):
    uri = f"http://127.0.0.1:{free_port()}"
    words = ["server", "--host", "127.0.0.1", "--port", uri.rpartition(":")[2], "--workers", "1"]
    kept_in = ["--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}"]
    kept_in += ["--artifacts-destination", str(tmp_path / "kept")]
    with process(tmp_path, Path(sys.executable).parent / "mlflow", *words, *kept_in):
        wait_for(f"{uri}/health", tmp_path / "said.txt")
        store = Store(uri, "tests")
        registry.check_registry(store.client, "load")
        assert registry.register(store.client, "load", kept(store), {}) == "1"
        registry.promote(store.client, "load", "1", "promoted: there was no champion")
        assert fetched(uri, "load", tmp_path / "here") == "a model"
