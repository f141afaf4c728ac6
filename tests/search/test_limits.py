"""A trial that has a limit of seconds, by a clock that goes one second a look."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from forecast.data import panel
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.evaluation.outcome import Spec
from forecast.search import trial
from forecast.search.trial import OutOfTimeError, Trial, run_trial
from forecast.training.parameters import Model, Training

from ..conftest import load_frame


@pytest.fixture
def looks(monkeypatch) -> None:
    """Each look at the clock takes a second."""
    count = itertools.count()
    monkeypatch.setattr(trial.time, "perf_counter", lambda: float(next(count)))


def asked(returned: str, limit: float | None) -> tuple[Trial, object]:
    table = panel.build(load_frame(200), Schema("time", ("load",), series=("site",)))
    training = Training(epochs=12, patience=None, batch_size=64, seed=1)
    spec = Spec(Model("linear"), Window(6, 2), training)
    end = table.time[150]
    rows = np.flatnonzero((table.time >= end) & (table.tick - table.tick[0] < 190))
    origins = rows if returned == "forecasts" else rows[:0]
    own = Trial(
        key="one",
        candidate=0,
        fold=0,
        seed=1,
        spec=spec,
        table="plain",
        train=(table.time[0], end),
        origins=origins,
    )
    return replace(own, returned=returned, limit=limit), table


def batches() -> int:
    """Looks at the clock of a whole training, one a batch and one an epoch."""
    own, table = asked("forecasts", 1e9)
    return int(run_trial(own, table).seconds)


def test_what_is_a_little_late_keeps_its_best_epoch(looks):
    every = batches()
    own, table = asked("forecasts", 0.7 * every)
    found = run_trial(own, table)
    assert 5 <= len(found.history["loss"]) < 12
    assert found.forecasts is not None and np.isfinite(found.error)
    assert found.best_epoch <= len(found.history["loss"])


@pytest.mark.parametrize(("returned", "share"), [("forecasts", 0.3), ("model", 0.7)])
def test_what_is_much_too_late_or_must_learn_all_epochs_ends_early(looks, returned, share):
    every = batches()
    own, table = asked(returned, share * every)
    with pytest.raises(OutOfTimeError, match="it would take .* longer than its"):
        run_trial(own, table)
