"""The runs of a sweep in MLflow as its memory, and which worker owns a trial."""

import json
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import psutil

from forecast.metrics.headline import HEADLINES
from forecast.search.candidates import Candidate
from forecast.search.trial import Arrays, Result, Trial
from forecast.tracking.mlflow import pages
from forecast.tracking.mlflow.direct import DirectRun
from forecast.tracking.mlflow.store import Store, Unreachable

BEAT = 15.0
"""Seconds between two signs of life of a driver."""

SILENT = 90.0
"""Seconds of silence after which a driver on another host counts as dead."""


def owner_tag() -> str:
    """Name this process so that others can tell whether it lives: host, pid and start."""
    own = psutil.Process(os.getpid())
    return json.dumps({"host": socket.gethostname(), "pid": own.pid, "start": own.create_time()})


def runs_here(holder: str) -> bool | None:
    """Tell whether an owner is a living process of this host."""
    who = _read(holder)
    if not who:
        return False
    if who["host"] != socket.gethostname():
        return None
    try:
        process = psutil.Process(who["pid"])
        # one that has ended stays listed until its parent asks how
        ended = process.status() == psutil.STATUS_ZOMBIE
        # pids are used again; the start tells two processes apart
        return not ended and abs(process.create_time() - who["start"]) < 1
    except psutil.Error:
        return False


def heard_of(holder: str, tags: Mapping[str, str], now: float) -> bool:
    """Tell whether an owner on another host has shown a sign of life lately."""
    return now - float(tags.get(_tag(holder), 0)) < SILENT


def alive(holder: str, run: DirectRun) -> bool:
    """Tell whether a driver still lives: by its process on this host, else by its signs of life."""
    here = runs_here(holder)
    if here is not None:
        return here
    return heard_of(holder, run.store.client.get_run(run.id).data.tags, time.time())


@contextmanager
def beating(run: DirectRun, owner: str) -> Iterator[None]:
    """Show signs of life on a run, from a thread, inside the block."""
    stop = threading.Event()

    def beat() -> None:
        with suppress(Unreachable):  # the driver says so
            while True:
                run.tags({_tag(owner): str(time.time())})
                if stop.wait(BEAT):
                    return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _tag(holder: str) -> str:
    """Name the tag of a driver's signs of life."""
    who = _read(holder)
    return f"heartbeat.{who['host']}.{who['pid']}"


def _read(holder: str) -> dict[str, Any]:
    """Parse an owner tag; None if malformed."""
    try:
        who = json.loads(holder)
    except ValueError:
        return {}
    return who if isinstance(who, dict) and {"host", "pid", "start"} <= who.keys() else {}


CHECKPOINT = "checkpoint.npz"

FORECASTS = "forecasts.npz"
"""Forecasts of the scored origins, of the trials of which an ensemble is made."""

PER_KEY = 20
"""Trials that are read in the time in which the trials of one key are looked up."""


