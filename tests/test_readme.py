"""What the README says is true: its names exist, its links resolve, its commands and code run."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from forecast.__main__ import COMMANDS

from .conftest import Place

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/design.md",
    "docs/gates.md",
    "docs/evaluation.md",
    "docs/leak_proof.md",
    "docs/intervals.md",
    "docs/metrics.md",
    "docs/registry.md",
    "docs/cluster.md",
    "docs/runs.md",
    "docs/performance.md",
    "docs/serving.md",
    "docs/security.md",
    "docs/tutorial.md",
    "docs/own_data.md",
    "docs/own_model.md",
    "docs/own_metric.md",
    "docs/tracking_server.md",
    "docs/gpu.md",
    "docs/windows.md",
    "docs/lstm.md",
    "docs/convolution.md",
    "docs/folds.md",
)
BIN = Path(sys.prefix) / "bin"

SKIPPED = {
    "git clone": "the checkout under test is the clone",
    "make sweep": "five minutes; the sweep below it goes the same way",
    "pip install": "gigabytes of CUDA libraries, for a machine with a GPU",
}
"""Beginnings of lines that are not run, and why."""

MADE_BY_THE_READER = {"data=load", "model=conv_gru"}
"""Options that exist only once the reader has written them, as the README tells."""

RUN_ID = re.compile(r"\b[0-9a-f]{32}\b")
GROUPS = (
    "data",
    "window",
    "model",
    "training",
    "split",
    "evaluation",
    "backtest",
    "sweep",
    "gates",
    "tracking",
)
DICTS = ("data.circular", "data.valid", "data.units")
"""Keys whose own keys are columns of the user's file."""


class Block(NamedTuple):
    """A fenced block: its language and its text."""

    language: str
    text: str


def blocks(*languages: str, text: str = README) -> list[Block]:
    found = [Block(*match) for match in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S)]
    return [block for block in found if block.language in languages]


def lines(block: Block) -> list[str]:
    return [line for line in block.text.splitlines() if line.strip()]


def commands() -> list[str]:
    """Every line of every bash block, and every piece of inline code outside of blocks."""
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.M | re.S)
    return [line for block in blocks("bash") for line in lines(block)] + re.findall(
        r"`([^`]+)`", prose
    )


def words(command: str) -> list[str]:
    return command.replace("'", "").replace('"', " ").split()


def test_every_block_says_its_language():
    fences = re.findall(r"^```(.*)$", README, re.M)
    assert set(fences[::2]) == {"bash", "python", "text"}
    assert set(fences[1::2]) == {""}


def test_forecast_commands_exist():
    said = {
        word
        for command in commands()
        if command.startswith("forecast ")
        for word in words(command)[1:2]
        if not word.startswith("-")
    }
    assert {"train", "sweep", "predict", "check", "explain"} <= said
    assert said <= set(COMMANDS)


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    said = set(re.findall(r"\bmake ([a-z-]+)", "\n".join(commands())))
    assert {"train", "sweep", "ui", "test", "predict"} <= said
    assert said <= targets


def test_options_of_groups_exist():
    pairs = re.findall(r"(?<![\w.])([a-z]+)=([a-z_0-9]+)\b", "\n".join(commands()))
    said = {pair for pair in pairs if (ROOT / "conf" / pair[0]).is_dir()}
    assert {("data", "file"), ("model", "causal_cnn"), ("tracking", "server")} <= said
    missing = {
        f"{group}={option}"
        for group, option in said
        if not (ROOT / "conf" / group / f"{option}.yaml").is_file()
    }
    assert missing == MADE_BY_THE_READER


def test_keys_of_the_configuration_exist():
    from forecast.commands import config

    known: set[str] = set()
    for model in (ROOT / "conf" / "model").glob("*.yaml"):
        known |= config.compose([f"model={model.stem}"]).flat.keys()
    text = "\n".join(commands())
    said = set(re.findall(rf"(?<![\w.-])(?:{'|'.join(GROUPS)})(?:\.[a-z_0-9]+)+", text))
    said = {
        key for key in said if not key.startswith(DICTS) and not key.endswith((".yaml", ".html"))
    }
    said -= {"model.fit"}  # Keras's
    assert {"training.learning_rate", "data.missing", "sweep.folds"} <= said
    assert said <= known


@pytest.mark.parametrize("page", PAGES)
def test_links_resolve(page):
    text = (ROOT / page).read_text("utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)", text)
    here = (ROOT / page).parent
    lost = [name for name in targets if "://" not in name and not (here / name).exists()]
    assert lost == []


def test_pages_name_no_machine_and_no_registry():
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        assert not re.search(
            r"/(home|root|work|tmp)/|pypi\.|https?://(?!127\.0\.0\.1|[a-z]+-host\b)", text
        )


@pytest.mark.docs
def test_python_blocks_run(tmp_path):
    script = "\n".join(block.text for block in blocks("python"))
    script += "\nprint('shape of conv_gru', conv_gru(Sizes(8, 2, 4, 1)).output_shape)\n"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "shape of conv_gru (None, 4, 1)" in done.stdout


