"""A bundle from anywhere runs nothing: each of these would leave a file behind if it did."""

import json
import pickle
import shutil
import warnings
import zipfile
from pathlib import Path

import h5py
import keras
import pytest

from forecast.data import panel
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.serving import bundle, package, schema
from forecast.serving.schema import WEIGHTS
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training

from ..conftest import Place, load_frame

SCHEMA = Schema("time", ("load",), ("load", "temp"), ("site",), frequency="h")

PLACE = f"model/{package.INSIDE}"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    told = Training(epochs=1, tail=0)
    fitted = Forecaster(Model("linear"), Window(4, 2), told)
    bundle.save(folder, fitted.fit(panel.build(load_frame(60), SCHEMA)), SCHEMA, {})
    return folder


@pytest.fixture
def canary(tmp_path: Path):
    """What a bundle that ran anything would leave behind."""
    file = tmp_path / "canary"
    yield file
    assert not file.exists()


@pytest.fixture
def copy(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "bundle"))


def change(folder: Path, name: str, text: bytes, compression: int = zipfile.ZIP_STORED) -> None:
    """Write a member of a bundle's model anew, or one more."""
    file = folder / WEIGHTS
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(file, "w", compression) as archive:
        for key, value in (members | {name: text}).items():
            archive.writestr(key, value)


