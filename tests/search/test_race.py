"""A race against the clock: what is begun, what is counted, which candidates there are."""

import re

import numpy as np
import pandas as pd

from forecast.data import panel, split
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.evaluation.ensemble import Windows
from forecast.evaluation.outcome import Spec
from forecast.search.candidates import Composed
from forecast.search.portfolio import Idea, Portfolio
from forecast.search.race import Budget
from forecast.training.parameters import Model, Training
from forecast.workflows.best.search import Search

from ..conftest import load_frame


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_budget_counts_what_earlier_commands_have_spent():
    clock = Clock()
    budget = Budget(100, began=990.0, clock=clock)
    assert (budget.spent, budget.left) == (10.0, 90.0)
    budget.before = 25.0
    clock.now += 5
    assert (budget.spent, budget.left) == (40.0, 60.0)


def portfolio(*typed: str, rows: int = 2000, shift: float = 0.0) -> Portfolio:
    """That of two sites, hour by hour."""
    frame = load_frame(rows)
    frame["load"] += shift
    schema = Schema("time", ("load",), features=("load",), series=("site",))
    table = panel.build(frame, schema)
    spec = Spec(Model("lstm"), Window(72, 24), Training())

    def compose(overrides: list[str]) -> Composed:
        pairs = dict(text.split("=", 1) for text in overrides)
        return Composed(
            Spec(Model(pairs.get("model", "lstm")), Window(72, 24), Training()),
            "transformed" if "data.transform" in pairs else "plain",
            table,
            pairs,
        )

    return Portfolio(compose, typed, Composed(spec, "plain", table, {}))


def test_candidates_have_names_that_mlflow_takes_and_each_its_own():
    found = portfolio()
    ideas = found.first()
    ideas += found.next({idea: 1.0 + n / 100 for n, idea in enumerate(ideas)})
    names = [str(idea) for idea in dict.fromkeys(ideas)]
    assert len(set(names)) == len(names) > 15
    assert all(re.fullmatch(r"[\w .\-/]+", name) for name in names)
    numbers = {found.candidate(idea).number for idea in ideas}
    assert len(numbers) == len(names)


def test_what_was_typed_is_no_candidate_to_change():
    free, bound = portfolio(), portfolio("window.timesteps", "data.calendar", "data.transform")
    assert free.candidate(Idea("mlp")).point["window.timesteps"] == 168
    point = bound.candidate(Idea("mlp")).point
    assert "window.timesteps" not in point and point["model.hidden"] == [256, 256]
    assert "clock" in free.variations and "clock" not in bound.variations
    assert bound.longest() == 72 and free.longest() == 168


def test_baselines_of_the_held_out_span_have_seen_none_of_it():
    """What changes from its first row on changes no forecast from the origin before that."""
    frame = load_frame(600)
    schema = Schema("time", ("load",), features=("load", "temp"), series=("site",))
    spec = Spec(Model("lstm"), Window(24, 4), Training())

    def forecast(frame: pd.DataFrame) -> dict[str, np.ndarray]:
        on = Windows.of(spec, panel.build(frame, schema), 24)
        first = on.table.time[on.origins(on.held)].min()
        starts = on.held[on.table.time[on.origins(on.held)] == first]
        learned = Search(None, on, None, None, None).baselines(on.learned, on.held)
        return {name: own.values for name, own in learned.forecast(starts).items()}

    table = panel.build(frame, schema)
    begin = pd.Timestamp(split.holdout(table, spec.validation, spec.test).validation)
    later = frame.copy()
    later.loc[pd.to_datetime(later["time"]) >= begin, ["load", "temp"]] *= 7
    one, other = forecast(frame), forecast(later)
    assert {"boosted_trees", "seasonal_naive"} <= one.keys() == other.keys()
    for name in one:
        assert np.array_equal(one[name], other[name])


def test_values_below_zero_are_not_logged():
    assert "log1p" in portfolio().variations
    assert "log1p" not in portfolio(shift=-60.0).variations


def test_longer_windows_need_a_long_history():
    assert "longer" not in portfolio(rows=2000).variations
    long = portfolio(rows=2 * 8 * 168)
    assert long.longest() == 2 * long.candidate(Idea("mlp")).point["window.timesteps"]


def test_a_variation_that_helps_is_given_to_all_and_one_that_does_not_to_none():
    found = portfolio()
    errors = {idea: 1.0 for idea in found.first()}
    errors[Idea("mlp", ("log1p",))] = 0.9
    nexts = found.next(errors)
    assert {Idea("lstm", ("log1p",)), Idea("causal_cnn", ("log1p",))} <= {*nexts}
    assert not any("clock" in idea.variations and idea.model != "mlp" for idea in nexts)
    assert nexts[0] == Idea("mlp", ("log1p",))  # the best of an architecture comes first


def test_what_is_far_off_is_not_trained_whole():
    found = portfolio()
    errors = {idea: 1.0 for idea in found.first()}
    errors[Idea("nbeats")] = 2.0
    assert not any(idea.model == "nbeats" for idea in found.next(errors))
