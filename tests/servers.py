"""Servers of our own on loopback: a tracking server, a database."""

import contextlib
import http.server
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from .forked import Forked

BIN = Path(sys.executable).parent

ALONE = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""Environment of MLflow's server without the eight processes for its own jobs, which cost it ten
seconds; no page of ours has any."""


@contextlib.contextmanager
def process(folder: Path, *command: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command beside the block, and end it with the block."""
    with (folder / "said.txt").open("a") as said:
        started = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env=os.environ | ALONE,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(timeout=20)
        kill(started)


def kill(started: subprocess.Popen[bytes] | Forked) -> None:
    """Kill a process with everything that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)
    started.wait(timeout=20)


def free_port() -> int:
    """Find a port below those that the system gives to clients, one of which may take it later."""
    while True:
        with socket.socket() as one, contextlib.suppress(OSError):
            port = secrets.choice(range(10_000, 30_000))
            one.bind(("127.0.0.1", port))
            return port


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for a minute at most."""
    for _ in range(240):
        if holds():
            return
        time.sleep(0.25)
    raise AssertionError("waited in vain")


def wait_for(address: str, said: Path) -> None:
    for _ in range(240):
        with contextlib.suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(address, timeout=2)
            return
        time.sleep(0.5)
    raise AssertionError(said.read_text())


def server_program(name: str) -> Path | None:
    """Find a program of PostgreSQL's server, which Debian keeps off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    own = shutil.which(name)
    return found[-1] if found else Path(own) if own else None


@contextlib.contextmanager
def postgresql(folder: Path, password: str | None = None) -> Iterator[str]:
    """Run a PostgreSQL server of our own on loopback, and yield the address of a database.

    With a password it asks everybody for that.
    """
    user = "postgres" if os.getuid() == 0 else None  # it refuses to be root
    port = free_port()
    with tempfile.TemporaryDirectory() as home:
        if user:
            shutil.chown(home, user)

        def call(name: str, *words: object) -> None:
            command = [str(word) for word in (server_program(name), *words)]
            own = os.environ | ({"PGPASSWORD": password} if password else {})
            subprocess.run(command, user=user, cwd=home, env=own, check=True, capture_output=True)

        auth = ["--auth=trust"]
        if password:
            (Path(home) / "word").write_text(password)
            auth = ["--auth=scram-sha-256", f"--pwfile={home}/word"]
        call("initdb", "-D", f"{home}/data", "-U", "forecast", *auth)
        where = ["-h", "127.0.0.1", "-p", port]
        options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1"
        log = ["-l", f"{home}/log"]
        call("pg_ctl", "-D", f"{home}/data", "-w", "-o", options, *log, "start")
        try:
            call("createdb", *where, "-U", "forecast", "mlflow")
            yield f"postgresql+psycopg2://forecast@127.0.0.1:{port}/mlflow"
        finally:
            call("pg_ctl", "-D", f"{home}/data", "-m", "immediate", "stop")


@contextlib.contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder / 'server.db'}"


def tracking_server(folder: Path, backend: str, port: int) -> contextlib.AbstractContextManager:
    """Run MLflow's server on a port, with its artifacts in the folder."""
    where = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    kept = ["--backend-store-uri", backend, "--artifacts-destination", folder / "kept"]
    return process(folder, BIN / "mlflow", *where, *kept)


@contextlib.contextmanager
def between(target: str, seconds: float, status: int | None) -> Iterator[tuple[str, list[str]]]:
    """Pass requests on to a server after some seconds, or answer them with a status.

    Yields:
        The address, and the paths that were asked for so far.
    """
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(self.path)
            time.sleep(seconds)
            if status:
                self.send_error(status)
                return
            headers = {k: v for k, v in self.headers.items() if k.lower() != "host"}
            request = urllib.request.Request(
                target + self.path, body or None, headers, method=self.command
            )
            try:
                with urllib.request.urlopen(request) as answer:
                    found, code = answer.read(), answer.status
            except urllib.error.HTTPError as error:
                found, code = error.read(), error.code
            with contextlib.suppress(BrokenPipeError):  # who asked has ended meanwhile
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(found)))
                self.end_headers()
                self.wfile.write(found)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on  # noqa: N815

        def log_message(self, *words: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False  # what is on its way arrives before the block ends
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
