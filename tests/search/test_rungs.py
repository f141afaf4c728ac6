"""Trials that go on: a longer one from a shorter one's checkpoint, to the last bit."""

import numpy as np
import pytest

from forecast import Training, Window
from forecast.evaluation.outcome import Spec
from forecast.search import trial
from forecast.search.trial import Rung, Trial

from ..training.problems import CNN, table

DATA = table(rows=80)
SPAN = (DATA.time.min(), np.unique(DATA.time)[60])
ORIGINS = np.arange(62, 70)


def made(rung: Rung) -> Trial:
    spec = Spec(CNN, Window(8, 3), Training(epochs=8, batch_size=16, patience=None))
    return Trial(str(rung), 0, 0, 0, spec, "t", SPAN, ORIGINS, rung)


@pytest.mark.slow
def test_a_trial_that_goes_on_ends_as_one_that_never_stopped():
    short = trial.run_trial(made(Rung(1, 3, 2)), DATA)
    middle = trial.run_trial(made(Rung(2, 3, 2)), DATA, short.checkpoint)
    last = trial.run_trial(made(Rung(3, 3, 2)), DATA, middle.checkpoint)
    whole = trial.run_trial(made(Rung()), DATA)
    assert [len(r.history["loss"]) for r in (short, middle, last, whole)] == [2, 4, 8, 8]
    assert last.error == whole.error and last.best_epoch == whole.best_epoch
    assert last.history["loss"] == whole.history["loss"]
    assert short.error != whole.error
    assert last.checkpoint is None and whole.checkpoint is None  # nothing comes after them


def test_it_is_the_checkpoint_that_is_gone_on_from():
    """Spoilt weights must show; otherwise the epochs before would have been trained again."""
    short = trial.run_trial(made(Rung(1, 2, 2)), DATA)
    spoilt = {
        key: value * 2 if key.startswith(("state", "best")) else value
        for key, value in short.checkpoint.items()
    }
    whole, other = (trial.run_trial(made(Rung(2, 2, 2)), DATA, c) for c in (None, spoilt))
    assert whole.error != other.error
    assert other.history["loss"][:4] == short.history["loss"]
