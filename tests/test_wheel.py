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
from pathlib import Path

import pytest

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
    expected = files_below(ROOT / "forecast", ".py")
    expected |= {f"forecast/{name}" for name in files_below(ROOT / "conf", ".yaml")}
    expected |= {"forecast/sample/nyc_weather.csv.gz", "forecast/sample/README.md"}
    expected |= {f"{info}/licenses/LICENSE"}
    assert expected <= names
    assert {name.split("/")[0] for name in names} == {"forecast", info}
    source = (ROOT / "data" / "nyc_weather.csv.gz").read_bytes()
    assert hashlib.sha256(sample).digest() == hashlib.sha256(source).digest()


def test_wheel_carries_the_version_of_pyproject(wheel):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert wheel.name == f"forecast-{project['version']}-py3-none-any.whl"


def test_sdist_builds_the_same_wheel(wheel, tmp_path):
    sdist = build("sdist", ROOT, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    again = build("wheel", source, tmp_path / "again")
    with zipfile.ZipFile(wheel) as left, zipfile.ZipFile(again) as right:
        assert set(left.namelist()) == set(right.namelist())


def test_lock_has_hashes_and_names_no_address():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not re.search(r"://|--(index|extra-index|find)|^-e |file:", text, flags=re.MULTILINE)
    for block in re.split(r"\n(?=[a-z0-9])", text)[1:]:
        assert "--hash=sha256:" in block, block


@pytest.mark.install
def test_installed_wheel_works_from_an_empty_folder(wheel, tmp_path):
    # The versions of the lock without its tools: the wheel itself must name all it needs.
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^[a-z0-9][^ ]*==[^\\\n]*", lock, flags=re.MULTILINE)
    (tmp_path / "versions.txt").write_text("\n".join(pins))
    venv.create(tmp_path / "env", with_pip=True)
    scripts = tmp_path / "env" / "bin"
    run(
        *(scripts / "python", "-m", "pip", "install", "-qq", "--no-compile"),
        *("-c", tmp_path / "versions.txt", wheel),
        cwd=tmp_path,
        timeout=1800,
    )

    empty = tmp_path / "empty"
    empty.mkdir()
    help_text = run(scripts / "forecast", "--help", cwd=empty)
    assert "train" in help_text and "explain" in help_text
    assert run(scripts / "forecast", "explain", cwd=empty, timeout=300).strip()

    where = "import forecast; print(forecast.__path__[0])"
    home = Path(run(scripts / "python", "-c", where, cwd=empty).strip())
    assert home.is_relative_to(tmp_path / "env")
    assert (home / "sample" / "nyc_weather.csv.gz").is_file()
    assert any((home / "conf").rglob("*.yaml"))
