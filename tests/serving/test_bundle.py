"""The bundle of a run: whole, checked, and served by MLflow without this project's help."""

import hashlib
import json
import random
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from forecast.data import panel, windows
from forecast.data.schema import Schema
from forecast.data.sources import opened
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation.intervals.margin import Reach
from forecast.serving import arrays, bundle
from forecast.serving.schema import FORM, write
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training

from ..conftest import Place, load_frame

FILES = ("bundle.json", "model.keras", "series.arrow", "intervals.arrow")


@pytest.fixture(scope="module")
def folder(client, lstm_run: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("model")
    return Path(client.download_artifacts(lstm_run, "model", str(where)))


def test_nothing_in_the_model_is_pickled(folder: Path):
    names = [path.name for path in folder.rglob("*") if path.is_file()]
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".joblib"))]
    assert {*FILES, "MLmodel", "pyfunc_model.py"} <= set(names)


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


def test_series_that_training_had_in_another_order_keep_it(folder: Path, place: Place):
    served = bundle.load(folder / "artifacts" / "bundle")
    back = slice(None, None, -1)
    other = replace(
        served,
        names=served.names[::-1],
        scaler=served.scaler.part(back),
        reach=replace(served.reach, values=served.reach.values[back]),
    )
    frame = pd.read_csv(place.folder / "load.csv")
    said = other.predict(frame)
    assert said.series.unique().tolist() == ["south", "north"]
    again = said.sort_values("series", kind="stable", ignore_index=True)
    pd.testing.assert_frame_equal(again, served.predict(frame))
    for name in ("north", "south"):
        assert other.predict(frame[frame.site == name]).series.eq(name).all()


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


