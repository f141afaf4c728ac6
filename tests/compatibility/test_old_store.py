"""What commit 297fc0f wrote is read, predicts what it did, and is compared with what is new."""

import ast
import re
import zipfile
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.tracking import folders

from ..conftest import LSTM, word
from .write import DATA, MODELS


def alike(found: pd.DataFrame, kept: pd.DataFrame) -> None:
    """Hold forecasts against those that were written; another processor rounds otherwise."""
    assert [*found.columns] == [*kept.columns] and len(found) == len(kept) > 0
    for name in kept:
        if kept[name].dtype.kind == "f":
            np.testing.assert_allclose(found[name], kept[name], rtol=1e-4, err_msg=name)
        else:
            assert found[name].astype(str).tolist() == kept[name].astype(str).tolist(), name


def artifacts(old, name: str) -> Path:
    place, known = old
    return place.folder / "mlartifacts" / known[name] / "artifacts"


def test_names_in_logged_models_are_there(old):
    """MLflow runs the code that lies in a logged model; what that imports may not move."""
    files = {*old[0].folder.glob("mlartifacts/*/artifacts/model/pyfunc_model.py")}
    assert len(files) == 2
    for file in files:
        imports = [
            (node.module, name.name)
            for node in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("forecast")
            for name in node.names
        ]
        assert imports == [("forecast.errors", "InputError"), ("forecast.serving.bundle", "load")]
        for module, name in imports:
            assert hasattr(import_module(module), name), (
                f"a logged model imports {name} of {module}: leave it there under this name"
            )


def test_layers_of_saved_networks_are_known_by_their_names(old):
    """A class may be called otherwise, and lie elsewhere; Keras finds it by what it registered."""
    import keras

    from forecast import models

    models.register_layers()

    names: set[str] = set()
    for file in old[0].folder.glob("**/model.keras"):
        with zipfile.ZipFile(file) as archive:
            config = archive.read("config.json").decode()
        names |= {*re.findall(r'"registered_name": "(forecast>[^"]+)"', config)}
    assert len(names) == 21
    unknown = [name for name in names if keras.saving.get_registered_object(name) is None]
    assert not unknown, f"saved networks have {unknown}: register the classes under these names"


@pytest.mark.slow
def test_runs_are_listed_and_what_died_can_go_on(old):
    place, _ = old
    assert place.run("runs") == 0, place.errors
    died = next(run for run in folders.runs(place.folder / "runs") if run.epochs == 2)
    assert str(died.run_id)[:8] in place.printed[-1]
    assert "died" in place.printed[-1] or "killed" in place.printed[-1]
    assert "forecast train resume=" in place.printed[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "cnn"])
def test_a_run_predicts_what_it_did(name: str, old):
    place, known = old
    assert place.run("predict", f"run={known[name]}", f"output=now_{name}.csv") == 0, place.errors
    found, kept = (pd.read_csv(place.folder / f"{k}_{name}.csv") for k in ("now", "forecast"))
    alike(found, kept)


@pytest.mark.slow
def test_a_registered_model_predicts_what_its_run_did(old):
    place, known = old
    words = ["data.path=load.csv", "output=registered.csv"]
    assert place.run("predict", "run=models:/tiny@champion", *words) == 0, place.errors
    alike(*(pd.read_csv(place.folder / f"{k}.csv") for k in ("registered", "forecast_lstm")))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "cnn"])
def test_mlflow_loads_a_logged_model(name: str, old):
    import mlflow.pyfunc

    place, known = old
    served = mlflow.pyfunc.load_model(str(artifacts(old, name) / "model"))
    found = served.predict(pd.read_csv(place.folder / "load.csv"))
    kept = pd.read_csv(place.folder / f"forecast_{name}.csv", parse_dates=["origin", "time"])
    alike(found, kept)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_bundle_of_each_architecture_predicts_what_it_did(name: str, old):
    from forecast.serving import bundle

    folder = old[0].folder / "bundles" / name
    found = bundle.load(folder)
    frame = pd.read_csv(old[0].folder / "load.csv")
    frame["load"] = frame.load.where(frame.time <= "2024-03-05")
    rows = frame if found.schema.known_future else frame.dropna()
    dates = ["origin", "time"]
    alike(found.predict(rows), pd.read_csv(folder / "forecast.csv", parse_dates=dates))


@pytest.mark.slow
def test_old_runs_are_compared_with_each_other_and_with_a_new_one(old):
    place, known = old
    assert place.run("compare", f"runs=[{known['lstm']},{known['cnn']}]") == 0, place.errors
    said = place.printed[-1]
    kept = [
        pd.read_parquet(artifacts(old, name) / "predictions.parquet") for name in ("lstm", "cnn")
    ]
    for frame in kept:
        mae = (frame.forecast - frame.true).abs().mean()
        assert f"{mae:.3f}" in said
    assert place.run("train", *DATA, *LSTM) == 0, place.errors
    new = word(place.printed[-1], "run")
    assert place.run("compare", f"runs=[{known['lstm']},{new}]") == 0, place.errors
    assert "54 windows of 2 series, 216 values" in place.printed[-1]


@pytest.mark.slow
def test_gates_of_old_runs_are_read(old):
    place, known = old
    assert place.run("inspect", f"run={known['lstm']}", f"other={known['cnn']}") == 0, place.errors
    assert "lstm_1" in place.printed[-1] and "conv_1" in place.printed[-1]


@pytest.mark.slow
def test_an_old_champion_is_held_against_an_old_challenger(old):
    place, _ = old
    assert place.run("promote", "registered=tiny") == 3, place.errors
    assert "decision   not promoted: its MAE is " in place.printed[-1]


@pytest.mark.slow
def test_an_old_run_is_reproduced_only_by_its_own_commit(old):
    place, known = old
    assert place.run("reproduce", f"run={known['lstm']}") == 2
    assert "its own data and versions again, got commit " in place.errors[-1]
    assert "(it had 297fc0f)" in place.errors[-1]


@pytest.mark.slow
def test_an_old_training_goes_on(old):
    """Not to the bit of an undisturbed one, since the order of series and windows is another."""
    place, _ = old
    died = next(run for run in folders.runs(place.folder / "runs") if run.resumable)
    assert place.run("train", f"resume={died.local_id}") == 0, place.errors
    assert "after epoch 2 of 4" in place.printed[-1]
    assert place.run("predict", f"run={word(place.printed[-1], 'run')}") == 0, place.errors
