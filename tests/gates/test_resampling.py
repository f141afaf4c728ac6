"""How sure a change is: against loops, a closed form, and data whose truth is known."""

import numpy as np
import pytest

from forecast.errors import InputError
from forecast.gates import resampling
from forecast.gates.resampling import Change, Sample


def losses(count, seed=0, *, memory=1):
    """Two errors of the same windows whose difference goes together over so many windows."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(2, count + memory - 1))
    kernel = np.ones(memory) / memory**0.5
    whole, change = (np.convolve(values, kernel, "valid") for values in noise)
    return 10 + whole, change


def test_by_a_loop_over_windows(monkeypatch):
    rng = np.random.default_rng(3)
    origins = rng.integers(0, 60, size=90)  # windows of several series share origins
    weights = rng.integers(0, 4, size=90).astype(float)
    whole, part = rng.uniform(1, 2, size=(2, 90))
    part[weights == 0] = np.nan  # of which nothing is known
    sample = Sample(origins, 5, weights)
    places = sorted(set(origins))
    block = round(5 / ((places[-1] - places[0]) / (len(places) - 1)))
    count = -(-len(places) // block)
    starts = np.random.default_rng(7).integers(len(places), size=(200, count))
    changes = []
    monkeypatch.setattr(resampling, "DRAWS", 200)
    for drawn in starts:
        total = np.zeros(3)
        for start in drawn:
            for step in range(block):
                place = places[(start + step) % len(places)]
                for n in np.flatnonzero((origins == place) & (weights > 0)):
                    total += weights[n] * np.array([whole[n], part[n], 1])
        changes.append(total[1] / total[0] - 1)
    assert block > 1
    found = sample.intervals(whole, {"part": part}, seed=7)["part"]
    low, high = np.quantile(changes, [0.025, 0.975])
    assert found == pytest.approx((low, high), rel=1e-9)


def test_the_spread_is_that_of_the_blocks():
    """Var of a mean of k drawn blocks: the variance of the blocks' means over k."""
    whole, change = losses(400, memory=8)
    whole = np.full(400, 10.0)  # so that the ratio is a mean
    sample = Sample(np.arange(400), 20)
    (low, high) = sample.intervals(whole, {1: whole + change}, seed=1)[1]
    means = [np.take(change, np.arange(n, n + 20), mode="wrap").mean() for n in range(400)]
    spread = np.sqrt(np.var(means) / 20) / 10
    assert (high - low) / (2 * 1.96) == pytest.approx(spread, rel=0.06)
    assert (high + low) / 2 == pytest.approx(change.mean() / 10, abs=0.3 * spread)


def test_intervals_hold_the_truth_where_neighbours_share_truths(monkeypatch):
    """Of errors that go together over a horizon of 24, blocks cover; single windows do not."""
    monkeypatch.setattr(resampling, "DRAWS", 300)
    covered = {1: 0, 48: 0}
    for seed in range(60):
        whole, change = losses(480, seed, memory=24)
        for length in covered:
            sample = Sample(np.arange(480), length)
            (low, high) = sample.intervals(whole, {"part": whole + change}, seed=seed)["part"]
            covered[length] += low <= 0 <= high
    assert covered[48] >= 50 and covered[1] <= 36


def test_the_order_of_the_windows_does_not_matter():
    whole, change = losses(100)
    order = np.random.default_rng(1).permutation(100)
    ours = Sample(np.arange(100), 4).intervals(whole, {"a": whole + change})
    mixed = Sample(np.arange(100)[order], 4).intervals(whole[order], {"a": (whole + change)[order]})
    assert mixed["a"] == pytest.approx(ours["a"], abs=1e-12)


def test_a_sure_change_has_no_width_and_units_do_not_matter():
    whole, change = losses(100)
    sample = Sample(np.arange(100), 4)
    assert sample.intervals(whole, {"a": 1.1 * whole})["a"] == pytest.approx((0.1, 0.1))
    ours, theirs = (
        sample.intervals(by * whole, {"a": by * (whole + change)})["a"] for by in (1, 1e7)
    )
    assert theirs == pytest.approx(ours)


def test_few_blocks_say_nothing():
    whole, change = losses(100)
    parts = {"a": whole + change}
    assert Sample(np.arange(100), 21).intervals(whole, parts) == {}
    assert list(Sample(np.arange(100), 20).intervals(whole, parts)) == ["a"]
    assert Sample(np.zeros(100, int), 1).intervals(whole, parts) == {}  # one origin
    assert Sample(np.arange(100), 4).intervals(whole, {}) == {}
    assert Sample(np.arange(100), 4).intervals(whole, {"a": whole + np.nan}) == {}
    with pytest.raises(InputError, match=r"^length: must be at least 1, received 0"):
        Sample(np.arange(100), 0).intervals(whole, parts)


def test_windows_count_as_often_as_they_have_known_values():
    sample = Sample(np.arange(3), 1, np.array([1.0, 3.0, 0.0]))
    assert sample.average(np.array([1.0, 2.0, np.nan])) == 1.75


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((-0.054, -0.011), "hurts"),
        ((-0.02, 0.001), "unused"),
        ((-0.001, 0.09), "unused"),
        ((0.002, 0.009), "unused"),  # surely there, and surely below what counts
        ((0.002, 0.03), "used"),
    ],
)
def test_verdicts_follow_their_interval(interval, verdict):
    assert Change(sum(interval) / 2, interval).verdict == verdict


def test_without_an_interval_the_margin_stands_for_it():
    verdicts = [Change(share).verdict for share in (-0.03, -0.009, 0.009, 0.03)]
    assert verdicts == ["hurts", "unused", "unused", "used"]
    assert resampling.FEW == 5 and "interval" not in str(Change(-0.03))
