"""Workers of a Dask cluster, or several processes of this machine, do work side by side."""

import logging
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any
from uuid import uuid4

import dask
from distributed import (
    Client,
    Future,
    KilledWorker,
    LocalCluster,
    Worker,
    WorkerPlugin,
    get_worker,
)
from distributed.protocol import deserialize_bytes, serialize_bytes

from forecast import process
from forecast.errors import InputError, cause
from forecast.parallel.pool import Found, Item, Shared, Work
from forecast.training import runtime

log = logging.getLogger(__name__)

AHEAD = 2
"""Tasks of each worker that are read before they are needed."""


@dataclass(frozen=True)
class Cluster:
    """The workers of a Dask cluster do the work; an item whose worker dies is given to another.

    Attributes:
        client: Connected to the scheduler.
        threads: Of TensorFlow, on each worker.
    """

    client: Client
    threads: int = 1
    apart = True

    def each(
        self, work: Work[Shared, Item, Found], shared: Shared, items: Iterable[Item]
    ) -> Iterator[tuple[Item, Found]]:
        """Yield each item with what was found, in the order of the items."""
        name = f"forecast-{uuid4().hex}"
        self.client.register_plugin(_Bringer(name, shared, self.threads))
        begun: deque[tuple[Item, Future]] = deque()
        try:
            for item in items:
                future = self.client.submit(_do, name, work, _Sealed(item), pure=False)
                begun.append((item, future))
                if len(begun) > AHEAD * max(1, len(self.client.scheduler_info(-1)["workers"])):
                    yield _ended(begun)
            while begun:
                yield _ended(begun)
        except KilledWorker as error:
            raise InputError(
                "scheduler must have workers that outlive a part of the work, got one part that "
                f"ended several ({error}): give each worker more memory (`dask worker "
                "--memory-limit`)"
            ) from error
        finally:
            self.client.cancel([future for _, future in begun])
            with suppress(OSError, ValueError):
                self.client.unregister_worker_plugin(name)


def _ended(begun: deque[tuple[Item, Future]]) -> tuple[Item, Any]:
    """Wait for the item that was begun first."""
    item, future = begun.popleft()
    return item, future.result().content


@dataclass(frozen=True)
class _Sealed:
    """What travels as one; Dask would take a list apart, and copy what its members share."""

    content: Any


class _Bringer(WorkerPlugin):
    """Brings to every worker what all items share, and to one that was restarted."""

    def __init__(self, name: str, shared: Any, threads: int):
        self.name, self.threads = name, threads
        # a model is read when TensorFlow has been started, which could not be silenced any more
        self.shared = serialize_bytes(shared)

    def setup(self, worker: Worker) -> None:
        """Start TensorFlow and keep it on the worker."""
        process.own(worker=True)
        runtime.start(self.threads)
        vars(worker).setdefault("forecast_shared", {})[self.name] = deserialize_bytes(self.shared)

    def teardown(self, worker: Worker) -> None:
        """Forget it."""
        vars(worker).get("forecast_shared", {}).pop(self.name, None)


_ALONE = threading.Lock()
"""Of a worker with several threads: what is shared works on one item at a time."""


def _do(name: str, work: Callable[[Any, Any], Any], item: _Sealed) -> _Sealed:
    """Work on an item on a worker."""
    with _ALONE:
        return _Sealed(work(vars(get_worker())["forecast_shared"][name], item.content))


@contextmanager
def connected(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """Connect to a Dask cluster, or start one of single-threaded processes on this machine."""
    # what a task reads goes to the one worker that needs it, however large it is
    large = dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"})
    if scheduler:
        with large, _client(scheduler) as client:
            yield client
        return
    heard = logging.WARNING if log.isEnabledFor(logging.DEBUG) else logging.CRITICAL
    # asyncio would report each future of Dask that nobody reads after a Ctrl-C
    logging.getLogger("asyncio").setLevel(heard)
    with large:
        with _deaf(), warnings.catch_warnings():
            # a busy machine is no news, and where warnings are errors it would end the command
            warnings.filterwarnings("ignore", "Creating scratch directories", UserWarning)
            local = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                # the scheduler listens for health checks all the same; two commands need two ports
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                silence_logs=heard,
            )
        with local, Client(local) as client:
            yield client


def _client(scheduler: str) -> Client:
    """Connect to a scheduler that runs."""
    try:
        return Client(scheduler)
    except (OSError, ValueError) as error:
        raise InputError(
            f"scheduler must be the address of a running Dask scheduler, got {scheduler!r} "
            f"({cause(error)}): start one with `dask scheduler`, or leave scheduler out"
        ) from error


@contextmanager
def _deaf() -> Iterator[None]:
    """Start threads, and by them processes, that a Ctrl-C does not reach.

    A terminal sends it to workers too, which would write tracebacks; whoever drives them ends them.
    """
    resource_tracker.ensure_running()  # which would let its thread hear again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
