"""The bundle of a run: whole, checked, and served by MLflow without this project's help."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.data import panel, windows
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation.intervals.reach import Reach
from forecast.serving import bundle
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training

from ..conftest import Place, load_frame


@pytest.fixture(scope="module")
def folder(client, lstm_run: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("model")
    return Path(client.download_artifacts(lstm_run, "model", str(where)))


def test_nothing_in_the_model_is_pickled(folder: Path):
    names = [path.name for path in folder.rglob("*") if path.is_file()]
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".joblib"))]
    assert {"model.keras", "bundle.json", "MLmodel", "pyfunc_model.py"} <= set(names)


def test_the_pyfunc_gives_the_bundles_forecast(folder: Path, place: Place):
    import mlflow.pyfunc

    frame = pd.read_csv(place.folder / "load.csv")
    plain = bundle.load(folder / "artifacts" / "bundle").predict(frame)
    served = mlflow.pyfunc.load_model(str(folder)).predict(frame)
    pd.testing.assert_frame_equal(plain, served)


def test_the_input_example_can_be_predicted(folder: Path):
    example = json.loads((folder / "input_example.json").read_text())
    frame = pd.DataFrame(example["data"], columns=example["columns"])
    assert len(bundle.load(folder / "artifacts" / "bundle").predict(frame)) == 4


def test_extra_columns_and_any_order_of_rows_change_nothing(folder: Path, place: Place):
    served = bundle.load(folder / "artifacts" / "bundle")
    frame = pd.read_csv(place.folder / "load.csv")
    shuffled = frame.sample(frac=1, random_state=3).assign(more="x")
    pd.testing.assert_frame_equal(served.predict(frame), served.predict(shuffled))


def test_one_series_of_the_panel_can_be_sent_alone(folder: Path, place: Place):
    served = bundle.load(folder / "artifacts" / "bundle")
    frame = pd.read_csv(place.folder / "load.csv")
    both = served.predict(frame)
    south = served.predict(frame[frame.site == "south"])
    expected = both[both.series == "south"].forecast.tolist()
    assert south.forecast.tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.processes
def test_a_fresh_process_needs_only_the_package(folder: Path, place: Place):
    code = (
        "import sys, pandas as pd; from forecast.serving import bundle;"
        "print(bundle.load(sys.argv[1]).predict(pd.read_csv(sys.argv[2])).forecast.sum())"
    )
    where = [str(folder / "artifacts" / "bundle"), str(place.folder / "load.csv")]
    told = subprocess.run(
        [sys.executable, "-c", code, *where], capture_output=True, text=True, check=True
    )
    here = bundle.load(where[0]).predict(pd.read_csv(where[1])).forecast.sum()
    assert float(told.stdout) == pytest.approx(here, rel=1e-6)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder / "artifacts" / "bundle", tmp_path / "bundle"))


def test_an_unknown_format_is_refused_by_name(copy: Path):
    facts = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps(facts | {"format": 99}))
    with pytest.raises(InputError, match=r"format must be 1, got 99"):
        bundle.load(copy)


@pytest.mark.parametrize("name", ["bundle.json", "model.keras"])
def test_a_damaged_file_is_refused(copy: Path, name: str):
    (copy / name).write_bytes((copy / name).read_bytes()[:50])
    with pytest.raises(InputError, match="bundle must"):
        bundle.load(copy)


def test_a_missing_folder_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="bundle must be a folder"):
        bundle.load(tmp_path / "nothing")


def test_the_runs_intervals_are_served_around_its_forecasts(folder: Path, place: Place):
    served = bundle.load(folder / "artifacts" / "bundle")
    facts = json.loads((folder / "artifacts" / "bundle" / "bundle.json").read_text())
    assert (served.reach.level, served.reach.method) == (0.9, "adaptive")
    np.testing.assert_array_equal(served.reach.values, facts["intervals"]["reach"])
    said = served.predict(pd.read_csv(place.folder / "load.csv"))
    by = served.reach.values.ravel()  # (series, horizon, one target), the order of the rows
    np.testing.assert_allclose(said.upper, said.forecast + np.maximum(by, 0))
    np.testing.assert_allclose(said.lower, said.forecast - np.maximum(by, 0))
    assert (by > 0).all()


def test_a_bundle_from_before_intervals_still_predicts(copy: Path, place: Place):
    facts = json.loads((copy / "bundle.json").read_text())
    del facts["intervals"]
    (copy / "bundle.json").write_text(json.dumps(facts))
    said = bundle.load(copy).predict(pd.read_csv(place.folder / "load.csv"))
    assert list(said)[-1] == "forecast"


@pytest.mark.parametrize(
    ("more", "levels"), [({"classes": {"load": (45.0, 55.0)}}, ()), ({}, (0.1, 0.5, 0.9))]
)
def test_probabilities_and_quantiles_are_served_as_in_training(more, levels, tmp_path: Path):
    schema = Schema("time", ("load",), ("load", "temp"), ("site",), frequency="h", **more)
    table = panel.build(load_frame(60), schema)
    told = Training(epochs=1, tail=0, quantiles=levels)
    window = Window(4, 2)
    fitted = Forecaster(Model("linear"), window, told).fit(table)
    told = Reach(0.8, "cqr", (0.1, 0.9), np.array([[[1.0], [2.0]], [[-0.01], [np.nan]]]))
    bundle.save(tmp_path, fitted, schema, {}, reach=told if levels else None)
    served = bundle.load(tmp_path)
    every = fitted.predict_quantiles(table, windows.latest(table, window))
    said = served.predict(load_frame(60))
    columns = [f"q{level:g}" for level in levels] or ["forecast"]
    # (series, horizon, targets, levels) to rows of series, target, step
    rows = every.transpose(0, 2, 1, 3).reshape(-1, len(columns))
    np.testing.assert_allclose(said[columns], rows, rtol=1e-6)
    assert said.target.unique().tolist() == list(table.targets)
    if levels:
        assert (said.forecast == said["q0.5"]).all()
        by = np.array([1.0, 2.0, -0.01, np.nan])
        np.testing.assert_allclose(said.lower, np.minimum(said["q0.1"] - by, said.forecast))
        np.testing.assert_allclose(said.upper, np.maximum(said["q0.9"] + by, said.forecast))