class Ledger:
    """The runs of one sweep: a parent, candidates below it, trials below those.

    Only the driver writes; workers compute. A trial is FINISHED once its score is written, so
    whatever a kill leaves behind is either finished or run again.
    """

    def __init__(self, store: Store, parent: DirectRun, owner: str, *, resume: bool = True):
        self.store = store
        self.parent = parent
        self.owner = owner
        self.resume = resume
        self.claims = self._only("ledger", "bookkeeping of workers", {})
        self.claims.end()  # a table of who has what, which nobody is running
        self._admitted: dict[int, Candidate] = {}
        self._candidates = {
            int(run.data.tags["forecast.candidate"]): DirectRun(store, run.info.run_id)
            for run in store.find(_where(kind="candidate", parent=parent.id))
        }

    @classmethod
    def open(
        cls,
        store: Store,
        key: str,
        name: str,
        tags: Mapping[str, str],
        *,
        resume: bool = True,
        kind: str = "sweep",
    ) -> "Ledger":
        """Find the sweep of a key, or the race, as its kind says; or begin it."""
        key = key if resume else f"{key}-{time.time_ns()}"
        marks = {"forecast.sweep_key": key}

        def create() -> DirectRun:
            called = pages.unique(store, name)
            return DirectRun.create(store, called, kind=kind, tags={**marks, **tags})

        parent = only(store, _where(kind=kind, **marks), create)
        store.client.update_run(parent.id, status="RUNNING")
        return cls(store, parent, owner_tag(), resume=resume)

    def admit(self, candidates: Iterable[Candidate]) -> None:
        """Take in candidates; a run is created for each once its first trial is written."""
        self._admitted |= {candidate.number: candidate for candidate in candidates}

    def candidate(self, number: int) -> DirectRun:
        """Find or create the run of a candidate that was taken in."""
        if number not in self._candidates:
            candidate = self._admitted[number]
            name = candidate.short
            run = self._only("candidate", name, {"forecast.candidate": str(number)})
            run.params(candidate.params)
            self._candidates[number] = run
        return self._candidates[number]

    def finished(self, trials: Sequence[Trial]) -> dict[str, Result]:
        """Look up what is done, by this sweep or another, and bury what died."""
        if not self.resume:
            return {}
        wanted = {trial.key: trial for trial in trials}
        found: dict[str, Result] = {}
        elsewhere: dict[str, str] = {}  # key to the run of another sweep that finished it
        for run in _trials(self.store, list(wanted)):
            tags = run.data.tags
            key = tags.get("forecast.trial_key") or tags.get("forecast.reused_key")
            if key not in wanted:
                continue
            if run.info.status == "FINISHED" and _headline(run.data.metrics):
                home = self._candidates.get(wanted[key].candidate)
                if home and tags.get("mlflow.parentRunId") == home.id:
                    elsewhere.pop(key, None)
                    found[key] = _result(run.data.metrics)
                elif key not in found:
                    elsewhere[key] = run.info.run_id
                    found[key] = _result(run.data.metrics)
            elif run.info.status == "RUNNING" and not alive(
                tags.get("forecast.owner", ""), self.claims
            ):
                DirectRun(self.store, run.info.run_id).end("KILLED")
        for key, source in elsewhere.items():
            # what another sweep finished becomes a child of this one too
            tags = {"forecast.reused_from": source, "forecast.reused_key": key}
            self.finish(self._trial(wanted[key], tags), found[key])
        return found

    def look_up(self, trial: Trial) -> Result | None:
        """Return a trial's result if somebody has finished it meanwhile."""
        done = self.store.find(
            f"tags.`forecast.trial_key` = '{trial.key}' and attributes.status = 'FINISHED'", most=1
        )
        return _result(done[0].data.metrics) if done else None

    def begin(self, trial: Trial) -> DirectRun | None:
        """Claim a trial and create its run."""
        if not self.claim(trial.key):
            return None
        tags = {"forecast.trial_key": trial.key, "forecast.owner": self.owner}
        return self._trial(trial, tags)

    def claim(self, name: str) -> bool:
        """Claim a piece of work, unless another living driver has it."""
        for attempt in range(1000):
            claim = f"claim.{name}.{attempt}"
            if self.claims.claim(claim, self.owner):
                return True
            holder = self.store.client.get_run(self.claims.id).data.params.get(claim, "")
            if holder != self.owner and alive(holder, self.claims):
                return False
        return False

    def finish(self, run: DirectRun, result: Result) -> None:
        """Write a trial's score and epochs, then close it."""
        history = result.history
        run.series(
            {
                name: {epoch: value for epoch, value in enumerate(history[key], start=1)}
                for name, key in (("train/loss", "loss"), ("val/loss", "val_loss"))
                if key in history
            }
        )
        error = {} if math.isnan(result.error) else {f"cv/{result.headline}": result.error}
        run.metrics(
            error
            | {
                "train/best_epoch": result.best_epoch,
                "model/parameters": result.parameters,
                "time/trial_seconds": result.seconds,
            }
        )
        if result.checkpoint:
            run.keep(result.checkpoint, CHECKPOINT)
        if result.forecasts is not None:
            run.keep({"forecasts": result.forecasts}, FORECASTS)
        run.end()

    def fail(self, run: DirectRun, reason: str) -> None:
        """Close a trial that could not be scored."""
        run.tags({"forecast.error": reason})
        run.end("FAILED")

    def _trial(self, trial: Trial, tags: Mapping[str, str]) -> DirectRun:
        """Create the run of a trial."""
        parts = ["trial", f"fold {trial.fold + 1} seed {trial.seed}", str(trial.rung)]
        name = " · ".join(part for part in parts if part)
        parent = self.candidate(trial.candidate).id
        run = DirectRun.create(self.store, name, kind="trial", tags=tags, parent=parent)
        run.params({"fold": trial.fold + 1, "seed": trial.seed, "origins": len(trial.origins)})
        return run

    def _only(self, kind: str, name: str, tags: Mapping[str, str]) -> DirectRun:
        """Find or create the one child of the parent with some tags."""

        def create() -> DirectRun:
            called = pages.unique(self.store, name)
            return DirectRun.create(self.store, called, kind=kind, tags=tags, parent=self.parent.id)

        return only(self.store, _where(kind=kind, parent=self.parent.id, **tags), create)


