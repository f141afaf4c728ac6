"""`forecast ui`: MLflow's pages of a store, opened on its runs."""

import os
import socket
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from forecast.cli.config.compose import Request
from forecast.cli.console import can_open_a_browser, console, say, say_open
from forecast.cli.links import REPORT, reached
from forecast.errors import InputError
from forecast.tracking.folders import in_store
from forecast.tracking.mlflow import pages, views
from forecast.tracking.mlflow.store import ARTIFACTS, SQLITE, no_retries, reason

HOST = "127.0.0.1"

APP = "forecast"
"""Our application on MLflow's server, among the entry points `mlflow.app`."""

OPENER = """
import sys, time, urllib.request, webbrowser
for _ in range(240):
    try:
        urllib.request.urlopen(sys.argv[1], timeout=5).close()
    except OSError:
        time.sleep(0.25)
    else:
        webbrowser.open(sys.argv[1])
        break
"""
"""Opens a page once its server answers."""


def run_ui(request: Request) -> None:
    """Print where the pages of a store open, serve them, and open a browser on them."""
    settings = request.settings.tracking
    uri, port = settings.uri, settings.port
    if not pages.serves(uri):
        _check(port)
    opened = f"{pages.base(uri, port)}/{_place(uri, request.settings.run)}"
    say_open(opened)
    if pages.serves(uri):
        return
    say("", "press Ctrl-C to stop the server")
    console.file.flush()
    if can_open_a_browser() if settings.open is None else settings.open:
        # a process of its own, since this one becomes the server
        quiet = subprocess.DEVNULL
        subprocess.Popen([sys.executable, "-c", OPENER, opened], stdout=quiet, stderr=quiet)
    command, environment = server(uri, port)
    os.execve(command[0], command, {**os.environ, **environment})


def _place(uri: str, run: str | None) -> str:
    """Return the page to open: of a run, else that from which all others are reached."""
    from mlflow.exceptions import MlflowException

    file = Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None
    if run is None and not pages.serves(uri):
        return "" if _has_app() else f"#/experiments?{pages.TRAINING}"
    if file and not file.exists():
        raise InputError(
            f"run must be a run of this folder, got {run!r}: there are none yet; `forecast train` "
            "makes one"
        )
    with no_retries():
        store = reached(uri)
        if run is None:
            return _newest(store)
        try:
            found = in_store(store, run)
            kept = {file.path for file in store.list_artifacts(found.info.run_id)}
        except (MlflowException, OSError) as error:
            raise InputError(
                f"run must be the id of a run, got {run!r} ({reason(error)}): `forecast runs` "
                "lists those of this folder"
            ) from error
    own, home = found.info.run_id, found.info.experiment_id
    if REPORT not in kept:
        return pages.run_page(home, own)
    if pages.serves(uri) or not _has_app():
        return pages.artifact(home, own, REPORT)
    return pages.own_page(own, REPORT)


def _newest(store: Any) -> str:
    """Return the page of the experiment that was written last."""
    from mlflow.exceptions import MlflowException

    try:
        every = store.search_experiments(max_results=10, order_by=["last_update_time DESC"])
    except MlflowException:  # such as tables of an older version, of which MLflow says what to do
        every = []
    homes = [one for one in every if views.TAG + pages.KEY in one.tags]
    return pages.view(homes[0].experiment_id) if homes else f"#/experiments?{pages.TRAINING}"


def _has_app() -> bool:
    """Tell whether our application is installed where MLflow looks for it."""
    return any(one.name == APP for one in entry_points(group="mlflow.app"))


def server(uri: str, port: int) -> tuple[list[str], dict[str, str]]:
    """Say how MLflow serves a store to this machine alone."""
    names = ",".join(f"{name}{end}" for end in ("", f":{port}") for name in ("localhost", HOST))
    folder = Path(uri.removeprefix(SQLITE)).parent if uri.startswith(SQLITE) else Path()
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    command += ["--workers", "1", "--allowed-hosts", names]
    command += ["--default-artifact-root", f"{folder / ARTIFACTS}/"]
    command += ["--uvicorn-opts", "--log-level warning"]
    command += ["--app-name", APP] if _has_app() else []
    return command, {
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_REGISTRY_STORE_URI": uri,
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
