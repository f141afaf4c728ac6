"""Folds of a backtest against loops over rows and time stamps."""

from dataclasses import replace

import numpy as np
import pytest

from forecast.cli.config import compose
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation import experiment, rolling
from forecast.evaluation.outcome import Spec
from forecast.evaluation.rolling import Plan
from forecast.training.parameters import Model, Training

from ..data.panels import windows_by_loop
from .tables import panel

SPEC = Spec(
    model=Model("linear"),
    window=Window(timesteps=6, horizon=4),
    training=Training(epochs=1),
    validation=0.1,
    test=0.5,
)
WHOLE = panel((80, 80))
HOLES = panel((80, 70, 55), absent=[(0, 45), (0, 61), (1, 52), *((2, tick) for tick in range(48))])
HOLES.outputs[[50, 120], 0] = np.nan
HOLES.inputs[[44, 130], 2] = np.nan


def parts(table, folds, test_from):
    """Time stamps of each fold: the first ones are one longer where they cannot all be equal."""
    stamps = sorted({stamp for stamp in table.time if stamp >= test_from})
    found = []
    for number in range(folds):
        size = len(stamps) // folds + (number < len(stamps) % folds)
        before = sum(map(len, found))
        found.append(stamps[before : before + size])
    return found


@pytest.mark.parametrize("table", [WHOLE, HOLES], ids=["whole", "holes"])
@pytest.mark.parametrize("window", [Window(6, 4), Window(5, 3, lead=2)], ids=str)
@pytest.mark.parametrize(("folds", "stride"), [(1, 1), (3, 1), (7, 1), (3, 3)])
def test_every_window_is_in_the_fold_of_its_first_predicted_row(table, window, folds, stride):
    spec = replace(SPEC, window=window)
    found = rolling.prepare(spec, table, Plan(folds, stride=stride))
    test_from = experiment.prepare(spec, table).cuts.test
    every = windows_by_loop(table, window, within=table.time >= test_from, truth="some")
    expected = [[] for _ in range(folds)]
    for start in every:
        first = table.time[start + window.timesteps + window.lead]
        for number, stamps in enumerate(parts(table, folds, test_from)):
            if first in stamps and stamps.index(first) % stride == 0:
                expected[number].append(start)
    assert [fold.scored(table, window).tolist() for fold in found] == expected
    if stride == 1:  # no origin is lost at a border
        assert sorted(sum(expected, [])) == every
    if stride == 1 and table is WHOLE:
        assert len(every) == 2 * (40 - window.horizon + 1)


@pytest.mark.parametrize("scheme", rolling.SCHEMES)
@pytest.mark.parametrize(
    ("refit", "fitted"),
    [(True, [1, 2, 3, 4, 5]), (False, [1, 1, 1, 1, 1]), (1, [1, 2, 3, 4, 5]), (2, [1, 1, 3, 3, 5])],
)
def test_a_model_learns_from_what_lies_before_the_fold_it_is_fitted_for(scheme, refit, fitted):
    folds = rolling.prepare(SPEC, HOLES, Plan(5, scheme, refit=refit))
    assert [fold.fitted for fold in folds] == fitted
    cuts = experiment.prepare(SPEC, HOLES).cuts
    stamps = sorted(set(HOLES.time))
    for fold, part in zip(folds, parts(HOLES, 5, cuts.test), strict=True):
        own = [fold.test_rows(HOLES)[row] == (HOLES.time[row] in part) for row in range(len(HOLES))]
        assert all(own)
        end = stamps.index(folds[fold.fitted - 1].begin)  # 8 of 80 stamps are for stopping
        begin = end - 40 if scheme == "rolling" else 0
        spans = {"train": (begin, end - 8), "validation": (end - 8, end), "learned": (begin, end)}
        for name, (first, last) in spans.items():
            mask = getattr(fold, f"{name}_rows")(HOLES)
            wanted = [first <= stamps.index(stamp) < last for stamp in HOLES.time]
            assert mask.tolist() == wanted


@pytest.mark.parametrize("validation", [0.1, 7, "1970-01-02T10:00"])
def test_the_first_fold_learns_what_one_experiment_learns(validation):
    spec = replace(SPEC, validation=validation)
    cuts = experiment.prepare(spec, WHOLE).cuts
    first, *later = rolling.prepare(spec, WHOLE, Plan(4, "rolling"))
    assert (first.validation, first.test, first.begin) == (cuts.validation, cuts.test, cuts.test)
    size = cuts.test - cuts.validation
    assert all(fold.begin - fold.validation == size for fold in later)


def test_the_first_and_last_time_stamp_of_each_span():
    numbered = panel((80, 80), frequency=None)
    found = rolling.prepare(SPEC, numbered, Plan(4, "rolling"))[1]
    assert rolling.spans(found, numbered) == {
        "train_from": 10,
        "train_to": 41,
        "validation_from": 42,
        "validation_to": 49,
        "test_from": 50,
        "test_to": 59,
    }


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (Plan(folds=0), "backtest.folds must be a whole number of 1 or more, got 0: try"),
        (Plan(folds=True), "backtest.folds must be .*got True"),
        (Plan(folds=41), "backtest.folds=41 must leave time stamps in every fold, got 40 in the"),
        (
            Plan(folds=14),
            r"backtest.folds=14 must leave .*fold 14 .* train 122, validation 10, tes",
        ),
        (Plan(stride=0), "backtest.stride must be a whole number of 1 or more, got 0"),
        (Plan(scheme="roling"), 'backtest.scheme must be one of .*did you mean "rolling"'),
        (Plan(refit=0), "backtest.refit must be true, false or a whole number of 1 or more, got 0"),
        (Plan(refit=1.5), "backtest.refit must be .*got 1.5"),
        (Plan(refit="never"), "backtest.refit must be .*got 'never'"),
    ],
)
def test_what_is_no_plan_is_refused(plan, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        rolling.prepare(SPEC, WHOLE, plan)
    assert "\n" not in str(caught.value)


def test_a_fold_without_a_window_to_learn_from_is_named():
    torn = [(code, tick) for code in (0, 1) for tick in range(20, 47, 5)]
    with pytest.raises(InputError, match=r"in fold 2 .* windows: train 0, validation \d, test"):
        table = panel((80, 80), absent=torn)
        rolling.prepare(replace(SPEC, test=55), table, Plan(2, "rolling"))


def test_a_plan_without_a_say_is_that_of_the_configuration():
    assert Plan(**vars(compose.compose([]).settings.backtest)) == Plan()
