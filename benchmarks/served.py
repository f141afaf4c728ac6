"""A server of MLflow on loopback, for as long as a block lasts."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path


@contextlib.contextmanager
def served(folder: Path, words: Sequence[str], alive: str) -> Iterator[str]:
    """Run a server of MLflow, and end it with all its processes.

    Args:
        folder: Where it runs, and what it says is kept.
        words: Of the command behind `mlflow`; host and port are added.
        alive: What it answers when it is ready, such as "/health".

    Yields:
        Its address.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = Path(sys.executable).parent
    command = [sys.executable, "-m", "mlflow", *words, "--host", "127.0.0.1", "--port", str(port)]
    own = {
        "PATH": f"{home}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with (folder / "server.log").open("w") as said:
        started = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | own,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        for _ in range(240):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}{alive}", timeout=2)
                break
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait(30)
