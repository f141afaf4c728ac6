"""A search for the best forecast that is killed again and again ends as one that was not."""

import random
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from forecast.search.race import SPENT
from forecast.tracking.mlflow.store import Store

from ..conftest import environment, load_frame
from ..servers import kill

pytestmark = pytest.mark.faults

SCRIPT = """
import sys
from forecast.cli.main import main
from forecast.search.portfolio import Idea, Portfolio

if __name__ == "__main__":
    small = {"model.hidden": [4], "training.epochs": 8}
    ideas = [Idea("mlp", (), small), Idea("nlinear"), Idea("mlp", ("log1p",), small)]
    Portfolio.first = lambda self: ideas
    Portfolio.next = lambda self, errors: []
    sys.exit(main())
"""
"""The command with three candidates of a fast kind."""

COMMAND = [
    *("best", "budget=900", "data=file", "data.path=load.csv", "data.time=time"),
    *("data.series=[site]", "data.targets=[load]", "window.timesteps=24", "window.horizon=4"),
]

KILLS = 5


def start(folder: Path) -> subprocess.Popen:
    """Begin the command, or go on with it."""
    with (folder / "said.txt").open("a") as said:
        return subprocess.Popen(
            [sys.executable, str(folder / "few.py"), *COMMAND],
            cwd=folder,
            env=environment(),
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def home(folder: Path) -> Path:
    """A folder with the data and the command."""
    load_frame(400).to_csv(folder / "load.csv", index=False)
    (folder / "few.py").write_text(SCRIPT)
    return folder


def ended(folder: Path) -> tuple[dict[str, float], Counter, dict[str, str]]:
    """Scores of the search, how often each trial has finished, and its tags."""
    store = Store(f"sqlite:///{folder / 'mlflow.db'}", "load")
    [parent] = store.find("tags.`forecast.kind` = 'best'")
    assert parent.info.status == "FINISHED"
    runs = store.find("tags.`forecast.kind` = 'trial' and attributes.status = 'FINISHED'")
    done = Counter(run.data.tags["forecast.trial_key"] for run in runs)
    scores = {k: v for k, v in parent.data.metrics.items() if k.startswith(("test/", "skill/"))}
    return scores, done, parent.data.tags


def test_killed_at_five_moments_it_ends_as_if_it_had_not_been(tmp_path_factory):
    calm, rough = (home(tmp_path_factory.mktemp(name)) for name in ("calm", "rough"))
    began = time.monotonic()
    assert start(calm).wait(timeout=300) == 0, (calm / "said.txt").read_text()
    seconds, moments = time.monotonic() - began, random.Random()
    lived = 0.0
    for number in range(KILLS):
        driver, since = start(rough), time.monotonic()
        # the first parts of the command take long, so most kills are later than the one before
        until = since + moments.uniform(0.2, 1.0) * seconds
        while time.monotonic() < until and driver.poll() is None:
            time.sleep(0.05)
        print(f"killed {number} after {time.monotonic() - since:.2f} s")
        lived += time.monotonic() - since
        if driver.poll() is None:
            kill(driver)
    assert start(rough).wait(timeout=300) == 0, (rough / "said.txt").read_text()
    undisturbed, disturbed = ended(calm), ended(rough)
    assert disturbed[0] == undisturbed[0]
    assert disturbed[1] == undisturbed[1] and {*disturbed[1].values()} == {1}
    spent = float(disturbed[2][SPENT])
    assert spent < 900 and spent > 0.2 * seconds
    said = (rough / "said.txt").read_text()
    assert re.search(r"^result ", said, re.M) and "Traceback" not in said
