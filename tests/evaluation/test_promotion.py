"""Who becomes champion: forecasts by hand, of which it is known which are better."""

import numpy as np
import pandas as pd
import pytest

from forecast.evaluation.significance.promotion import decide
from forecast.metrics.headline import HEADLINES

from ..commands.test_compare import said

MAE, BRIER = HEADLINES["regression"], HEADLINES["event"]


@pytest.fixture(scope="module")
def champion() -> pd.DataFrame:
    return said(1.0, origins=range(120), seed=1)


def test_a_better_challenger_is_promoted_and_told_by_how_much(champion):
    # the same errors, halved: the error is half, at every origin
    half = champion.assign(forecast=(champion.forecast + champion.true) / 2)
    found = decide(champion, half, MAE)
    assert found.promoted and found.why == (
        "its MAE is 50.0% lower on the 120 common origins: better, p < 0.001"
    )
    assert found.shared is not None and found.shared.windows == 120 * 7


def test_a_worse_one_is_not(champion):
    double = champion.assign(forecast=2 * champion.forecast - champion.true)
    found = decide(champion, double, MAE)
    assert not found.promoted
    assert found.why.startswith("its MAE is 100.0% higher on the 120 common origins: worse, p")


def test_the_same_forecasts_are_not(champion):
    found = decide(champion, champion.copy(), MAE)
    assert not found.promoted
    assert (
        found.why
        == "its MAE is the same on the 120 common origins: no significant difference (p = 1)"
    )


def test_noise_seldom_wins(champion):
    # of two forecasters that are equally good one is better by chance in half of the cases, and
    # beyond chance in one of forty
    luck = [decide(champion, said(1.0, origins=range(120), seed=s), MAE) for s in range(2, 42)]
    lower = [found for found in luck if " lower " in found.why]
    assert 10 < len(lower) < 30
    assert sum(found.promoted for found in luck) <= 4
    assert all("no significant difference" in found.why for found in lower if not found.promoted)


def test_probabilities_are_compared_by_the_brier_score(champion):
    happened = champion.assign(true=(champion.true > 3).astype(float))
    sure = happened.assign(forecast=0.8 * happened.true + 0.1)
    dull = happened.assign(forecast=happened.true.mean())
    assert decide(dull, sure, BRIER).promoted
    assert decide(sure, dull, BRIER).why.startswith("its Brier score is ")


def test_only_origins_of_both_count(champion):
    # far better on its own newest origins, and the same on those of both
    later = said(1.0, origins=range(120, 200), seed=5)
    perfect = pd.concat([champion, later.assign(forecast=later.true)])
    found = decide(champion, perfect, MAE)
    assert not found.promoted and "the same on the 120 common origins" in found.why


def test_too_few_origins_decide_nothing():
    few = said(1.0, origins=range(10), seed=1)
    found = decide(few, few.assign(forecast=few.true), MAE)
    assert not found.promoted
    assert found.why == "its MAE is 100.0% lower on the 10 common origins: too few origins to test"


def other(frame: pd.DataFrame, change: str) -> pd.DataFrame:
    """The forecasts of another question."""
    if change == "targets":
        return frame.assign(target="temp")
    if change == "horizon":
        return frame[frame.step <= 3]
    if change == "lead":
        return frame.assign(time=frame.time + pd.Timedelta("1h"))
    if change == "series":
        return frame[~frame.series.isin(["a", "c"])]
    if change == "span":
        return frame.assign(**{k: frame[k] + pd.Timedelta("90D") for k in ("origin", "time")})
    return frame.assign(true=frame.true * 1.8 + 32)  # "unit"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("targets", "different questions: targets temp for targets load"),
        ("horizon", "different questions: steps 1, 2, 3 for steps 1, 2, 3, 4"),
        ("lead", "different questions: their first steps are at different distances"),
        ("series", "different questions: only the champion forecasts a, c"),
        ("span", "cannot be compared: runs must share origins of the same series, got none"),
        ("unit", "cannot be compared: runs must have the same actual values"),
    ],
)
def test_another_question_decides_nothing(champion, change: str, why: str):
    challenger = other(champion.assign(forecast=champion.true), change)
    found = decide(champion, challenger, MAE)
    assert not found.promoted and found.shared is None and why in found.why, found.why


def test_a_challenger_may_know_more_series(champion):
    fewer = champion[champion.series != "b"]
    halved = champion.assign(forecast=(champion.forecast + champion.true) / 2)
    assert decide(fewer, halved, MAE).promoted


def test_a_long_horizon_is_named_by_its_ends():
    day = said(1.0, origins=range(60), series="a", horizon=24)
    found = decide(day, day[day.step <= 12], MAE)
    assert found.why.endswith("steps 1 to 12 for steps 1 to 24")


def test_rows_without_a_clock_are_compared_too(champion):
    begin = champion.origin.min()
    hours = {
        name: ((champion[name] - begin) / pd.Timedelta("1h")).astype(np.int64)
        for name in ("origin", "time")
    }
    plain = champion.assign(**hours)
    assert decide(plain, plain.assign(forecast=plain.true), MAE).promoted