@pytest.mark.docs
def test_metrics_page_names_everything_a_run_holds(client, lstm_run):
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    page = page.replace("<layer>", "lstm_1").replace("<series>", "north")
    named = set(re.findall(r"`([^`]+)`", page))
    named |= {name.replace("<gate>", gate) for name in named for gate in "ifco"}
    baselines = ("persistence", "seasonal_naive", "ridge")
    named |= {name.replace("<baseline>", b) for name in named for b in baselines}
    run = client.get_run(lstm_run)
    unknown = {
        key
        for key in (*run.data.metrics, *run.data.tags)
        if key not in named and not re.search("_south$|_seasonal_naive$|/seasonal_naive$", key)
    }
    assert unknown - {"mlflow.runName", "mlflow.loggedImages"} == set()
    held = {file.path for file in client.list_artifacts(lstm_run)}
    tops = {name.split("/")[0] for name in named}
    assert held <= tops


SHORTER = {
    'make train ARGS="model=causal_cnn"': 'make train ARGS="model=causal_cnn training.epochs=2"',
    "make backtest": 'make backtest ARGS="training.epochs=2"',
    "make sweep": 'make sweep ARGS="training.epochs=2"',
}
"""What would take minutes as it is written, and shows no more than this."""


class Reader:
    """Somebody who does what the README says, line by line.

    Args:
        folder: A copy of the checkout, with its environment.
        port: Where `make ui` listens.
    """

    def __init__(self, folder: Path, port: int):
        self.folder = folder
        self.place = Place(folder, [], [])
        self.port = port
        self.run_id = ""
        self.printed: dict[str, str] = {}
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")},
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PORT": str(port),
            "COLUMNS": "80",
        }

    def do(self, line: str) -> None:
        """Run one line; ids of runs stand for the run that was printed last.

        What the shell makes of a line of `forecast` is run in this process, which has imported
        TensorFlow once for all of them; `make` starts processes enough.
        """
        line = RUN_ID.sub(self.run_id, line).replace("127.0.0.1:5000", f"127.0.0.1:{self.port}")
        command = SHORTER.get(line, line)
        if command.startswith("forecast ") and "--help" not in command:
            words = self._run("bash", "-c", f"printf '%s\\0' {command}").split("\0")[1:-1]
            assert self.place.run(*words) == 0, f"{line}\n{self.place.errors[-1]}"
            self.printed[line] = self.place.printed[-1]
        else:
            self.printed[line] = self._run("bash", "-c", command)
        if found := re.search(r"^run +([0-9a-f]{32})$", self.printed[line], re.M):
            self.run_id = found[1]

    def python(self, text: str) -> None:
        self._run(sys.executable, "-c", text)

    @contextmanager
    def page(self) -> Iterator[None]:
        """Keep `make ui` running, once its front page has been seen."""
        log = (self.folder / "ui.log").open("w")
        server = subprocess.Popen(
            ["make", "ui"],
            cwd=self.folder,
            env=self.env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            assert "<title>MLflow</title>" in self._front_page(server)
            yield
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)
            log.close()

    def _front_page(self, server: subprocess.Popen) -> str:
        for _ in range(180):
            assert server.poll() is None, (self.folder / "ui.log").read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as page:
                    return page.read().decode()
            except (urllib.error.URLError, TimeoutError):
                time.sleep(1)
        raise TimeoutError((self.folder / "ui.log").read_text())

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )
        assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.mark.docs
def test_python_blocks_of_the_gates_page_run(tmp_path):
    page = (ROOT / "docs" / "gates.md").read_text("utf-8")
    script = "\n".join(block.text for block in blocks("python", text=page))
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "f {'kernel': (7, 2), 'recurrent_kernel': (2, 2), 'bias': (2,)}" in done.stdout
    assert "of the error with all 24" in done.stdout


@pytest.fixture
def reader(tmp_path, monkeypatch) -> Reader:
    """A copy of what `make` and `forecast` read, whose .venv is this one and is up to date."""
    for name in [key for key in os.environ if key.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    # the store that `make` finds by its folder; MLflow keeps one for each address in a process
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "README.md"):
        shutil.copy2(ROOT / name, tmp_path)
    for name in ("conf", "data"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name != ".installed":
            (tmp_path / ".venv" / path.name).symlink_to(path)
    (tmp_path / ".venv" / ".installed").touch()
    # otherwise `make train` would install the copy into the environment of this checkout
    subprocess.run(["make", "-q", ".venv/.installed"], cwd=tmp_path, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return Reader(tmp_path, port)


def maes(table: str) -> dict[str, float]:
    """The first number behind each name in the table of the test span."""
    rows = table.partition("Test span")[2].partition("\n\n")[0].splitlines()[2:]
    found = [re.match(r"(\S+(?: \S+)*?) +([0-9.]+) ", row) for row in rows]
    return {row[1]: float(row[2]) for row in found if row}


@pytest.mark.docs
def test_every_command_runs_as_written(reader):
    ui = None
    try:
        for block in blocks("bash", "python"):
            if block.language == "python":  # the others run in `test_python_blocks_run`
                if "to_csv" in block.text:
                    reader.python(block.text)
                continue
            for line in lines(block):
                if line.startswith(tuple(SKIPPED)):
                    continue
                if line == "make ui":  # it serves until the last command, which sends a run to it
                    ui = reader.page()
                    ui.__enter__()
                else:
                    reader.do(line)
    finally:
        if ui:
            ui.__exit__(None, None, None)
    assert ui
    said, seen = maes(README), maes(reader.printed["make train"])
    assert said.keys() == seen.keys()
    assert len(seen) == 4
    assert said == pytest.approx(seen, rel=0.03)  # other processors round otherwise
    assert (reader.folder / "tomorrow.parquet").is_file()
    assert len(list(reader.folder.glob("forecast_*.png"))) == 1
    smaller = next(text for line, text in reader.printed.items() if "sweep.grid" in line)
    assert "Leaderboard" in smaller
