"""A training that is killed loses no number, has none twice, and ends as one that was not."""

import random
import shutil
from pathlib import Path

import pytest

from ..conftest import Place
from .conftest import COMMAND, Undisturbed, finish, kill, points, same, store, told, trained

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("seed", range(4))
def test_sigkill_at_five_random_moments(
    seed: int, place: Place, undisturbed: Undisturbed, tmp_path: Path
):
    """What is left is sent and gone on with, and killed again, until it comes to an end."""
    moments = random.Random(seed)
    left, number = 5, 0
    while left:
        number += 1
        folder = tmp_path / str(number)
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
