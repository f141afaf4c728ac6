"""What tracking costs the default training, on SQLite and against a server."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.served import served
from forecast.tracking.run import Record, Run

Found = dict[str, object]
NOWHERE = "nowhere"
"""In place of an address: what a run is told is forgotten."""


def tracking() -> Found:
    """Train the default model without tracking, on SQLite and against a server."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"without": NOWHERE, "SQLite": f"sqlite:///{folder}/mlflow.db"}
        found = {name: _train(folder, uri) for name, uri in places.items()}
        kept = ["--backend-store-uri", f"sqlite:///{folder}/server.db"]
        kept += ["--artifacts-destination", f"{folder}/kept"]
        with served(Path(folder), ["server", "--workers", "1", *kept], "/health") as uri:
            found["server"] = _train(folder, uri)
    plain = found.pop("without")
    value, told = [], [f"without it {plain['wall']:.1f} s, {plain['cpu']:.1f} s of CPU time"]
    for name, one in found.items():
        wall, own = np.median(np.array(one["epochs"][1:]), axis=0) * 1000
        value.append(f"{name} {wall:.1f} ms, {one['waited'][0] / one['wall']:.1%}")
        told.append(
            f"{name} {one['wall']:.1f} s, {one['cpu']:.1f} s of CPU time; of the training thread "
            f"{own:.1f} ms of CPU time per epoch, {one['waited'][1] / plain['cpu']:.1%} in total"
        )
    return {
        "text": "tracking in the default `forecast train`: milliseconds per epoch that the "
        "training waits for it (numbers, snapshot, checkpoint), and share of the run's wall time",
        "value": "; ".join(value),
        "detail": "; ".join(told),
        "bar": "≤ 20 ms and ≤ 2 %",
    }


class Nothing(Run):
    """A run that forgets what it is told; pictures and files are made all the same."""

    id = "nothing"

    def write(self, record: Record) -> None:
        """Forget a record."""

    def folder(self) -> contextlib.AbstractContextManager[Path]:
        """Lend a folder that is gone at once."""

        @contextlib.contextmanager
        def lent() -> Iterator[Path]:
            with tempfile.TemporaryDirectory() as folder:
                yield Path(folder)

        return lent()

    def checkpoint(self, arrays: dict[str, Any]) -> None:
        """Forget where the training stands."""

    def last_checkpoint(self) -> None:
        """Know of no interruption."""


class Nowhere:
    """A place where no run stays."""

    def begin(self, *_: Any, **__: Any) -> Nothing:
        """Begin a run that is forgotten."""
        return Nothing()

    def known(self, _: str) -> None:
        """Know no earlier run."""


class Watch:
    """Seconds that the training's thread spends in methods, each call counted once.

    Attributes:
        seconds: Of wall, and of a processor: on a busy machine the first are many more.
    """

    def __init__(self) -> None:
        self.seconds = np.zeros(2)
        self._inside = False

    def over(self, kind: type, *names: str) -> None:
        """Time methods of a class; what they call of each other is theirs."""
        for name in names:
            setattr(kind, name, self.timed(getattr(kind, name)))

    def timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function or method that is timed."""

        def timed(*arguments: Any, **named: Any) -> Any:
            if self._inside:
                return method(*arguments, **named)
            self._inside, began = True, _now()
            try:
                return method(*arguments, **named)
            finally:
                self._inside = False
                self.seconds += _now() - began

        return timed


def train(uri: str) -> dict[str, Any]:
    """Run the default `forecast train` and time what it waits for.

    Args:
        uri: Of the store; NOWHERE tracks nothing.

    Returns:
        Wall and processor seconds of the command without its imports, what of both its thread
        spent in tracking, and that of each epoch.
    """
    from forecast.training import runtime

    runtime.start(1)
    import mlflow.pyfunc  # noqa: F401  # the model is packaged with it, tracked or not

    from forecast.cli.commands import train as command
    from forecast.cli.config import compose
    from forecast.tracking.journalled import Journalled
    from forecast.tracking.mlflow.store import Store
    from forecast.tracking.tracker import Tracker
    from forecast.training.state import Checkpoint

    watch, epochs = Watch(), [np.zeros(2)]
    watch.over(Tracker, "__init__", "begin", "known", "close")
    watch.over(Run, "params", "tags", "metrics", "image", "data", "end")
    watch.over(Journalled, "write", "checkpoint")
    watch.over(Checkpoint, "arrays")
    drawn, copied = Run.keep, watch.timed(Run.keep)

    def keep(self: Run, thing: Any, path: str) -> None:
        (copied if isinstance(thing, dict | Path) else drawn)(self, thing, path)

    Run.keep = keep  # type: ignore[method-assign]  # pictures are drawn in it, which is no tracking
    checkpoint = Journalled.checkpoint

    def counted(run: Journalled, arrays: dict[str, Any]) -> None:
        checkpoint(run, arrays)
        epochs.append(watch.seconds.copy())

    Journalled.checkpoint = counted  # type: ignore[method-assign,assignment]
    if uri == NOWHERE:
        command.tracking = lambda *_: contextlib.nullcontext(Nowhere())  # type: ignore[attr-defined,assignment]
        request = compose.compose([])
    else:
        request = compose.compose([f"tracking.uri={uri}"])
        Store(uri, "nyc_weather")  # its first tables take 5 s, once in a folder
    wall, cpu = time.perf_counter(), time.process_time()
    command.run_train(request)
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "waited": watch.seconds.tolist(),
        "epochs": np.diff(epochs, axis=0).tolist(),
    }


def _now() -> np.ndarray:
    """Return wall and this thread's processor, seconds."""
    return np.array([time.perf_counter(), time.thread_time()])


def _train(folder: str, uri: str) -> dict[str, Any]:
    """Train in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "benchmarks.tracking", uri]
    done = subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(train(sys.argv[1])) + os.linesep)
