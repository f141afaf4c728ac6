"""Fixtures that several rooms share: one small data set, and one store filled by real commands."""

import contextlib
import gc
import io
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from forecast import process as process  # before a test imports Keras
from forecast.process import GARBAGE

from . import forked, tables
from .servers import ALONE

TINY = [
    "data=file",
    "data.path=load.csv",
    "data.time=time",
    "data.series=[site]",
    "data.targets=[load]",
    "data.features=[load,temp]",
    "data.calendar=[hour]",
    "window.timesteps=8",
    "window.horizon=4",
    "training.epochs=2",
    "training.batch_size=32",
    "gates.pictures=2",
    "gates.memory=64",
]
"""Overrides of every command below; the models are made small by each."""

LSTM = ["model=lstm", "model.units=[4]", "model.recurrent_dropout=0.0"]
CNN = ["model=causal_cnn", "model.filters=4"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make test-faults ARGS=--kills=10` kill a sweep as often as wanted, and so for panels."""
    parser.addoption("--kills", type=int, default=1, help="moments at which a sweep is killed")
    parser.addoption("--files", type=int, default=2000, help="files in the habits of their writers")
    parser.addoption("--panels", type=int, default=20, help="random panels of each relation")
    parser.addoption(
        "--seeds", type=int, default=10, help="seeds of random inputs and rounds of threads"
    )


def pytest_configure() -> None:
    """Hear Ctrl-C, as what tests start does; a shell has what it starts behind it ignore that.

    Commands of tests are one process with the tests, which looks for garbage as a command's does.
    """
    gc.set_threshold(*GARBAGE)
    settings.register_profile("untimed", deadline=None)  # on a busy machine any example may be slow
    settings.load_profile("untimed")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup() -> None:
    """Spare MLflow to make the tables of each new store by all its migrations."""
    tables.copy_where_imported()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Number the kills, the files, the panels and the seeds."""
    if "file_number" in metafunc.fixturenames:
        metafunc.parametrize("file_number", range(metafunc.config.getoption("--files")))
    if "number" in metafunc.fixturenames and "undisturbed" in metafunc.fixturenames:
        metafunc.parametrize("number", range(metafunc.config.getoption("--kills")))
    if "panel" in metafunc.fixturenames and "relation" in metafunc.fixturenames:
        metafunc.parametrize("panel", range(metafunc.config.getoption("--panels")))
    if "seed_number" in metafunc.fixturenames:
        seeds = range(1, metafunc.config.getoption("--seeds") + 1)
        metafunc.parametrize("seed_number", seeds, ids=lambda number: f"seed {number}")


def load_frame(rows: int = 220) -> pd.DataFrame:
    """Two sites with a daily wave, without holes."""
    rng = np.random.default_rng(7)
    parts = []
    for number, site in enumerate(("north", "south")):
        hour = np.arange(rows)
        wave = np.sin(2 * np.pi * hour / 24 + number)
        parts.append(
            pd.DataFrame(
                {
                    "site": site,
                    "time": pd.date_range("2024-03-01", periods=rows, freq="h").astype(str),
                    "load": 50 + 10 * wave + rng.normal(0, 1, rows),
                    "temp": 12 + 5 * wave + rng.normal(0, 1, rows),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


@dataclass
class Place:
    """A folder in which commands were run.

    Attributes:
        folder: It holds load.csv and mlflow.db.
        printed: What each command wrote on stdout.
        errors: What each command wrote on stderr.
    """

    folder: Path
    printed: list[str]
    errors: list[str]

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def run(self, *arguments: str) -> int:
        """Run a command in the folder and keep what it said."""
        from forecast.cli.console import console
        from forecast.cli.main import main

        out, err = io.StringIO(), io.StringIO()
        before = os.getcwd()
        os.chdir(self.folder)
        console.file = out
        forking = (
            forked.workers() if arguments[0] in ("sweep", "best") else contextlib.nullcontext()
        )
        try:
            with forking, contextlib.redirect_stderr(err), contextlib.redirect_stdout(out):
                status = main(list(arguments))
        finally:
            os.chdir(before)
            console.file = None  # whatever sys.stdout is then
        self.printed.append(out.getvalue())
        self.errors.append(err.getvalue())
        return status


def word(text: str, label: str) -> str:
    """The first word behind a label at the start of a line."""
    return next(line.split()[1] for line in text.splitlines() if line.startswith(label + " "))


def predicted(place: Place, name: str, *overrides: str) -> pd.DataFrame:
    """Train, in a store of its own, and forecast from the same file."""
    store = f"tracking.uri=sqlite:///{name}.db"
    assert place.run("train", *overrides, store) == 0, place.errors[-1]
    run = word(place.printed[-1], "run")
    assert place.run("predict", f"run={run}", f"output={name}_next.csv", store) == 0
    return pd.read_csv(place.folder / f"{name}_next.csv")


def environment() -> dict[str, str]:
    """What a person's shell has: nothing of MLflow, nor of the make that may run these tests.

    Only that servers are those of tests.
    """
    own = ("MLFLOW_", "MAKE", "MFLAGS", "ARGS")
    return {key: value for key, value in os.environ.items() if not key.startswith(own)} | ALONE


def columns(text: str) -> int:
    """How wide a terminal must be for a text, but for its addresses, which nothing may break."""
    return max(len(line) for line in text.splitlines() if "://" not in line)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("place")
    load_frame().to_csv(folder / "load.csv", index=False)
    return Place(folder, [], [])


@pytest.fixture(scope="session")
def lstm_run(place: Place) -> str:
    assert place.run("train", *TINY, *LSTM) == 0, place.errors
    return word(place.printed[-1], "run")


@pytest.fixture(scope="session")
def cnn_run(place: Place) -> str:
    assert place.run("train", *TINY, *CNN) == 0, place.errors
    return word(place.printed[-1], "run")


@pytest.fixture(scope="session")
def client(place: Place, lstm_run: str):
    from forecast.tracking.mlflow.store import client as open_client

    del lstm_run
    return open_client(place.uri)
