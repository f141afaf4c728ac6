"""Who runs a trial, and whether it still lives."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from forecast.tracking.mlflow.direct import DirectRun
from forecast.tracking.mlflow.store import Unreachable

BEAT = 15.0
"""Seconds between two signs of life of a driver."""

SILENT = 90.0
"""Seconds of silence after which a driver on another host counts as dead."""


def name() -> str:
    """Name this process so that others can tell whether it lives: host, pid and start."""
    own = psutil.Process(os.getpid())
    return json.dumps({"host": socket.gethostname(), "pid": own.pid, "start": own.create_time()})


def runs_here(holder: str) -> bool | None:
    """Tell whether an owner is a living process of this host.

    Args:
        holder: As `name` wrote it; anything else is dead.

    Returns:
        True or False, or None for an owner on another host.
    """
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
    """Tell whether an owner on another host has shown a sign of life lately.

    Args:
        holder: As `name` wrote it.
        tags: Of the run on which drivers show signs of life.
        now: Seconds since 1970.

    Returns:
        Whether its last sign is less than `SILENT` seconds old.
    """
    return now - float(tags.get(_tag(holder), 0)) < SILENT


def alive(holder: str, run: DirectRun) -> bool:
    """Tell whether a driver still lives: by its process on this host, else by its signs of life.

    Args:
        holder: As `name` wrote it.
        run: On which drivers show signs of life.

    Returns:
        Whether it does.
    """
    here = runs_here(holder)
    if here is not None:
        return here
    return heard_of(holder, run.store.client.get_run(run.id).data.tags, time.time())


@contextmanager
def beating(run: DirectRun, owner: str) -> Iterator[None]:
    """Show signs of life on a run, from a thread, inside the block.

    Args:
        run: Where.
        owner: This process.
    """
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
    """Read an owner back, nothing where it is none."""
    try:
        who = json.loads(holder)
    except ValueError:
        return {}
    return who if isinstance(who, dict) and {"host", "pid", "start"} <= who.keys() else {}
