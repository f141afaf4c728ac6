"""Tests of forecasters against loops, other libraries and their own promise: the size."""

import math
import re
import tracemalloc

import numpy as np
import pytest
from scipy import fft, signal, stats

from forecast.data import windows
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.significance import pairs
from forecast.evaluation.significance.pairs import diebold_mariano

from .tables import measured, panel

STEPS = 24


def equal(rng, times, origins, lasting=0.0):
    """Differences of the mean absolute error over 24 steps of two equally good forecasters."""
    shape = (times, origins + STEPS + 200)
    rows = np.abs(rng.normal(size=shape)) - np.abs(rng.normal(size=shape))
    rows = signal.lfilter([1], [1, -lasting], rows, axis=1)
    sums = np.cumsum(rows[:, 200:], axis=1)
    return (sums[:, STEPS:] - sums[:, :-STEPS]) / STEPS


def rejected(gaps, position=None):
    nothing = np.zeros(gaps.shape[1])
    p = [diebold_mariano(gap, nothing, STEPS, position=position).p for gap in gaps]
    return np.mean(np.array(p) < 0.05)


@pytest.mark.parametrize("origins", [200, 400, 1700])
def test_equal_forecasters_are_told_apart_in_three_to_eight_percent(origins):
    assert 0.03 <= rejected(equal(np.random.default_rng(origins), 500, origins)) <= 0.08


def test_so_are_they_where_differences_last_and_origins_are_absent():
    gaps = equal(np.random.default_rng(3), 500, 800, lasting=0.9)
    place = np.flatnonzero(np.arange(800) // STEPS % 5 != 2)
    assert 0.03 <= rejected(gaps[:, place], place) <= 0.08


def test_unequal_ones_are_found():
    """A difference of three standard errors, which the best test finds in 85 of 100."""
    gaps = equal(np.random.default_rng(5), 200, 1000)
    assert rejected(gaps + 3 * gaps.mean(axis=1).std()) > 0.7


def by_loops(gap, place, horizon, weight):
    """Diebold & Mariano 1995, equation 1, with Harvey, Leybourne & Newbold 1997, equation 9."""
    n, mean = len(gap), sum(gap) / len(gap)
    at = dict(zip(place, gap, strict=True))
    total = 0.0
    for lag in range(-(horizon - 1), horizon):
        both = [(at[t], at[t + lag]) for t in at if t + lag in at]
        total += weight(abs(lag)) * sum((a - mean) * (b - mean) for a, b in both) / n
    factor = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    statistic = mean / math.sqrt(total / n) * math.sqrt(factor)
    return statistic, 2 * stats.t.sf(abs(statistic), n - 1)


@pytest.mark.parametrize("absent", [(), (3, 4, 20)], ids=["all", "gaps"])
@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("variance", ["rectangular", "bartlett"])
def test_the_classic_against_loops(variance, horizon, absent):
    rng = np.random.default_rng(1)
    a, b = rng.gamma(2, size=(2, 40))
    a = np.convolve(a, np.ones(3), "same")
    place = np.array([t for t in range(40) if t not in absent])
    weight = {"rectangular": lambda lag: 1, "bartlett": lambda lag: 1 - lag / horizon}[variance]
    expected = by_loops((a - b)[place].tolist(), place.tolist(), horizon, weight)
    given = diebold_mariano(a[place], b[place], horizon, position=place + 7, variance=variance)
    assert (given.statistic, given.p) == pytest.approx(expected, rel=1e-9)
    holes = np.where(np.isin(np.arange(40), place), a, np.nan)
    assert diebold_mariano(holes, b, horizon, variance=variance) == given
    assert given.origins == len(place) and given.difference == pytest.approx((a - b)[place].mean())


def test_one_step_ahead_the_classic_is_the_paired_t_test():
    a, b = np.random.default_rng(2).gamma(2, size=(2, 30))
    found = diebold_mariano(a, b, 1, variance="rectangular")
    expected = stats.ttest_rel(a, b)
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_cosines_against_the_discrete_cosine_transform():
    """Lazarus et al. 2018, equation 10: the transform's second type has the same waves."""
    a, b = np.random.default_rng(4).gamma(2, size=(2, 97))
    count = min(int(0.4 * 97 ** (2 / 3)), int(97 / (2.5 * 4)))
    gap = a - b
    weights = fft.dct(gap - gap.mean(), type=2)[1 : count + 1] / 2 * math.sqrt(2 / 97)
    expected = gap.mean() / math.sqrt(np.mean(weights**2) / 97)
    found = diebold_mariano(a, b, 4)
    assert found.statistic == pytest.approx(expected, rel=1e-9)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(expected), count), rel=1e-9)


