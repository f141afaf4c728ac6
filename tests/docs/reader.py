"""Somebody who does what a page says, line by line and block by block."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from forecast.tracking.mlflow import registry
from forecast.tracking.mlflow.store import client

from ..conftest import Place, environment, load_frame
from ..servers import free_port
from .pages import ROOT, Block, lines

BIN = Path(sys.prefix) / "bin"
RUN_ID = re.compile(r"\b[0-9a-f]{32}\b")
RUN = re.compile(r"^run +([0-9a-f]{32})$", re.M)
TRAINING = re.compile(r"^(?:make|forecast) (?:train|backtest|sweep)\b")
SECONDS = 600

SKIPPED = {
    "pip install": "gigabytes of CUDA libraries, for a machine with a GPU",
    "forecast train experiment=ltsf/": "hours, on data that may not be shipped",
    "dask scheduler --port 8786": "for several machines; the page goes on to do it on one",
    "dask worker tcp://scheduler-host:": "the same",
    "forecast sweep scheduler=tcp://scheduler-host:": "the same",
    "export MLFLOW_TRACKING_URI=http://tracking-host:": "the page tries a server of this machine",
    "mlflow server --host 0.0.0.0": "the same, with PostgreSQL and an object store",
    "forecast train resume=": "tests/commands/test_resume.py interrupts a training first",
    "forecast explain model=conv_gru": "tests/test_contributing.py adds that model first",
    "forecast train model=conv_gru": "the same",
    "forecast sweep 'sweep.grid={model:[conv_gru,": "the same",
}
"""Beginnings of lines that are not run, and why."""


KEPT = re.compile(r"\.?mlflow\.db.*|mlartifacts|runs")
"""What a page leaves to the next: the store with its runs."""


class Reader:
    """A folder with what `make` and `forecast` read, this environment, and a load.csv.

    Pages share a store, in which equal trainings are run once: all that this reader does is as if
    it had run them before. What else an earlier page has made is taken away.

    Args:
        folder: Empty, or that of an earlier reader.
        whole: Lines that are run as they stand; other trainings are short.
        trained: What each training of earlier readers has printed; those of this one are added.
    """

    def __init__(
        self,
        folder: Path,
        whole: tuple[str, ...] = (),
        trained: dict[tuple[str, ...], str] | None = None,
    ):
        for path in folder.iterdir():
            if not KEPT.fullmatch(path.name):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name in ("Makefile", "pyproject.toml", "README.md"):
            shutil.copy2(ROOT / name, folder)
        for path in ROOT.glob("requirements*.lock"):
            shutil.copy2(path, folder)
        for name in ("conf", "data"):
            shutil.copytree(ROOT / name, folder / name)
        own = load_frame(1000).query("site == 'north'").rename(columns={"time": "ts"})
        own[["ts", "load", "temp"]].to_csv(folder / "load.csv", index=False)
        (folder / ".venv").mkdir()
        for path in Path(sys.prefix).iterdir():
            if path.name != ".installed":
                (folder / ".venv" / path.name).symlink_to(path)
        (folder / ".venv" / ".installed").touch()
        # otherwise `make train` would install the copy into the environment of this checkout
        subprocess.run(["make", "-q", ".venv/.installed"], cwd=folder, check=True)
        self.folder, self.whole, self.port = folder, whole, free_port()
        self.place = Place(folder, [], [])
        self.trained = {} if trained is None else trained
        self.runs: list[str] = []
        self.printed: dict[str, str] = {}
        self.names: dict[str, object] = {"__name__": "__main__"}
        self.env = {
            **environment(),
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PORT": str(self.port),
            "COLUMNS": "80",
        }
        self._behind: list[subprocess.Popen] = []

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *error: object) -> None:
        """Stop what runs in the background, the newest first."""
        for server in reversed(self._behind):
            os.killpg(server.pid, signal.SIGTERM)
        for server in self._behind:
            server.wait(30)

    def block(self, block: Block) -> None:
        """Do what a block says; names of one block of Python are known in the next."""
        if block.language == "python":
            before = os.getcwd()
            os.chdir(self.folder)
            try:
                exec(compile(block.text, "block", "exec"), self.names)
            finally:
                os.chdir(before)
        else:
            for line in lines(block):
                if not line.startswith(tuple(SKIPPED)):
                    self.do(line)

    def do(self, line: str) -> None:
        """Run one line; ids of runs stand for those that were printed last, in this order.

        What the shell makes of a plain line of `forecast` is run in this process, which has
        imported TensorFlow once for all of them.
        """
        said = list(dict.fromkeys(RUN_ID.findall(line)))
        while len(self.runs) < len(said):
            self.do("forecast train")  # the page speaks of a run that its reader has
        own = dict(zip(said, self.runs[-len(said) :], strict=False))
        command = RUN_ID.sub(lambda found: own[found[0]], line)
        command = command.replace("127.0.0.1:5000", f"127.0.0.1:{self.port}")
        command = re.sub(r"\b(budget|BUDGET)=\d+", r"\1=60", command)
        if TRAINING.match(line) and line not in self.whole:
            command = _short(command)
        if command.startswith("make ") and line not in (*self.whole, "make ui"):
            # what it would run, without another process
            command = self._run(f"{command} -n").strip().removeprefix(".venv/bin/")
        if line == "make ui" or line.endswith(" &"):
            self._start(command.removesuffix(" &"), f"http://127.0.0.1:{self.port}/")
        elif command.startswith("forecast ") and not re.search("--help|[<>|]", command):
            words = self._run(f"printf '%s\\0' {command}").split("\0")[1:-1]
            self.printed[line] = self._forecast(*words)
        else:
            self.printed[line] = self._run(command)
        if found := RUN.search(self.printed.get(line, "")):
            self.runs.append(found[1])

    def _forecast(self, *words: str) -> str:
        """Run a command in this process, a training of the shared store only once."""
        if words in self.trained:
            self._register_again(words, self.trained[words])
            return self.trained[words]
        status = self.place.run(*words)
        # a challenger of one epoch may lose
        done = status == 0 or (status == 3 and words[0] == "promote")
        assert done, f"{words}\n{self.place.errors[-1]}"
        if words[0] == "train":
            self.trained[words] = self.place.printed[-1]
        return self.place.printed[-1]

    def _register_again(self, words: tuple[str, ...], printed: str) -> None:
        """Make the model of an earlier training the newest version, as that training would."""
        for name in (word.partition("=")[2] for word in words if word.startswith("register=")):
            registry.register(client(self.place.uri), name, RUN.findall(printed)[0], {})

    def _run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _start(self, command: str, address: str) -> None:
        """Start a server; that of `make ui` is waited for, other pages ask until theirs answers."""
        log = self.folder / f"{len(self._behind)}.log"
        with log.open("w") as told:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self.env,
                stdout=told,
                stderr=told,
                start_new_session=True,
            )
        self._behind.append(server)
        if command != "make ui":
            return
        for _ in range(180):
            assert server.poll() is None, log.read_text()
            try:
                with urllib.request.urlopen(address, timeout=10) as page:
                    assert "<title>MLflow</title>" in page.read().decode()
                    return
            except (urllib.error.URLError, TimeoutError):
                time.sleep(1)
        raise TimeoutError(log.read_text())


def _short(command: str) -> str:
    """Let a training last one epoch on every eighth window, with two folds unless it says."""
    wanted = ["training.epochs=1", "window.stride=8"]
    for one in wanted:
        command = re.sub(rf"(?<= ){one.split('=')[0]}=\d+", one, command)
    if found := re.search(r"(?:make|forecast) (backtest|sweep)\b", command):
        wanted.append(f"{found[1]}.folds=2")
    little = " ".join(word for word in wanted if word.split("=")[0] not in command)
    if not command.startswith("make"):
        return f"{command} {little}"
    if 'ARGS="' in command:
        return command.replace('ARGS="', f'ARGS="{little} ')
    return f'{command} ARGS="{little}"'