@pytest.mark.parametrize("found", [1, 99, "4", None, [4]])
def test_an_unknown_format_is_refused_by_name(copy: Path, found):
    facts = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps(facts | {"format": found}))
    with pytest.raises(InputError, match="format must be 4 or 5, got " + re.escape(repr(found))):
        bundle.load(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_refused(copy: Path, name: str):
    (copy / name).write_bytes((copy / name).read_bytes()[:50])
    with pytest.raises(InputError, match="^bundle must"):
        bundle.load(copy)
    (copy / name).unlink()
    with pytest.raises(InputError, match="^bundle must (be a folder with|hold)"):
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
    for name in FILES[1:]:
        file = copy / name
        whole = file.read_bytes()
        for place in range(0, len(whole), 97):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(InputError, match="bundle must be as it was written"):
                bundle.load(copy)
        file.write_bytes(whole)


def test_bytes_put_behind_or_taken_away_are_refused(copy: Path):
    for name in FILES:
        whole = (copy / name).read_bytes()
        for other in (whole + b" ", whole + b"\n", whole[:-1]):
            (copy / name).write_bytes(other)
            with pytest.raises(InputError, match="^bundle"):
                bundle.load(copy)
        (copy / name).write_bytes(whole)
    bundle.load(copy)


def sealed(folder: Path, change) -> None:
    """Change a bundle's facts and arrays and write them as `save` would: all hashes are right."""
    told = json.loads((folder / "bundle.json").read_text())
    told["scaler"], told["names"] = arrays.read((folder / "series.arrow").read_bytes(), named=True)
    told |= arrays.read((folder / "intervals.arrow").read_bytes(), named=False)[0]
    told["scaler"] = {name: part.copy() for name, part in told["scaler"].items()}
    change(told)
    names = told.pop("names")
    names = names if isinstance(names, pa.Array) else pa.array(names)
    found = arrays.write(folder / "series.arrow", told.pop("scaler"), names)
    around = arrays.write(folder / "intervals.arrow", {"reach": told.pop("reach")})
    if isinstance(told.get("series"), dict) and "sha256" in told["series"]:
        told["series"]["sha256"] = found
    if isinstance(told.get("intervals"), dict):
        told["intervals"]["sha256"] = around
    kept = {key: told[key] for key in told if key not in ("format", "weights", "sha256")}
    write(folder, kept)


def limits(told, value):
    """Limits of the scaler's shape, the first of them a number and the rest none."""
    found = np.full_like(told["scaler"]["input_std"], np.inf)
    found[0, 0] = value
    return found


def first(value):
    """Put a value first in an array."""
    return lambda part: part.__setitem__((0, 0), value)


WRONG = [
    ("no window", lambda told: told.pop("window")),
    ("code, which is not a field", lambda told: told.update(code="print()")),
    ("no schema.time", lambda told: told["schema"].pop("time")),
    ("'8' as window.timesteps", lambda told: told["window"].update(timesteps="8")),
    ("True as window.lead", lambda told: told["window"].update(lead=True)),
    ("as window.horizon", lambda told: told["window"].update(horizon=10**400)),
    ("missing 1 required", lambda told: told["scaler"].pop("input_mean")),
    ("unexpected keyword", lambda told: told["scaler"].update(code=np.zeros((2, 1)))),
    ("as series", lambda told: told.update(series=["north"])),
    ("3 series for 2", lambda told: told.update(names=["a", "b", "c"]) or three(told)),
    ("as intervals", lambda told: told.update(intervals=[])),
    ("as schema.valid.load", lambda told: told["schema"]["valid"].update(load=5)),
    ("output of shape", lambda told: told["window"].update(horizon=5)),
    ("input of shape", lambda told: told["window"].update(timesteps=9)),
    ("input of shape", lambda told: told["schema"]["calendar"].append("weekday")),
    ("output of shape", lambda told: told["schema"]["targets"].append("temp")),
    ("scaler of shape", lambda told: told["scaler"].update(input_std=np.ones((2, 9)))),
    ("scaler of targets of shape", lambda told: told["scaler"].update(output_std=np.ones((2, 2)))),
    ("intervals of shape", lambda told: told.update(reach=told["reach"][:1])),
    ("intervals of shape", lambda told: told.update(reach=told["reach"][:, :3])),
    ("data.calendar", lambda told: told["schema"].update(calendar=["moon"])),
    ("training.quantiles", lambda told: told.update(quantiles=[0.1, 0.9])),
    ("series twice", lambda told: told.update(names=["north", "north"])),
    ("series", lambda told: told.update(names=pa.array([1, 2]))),
    ("missing values", lambda told: told.update(names=["north", None])),
    ("an invalid scale", lambda told: first(np.nan)(told["scaler"]["input_std"])),
    ("an invalid scale", lambda told: first(0)(told["scaler"]["output_std"])),
    ("scaler of shape", lambda told: told["scaler"].update(input_limit=np.ones((2, 9)))),
    ("an invalid scale", lambda told: told["scaler"].update(input_limit=limits(told, -1.0))),
    ("intervals by", lambda told: told["intervals"].update(method="guess")),
]


def three(told) -> None:
    """Give three series a scale, of which the facts name two."""
    for name, part in told["scaler"].items():
        told["scaler"][name] = np.concatenate([part, part[:1]])


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
    assert told["format"] == 4
    assert {"python", "forecast", "tensorflow", "keras"} <= set(told["versions"])
    assert told["facts"]["data_digest"] == opened.open(place.folder / "load.csv").digest()
    assert told["schema"]["frequency"] == "h" and told["schema"]["calendar"] == ["hour"]
    weights = hashlib.sha256((copy / "model.keras").read_bytes()).hexdigest()
    assert told["weights"] == {"sha256": weights}
    series = hashlib.sha256((copy / "series.arrow").read_bytes()).hexdigest()
    assert told["series"] == {"count": 2, "sha256": series}


def test_the_facts_are_as_long_for_a_thousand_series_as_for_two(tmp_path: Path):
    schema = Schema("time", ("load",), series=("site",), frequency="h")
    sizes = []
    for number in (2, 1000):
        names = [f"site {n}" for n in range(number)]
        frame = pd.concat([load_frame(12).query("site == 'north'").assign(site=n) for n in names])
        told = Training(epochs=1, tail=0)
        fitted = Forecaster(Model("nlinear"), Window(4, 2), told).fit(panel.build(frame, schema))
        reach = Reach(0.9, "split", None, np.full((number, 2, 1), np.nan))
        folder = tmp_path / f"{number}"
        bundle.save(folder, fitted, schema, {}, reach=reach)
        sizes.append((folder / "bundle.json").stat().st_size)
        found = bundle.load(folder)
        assert found.names.to_pylist() == sorted(names)
        np.testing.assert_array_equal(found.scaler.input_mean, fitted.scaler_.input_mean)
        assert found.reach.values.shape == (number, 2, 1) and np.isnan(found.reach.values).all()
    assert sizes[1] - sizes[0] == len("1000") - len("2")


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
    assert set(facts["intervals"]) == {"level", "method", "between", "sha256"}
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


def test_files_of_arrays_from_anywhere_end_in_an_error(copy: Path):
    """Whatever is wrong with one, nothing but Python's own errors comes of it."""
    anywhere, kinds = random.Random(1), set()
    for name in FILES[2:]:
        whole = (copy / name).read_bytes()
        for _ in range(2000):
            raw = bytearray(whole)
            for _ in range(anywhere.randrange(1, 4)):
                raw[anywhere.randrange(len(raw))] ^= 1 << anywhere.randrange(8)
            try:
                arrays.read(bytes(raw), named=name == "series.arrow")
            except (KeyError, TypeError, ValueError, OSError) as error:
                kinds.add(type(error))
    assert kinds


def test_intervals_are_added_while_others_read(copy: Path, place: Place):
    sealed(copy, lambda told: told.update(intervals=None))
    (copy / "intervals.arrow").unlink()
    assert bundle.load(copy).reach is None
    bundle.add_intervals(copy, reach := Reach(0.8, "split", None, np.ones((2, 4, 1))))
    found = bundle.load(copy).reach
    np.testing.assert_array_equal(found.values, reach.values)
    assert found.level == 0.8 and not copy.with_name(f"{copy.name}.new").exists()
