"""Ctrl-C reaches every process of a terminal's group, workers among them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

WORKERS = """
import time
from forecast.search.engine import cluster

if __name__ == "__main__":
    try:
        with cluster(None, 1):
            print("ready", flush=True)
            time.sleep(60)
    except KeyboardInterrupt:
        pass
"""


@pytest.mark.processes
def test_workers_write_nothing_when_the_terminal_interrupts_all(tmp_path: Path):
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    path = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    started = subprocess.Popen(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert started.stdout and started.stdout.readline() == "ready\n"
    time.sleep(0.2)
    os.killpg(started.pid, signal.SIGINT)
    assert started.communicate(timeout=60) == ("", "")
    assert started.returncode == 0