def _trials(store: Store, keys: Sequence[str]) -> Iterable[Any]:
    """List the trials of some keys, the oldest first; where there are few others, those as well."""
    few = PER_KEY * len(keys)
    every = store.find(_where(kind="trial"), newest=False, most=few + 1)
    if len(every) <= few:
        return every
    names = ("forecast.trial_key", "forecast.reused_key")
    marks = [f"tags.`{name}` = '{key}'" for key in keys for name in names]
    own = [run for mark in marks for run in store.find(mark)]
    return sorted(own, key=lambda run: run.info.start_time)


def checkpoint(store: Store, key: str) -> Arrays | None:
    """Return where a trial's training ended; None if that is lost, which costs only time."""
    for run in store.find(_where(kind="trial", **{"forecast.trial_key": key})):
        if found := store.arrays(run.info.run_id, CHECKPOINT):
            return found
    return None


def forecasts(store: Store, key: str) -> np.ndarray | None:
    """Return what a trial has forecast, (origins, horizon, targets); None if that is lost."""
    for run in store.find(_where(kind="trial", **{"forecast.trial_key": key})):
        if found := store.arrays(run.info.run_id, FORECASTS):
            return found["forecasts"]
    return None


def failed(ledger: Ledger, trials: Sequence[Trial]) -> dict[str, str]:
    """Look up which trials this sweep, or race, has tried in vain, and why."""
    wanted = {trial.key for trial in trials}
    homes = {run.id for run in ledger._candidates.values()}
    return {
        tags["forecast.trial_key"]: tags["forecast.error"]
        for tags in (run.data.tags for run in _trials(ledger.store, [*wanted]))
        if tags.get("forecast.trial_key") in wanted
        and "forecast.error" in tags
        and tags.get("mlflow.parentRunId") in homes
    }


def close(ledger: Ledger) -> None:
    """End the runs of all candidates of a race, which nobody tries any more."""
    for run in ledger._candidates.values():
        if ledger.store.client.get_run(run.id).info.status == "RUNNING":
            run.end()


def run_of(store: Store, key: str) -> str:
    """Return the run of a trial that is finished."""
    asked = f"tags.`forecast.trial_key` = '{key}' and attributes.status = 'FINISHED'"
    return str(store.find(asked, most=1)[0].info.run_id)


def bury(ledger: Ledger) -> None:
    """Close the refits of a sweep's winner that a dead driver has left running."""
    marks = _where(kind="train", parent=ledger.parent.id)
    for run in ledger.store.find(f"{marks} and attributes.status = 'RUNNING'"):
        if not alive(run.data.tags.get("forecast.owner", ""), ledger.claims):
            DirectRun(ledger.store, run.info.run_id).end("KILLED")


def only(store: Store, where: str, create: Callable[[], DirectRun]) -> DirectRun:
    """Find the one run of its kind, or create it.

    On SQLite a lock keeps others from creating it too. On a server the oldest wins: who finds after
    creating that somebody was sooner deletes the new run and takes the other.
    """
    with store.alone():
        if known := store.find(where, newest=False, most=1):
            return DirectRun(store, known[0].info.run_id)
        made = create()
        [first] = store.find(where, newest=False, most=1)
        if first.info.run_id != made.id:
            store.client.delete_run(made.id)
        return DirectRun(store, first.info.run_id)


def _where(*, kind: str, parent: str | None = None, **tags: str) -> str:
    """Write a search for runs by their tags."""
    marks = {"forecast.kind": kind, **({"mlflow.parentRunId": parent} if parent else {}), **tags}
    return " and ".join(f"tags.`{key}` = '{value}'" for key, value in marks.items())


def _result(metrics: Mapping[str, float]) -> Result:
    """Read a result back from a finished run."""
    headline = _headline(metrics)
    return Result(
        metrics.get(f"cv/{headline}", math.nan),
        {},
        int(metrics.get("train/best_epoch", 0)),
        int(metrics.get("model/parameters", 0)),
        metrics.get("time/trial_seconds", 0.0),
        headline=headline,
    )


def _headline(metrics: Mapping[str, float]) -> str:
    """Return the key of the error that a trial was scored by; nothing where it was not."""
    known = (headline.key for headline in HEADLINES.values() if f"cv/{headline.key}" in metrics)
    return next(known, "")
