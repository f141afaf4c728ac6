"""Commands in processes of their own, forked from one that has imported what they import.

A process that is to be killed or to lose its server costs a tenth of a second this way instead of
eight. What a process must do by itself, such as finding its imports, is asked of one begun anew.
"""

import atexit
import functools
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing import forkserver
from pathlib import Path
from subprocess import TimeoutExpired

from . import tables

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.preloaded"])


class Forked:
    """A command in its own process and group, in the manner of `subprocess.Popen`.

    Args:
        folder: Where it runs; what it says is appended to said.txt there.
        words: A command and its overrides.
        patience: Seconds without progress, and in all, after which it leaves the rest of its runs
            to `sync`; None for those of the tracker.
        forking: Whether the workers of a sweep are forked as well. They are in no group of the
            sweep then, and end by themselves when it is killed.
    """

    def __init__(
        self,
        folder: Path,
        *words: str,
        patience: tuple[float, float] | None = None,
        forking: bool = False,
    ):
        environment = os.environ | {"XDG_CACHE_HOME": _cache()}
        answer = (folder, words, environment, patience, forking)
        self._process = CONTEXT.Process(target=_answer, args=answer)
        _ensure_running()
        self._process.start()
        self.pid = self._process.pid
        with suppress(ProcessLookupError):
            while self.poll() is None and os.getpgid(self.pid) != self.pid:
                time.sleep(0.001)  # only then others can kill its group

    def poll(self) -> int | None:
        """Its exit status, if it has ended; minus the signal that has ended it."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutExpired("forecast", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


@contextmanager
def workers() -> Iterator[None]:
    """Let Dask fork the workers of a sweep in the same way."""
    import dask
    import distributed.utils

    distributed.utils._forkserver_preload_set = True  # else it would choose what is imported
    _ensure_running()
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        yield


def _answer(
    folder: Path,
    words: tuple[str, ...],
    environment: Mapping[str, str],
    patience: tuple[float, float] | None,
    forking: bool,
) -> None:
    """What the process does."""
    os.setsid()
    os.chdir(folder)
    said = os.open("said.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(said, stream)
    os.environ.clear()
    os.environ.update(environment)
    tables.copy_empty()
    from forecast.cli.main import main
    from forecast.tracking import tracker

    tracker.PATIENCE, tracker.MOST = patience or (tracker.PATIENCE, tracker.MOST)
    with workers() if forking else nullcontext():
        status = main(list(words))
    atexit._run_exitfuncs()
    sys.exit(status)


@functools.cache
def _cache() -> str:
    """Keep what is compiled apart: other tests soon fill the cache of this machine with theirs."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _ensure_running() -> None:
    """Start the process that is forked, in the folder where it finds `tests`."""
    before = os.getcwd()
    os.chdir(Path(__file__).parents[1])
    try:
        forkserver.ensure_running()
    finally:
        os.chdir(before)
