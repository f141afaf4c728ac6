"""Weights of an ensemble: against brute force, and what must not change them."""

from itertools import combinations_with_replacement

import numpy as np
import pytest

from forecast.errors import InputError
from forecast.evaluation import ensemble
from forecast.evaluation.ensemble import HeldOut, Mean, mean, weigh


def case(seed: int, windows: int = 60, members: int = 5) -> tuple[dict[str, np.ndarray], HeldOut]:
    """Forecasters that are wrong in ways of their own, a few values unknown."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(windows, 3, 2)) * [1.0, 50.0]
    found = {
        f"m{number}": true + rng.normal(size=true.shape) * [1.0, 50.0] * (1 + 0.1 * number)
        for number in range(members)
    }
    true[rng.random(true.shape) < 0.05] = np.nan
    scale = np.tile([1.0, 50.0], (windows, 1))
    return found, HeldOut(true, scale, np.repeat(np.arange(windows // 2), 2))


def by_hand(held: HeldOut, values: np.ndarray) -> float:
    """The mean scaled error, value by value."""
    losses = [
        abs(values[w, h, t] - held.true[w, h, t]) / held.scale[w, t]
        for w in range(values.shape[0])
        for h in range(values.shape[1])
        for t in range(values.shape[2])
        if not np.isnan(held.true[w, h, t])
    ]
    return sum(losses) / len(losses)


def test_the_error_is_that_of_a_loop():
    found, held = case(0)
    assert held.error(found["m0"]) == pytest.approx(by_hand(held, found["m0"]), rel=1e-12)
    assert held.error(np.full_like(held.true, np.nan)) == np.inf


def test_the_mean_is_that_of_a_loop():
    found, _ = case(1)
    weights = {"m0": 0.25, "m3": 0.75}
    at = (7, 2, 1)
    assert mean(found, weights)[at] == 0.25 * found["m0"][at] + 0.75 * found["m3"][at]


@pytest.mark.parametrize("seed", range(4))
def test_greedy_selection_is_nearly_as_good_as_every_mean_of_three(seed: int):
    found, held = case(seed)
    every = [
        held.error(np.mean([found[name] for name in names], axis=0))
        for names in combinations_with_replacement(found, 3)
    ]
    weights = ensemble._greedy(found, held)
    assert sum(weights.values()) == pytest.approx(1)
    assert held.error(mean(found, weights)) <= min(every) * 1.02
    assert held.error(mean(found, weights)) <= min(map(held.error, found.values()))


@pytest.mark.parametrize("seed", range(4))
def test_neither_order_nor_unit_decides(seed: int):
    found, held = case(seed)
    kinds = {name: name for name in found}
    first = weigh(found, held, kinds)
    turned = dict(reversed(found.items()))
    other = weigh(turned, held, kinds)
    assert (other.how, other.weights) == (first.how, first.weights)
    scaled = {name: own * 64 for name, own in found.items()}
    again = weigh(scaled, HeldOut(held.true * 64, held.scale * 64, held.time), kinds)
    assert (again.how, again.weights) == (first.how, first.weights)
    assert again.errors == pytest.approx(first.errors, rel=1e-12)


def test_one_that_is_always_right_is_alone():
    found, held = case(3)
    found["right"] = np.where(np.isnan(held.true), 0.0, held.true)
    chosen = weigh(found, held, {})
    assert chosen.weights == {"right": 1.0} and chosen.error == 0


def test_equals_are_the_best_of_each_kind_and_none_that_is_far_off():
    found, held = case(4)
    found["wild"] = found["m0"] + 1000.0
    kinds = {name: "a" if name in ("m0", "m1", "m2") else name for name in found}
    weights = ensemble._equal(found, held, kinds)
    # errors grow by a tenth from one to the next; those a quarter larger than the smallest are far
    assert weights == {"m0": 0.5, "m3": 0.5}


def test_weights_are_fitted_on_other_stretches_than_they_are_scored_on():
    """Two forecasters of which each is right in one half: no weight helps on rows unseen."""
    windows = 120
    time, true = np.arange(windows), np.zeros((windows, 1, 1))
    late = (time >= windows // 2)[:, None, None]
    found = {"early": np.where(late, 4.0, 0.0), "late": np.where(late, 0.0, 4.0)}
    chosen = weigh(found, HeldOut(true, np.ones((windows, 1)), time), {})
    assert chosen.errors["one"] > 1.0  # in its own sample the best has an error of 2 at most


def test_few_origins_are_one_stretch():
    found, held = case(5, windows=6)
    assert len(ensemble._stretches(held.time)) == 1
    parts = ensemble._stretches(np.repeat(np.arange(30), 4))
    assert np.array_equal(sum(part.astype(int) for part in parts), np.ones(120))
    weigh(found, held, {})


def test_no_member_is_refused():
    _, held = case(6)
    with pytest.raises(InputError, match="^members must hold a forecaster, got none: give "):
        weigh({}, held, {})


def test_it_is_called_by_its_name_alone():
    assert Mean().name == "ensemble" and Mean().get_params() == {"name": "ensemble"}
