"""Workers beside this process find what it finds alone."""

import os
import signal
from collections.abc import Iterator

import keras
import numpy as np
import pandas as pd
import pytest

from forecast.data import samples
from forecast.data.blocks import Blocks
from forecast.errors import InputError
from forecast.evaluation import experiment, parts
from forecast.evaluation.backtest import run_backtest
from forecast.evaluation.rolling import Plan
from forecast.parallel.cluster import Cluster, connected

from .test_survey import CASES, panel, spec

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def workers() -> Iterator[Cluster]:
    with connected(None, 2) as client:
        yield Cluster(client)


def kept(frames):
    def keep(forecasts, around):
        for name, own in forecasts.items():
            frames.setdefault(name, []).append(own.frame(around.get(name)))

    return keep


def frame(parts):
    return pd.concat(parts, ignore_index=True)


def assert_same(one, two):
    """Assert that two evaluations found the same, to the bit."""
    assert two.scores == pytest.approx(one.scores, rel=0, abs=0, nan_ok=True)
    for name, scores in one.baseline_scores.items():
        assert two.baseline_scores[name] == pytest.approx(scores, rel=0, abs=0, nan_ok=True)
        verdicts = (vars(found.verdicts[name]) for found in (one, two))
        assert next(verdicts) == pytest.approx(next(verdicts), rel=0, abs=0, nan_ok=True)
    for name in one.measured:
        assert two.measured[name].by_series == one.measured[name].by_series
    for a, b in [
        (one.test, two.test),
        *((one.baselines[n], two.baselines[n]) for n in one.baselines),
    ]:
        np.testing.assert_array_equal(a.starts, b.starts)
        np.testing.assert_array_equal(a.values, b.values)
    for end in ("lower", "upper", "crps"):
        np.testing.assert_array_equal(getattr(one.intervals, end), getattr(two.intervals, end))
    assert one.intervals.observed == two.intervals.observed
    np.testing.assert_array_equal(one.intervals.reach.values, two.intervals.reach.values)


@pytest.mark.parametrize("name", [*CASES, "events"])
@pytest.mark.parametrize("few", [False, True], ids=["all kept", "few kept"])
def test_blocks_are_scored_by_workers_as_here(name, few, workers, monkeypatch):
    monkeypatch.setattr(samples, "block_rows", lambda *_: 200)
    monkeypatch.setattr(parts, "VALUES", 150)
    monkeypatch.setattr(parts, "FEWEST", 1)
    if few:
        monkeypatch.setattr(parts, "KEPT", 10)
        monkeypatch.setattr(parts, "SHOWN", 150)
        monkeypatch.setattr(parts, "SERIES", 2)
    table = panel([120] * 6, task="event") if name == "events" else CASES[name]
    prepared = experiment.prepare(spec(), Blocks.of(table))
    fitted = experiment.fit(prepared)
    here, there = {}, {}
    one = experiment.evaluate(prepared, fitted, keep=kept(here))
    two = experiment.evaluate(prepared, fitted, keep=kept(there), pool=workers)
    if name != "events":
        assert_same(one, two)
    assert two.scores == one.scores
    assert ([*here] == [""] or "boosted_trees" in here) if few else len(here) > 3
    for forecaster, own in here.items():
        pd.testing.assert_frame_equal(frame(there[forecaster]), frame(own), check_exact=True)


def halve(shared, item):
    """Divide; an item of 13 kills its worker as often as the file says."""
    left = int(shared.read_text())
    if item == 13 and left:
        shared.write_text(str(left - 1))
        os.kill(os.getpid(), signal.SIGKILL)
    return item / 2


def test_a_killed_worker_costs_its_item(tmp_path, workers):
    file = tmp_path / "kills"
    file.write_text("1")
    every = range(30)
    assert [*workers.each(halve, file, every)] == [(item, item / 2) for item in every]
    assert file.read_text() == "0"


def test_an_item_that_kills_every_worker_is_refused(tmp_path, workers):
    file = tmp_path / "kills"
    file.write_text("1000")
    with pytest.raises(InputError, match="more memory"):
        list(workers.each(halve, file, range(20)))


def refuse(shared, item):
    raise InputError(f"item must be even, got {item}: take another")


def test_what_a_worker_refuses_is_refused_here(workers):
    with pytest.raises(InputError, match="got 7: take another"):
        list(workers.each(refuse, None, [7]))


def test_no_more_items_are_read_than_workers_need(workers):
    read = []

    def items():
        for item in range(40):
            read.append(item)
            yield item

    ahead = [len(read) - item for item, _ in workers.each(divmod, 7, (i + 1 for i in items()))]
    assert max(ahead) < 10 and len(ahead) == 40


@pytest.mark.parametrize("refit", [True, 2, False], ids=["every fold", "every second", "one model"])
def test_a_backtest_on_workers_is_the_one_here(refit, workers):
    table, asked, plan = panel([150, 140, 150]), spec(), Plan(folds=4, refit=refit)
    heard = {"here": [], "there": []}

    class Epochs(keras.callbacks.Callback):
        def __init__(self, where):
            super().__init__()
            self.where = where

        def on_epoch_end(self, epoch, logs=None):
            self.where.append((epoch, logs["loss"], logs["val_mae"]))

    def around(where):
        return lambda fold, step: step([Epochs(heard[where])])

    one = run_backtest(asked, table, plan, around=around("here"))
    two = run_backtest(asked, table, plan, around=around("there"), pool=workers)
    models = len({fold.fitted for fold in one.folds})
    assert heard["there"] == heard["here"] and len(heard["here"]) == 2 * models
    assert_same(one.overall, two.overall)
    assert two.overall.test.table is table
    np.testing.assert_array_equal(one.fold, two.fold)
    assert len({id(outcome.forecaster) for outcome in two.outcomes}) == models
    for a, b in zip(one.outcomes, two.outcomes, strict=True):
        assert_same(a, b)
        weights = (own.forecaster.model_.get_weights() for own in (a, b))
        for mine, theirs in zip(*weights, strict=True):
            np.testing.assert_array_equal(mine, theirs)
