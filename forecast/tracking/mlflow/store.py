"""One client and one experiment of a store, whose address is checked first."""

import fcntl
import logging
import os
import re
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from forecast.data.fetch import HIDDEN, conceal, without_secrets
from forecast.errors import InputError, cause

DEFAULT_URI = "sqlite:///mlflow.db"
ARTIFACTS = "mlartifacts"

PATIENCE = 10
"""Seconds that a server has for an answer."""

PAGE = 1000
"""Runs or experiments that are asked for at once."""

PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
"""Where a server of an address listens that names no port."""

WRONG = re.compile(r"PERMISSION_DENIED|UNAUTHENTICATED|INVALID_PARAMETER_VALUE|\b40[13]\b")
"""What a server says to a question that will never be right."""


REFUSED = re.compile(r"PERMISSION_DENIED|UNAUTHENTICATED|\b40[13]\b")
"""What a server says to somebody whom it does not know, or does not let do this."""


class Unreachable(InputError):
    """A server that does not answer now, and may later; `cause` says why in a few words."""

    def __init__(self, message: str, cause: str):
        super().__init__(message)
        self.cause = cause


class Store:
    """A tracking store and one experiment in it."""

    def __init__(self, uri: str, experiment: str):
        check_uri(uri)
        _hush()
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException, RestException
        from sqlalchemy.exc import SQLAlchemyError

        self.uri = uri
        self.experiment = experiment
        status = None
        try:
            status = check_server(uri)
            # tables and experiments are created without a lock by MLflow
            with _alone(uri), no_retries():
                _create(uri)
                self.client: Any = MlflowClient(tracking_uri=_absolute(uri))
                self.experiment_id = self._open()
        except ImportError as error:  # of the database's driver
            raise InputError(
                f"tracking.uri must be a store whose driver is installed, got "
                f"{without_secrets(uri)!r} "
                f"({cause(error)}): install it, or use {DEFAULT_URI}"
            ) from error
        except (MlflowException, SQLAlchemyError, OSError) as error:
            # a gateway may refuse in JSON, of which MLflow tells the text and not the status
            unknown = status in (401, 403) and isinstance(error, RestException)
            away = server(uri) is not None and not WRONG.search(str(error)) and not unknown
            todo = "free some space, or name another" if _file(uri) else cure(error, unknown)
            sentence = (
                f"tracking.uri must be a store that can be reached, got {without_secrets(uri)!r} "
                f"({reason(error)}): {todo}, or use {DEFAULT_URI}"
            )
            raise (
                Unreachable(sentence, reason(error)) if away else InputError(sentence)
            ) from error

    def _open(self) -> str:
        """Find or create the experiment."""
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(self.experiment)
        if found is None:
            # the client's own default is ./mlruns, a folder that changes its default store
            path = _file(self.uri)
            kept = (path.parent / ARTIFACTS).resolve().as_uri() if path else None
            try:
                return str(self.client.create_experiment(self.experiment, artifact_location=kept))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            found = self.client.get_experiment_by_name(self.experiment)  # somebody was sooner
        if found.lifecycle_stage != "active":
            raise InputError(
                f"tracking.experiment must not be deleted, got {self.experiment!r}: choose another "
                f"name, or restore it: MLFLOW_TRACKING_URI={quote(without_secrets(self.uri))} "
                f"mlflow experiments restore --experiment-id {found.experiment_id}"
            )
        return str(found.experiment_id)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other commands on the same sqlite file from creating what this one creates."""
        with _alone(self.uri):
            yield

    def find(
        self, filter_string: str, *, newest: bool = True, most: int | None = None
    ) -> list[Any]:
        """Search the experiment's runs, all of them unless it is said how many are enough."""
        order = ["attributes.start_time DESC" if newest else "attributes.start_time ASC"]
        size = PAGE if most is None else min(PAGE, most)
        asked = {"max_results": size, "order_by": order}
        found = paged(self.client.search_runs, [self.experiment_id], filter_string, **asked)
        return list(islice(found, most))

    def arrays(self, run_id: str, path: str) -> dict[str, np.ndarray] | None:
        """Read an artifact of named arrays."""
        from mlflow.exceptions import MlflowException

        with TemporaryDirectory() as folder, suppress(MlflowException, OSError, ValueError):
            with np.load(self.client.download_artifacts(run_id, path, folder)) as found:
                return dict(found)
        return None


