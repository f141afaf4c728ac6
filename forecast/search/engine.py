"""Trials on Dask: one at a time a worker, a dead worker costs its trial one try."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Literal, Protocol

from distributed import Client, Future, LocalCluster, wait

from forecast.data.table import Table
from forecast.search.trial import Result, Tables, Trial, run_on_worker

TRIES = 3
"""Times a trial is started before it counts as one that kills its worker."""

POLL = 1.0
"""Seconds between two looks at the workers."""


Answer = Literal["run", "wait", "done"]


class Listener(Protocol):
    """Who is told what happens to the trials."""

    def begin(self, trial: Trial) -> Answer:
        """Say whether to run a trial, to wait since somebody else does, or that it is done."""
        ...

    def finish(self, trial: Trial, result: Result) -> None:
        """Keep a score."""
        ...

    def fail(self, trial: Trial, reason: str) -> None:
        """Keep a failure."""
        ...


@contextmanager
def cluster(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """Connect to a Dask cluster, or start one of single-threaded processes on this machine.

    Args:
        scheduler: Address of a running scheduler, such as tcp://host:8786; None starts one.
        workers: Processes to start; None is one a core.

    Yields:
        A client.
    """
    if scheduler:
        with Client(scheduler) as client:
            yield client
        return
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            # the scheduler listens for health checks all the same; two sweeps need two ports
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.CRITICAL,
        ) as local,
        Client(local) as client,
    ):
        yield client


def execute(
    client: Client, trials: Sequence[Trial], tables: Mapping[str, Table], listener: Listener
) -> None:
    """Run trials until none is left.

    A worker gets trials of an architecture that it has compiled already, where there are any.

    Args:
        client: Connected.
        trials: What to run.
        tables: Name to table; sent to each worker once.
        listener: Told of every start and end.
    """
    threads = trials[0].spec.training.threads if trials else 1
    client.register_plugin(Tables(tables, threads))
    waiting = list(trials)
    running: dict[Future, tuple[Trial, str]] = {}
    tries: dict[str, int] = {}
    compiled: dict[str, set[str]] = {}
    while waiting or running:
        alive = _alive(client)
        busy = {worker for _, worker in running.values()}
        for worker in sorted(alive - busy):
            trial = _next(waiting, compiled.setdefault(worker, set()), compiled, listener, tries)
            if trial is None:
                break
            compiled[worker].add(trial.shape)
            tries[trial.key] = tries.get(trial.key, 0) + 1
            future = client.submit(
                run_on_worker,
                trial,
                key=f"{trial.key}-{tries[trial.key]}",
                workers=[worker],
                allow_other_workers=False,
            )
            running[future] = (trial, worker)
        _settle(running, waiting, tries, listener, alive)


def _alive(client: Client) -> set[str]:
    """Ask the scheduler itself for its workers; the client's own copy is emptied now and then."""
    return set(client.sync(client.scheduler.identity, n_workers=-1)["workers"])


def _next(
    waiting: list[Trial],
    mine: set[str],
    compiled: Mapping[str, set[str]],
    listener: Listener,
    tries: Mapping[str, int],
) -> Trial | None:
    """Choose a free worker's next trial: a shape it knows, then one nobody knows, then any."""
    known = set().union(*compiled.values())
    order = sorted(waiting, key=lambda t: (t.shape not in mine, t.shape in known - mine))
    for trial in order:
        answer = "run" if trial.key in tries else listener.begin(trial)
        if answer != "wait":
            waiting.remove(trial)
        if answer == "run":
            return trial
    return None


def _settle(
    running: dict[Future, tuple[Trial, str]],
    waiting: list[Trial],
    tries: Mapping[str, int],
    listener: Listener,
    alive: set[str],
) -> None:
    """Wait a little and deal with what has ended, or whose worker has died."""
    if not running:
        time.sleep(POLL)  # no worker yet, or all that is left is run by somebody else
        return
    with suppress(TimeoutError):
        wait(list(running), timeout=POLL, return_when="FIRST_COMPLETED")
    for future, (trial, worker) in list(running.items()):
        if future.status == "finished":
            listener.finish(trial, future.result())
        elif future.status == "error":
            listener.fail(trial, _reason(future.exception()))
        elif worker in alive:
            continue
        else:
            future.cancel()
            if tries[trial.key] < TRIES:
                waiting.append(trial)
            else:
                listener.fail(trial, f"its worker died {TRIES} times")
        del running[future]


def _reason(error: BaseException) -> str:
    """Write an error in one line."""
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
