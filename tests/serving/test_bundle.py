"""The bundle of a run: whole, checked, and served by MLflow without this project's help."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast.data import panel, windows
from forecast.data.schema import Schema
from forecast.data.sources import opened
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation.intervals.margin import Reach
from forecast.serving import bundle
from forecast.serving.schema import FORM, write
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


@pytest.mark.parametrize("found", [1, 99, "3", None, [3]])
def test_an_unknown_format_is_refused_by_name(copy: Path, found):
    facts = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps(facts | {"format": found}))
    with pytest.raises(InputError, match="format must be 3, got " + re.escape(repr(found))):
        bundle.load(copy)


@pytest.mark.parametrize("name", ["bundle.json", "model.keras"])
def test_a_damaged_file_is_refused(copy: Path, name: str):
    (copy / name).write_bytes((copy / name).read_bytes()[:50])
    with pytest.raises(InputError, match="bundle must"):
        bundle.load(copy)


def test_one_byte_changed_anywhere_is_refused(copy: Path):
    file = copy / "bundle.json"
    whole = file.read_bytes()
    for place in range(len(whole)):
        for byte in {whole[place] ^ 1, ord(" "), ord("0")} - {whole[place]}:
            file.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
            with pytest.raises(InputError, match="^bundle"):
                bundle.load(copy)
    file.write_bytes(whole)
    file = copy / "model.keras"
    whole = file.read_bytes()
    for place in range(0, len(whole), 97):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(InputError, match="bundle must be as it was written"):
            bundle.load(copy)


def test_bytes_put_behind_or_taken_away_are_refused(copy: Path):
    for name in ("bundle.json", "model.keras"):
        whole = (copy / name).read_bytes()
        for other in (whole + b" ", whole + b"\n", whole[:-1]):
            (copy / name).write_bytes(other)
            with pytest.raises(InputError, match="^bundle"):
                bundle.load(copy)
        (copy / name).write_bytes(whole)
    bundle.load(copy)


def sealed(folder: Path, change) -> None:
    """Change a bundle's facts and write them as `save` would: the hashes are right again."""
    told = json.loads((folder / "bundle.json").read_text())
    change(told)
    kept = {key: told[key] for key in told if key not in ("format", "weights", "sha256")}
    write(folder, kept)


def limits(told, value):
    """Limits of the scaler's shape, the first of them a number and the rest none."""
    found = [[None for _ in row] for row in told["scaler"]["input_std"]]
    found[0][0] = value
    return found


WRONG = [
    ("no scaler", lambda told: told.pop("scaler")),
    ("code, which is not a field", lambda told: told.update(code="print()")),
    ("no schema.time", lambda told: told["schema"].pop("time")),
    ("'8' as window.timesteps", lambda told: told["window"].update(timesteps="8")),
    ("True as window.lead", lambda told: told["window"].update(lead=True)),
    ("as window.horizon", lambda told: told["window"].update(horizon=10**400)),
    ("as scaler.input_mean", lambda told: told["scaler"].update(input_mean=None)),
    ("as scaler.input_std", lambda told: told["scaler"]["input_std"][0].append("1")),
    ("as series", lambda told: told.update(series={"north": 1})),
    ("as series", lambda told: told["series"].append("\ud800")),
    ("as intervals", lambda told: told.update(intervals=[])),
    ("as schema.valid.load", lambda told: told["schema"]["valid"].update(load=5)),
    ("output of shape", lambda told: told["window"].update(horizon=5)),
    ("input of shape", lambda told: told["window"].update(timesteps=9)),
    ("input of shape", lambda told: told["schema"]["calendar"].append("weekday")),
    ("output of shape", lambda told: told["schema"]["targets"].append("temp")),
    ("scaler of shape", lambda told: told["series"].append("west")),
    ("scaler of shape", lambda told: told["scaler"]["input_std"].pop()),
    ("intervals of shape", lambda told: told["intervals"]["reach"].pop()),
    ("data.calendar", lambda told: told["schema"].update(calendar=["moon"])),
    ("training.quantiles", lambda told: told.update(quantiles=[0.1, 0.9])),
    ("series twice", lambda told: told.update(series=["north", "north"])),
    ("an invalid scale", lambda told: told["scaler"]["input_std"][0].__setitem__(0, np.nan)),
    ("an invalid scale", lambda told: told["scaler"]["output_std"][0].__setitem__(0, 0)),
    ("scaler of shape", lambda told: told["scaler"].update(input_limit=[[None]])),
    ("an invalid scale", lambda told: told["scaler"].update(input_limit=limits(told, -1.0))),
    ("intervals by", lambda told: told["intervals"].update(method="guess")),
]


@pytest.mark.parametrize(("said", "change"), WRONG, ids=[f"{n}" for n in range(len(WRONG))])
def test_facts_that_are_none_are_refused_in_one_sentence(copy: Path, said: str, change):
    sealed(copy, change)
    with pytest.raises(InputError, match=f"^bundle must hold .*{re.escape(said)}") as told:
        bundle.load(copy)
    assert "\n" not in str(told.value)


def test_limits_of_inputs_are_read_and_none_means_no_limit(copy: Path):
    sealed(copy, lambda told: told["scaler"].update(input_limit=limits(told, 2.5)))
    found = bundle.load(copy).scaler.input_limit
    assert found.ravel()[0] == 2.5 and np.isinf(found.ravel()[1:]).all()


def test_the_facts_say_what_predicts_and_what_it_was_made_with(copy: Path, place: Place):
    told = json.loads((copy / "bundle.json").read_text())
    assert told["format"] == 3
    assert {"python", "forecast", "tensorflow", "keras"} <= set(told["versions"])
    assert told["facts"]["data_digest"] == opened.open(place.folder / "load.csv").digest()
    assert told["schema"]["frequency"] == "h" and told["schema"]["calendar"] == ["hour"]
    weights = hashlib.sha256((copy / "model.keras").read_bytes()).hexdigest()
    assert told["weights"] == {"sha256": weights}


def test_the_page_explains_every_field():
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")
    table = page.partition("| field | content |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(FORM)


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


def test_a_bundle_without_intervals_gives_none(copy: Path, place: Place):
    sealed(copy, lambda told: told.update(intervals=None))
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
    rows = every.reshape(-1, len(columns))  # of series, step, target
    np.testing.assert_allclose(said[columns], rows, rtol=1e-6)
    assert said.target.unique().tolist() == list(table.targets)
    if levels:
        assert (said.forecast == said["q0.5"]).all()
        by = np.array([1.0, 2.0, -0.01, np.nan])
        np.testing.assert_allclose(said.lower, np.minimum(said["q0.1"] - by, said.forecast))
        np.testing.assert_allclose(said.upper, np.maximum(said["q0.9"] + by, said.forecast))
