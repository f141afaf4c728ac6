"""`forecast ui`: MLflow's pages of a store, and the addresses that open where one wants to be."""

import os
import socket
import sys
from pathlib import Path
from typing import Any

from forecast.cli.config.compose import Request
from forecast.cli.console import console, say
from forecast.cli.links import reached
from forecast.errors import InputError
from forecast.tracking.mlflow import pages, views
from forecast.tracking.mlflow.store import ARTIFACTS, SQLITE, no_retries

SHOWN = 10
"""Experiments that are listed, those that were written last."""

HOST = "127.0.0.1"


def run_ui(request: Request) -> None:
    """Print the pages of all experiments and of the last comparisons, then serve them."""
    settings = request.settings.tracking
    uri, port = settings.uri, settings.port
    if not pages.serves(uri):
        _check(port)
    base = pages.base(uri, port)
    file = Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None
    with no_retries():
        found = [] if file and not file.exists() else _pages(reached(uri))
    for label, text, page in found:
        say(label, f"{text} {base}/{page}")
    if not found:
        say("all", f"{base}/#/experiments?{pages.TRAINING}")
    if pages.serves(uri):
        return
    say("next", "press Ctrl-C to stop the server")
    console.file.flush()
    command, environment = server(uri, port)
    os.execve(command[0], command, {**os.environ, **environment})


def server(uri: str, port: int) -> tuple[list[str], dict[str, str]]:
    """Say how MLflow serves a store to this machine alone."""
    names = ",".join(f"{name}{end}" for end in ("", f":{port}") for name in ("localhost", HOST))
    folder = Path(uri.removeprefix(SQLITE)).parent if uri.startswith(SQLITE) else Path()
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    command += ["--workers", "1", "--allowed-hosts", names]
    command += ["--default-artifact-root", f"{folder / ARTIFACTS}/"]
    return command, {
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONWARNINGS": "ignore",  # what its own libraries are to stop using
    }


def _check(port: int) -> None:
    """Refuse a port on which nothing can be served."""
    why = ""
    if not 1 <= port <= 65_535:
        why = "not a port"
    else:
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                free.bind((HOST, port))
            except OSError as error:
                why = f"{error.strerror}".lower()
    if why:
        raise InputError(
            f"tracking.port must be a free port of this machine, got {port} ({why}): write "
            "another, such as tracking.port=5001"
        )


def _pages(store: Any) -> list[tuple[str, str, str]]:
    """List label, name and page of each experiment that has our view, then the last comparisons."""
    from mlflow.exceptions import MlflowException

    try:
        every = store.search_experiments(max_results=SHOWN, order_by=["last_update_time DESC"])
    except MlflowException:  # such as tables of an older version, of which MLflow says what to do
        return []
    homes = [one for one in every if views.TAG + pages.KEY in one.tags]
    found = [("all", one.name, pages.view(one.experiment_id)) for one in homes]
    last = {"compare": views.key("runs"), "candidates": views.key("sweep")}
    for label, head in last.items():
        for one in homes:
            shown = (
                (key, name)
                for key, name in views.ours(one.tags).items()
                if key[: len(head)] == head
            )
            if newest := next(shown, None):
                found.append(
                    (label, newest[1], pages.view(one.experiment_id, newest[0], charts=True))
                )
                break
    return found
