"""The README says that the test span is opened once: with other values in it nothing else moves."""

from dataclasses import replace

import numpy as np
import pytest

from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation import experiment, outcome
from forecast.evaluation.outcome import Outcome, Spec
from forecast.search import leaderboard, trial
from forecast.search import plan as plans
from forecast.search.candidates import Candidate
from forecast.search.plan import Plan
from forecast.search.strategies import Everything
from forecast.training.parameters import Model, Training

from .tables import panel

SPEC = Spec(
    Model("linear"),
    Window(6, 3),
    Training(epochs=4, batch_size=32, learning_rate=0.02),
    baselines=("drift", "moving_average"),
)
TABLE = panel((170, 150), targets=1, absent=[(0, 20), (1, 70)])
CUTS = experiment.prepare(SPEC, TABLE).cuts


def replaced(seed: int) -> Table:
    """The table with other numbers in every column of the test span."""
    rng = np.random.default_rng(seed)
    test = CUTS.test_rows(TABLE)
    inputs, outputs = TABLE.inputs.copy(), TABLE.outputs.copy()
    inputs[test] = 1000 * rng.normal(size=inputs[test].shape) - 500
    outputs[test] = inputs[test][:, : outputs.shape[1]]
    return replace(TABLE, inputs=inputs, outputs=outputs)


def learned(found: Outcome) -> dict[str, object]:
    """All that a run has learned or chosen, without what it said of the test span."""
    fitted = found.forecaster
    weights = {f"weight {n}": w for n, w in enumerate(fitted.model_.get_weights())}
    times = ("epoch_seconds", "samples_per_second")
    history = {k: v for k, v in fitted.history_.items() if k not in times}
    scale = {k: v for k, v in vars(fitted.scaler_).items() if isinstance(v, np.ndarray)}
    chosen = {
        "best epoch": fitted.best_epoch_,
        "given to sweepers": outcome.validation_error(fitted, found.test.headline),
        "season": found.season,
        "cuts": (found.cuts.validation, found.cuts.test),
    }
    return weights | history | scale | chosen


def before_it(found: Outcome) -> dict[str, np.ndarray]:
    """Forecasts, by all, of the windows whose inputs end before the test span.

    What a baseline has learned or chosen, such as a penalty or a season, shows in them.
    """
    every = {"model": found.test, **found.baselines}
    return {
        name: one.values[one.table.time[one.origins] < found.cuts.test]
        for name, one in every.items()
    }


def same(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return [experiment.run(SPEC, table) for table in (TABLE, replaced(1))]


def test_a_training_learns_and_chooses_the_same(outcomes):
    one, other = outcomes
    same(learned(one), learned(other))
    assert one.scores["test/mae"] != other.scores["test/mae"]


def test_what_all_forecast_from_the_rows_before_it_is_the_same(outcomes):
    one, other = map(before_it, outcomes)
    assert min(map(len, one.values())) >= 2  # a window of each series at least
    same(one, other)


def test_intervals_begin_with_the_same_width(outcomes):
    ends = []
    for found in outcomes:
        first = found.test.table.time[found.test.origins] < found.cuts.test
        ends.append(np.stack([found.intervals.lower, found.intervals.upper])[:, first])
    np.testing.assert_array_equal(*ends)


def standings(table: Table) -> list[leaderboard.Standing]:
    """Rank two candidates over two folds, as a sweep does."""
    specs = [replace(SPEC, training=Training(epochs=3, learning_rate=rate)) for rate in (1e-3, 0.3)]
    found = [Candidate(n, {"rate": n}, spec, "t", {}) for n, spec in enumerate(specs)]
    plan = Plan(Everything(found), {"t": table}, "digest", folds=2)
    every = plans.trials(plan, next(plan.strategy.rounds(lambda: [])))
    results = {one.key: trial.run_trial(one, table) for one in every}
    return leaderboard.rank(found, every, results, {})


def test_a_sweep_ranks_its_candidates_the_same():
    one, other = standings(TABLE), standings(replaced(2))
    assert [s.candidate.number for s in one] == [s.candidate.number for s in other]
    for mine, its in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine.scores, its.scores)
        assert (mine.epochs, mine.mean) == (its.epochs, its.mean)