def by_waves(gap, place, cosines):
    """The sum over origins for every wave, as the papers write it."""
    length = place[-1] - place[0] + 1
    phase = np.pi * (place - place[0] + 0.5) / length
    weights = [gap @ np.cos(wave * phase) for wave in range(1, cosines + 1)]
    return 2 * np.mean(np.square(weights)) / len(gap) ** 2


@pytest.mark.parametrize("absent", [0, 0.05, 0.6, 0.995], ids=lambda share: f"{share:.1%} absent")
def test_the_transform_equals_the_sum_over_origins(absent):
    rng = np.random.default_rng(5)
    for length in (97, 6000):
        place = np.flatnonzero(rng.random(length) >= absent) + 1000
        if len(place) < 12:
            continue
        gap = rng.normal(size=len(place))
        cosines = max(2, int(0.4 * len(place) ** (2 / 3)))
        expected = by_waves(gap, place, cosines)
        assert pairs._cosine(gap, place, cosines) == pytest.approx(expected, rel=1e-12)


def test_many_origins_take_memory_for_origins_alone():
    count = 500_000
    gap = np.random.default_rng(0).normal(size=count)
    tracemalloc.start()
    found = diebold_mariano(gap, np.zeros(count), 24)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * gap.nbytes and found.origins == count
    assert abs(found.statistic) < 4


def test_origins_far_apart_take_no_memory_for_what_lies_between():
    place = np.arange(100) * 10_000_000
    gap = np.random.default_rng(1).normal(size=100)
    tracemalloc.start()
    found = diebold_mariano(gap, np.zeros(100), 1, position=place)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    dense = diebold_mariano(gap, np.zeros(100), 1)
    assert found.statistic == pytest.approx(dense.statistic, rel=0.05)


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0, "p < 0.001"),
        (1e-9, "p < 0.001"),
        (0.0009999, "p < 0.001"),
        (0.001, "p = 0.001"),
        (0.00251, "p = 0.0025"),
        (0.0494, "p = 0.049"),
        (0.0499, "p < 0.05"),
        (0.05, "p = 0.05"),
        (0.146, "p = 0.15"),
        (0.9999, "p = 1"),
    ],
)
def test_a_p_is_written_without_becoming_0_or_crossing_the_level(p, text):
    assert pairs.probability(p) == text


def test_origins_in_any_order_and_places_of_any_beginning():
    a, b = np.random.default_rng(6).gamma(2, size=(2, 80))
    place = np.delete(np.arange(82), [10, 11])
    found = diebold_mariano(a, b, 3, position=place)
    order = np.random.default_rng(7).permutation(80)
    again = diebold_mariano(a[order], b[order], 3, position=place[order] + 1000)
    assert again.statistic == pytest.approx(found.statistic)
    other = diebold_mariano(b, a, 3, position=place)
    assert (other.statistic, other.p) == pytest.approx((-found.statistic, found.p))


def test_a_sum_that_is_no_variance_falls_back_on_bartlett():
    gap = np.tile([1.0, -1.2], 20) + 0.3
    nothing = np.zeros(40)
    assert by_negative(gap) < 0
    found = diebold_mariano(gap, nothing, 2, variance="rectangular")
    assert found == diebold_mariano(gap, nothing, 2, variance="bartlett")
    assert np.isfinite(found.p)


def by_negative(gap):
    free = gap - gap.mean()
    return (free @ free + 2 * free[1:] @ free[:-1]) / len(gap)