def paged(search: Callable[..., Any], *asked: Any, **options: Any) -> Iterator[Any]:
    """Yield all that a search of MLflow finds, asking for the next page when it is needed."""
    token = None
    while True:
        page = search(*asked, page_token=token, **options)
        yield from page
        if not (token := page.token):
            return


def experiments(client: Any) -> dict[str, Any]:
    """Return all experiments by their ids."""
    found = paged(client.search_experiments, max_results=PAGE)
    return {one.experiment_id: one for one in found}


def server(uri: str) -> tuple[str, int] | None:
    """Return host and port of the server behind an address; None for a file.

    >>> server("postgresql+psycopg2://me:secret@db/mlflow"), server("sqlite:///mlflow.db")
    (('db', 5432), None)
    """
    parts = urlsplit(without_secrets(uri))  # a password may look like a port
    scheme = parts.scheme.partition("+")[0]
    if scheme not in PORTS or parts.hostname in (None, HIDDEN):
        return None
    return parts.hostname, parts.port or PORTS[scheme]


def check_server(uri: str) -> int | None:
    """Find out in seconds whether a server listens; MLflow asks a database for minutes.

    Returns:
        What it answers over HTTP to somebody unknown; None of a database.
    """
    if uri.startswith(("http://", "https://")):
        return _knock(without_secrets(uri))
    if found := server(uri):
        socket.create_connection(found, timeout=PATIENCE).close()
    return None


def _knock(address: str) -> int | None:
    """Ask a server over HTTP, by the proxy of the environment where it has one, as MLflow does.

    Whatever it answers, it is there: nothing secret is sent, so it may well answer with a refusal.
    """
    import requests

    # else Requests would look for a password in ~/.netrc
    with suppress(requests.exceptions.SSLError, requests.exceptions.ReadTimeout):
        answer = requests.head(address, timeout=PATIENCE, auth=_as_nobody, allow_redirects=False)
        answer.close()
        return answer.status_code
    return None


def _as_nobody(request: Any) -> Any:
    """Send a request as it is."""
    return request


def cure(error: Exception, unknown: bool = False) -> str:
    """Say what to do about a server that did not do what it was asked.

    Args:
        error: Of MLflow.
        unknown: Whether it is known that the server refuses who is unknown.
    """
    if unknown or REFUSED.search(str(error)):
        return (
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, "
            "to what the server knows you by"
        )
    return "start the server"


def client(uri: str) -> Any:
    """Return a quiet client for reading; a file that is not there is not created."""
    check_uri(uri, existing=True)
    _hush()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=_absolute(uri))


def _absolute(uri: str) -> str:
    """Name a file from the root: MLflow keeps connections by address, in whatever folder."""
    path = _file(uri)
    return uri if path is None else f"{SQLITE}{path.absolute()}"


def reason(error: Exception) -> str:
    """Return the cause of an MLflow error, secrets left out: the system's words or a first line."""
    system = re.search(r"\[Errno -?\d+\] [\w ]+|timed out", str(error))
    return conceal(system[0] if system else cause(error))


