"""`forecast promote` and `forecast train register=`, on runs by hand and on one that is trained."""

import re

import pandas as pd
import pytest

from forecast.tracking.mlflow import registry
from forecast.tracking.mlflow.direct import DirectRun
from forecast.tracking.mlflow.store import Store
from forecast.tracking.run import ending

from ..conftest import TINY, Place, columns, word
from .test_compare import said

ERRORS = {"test/mae": 1.0}


@pytest.fixture(scope="module")
def store(place: Place) -> Store:
    return Store(place.uri, "promotion")


@pytest.fixture(scope="module")
def challenge(store: Store):
    """Register a run by hand as the challenger."""

    def write(name: str, frame: pd.DataFrame | None, **tags: str) -> str:
        with ending(DirectRun.create(store, f"{name} by hand", kind="train", tags=tags)) as run:
            run.params({"model": "lstm"})
            run.metrics({"test/mae": 1.0})
            if frame is not None:
                run.keep(frame, "predictions.parquet")
        return registry.register(store.client, name, run.id, {})

    return write


def champion(store: Store, name: str) -> str:
    return str(store.client.get_registered_model(name).aliases.get("champion"))


def test_the_champion_is_whoever_wins_beyond_chance(place: Place, store: Store, challenge):
    first = said(1.0, origins=range(120), seed=1)
    challenge("wins", first)
    assert place.run("promote", "registered=wins") == 0, place.errors[-1]
    assert "decision   promoted: there was no champion" in place.printed[-1]
    assert champion(store, "wins") == "1"

    challenge("wins", said(1.0, origins=range(120), seed=2))
    assert place.run("promote", "registered=wins") == 3 and place.errors[-1] == ""
    text = " ".join(place.printed[-1].split())
    assert (
        "decision not promoted: its MAE is" in text
        and ": no significant difference (p = 0." in text
    )
    assert "champion wins version 1" in text and champion(store, "wins") == "1"

    challenge("wins", first.assign(forecast=(first.forecast + first.true) / 2))
    assert place.run("promote", "registered=wins") == 0
    printed = place.printed[-1]
    text = " ".join(printed.split())
    assert "promoted: its MAE is 50.0% lower on the 120 common origins: better, p < 0.001" in text
    assert "120 origins from 2024-01-01 00:00" in text
    assert re.search(r"^challenger lstm .*\+50\.0% +better, p < 0\.001$", printed, re.M)
    assert champion(store, "wins") == "3" and columns(printed) <= 80
    told = store.client.get_model_version("wins", "3").tags[registry.PROMOTION]
    assert told.startswith("promoted: its MAE is 50.0% lower")

    assert place.run("promote", "registered=wins") == 0  # once more changes nothing
    assert "wins version 3 already: nothing to decide" in place.printed[-1]


def test_a_promotion_says_how_often_its_origins_were_used(place: Place, store: Store, challenge):
    def decided(frame: pd.DataFrame | None) -> str:
        if frame is not None:
            challenge("often", frame)
        assert place.run("promote", "registered=often") in (0, 3), place.errors[-1]
        text = " ".join(place.printed[-1].split())
        version = store.client.get_registered_model("often").aliases["challenger"]
        why = store.client.get_model_version("often", version).tags[registry.PROMOTION]
        assert why in text
        return why

    first = said(1.0, origins=range(120), seed=1)
    assert decided(first) == "promoted: there was no champion"  # no origin was looked at
    assert decided(said(1.0, origins=range(120), seed=2)).endswith("; the first decision on them")
    assert decided(None).endswith("; the first decision on them")  # the same question again
    assert decided(said(1.0, origins=range(120), seed=3)).endswith("; 1 earlier decision on them")
    half = said(1.0, origins=range(60, 120), seed=4)  # some of the same
    assert decided(half).endswith("; 2 earlier decisions on them")
    both = said(1.0, origins=range(200), seed=1)
    challenge("often", both.assign(forecast=(both.forecast + both.true) / 2))
    assert decided(None).endswith("; 3 earlier decisions on them")
    assert champion(store, "often") == "5"
    # the new champion has forecast later origins, on which nothing was decided
    later = said(1.0, origins=range(150, 200), seed=6)
    assert decided(later).endswith("; the first decision on them")


def test_a_run_that_leaks_is_never_promoted(place: Place, store: Store, challenge):
    leaks = {"forecast.leak_proof": "FAILED: columns: input 'soon' is a copy"}
    challenge("leaks", said(), **leaks)
    assert place.run("promote", "registered=leaks") == 3
    text = " ".join(place.printed[-1].split())
    assert "not promoted: its run leaks, so its scores mean nothing (FAILED: columns" in text
    assert "champion leaks has none" in text and champion(store, "leaks") == "None"


def test_another_question_is_no_contest(place: Place, store: Store, challenge):
    frame = said(1.0, origins=range(60), seed=1)
    challenge("asks", frame)
    assert place.run("promote", "registered=asks") == 0
    challenge("asks", frame.assign(target="temp", forecast=frame.true))
    assert place.run("promote", "registered=asks") == 3
    text = " ".join(place.printed[-1].split())
    assert "the two answer different questions: targets temp for targets load" in text
    assert champion(store, "asks") == "1"


def test_what_cannot_be_decided_is_one_sentence(place: Place, store: Store, challenge):
    challenge("bare", None)
    store.client.create_registered_model("nobody")
    store.client.create_model_version("nobody", "file:///nowhere")
    store.client.set_registered_model_alias("nobody", "challenger", "1")
    wrong = {
        "": "registered must be the name of a registered model, got nothing",
        "registered=wons": "registered must be a model of the registry, got 'wons'",
        "registered=bare": "runs must hold predictions.parquet",
        "registered=nobody": "the challenger of nobody must come from a run, got version 1 without",
    }
    for words, message in wrong.items():
        assert place.run("promote", *([words] if words else [])) == 2
        assert message in place.errors[-1] and place.errors[-1].count("\n") == 1


def test_a_training_registers_its_model(place: Place, store: Store):
    small = ["model=mlp", "training.epochs=1", "gates.memory=0", "register=1e5"]
    assert place.run("train", *TINY, *small) == 0, place.errors[-1]
    printed = place.printed[-1]
    assert "registered 1e5 version 1, challenger" in printed
    assert "next       forecast promote registered=1e5 " in printed
    run = word(printed, "run")
    (version,) = store.client.search_model_versions("name = '1e5'")
    assert version.run_id == run and version.source.endswith(f"{run}/artifacts/model")
    mae = store.client.get_run(run).data.metrics["test/mae"]
    assert version.tags["forecast.score"] == f"mae {mae:.6g}"
    assert "register" not in store.client.get_run(run).data.tags["forecast.command"]
    assert place.run("promote", "registered=1e5") == 0
    assert champion(store, "1e5") == "1"


def test_a_bad_name_is_refused_before_anything_is_trained(place: Place):
    assert place.run("train", *TINY, "model=mlp", "register=a/b") == 2
    assert place.errors[-1].startswith("forecast: register must be a name of letters")
    assert "epoch" not in place.printed[-1]
