"""Trials on Dask: one at a time a worker, a dead worker costs its trial one try."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Literal, Protocol

from distributed import Client, Future, wait

from forecast.data.table import Table
from forecast.parallel.cluster import connected
from forecast.search.trial import Arrays, Brought, Result, Trial, run_on_worker

TRIES = 3
"""Times a trial is started before it counts as one that kills its worker."""

SHAPES = 20
"""Architectures that a worker compiles before it is replaced; TensorFlow never frees a program."""

POLL = 1.0
"""Seconds between two looks at the workers."""


Answer = Literal["run", "wait", "done"]


class Listener(Protocol):
    """An observer of the trials."""

    def begin(self, trial: Trial) -> Answer:
        """Say whether to run a trial, to wait since somebody else does, or that it is done."""
        ...

    def checkpoint(self, trial: Trial) -> Arrays | None:
        """Return where the trial that it goes on from has ended, if that is known."""
        ...

    def finish(self, trial: Trial, result: Result) -> None:
        """Keep a score."""
        ...

    def fail(self, trial: Trial, reason: str) -> None:
        """Keep a failure."""
        ...


class Engine:
    """Runs trials on the workers of a cluster."""

    def __init__(self, client: Client):
        self._client = client
        self._brought: set[str] = set()
        self._compiled: dict[str, set[str]] = {}
        self._running: dict[Future, tuple[Trial, str]] = {}
        self._tries: dict[str, int] = {}

    def execute(
        self,
        trials: Sequence[Trial],
        tables: Mapping[str, Table],
        listener: Listener,
        *,
        in_order: bool = False,
    ) -> None:
        """Run trials until none is left.

        A worker gets trials of an architecture that it has compiled already, where there are any;
        or they are begun in their order, the most important first.
        """
        for name in sorted({trial.table for trial in trials} - self._brought):
            self._bring(Brought(name, tables[name], trials[0].spec.training.threads))
            self._brought.add(name)
        waiting = list(trials)
        while waiting or self._running:
            alive = self._alive()
            busy = {worker for _, worker in self._running.values()}
            for worker in sorted(alive - busy):
                if self._is_full(worker, waiting):
                    self._replace(worker)
                    break
                order = waiting if in_order else self._by_shape(waiting, worker)
                trial = self._next(waiting, order, listener)
                if trial is None:
                    break
                self._start(trial, worker, listener.checkpoint(trial))
            self._settle(waiting, listener, alive)

    def _bring(self, table: Brought) -> None:
        """Send a table to every worker; one may die while it travels, and its heir gets it too."""
        for attempt in range(1, TRIES + 1):
            try:
                self._client.register_plugin(table)
                return
            except OSError:  # Dask's name for a connection that a dead worker has closed
                if attempt == TRIES:
                    raise

    def _alive(self) -> set[str]:
        """Ask the scheduler itself for its workers; the client's own copy is emptied at times."""
        client = self._client
        return set(client.sync(client.scheduler.identity, n_workers=-1)["workers"])

    def _is_full(self, worker: str, waiting: list[Trial]) -> bool:
        """Tell whether a worker has compiled enough, and would have to compile again."""
        mine = self._compiled.get(worker, set())
        new = waiting and not any(trial.shape in mine for trial in waiting)
        return bool(new and len(mine) >= SHAPES)

    def _replace(self, worker: str) -> None:
        """Let a worker's nanny start it anew; one without a nanny goes on as it is."""
        del self._compiled[worker]
        with suppress(ValueError, TimeoutError, OSError):
            self._client.restart_workers([worker], timeout=60)

    def _by_shape(self, waiting: Sequence[Trial], worker: str) -> list[Trial]:
        """Sort trials for a worker: a shape it knows, then one nobody knows, then any."""
        mine = self._compiled.setdefault(worker, set())
        known = set().union(*self._compiled.values())
        return sorted(waiting, key=lambda t: (t.shape not in mine, t.shape in known - mine))

    def _next(
        self, waiting: list[Trial], order: Sequence[Trial], listener: Listener
    ) -> Trial | None:
        """Choose a free worker's next trial: the first that nobody else runs."""
        for trial in [*order]:
            answer = "run" if trial.key in self._tries else listener.begin(trial)
            if answer != "wait":
                waiting.remove(trial)
            if answer == "run":
                return trial
        return None

    def _start(self, trial: Trial, worker: str, begin: Arrays | None) -> None:
        """Give a trial to a worker and to no other."""
        self._compiled.setdefault(worker, set()).add(trial.shape)
        self._tries[trial.key] = self._tries.get(trial.key, 0) + 1
        future = self._client.submit(
            run_on_worker,
            trial,
            begin,
            key=f"{trial.key}-{self._tries[trial.key]}",
            workers=[worker],
            allow_other_workers=False,
        )
        self._running[future] = (trial, worker)

    def _settle(self, waiting: list[Trial], listener: Listener, alive: set[str]) -> None:
        """Wait a little and deal with what has ended, or whose worker has died."""
        if not self._running:
            time.sleep(POLL)  # no worker yet, or all that is left is run by somebody else
            return
        with suppress(TimeoutError):
            wait(list(self._running), timeout=POLL, return_when="FIRST_COMPLETED")
        for future, (trial, worker) in list(self._running.items()):
            if future.status == "finished":
                listener.finish(trial, future.result())
            elif future.status == "error":
                listener.fail(trial, _reason(future.exception()))
            elif worker in alive:
                continue
            else:
                future.cancel()
                if self._tries[trial.key] < TRIES:
                    waiting.append(trial)
                else:
                    listener.fail(trial, f"its worker died {TRIES} times")
            del self._running[future]


@contextmanager
def cluster(scheduler: str | None, workers: int | None) -> Iterator[Engine]:
    """Connect to a Dask cluster, or start one of single-threaded processes on this machine."""
    with connected(scheduler, workers) as client:
        yield Engine(client)


def _reason(error: BaseException) -> str:
    """Write an error in one line."""
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
