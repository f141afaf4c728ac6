"""A sweep that is killed and started again ends as one that was not."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest

from ..conftest import Place
from .conftest import scores, start, trials

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("victim", ["driver", "worker", "both"])
def test_sigkill_at_a_random_moment(
    victim: str, place: Place, undisturbed: list[tuple[str, float]], tmp_path: Path
):
    moment = random.Random(f"kill the {victim}").uniform(0.0, 6.0)
    print(f"{victim} is killed {moment:.2f} s after the first trial began")
    shutil.copy(place.folder / "load.csv", tmp_path)
    driver = start(tmp_path)
    until = time.monotonic() + 120
    while time.monotonic() < until and not ((tmp_path / "mlflow.db").exists() and trials(tmp_path)):
        time.sleep(0.5)
    time.sleep(moment)
    workers = [
        process
        for process in psutil.Process(driver.pid).children(recursive=True)
        if "spawn_main" in " ".join(process.cmdline())
    ]
    if victim != "driver" and workers:
        workers[0].kill()
    if victim == "worker":
        assert driver.wait(timeout=240) == 0, (tmp_path / "said.txt").read_text()
    else:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait(timeout=30)
        assert start(tmp_path).wait(timeout=240) == 0, (tmp_path / "said.txt").read_text()
    assert scores(tmp_path) == undisturbed
    assert "RUNNING" not in {run.info.status for run in trials(tmp_path)}