@pytest.mark.parametrize(
    ("shift", "word"), [(-1.0, "better"), (1.0, "worse"), (0.0, "no significant difference")]
)
def test_words(shift, word):
    base, noise = np.random.default_rng(8).normal(size=(2, 300))
    found = diebold_mariano(base + 0.1 * noise + shift, base, 4)
    assert found.word == word
    assert re.fullmatch(rf"{word}(, p [=<] [\d.]+| \(p = [\d.]+\))", str(found))
    assert math.copysign(1, found.difference) == math.copysign(1, found.statistic)


def test_the_same_forecasts_do_not_differ():
    same = np.arange(50.0)
    assert diebold_mariano(same, same, 4).p == 1


@pytest.mark.parametrize("origins", [0, 1, 5, 119])
def test_too_few_origins_say_so(origins):
    a, b = np.random.default_rng(9).normal(size=(2, origins))
    found = diebold_mariano(a, b, STEPS)
    assert (
        np.isnan(found.p) and str(found) == "too few origins to test" and found.origins == origins
    )
    enough = diebold_mariano(*np.random.default_rng(9).normal(size=(2, 120)), STEPS)
    assert np.isfinite(enough.p)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"losses_b": np.zeros(3)}, r"losses_a, losses_b and position must .* \(4,\), \(3,\)"),
        ({"horizon": 0}, "horizon must be 1 or more rows, got 0"),
        ({"position": np.array([0, 1, 1, 2])}, "position must hold each place once"),
        ({"variance": "newey"}, "variance must be one of .* got 'newey'"),
    ],
)
def test_what_cannot_be_compared(changes, sentence):
    with pytest.raises(InputError, match=sentence):
        diebold_mariano(
            **{"losses_a": np.zeros(4), "losses_b": np.zeros(4), "horizon": 1} | changes
        )


def forecasts(table, noise, lead=0):
    window = Window(6, 4, lead=lead)
    starts = windows.starts(table, window)
    true = windows.outputs(table.outputs, starts, window)
    rng = np.random.default_rng(round(100 * noise))
    return Forecasts(table, window, starts, true + rng.normal(0, noise, true.shape))


def test_losses_are_averaged_over_all_that_shares_an_origin():
    """Two series of which one begins later and one has a gap, two targets, a hole, by a loop."""
    table = panel((40, 30), absent=[(0, 12)])
    said = forecasts(table, 0.5)
    said.true[3, 1, 0] = np.nan  # the cached truth of one value
    found = measured(said).origins.mean
    expected = {}
    for window, start in enumerate(said.starts):
        origin = int(table.tick[start]) + 5
        for step in range(4):
            for target in range(2):
                error = abs(said.values[window, step, target] - said.true[window, step, target])
                if not math.isnan(error):
                    expected.setdefault(origin, []).append(error)
    assert found.index.tolist() == sorted(expected)
    assert np.diff(found.index).max() == 1  # series 1 forecasts where series 0 has its gap
    for origin, errors in expected.items():
        assert found[origin] == pytest.approx(np.mean(errors))


def test_verdicts_reach_as_far_as_lead_and_horizon():
    table = panel((200,), targets=1)
    model, other = forecasts(table, 0.5, lead=3), forecasts(table, 0.51, lead=3)
    found = pairs.verdicts(model, {"naive": other})["naive"]
    a, b = measured(model).origins.mean, measured(other).origins.mean
    assert found == diebold_mariano(a.to_numpy(), b.to_numpy(), 7)
    assert found != diebold_mariano(a.to_numpy(), b.to_numpy(), 4)


def test_origins_of_one_alone_are_left_out():
    a, b = forecasts(panel((100,), targets=1), 0.5), forecasts(panel((90,), targets=1), 0.6)
    own, other = measured(a).origins.mean, measured(b).origins.mean
    found = pairs.between(own, other[5:], 4)
    assert found == diebold_mariano(own[5 : len(other)].to_numpy(), other[5:].to_numpy(), 4)


def test_probabilities_are_compared_by_the_brier_score():
    from dataclasses import replace

    table = replace(panel((60,), targets=1), task="event")
    said = forecasts(table, 0.5)
    expected = ((said.values - said.true) ** 2).mean(axis=(1, 2))
    np.testing.assert_allclose(measured(said).origins.mean, expected)
