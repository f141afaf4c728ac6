"""Every block of every page runs as written, in the order of its page."""

import os
import re

import pytest

from forecast.models.settings import Sizes

from .pages import PAGES, blocks, lines, read
from .reader import SKIPPED, Reader

pytestmark = pytest.mark.docs
OWN = {"CONTRIBUTING.md"}
"""tests/test_contributing.py follows it, in a tree that it may change."""

RUNNING = [page for page in PAGES if page not in OWN and blocks(page, "bash", "python")]
WHOLE = {"README.md": ("make train",)}
"""Trainings that last as long as they are written, since their output is shown."""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The folder of all pages, and the trainings that its store has."""
    return tmp_path_factory.mktemp("home"), {}


@pytest.fixture
def reader(home, monkeypatch, request):
    folder, trained = home
    for name in [key for key in os.environ if key.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    # the store that `make` finds by its folder; MLflow keeps one for each address in a process
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    with Reader(folder, WHOLE.get(request.param, ()), trained) as reading:
        yield reading


@pytest.mark.parametrize(
    ("page", "reader"), [(p, p) for p in RUNNING], ids=RUNNING, indirect=["reader"]
)
def test_every_block_runs_as_written(page, reader):
    for block in blocks(page, "bash", "python", "text"):
        reader.block(block)
    if page == "README.md":
        said, seen = maes(read(page)), maes(reader.printed["make train"])
        assert said.keys() == seen.keys()
        assert len(seen) == 5
        assert said == pytest.approx(seen, rel=0.03)  # other processors round otherwise
        assert (reader.folder / "tomorrow.parquet").is_file()
        assert len(list(reader.folder.glob("forecast_*.png"))) == 1
        smaller = next(text for line, text in reader.printed.items() if "sweep.grid" in line)
        assert "Leaderboard" in smaller
        assert reader.names["conv_gru"](Sizes(8, 2, 4, 1)).output_shape == (None, 4, 1)


def test_each_line_that_is_not_run_is_there():
    said = [
        line for page in RUNNING for block in blocks(page, "bash", "text") for line in lines(block)
    ]
    lost = [begin for begin in SKIPPED if not any(line.startswith(begin) for line in said)]
    assert lost == []


def maes(table: str) -> dict[str, float]:
    """The first number behind each name in the table of the test span."""
    rows = table.partition("Test span")[2].partition("\n\n")[0].splitlines()[2:]
    found = [re.match(r"(\S+(?: \S+)*?) +([0-9.]+) ", row) for row in rows]
    return {row[1]: float(row[2]) for row in found if row}
