"""What commit 3d47ab9 had begun when it was killed is gone on with, and comes to the same."""

import numpy as np
import pytest

from forecast.serving import bundle
from forecast.tracking import folders
from forecast.tracking.mlflow.store import Store
from forecast.workflows import environment

from ..conftest import word
from .write import SWEEP

pytestmark = pytest.mark.slow

MACHINE = ("forecast.processor", "forecast.versions")
ROUNDING = 1e-4
"""Of a processor that is another than the one on which a part was trained."""


def scores(store: Store) -> dict[str, float]:
    """Key and score of every trial that was trained."""
    runs = store.find("tags.`forecast.kind` = 'trial' and attributes.status = 'FINISHED'")
    return {r.data.tags["forecast.trial_key"]: r.data.metrics["cv/mae"] for r in runs}


def test_a_training_ends_with_the_weights_of_one_that_was_not_stopped(stopped):
    place, _ = stopped
    died = next(run for run in folders.runs(place.folder / "runs") if run.epochs == 2)
    assert place.run("train", f"resume={died.local_id}") == 0, place.errors
    assert "after epoch 2 of 4" in place.printed[-1]
    run = Store(place.uri, "load").client.get_run(word(place.printed[-1], "run"))
    folder = place.folder / "mlartifacts" / run.info.run_id / "artifacts/model/artifacts/bundle"
    both = (folder, place.folder / "undisturbed")
    made, whole = (bundle.load(path).model.get_weights() for path in both)
    assert len(made) == len(whole) > 0
    for own, undisturbed in zip(made, whole, strict=True):
        alike(own, undisturbed, run)


def test_what_follows_a_training_that_was_finished_is_made_up_for(stopped):
    place, known = stopped
    died = next(run for run in folders.runs(place.folder / "runs") if run.missing)
    assert place.run("train", f"resume={died.local_id}") == 0, place.errors
    assert "the training is finished; missing: scores, baselines" in place.printed[-1]
    run = Store(place.uri, "load").client.get_run(word(place.printed[-1], "run"))
    lasting = [key for key in known["metrics"] if key.split("/")[0] in ("test", "train", "val")]
    assert {"test/mae", "train/loss", "val/loss"} <= {*lasting}
    for key in lasting:
        alike(run.data.metrics[key], known["metrics"][key], run)


def alike(found, whole, run) -> None:
    """Hold numbers to the bit where today's processor and packages are those of the run."""
    here = environment.tags()
    if all(run.data.tags[tag] == here[tag] for tag in MACHINE):
        np.testing.assert_array_equal(found, whole)
    else:
        np.testing.assert_allclose(found, whole, rtol=ROUNDING, atol=ROUNDING)


def test_a_sweep_reuses_the_trials_that_were_finished(stopped):
    """Where packages are those of the lock: they stand in the key of a trial."""
    place, known = stopped
    store = Store(place.uri, "load")
    finished = dict(known["finished"])
    assert scores(store) == finished and 0 < len(finished) < 6
    assert place.run(*SWEEP) == 0, place.errors
    print(place.printed[-1])
    trials = store.find("tags.`forecast.kind` = 'trial'", newest=False)
    done = scores(store)
    assert done.keys() == dict(known["trials"]).keys()
    assert {key: done[key] for key in finished} == finished
    for key, score in known["trials"]:
        np.testing.assert_allclose(done[key], score, rtol=ROUNDING)
    keys = [run.data.tags["forecast.trial_key"] for run in trials if run.info.status == "FINISHED"]
    assert len(keys) == len(done)  # none was trained again
    assert len(store.find("tags.`forecast.kind` = 'sweep'")) == 1