@contextmanager
def no_retries() -> Iterator[None]:
    """Ask a server once: a wrong address says so soon, and nothing is created twice unseen."""
    asked_for = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": f"{PATIENCE}",
    }
    ours = {key: value for key, value in asked_for.items() if key not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for key in ours:
            del os.environ[key]


def _hush() -> None:
    """Keep telemetry and git hints off the terminal, and migrations unless all is to be heard."""
    heard = logging.getLogger(__name__).isEnabledFor(logging.DEBUG)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    # each request would draw its own progress bar
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "INFO" if heard else "ERROR")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    import mlflow  # noqa: F401  sets its loggers' levels itself, so ours come after

    if heard:
        return
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # it logs the traceback of what it raises
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def _file(uri: str) -> Path | None:
    """Return the file of a sqlite store."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def _lock(path: Path) -> Path:
    """Return the lock file beside a sqlite file."""
    return path.with_name(f".{path.name}.lock")


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Hold a lock beside a sqlite file, so that two commands started at once create it once."""
    if (path := _file(uri)) is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock(path).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _create(uri: str) -> None:
    """Make a sqlite file that is not there, with MLflow's tables: as a whole, or not at all.

    A command that is killed meanwhile would leave half of the tables, which nobody can complete.
    """
    path = _file(uri)
    if path is None or path.exists():
        return
    from mlflow.store.db import utils
    from sqlalchemy import URL, create_engine

    new = path.with_name(f".{path.name}.new")
    parts = (new, new.with_name(f"{new.name}-journal"))
    try:
        for file in parts:
            file.unlink(missing_ok=True)  # of a command that was killed, since we hold the lock
        engine = create_engine(URL.create("sqlite", database=str(new.absolute())))
        utils._initialize_tables(engine)
        engine.dispose()
        if path.exists():  # another program, which knows no lock of ours, was sooner
            new.unlink()
        else:
            new.replace(path)
    except BaseException:
        for file in (*parts, _lock(path)):
            file.unlink(missing_ok=True)
        raise


SQLITE = "sqlite:///"


HEADER = b"SQLite format 3\0"


READ = 64_000_000
"""Bytes of a file that is looked through as a whole before it is used, in a tenth of a second."""


BUSY = ("locked", "busy")
"""What SQLite says while another process writes: the file is in order."""


def check_uri(uri: str, *, existing: bool = False) -> None:
    """Refuse what can never be a store."""
    try:
        parts = urlsplit(uri)
        named = bool(parts.hostname or parts.path.strip("/")) and parts.port != 0
    except ValueError:  # an invalid port, or a bracket without its other
        named = False
    if not named or (parts.scheme in ("http", "https") and not parts.hostname):
        raise _refused(uri, "which names no host and no file")
    if uri.startswith("sqlite:"):
        if not uri.startswith(SQLITE) or uri == f"{SQLITE}:memory:":
            raise _refused(uri, "which is not a file")
        _check_file(uri, Path(uri.removeprefix(SQLITE)), existing)


def _check_file(uri: str, path: Path, existing: bool) -> None:
    """Open a database as a writer does, and leave it as it was."""
    try:
        there = path.exists()
        if there and not path.is_file():
            raise _refused(uri, "which is a folder or a device")
        if not there and existing:
            raise InputError(
                f"tracking.uri must be a store that holds runs, got {without_secrets(uri)!r} (no "
                "such file): there are no runs in this folder yet; run `forecast train`, go to the "
                "folder where it ran, or name its store"
            )
        if not there or not path.stat().st_size:
            return
        with path.open("rb") as file:
            if file.read(len(HEADER)) != HEADER:
                raise _refused(uri, "which is another file and no SQLite database")
    except OSError as error:
        raise _refused(uri, cause(error)) from error
    mode = "ro" if existing else "rw"
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True)
    try:
        if path.stat().st_size <= READ:
            [(state,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
            if state != "ok":
                raise _refused(uri, f"which is damaged: {state}", "restore a copy")
        if not existing:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except sqlite3.Error as error:
        if not any(word in str(error) for word in BUSY):
            raise _refused(uri, cause(error), "restore a copy") from error
    finally:
        connection.close()


def _refused(uri: str, why: str, cure: str = "") -> InputError:
    """Say what an address must be."""
    return InputError(
        f"tracking.uri must be a store that can be written, such as {SQLITE}mlflow.db or "
        f"http://host:5000, got {without_secrets(uri)!r} ({why}): {cure or 'write one of these'}"
    )
