"""What a report says in words: each sentence from numbers that a test has made."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast.evaluation.outcome import columns, without_zero
from forecast.evaluation.significance.pairs import Verdict
from forecast.report.sections.findings import findings

from .tables import panel, rescored
from .test_report import interval, outcome


def shifted(found, by, where=slice(None)):
    """Move the forecasts of some windows up."""
    values = found.test.values.copy()
    values[where] += by
    return rescored(found, replace(found.test, values=values))


def told(found, word):
    return [text for text in findings(found) if word in text]


@pytest.mark.parametrize(("by", "side"), [(3.0, "high"), (-3.0, "low")])
def test_a_bias_is_said_with_its_size_and_side(by, side):
    found = shifted(outcome(), by)
    wrong = found.test.values - found.test.true
    [text] = told(found, "on average")
    assert text.startswith(f"Forecasts run {abs(wrong.mean()):.2g} too {side} on average, ")
    assert f"nearly all of the {found.test.headline.name}" in text


def test_a_small_bias_is_not_worth_a_sentence():
    found = outcome()
    middle = (found.test.values - found.test.true).mean()
    assert told(shifted(found, -middle), "on average") == []


def test_a_bias_of_a_few_days_is_dated():
    found = outcome(panel((700,), targets=1))
    middle = (found.test.values - found.test.true).mean()
    late = found.test.table.tick[found.test.origins] >= 640
    found = shifted(shifted(found, -middle), 8.0, late)
    [text] = told(found, "on average")
    first, last, size = re.search(r"most from (.*) to (.*) \(([\d.]+)\)", text).groups()
    day = pd.Timestamp(found.test.table.time[-1])
    assert pd.Timestamp(last).date() == day.date()
    assert pd.Timestamp("1970-01-01") + pd.Timedelta("620h") < pd.Timestamp(first) < day
    assert 6 < float(size) <= 8.1


def test_a_training_that_was_still_getting_better_is_said():
    found = outcome()
    assert told(found, "converged") == []  # its best epoch is the first of two
    found.forecaster.best_epoch_ = 2
    assert told(found, "converged") == [
        "The best epoch was the last (2 of 2): the training has not converged; "
        "raise training.epochs."
    ]
    refit = outcome(refit=True)
    refit.forecaster.best_epoch_ = 2
    assert told(refit, "converged") == []


def test_baselines_that_do_better_for_certain_are_named():
    found = outcome()
    worse = Verdict(0.4, 5.0, 0.00001, 51)
    chance = Verdict(0.1, 1.0, 0.32, 51)
    skills = {"skill/ridge": -0.2, "skill/persistence": -0.1, "skill/seasonal_naive": -0.05}
    found = replace(
        found,
        scores=found.scores | skills,
        verdicts={"persistence": worse, "seasonal_naive": chance, "ridge": worse},
    )
    assert told(found, "worse") == [
        "lstm is worse than persistence and ridge: unless other settings change that, "
        "forecast with ridge instead."
    ]


@pytest.mark.parametrize(("held", "word"), [(0.8, "narrow"), (0.96, "wide"), (0.91, None)])
def test_intervals_that_promise_something_else_are_said(held, word):
    found = outcome()
    ends = found.test.values - 1, found.test.values + 1
    scores = found.scores | {"test/coverage_90": held}
    found = replace(found, intervals=interval(0.9, "adaptive", *ends), scores=scores)
    expected = f"The 90 % intervals cover {100 * held:.0f} % of the actual values: too {word}."
    assert told(found, "actual values") == ([expected] if word else [])


def test_a_series_that_stands_out_is_named():
    found = outcome(panel((150,) * 3, targets=1))
    assert told(found, "largest") == []
    found = shifted(found, 5.0, found.test.series == 1)
    errors = [
        np.abs(found.test.values - found.test.true)[found.test.series == code].mean()
        for code in range(3)
    ]
    [text] = told(found, "largest")
    assert text.startswith(f"s1 has the largest MAE, {errors[1]:.3g}: ")
    assert f"{errors[1] / sorted(errors)[1]:.1f} times" in text


def test_probabilities_have_no_bias():
    table = panel((150, 150), targets=1)
    happened = (table.outputs > 20).astype(float)
    found = outcome(replace(table, outputs=happened, targets=("t0 > 20",), task="event"))
    assert told(found, "on average") == []


@pytest.mark.parametrize(
    ("unit", "least", "expected"),
    [
        ("°F", 5.0, "°F has no true zero"),
        ("degrees Celsius", 5.0, "degrees Celsius has no true zero"),
        ("kW", -0.1, "values of zero or less occur"),
        ("kW", 0.1, ""),
        ("F", 1.0, ""),  # farad
    ],
)
def test_shares_of_values_need_a_zero(unit, least, expected):
    table = panel((150, 150), targets=1)
    values = table.outputs - table.outputs.min() + least
    found = outcome(replace(table, outputs=values, units=(unit,)))
    assert without_zero(found.table) == expected
    assert ("test/smape" in columns(found)) == (not expected)
