"""A training that is killed loses no number, has none twice, and ends as one that was not."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from forecast.serving import bundle, package
from forecast.tracking.mlflow.store import Store

from ..conftest import Place
from ..forked import Forked
from ..servers import kill as end
from .conftest import (
    COMMAND,
    Undisturbed,
    finish,
    kill,
    points,
    same,
    store,
    told,
    trained,
    wait_for_fit,
)

pytestmark = pytest.mark.faults


def test_sigkill_at_five_random_moments(
    number: int, place: Place, undisturbed: Undisturbed, tmp_path: Path
):
    """What is left is sent and gone on with, and killed again, until it comes to an end."""
    moments = random.Random(number)
    left, training = 5, 0
    while left:
        training += 1
        folder = tmp_path / str(training)
        folder.mkdir()
        shutil.copy(place.folder / "load.csv", folder)
        words = ["train", *COMMAND]
        while left and words:
            moment = moments.uniform(0, undisturbed.seconds)
            print(f"killed after {moment:.2f} of {undisturbed.seconds:.2f} s")
            left -= kill(folder, moment, *words)
            finish(folder, "sync")
            (run,) = trained(folder)
            assert run.state in ("KILLED", "FINISHED") and run.waiting == 0
            assert points(store(folder), run.run_id) == told(folder, run)  # none lost, none twice
            words = ["train", f"resume={run.local_id}"] if run.state == "KILLED" else []
        if words:
            finish(folder, *words)
        same(folder, store(folder), undisturbed)


def test_sigkill_after_the_training(
    number: int, place: Place, undisturbed: Undisturbed, tmp_path: Path
):
    """The model predicts, whenever that was; what is missing is made without another training."""
    shutil.copy(place.folder / "load.csv", tmp_path)
    moment = random.Random(f"after {number}").uniform(0, undisturbed.after)
    process = Forked(tmp_path, "train", *COMMAND)
    wait_for_fit(tmp_path, process)
    time.sleep(moment)
    end(process)
    (run,) = trained(tmp_path)
    kept = package.inside(tmp_path / "runs" / run.local_id)
    print(f"killed {moment:.2f} of {undisturbed.after:.2f} s after the fit: {run.missing}, {kept}")
    if kept is not None:
        own = bundle.load(kept).model.get_weights()
        for one, other in zip(own, undisturbed.weights, strict=True):
            np.testing.assert_array_equal(one, other)
    here = Place(tmp_path, [], [])
    if run.state != "FINISHED":
        assert here.run("train", f"resume={run.local_id}") == 0, here.errors
        assert "the training is finished" in here.printed[-1]
        assert "epoch 1/12" not in here.printed[-1]
    same(tmp_path, store(tmp_path), undisturbed)
    assert here.run("predict", f"run={run.local_id}", "output=next.csv") == 0, here.errors


DIES = """
import os
from sqlalchemy import Engine, event
from forecast.tracking.mlflow.store import Store

def die(connection, cursor, statement, *others):
    if "CREATE TABLE inputs" in statement:
        os._exit(9)

event.listen(Engine, "after_cursor_execute", die)
Store("sqlite:///mlflow.db", "weather")
"""
"""A command that dies when MLflow has made half of its tables."""


def test_a_store_that_was_never_finished_is_made_anew(tmp_path: Path, monkeypatch):
    dead = subprocess.run([sys.executable, "-c", DIES], cwd=tmp_path, check=False)
    assert dead.returncode == 9 and [*tmp_path.iterdir()]
    monkeypatch.chdir(tmp_path)
    Store("sqlite:///mlflow.db", "weather").find("")
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db", ".mlflow.db.lock"}
