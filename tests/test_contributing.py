"""The walks of CONTRIBUTING.md, followed step by step on a copy of the tree."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from forecast.tracking.mlflow.store import client as open_client

from .conftest import word
from .docs.pages import ROOT, blocks, lines

pytestmark = pytest.mark.docs
PAGE = "CONTRIBUTING.md"
SHORT = "training.epochs=1"

ONE_PROCESS = """
import json, pathlib, sys
import forecast, pytest
from forecast.cli.main import main
assert pathlib.Path(forecast.__file__).is_relative_to(pathlib.Path.cwd())
for program, *words in json.loads(sys.argv[1]):
    print("$", program, *words, flush=True)
    failed = pytest.main(words) if program == "pytest" else main(words)
    if failed:
        sys.exit(f"{program} {words}: {failed}")
"""
"""Runs pytest and commands of the copy one after another, importing TensorFlow once."""


def run(folder: Path, *words: str) -> str:
    env = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    done = subprocess.run(
        words,
        cwd=folder,
        env=env | {"PYTHONPATH": str(folder), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree in which every block that changes it has been followed."""
    folder = tmp_path_factory.mktemp("copy") / "tree"
    for name in ("forecast", "conf", "data", "docs", "tests", "benchmarks"):
        left_out = ("notebooks", "pictures") if name == "docs" else ()  # nothing reads them
        without = shutil.ignore_patterns("__pycache__", *left_out)
        shutil.copytree(ROOT / name, folder / name, ignore=without)
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "Makefile"):
        shutil.copy2(ROOT / name, folder)
    run(folder, "git", "init", "-q")  # `git apply` passes over what an outer repository ignores
    for number, block in enumerate(blocks(PAGE, "diff", "python")):
        step = folder / f"step_{number}"
        step.write_text(block.text, encoding="utf-8")
        apply = ("git", "apply", "--whitespace=error", step.name)
        run(folder, *(apply if block.language == "diff" else (sys.executable, step.name)))
        step.unlink()
    return folder


def command(line: str) -> list[str]:
    """What one line of a block runs; trainings are shortened."""
    program, *words = shlex.split(line)
    if program == "make":
        (test, arguments) = words
        assert test == "test"
        return ["pytest", "-q", "-p", "no:cacheprovider", *shlex.split(arguments[len("ARGS=") :])]
    assert program == "forecast"
    return [program, *words, *([SHORT] if words[0] == "train" else [])]


@pytest.fixture(scope="module")
def said(copy: Path) -> str:
    """What the commands of the page print, in their order."""
    told = [line for block in blocks(PAGE, "bash") for line in lines(block)]
    steps = json.dumps([command(line) for line in told])
    return run(copy, sys.executable, "-c", ONE_PROCESS, steps)


def test_each_addition_passes_its_tests_and_is_known(said):
    assert len(re.findall(r"^\d+ passed", said, re.M)) == 3
    assert "conv_gru" in said.partition("$ forecast explain")[2]
    assert "jfk_daily" in said.partition("$ forecast check")[2]


def test_one_run_has_all_four(copy, said):
    client = open_client(f"sqlite:///{copy / 'mlflow.db'}")
    trained = client.get_run(word(said.partition("$ forecast train")[2], "run"))
    params, metrics = trained.data.params, trained.data.metrics
    assert (params["model"], params["data.name"]) == ("conv_gru", "jfk_daily")
    assert "skill/moving_median" in metrics
    kept = pd.read_parquet(client.download_artifacts(trained.info.run_id, "predictions.parquet"))
    known = kept[kept.true.notna()]
    above = (known.forecast > known.true).mean() + (known.forecast == known.true).mean() / 2
    assert metrics["test/above"] == pytest.approx(above, abs=1e-6)
    rivals = client.search_runs(
        [trained.info.experiment_id], "params.model = 'moving_median' and metrics.`test/above` >= 0"
    )
    assert len(rivals) == 1


def test_the_copy_is_as_tidy_as_the_tree(copy):
    for check in (["format", "--check"], ["check"]):
        run(copy, sys.executable, "-m", "ruff", *check, "--no-cache", "forecast", "tests")


def test_the_file_of_the_data_set_ships(copy, tmp_path):
    run(copy, sys.executable, "-m", "hatchling", "build", "--directory", str(tmp_path))
    (wheel,), (source,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        assert "forecast/sample/jfk_daily.csv" in archive.namelist()
    with tarfile.open(source) as archive:
        assert any(name.endswith("/data/jfk_daily.csv") for name in archive.getnames())