def refused(folder: Path) -> str:
    """Load what a stranger has made, who can count hashes too."""
    told = json.loads((folder / schema.FACTS).read_text("utf-8"))
    schema.write(
        folder, {key: told[key] for key in told if key not in ("format", "weights", schema.SEAL)}
    )
    with pytest.raises(
        InputError, match=r"^bundle must hold a model\.keras of known layers"
    ) as raised:
        bundle.load(folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def harm(canary: Path):
    """A function whose code, once loaded and called, writes the canary."""
    text = f"lambda x: (open({str(canary)!r}, 'w').close(), x)[1]"
    return eval(text)


def test_what_the_tests_below_would_run_does_run(tmp_path: Path):
    """Else they could not fail."""
    file = tmp_path / "canary"
    keras.Sequential([keras.Input((4, 2)), keras.layers.Lambda(harm(file))]).save(
        tmp_path / "m.keras"
    )
    file.unlink()
    keras.saving.load_model(tmp_path / "m.keras", compile=False, safe_mode=False)
    assert file.exists()


def test_a_lambda_with_code_in_it(copy: Path, canary: Path):
    model = keras.Sequential([keras.Input((4, 2)), keras.layers.Lambda(harm(canary))])
    model.save(copy / WEIGHTS)
    canary.unlink()
    assert "ambda" in refused(copy)


def layer(module: str, name: str, config: object, registered: str | None = None) -> dict:
    return {"module": module, "class_name": name, "config": config, "registered_name": registered}


def calls(canary: Path) -> dict[str, dict]:
    """Configurations that name something to be called with the canary."""
    touch, path = f"touch {canary}", str(canary)
    return {
        "function": layer("os", "function", "system", "system"),
        "class": layer("os", "system", {"command": touch}),
        "builtin": layer("builtins", "eval", {"source": f"open({path!r}, 'w')"}),
        "registered": layer("builtins", "function", "eval", "builtins>eval"),
        "no layer of keras": layer("keras.utils", "get_file", {"fname": path, "origin": "file:/x"}),
        "inside of keras": layer("keras.src.utils.python_utils", "func_load", {"code": "x"}),
        "loads another": layer("keras.models", "load_model", {"filepath": path}),
        "wraps": layer("keras.layers", "TorchModuleWrapper", {"module": path}),
        "reads a folder": layer("keras.layers", "TFSMLayer", {"filepath": path}),
        "lambda in a layer": layer(
            "keras.layers",
            "Dense",
            {"units": 1, "activation": {"class_name": "__lambda__", "config": {"value": "x"}}},
        ),
        "typespec": {
            "class_name": "__typespec__",
            "spec_name": "system",
            "module": "os",
            "registered_name": None,
            "config": [touch],
        },
        "own layer with code": layer(
            "forecast.models.convolution", "os", {"name": "x"}, "forecast>system"
        ),
    }


@pytest.mark.parametrize("kind", calls(Path()))
@pytest.mark.parametrize("deep", [False, True], ids=["as the model", "as a layer of it"])
def test_a_configuration_that_names_a_function(copy: Path, canary: Path, kind: str, deep: bool):
    named = calls(canary)[kind]
    outer = {"name": "m", "layers": [layer("keras.layers", "InputLayer", {"shape": [4]}), named]}
    told = layer("keras", "Sequential", outer) if deep else named
    change(copy, "config.json", json.dumps(told).encode())
    refused(copy)


@pytest.mark.parametrize(
    "name", ["../canary", "/tmp/canary", "assets/../../canary", "code.py", "model.weights.npz"]
)
def test_an_archive_with_members_that_keras_does_not_write(copy: Path, canary: Path, name: str):
    change(copy, name, b"here")
    assert "is not a member that Keras writes" in refused(copy)
    assert not list(copy.parent.rglob("code.py"))


def test_an_archive_that_unpacks_into_more_than_it_is(copy: Path):
    change(copy, "model.weights.h5", bytes(50_000_000), zipfile.ZIP_DEFLATED)
    assert (copy / WEIGHTS).stat().st_size < 100_000
    refused(copy)


def test_weights_that_claim_to_be_huge(copy: Path, tmp_path: Path):
    """A terabyte of zeros that a file of some kilobytes says it holds."""
    with zipfile.ZipFile(copy / WEIGHTS) as archive:
        (tmp_path / "w.h5").write_bytes(archive.read("model.weights.h5"))
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        found: list[str] = []
        file.visititems(lambda key, node: found.append(key) if hasattr(node, "shape") else None)
        for key in found:
            del file[key]
            file.create_dataset(key, (500_000, 500_000), "f4", chunks=(1000, 1000))
    change(copy, "model.weights.h5", (tmp_path / "w.h5").read_bytes())
    refused(copy)


def test_weights_that_stand_in_another_file(copy: Path, tmp_path: Path):
    """HDF5 may point at files of the machine that reads it."""
    secret = tmp_path / "secret.h5"
    with zipfile.ZipFile(copy / WEIGHTS) as archive:
        secret.write_bytes(archive.read("model.weights.h5"))
    with h5py.File(tmp_path / "w.h5", "w") as file, h5py.File(secret) as other:
        for key in other:
            file[key] = h5py.ExternalLink(str(secret), f"/{key}")
    change(copy, "model.weights.h5", (tmp_path / "w.h5").read_bytes())
    refused(copy)


@pytest.mark.parametrize("kind", ["h5", "pickle"])
def test_another_format_under_the_same_name(copy: Path, canary: Path, kind: str):
    weights = copy / WEIGHTS
    if kind == "h5":
        model = keras.Sequential([keras.Input((4, 2)), keras.layers.Lambda(harm(canary))])
        canary.unlink()
        with h5py.File(weights, "w") as file:
            file.attrs["keras_version"], file.attrs["backend"] = "2.4.0", "tensorflow"
            file.attrs["model_config"] = model.to_json()
    else:
        weights.write_bytes(pickle.dumps(Touch(str(canary))))
    refused(copy)


class Touch:
    """Whoever unpickles it writes a file."""

    def __init__(self, path: str):
        self.path = path

    def __reduce__(self):
        return Path(self.path).touch, ()


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_model_to_inspect_runs_nothing_either(tmp_path: Path, canary: Path, name: str):
    model = keras.Sequential([keras.Input((4, 2)), keras.layers.Lambda(harm(canary))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras would rather not write the older format
        model.save(tmp_path / name)
    canary.unlink()
    place = Place(tmp_path, [], [])
    assert place.run("inspect", f"file={name}") == 2
    assert "file must be a model that Keras can load safely" in place.errors[-1]


def test_a_model_to_inspect_that_is_nested_beyond_reading_is_told(tmp_path: Path):
    keras.Sequential([keras.Input((4, 2)), keras.layers.LSTM(1)]).save(tmp_path / WEIGHTS)
    inner = '{"class_name": "TimeDistributed", "config": {"layer": '
    change(tmp_path, "config.json", (inner * 5000 + "null" + "}}" * 5000).encode())
    place = Place(tmp_path, [], [])
    assert place.run("inspect", f"file={WEIGHTS}") == 2
    assert "file must be a model that Keras can load safely" in place.errors[-1]


def test_no_more_of_a_run_is_fetched_than_its_bundle(good: Path, tmp_path: Path, canary: Path):
    """An MLflow model names a loader, a pickle and a folder of code; none of it is asked for."""
    run = tmp_path / "run"
    shutil.copytree(good, run / PLACE)
    (run / "model" / "code").mkdir()
    (run / "model" / "code" / "evil.py").write_text(f"open({str(canary)!r}, 'w')")
    (run / "model" / "python_model.pkl").write_bytes(pickle.dumps(Touch(str(canary))))
    (run / "model" / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: evil\n    code: code\n"
        "    python_model: python_model.pkl\n"
    )
    asked = []

    class Client:
        def download_artifacts(self, run_id: str, path: str, folder: str) -> str:
            asked.append(path)
            place = Path(folder, path)
            return str(shutil.copytree(run / path, place))

    found = package.fetch(Client(), "1", tmp_path)
    assert len(found.predict(load_frame(60))) == 4
    assert asked == [PLACE]
