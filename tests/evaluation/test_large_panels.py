"""Intervals and scores of many series at once, against one series after the other."""

import math

import numpy as np
import pandas as pd
import pytest

from forecast import metrics
from forecast.data import split, windows
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation import scales, scores
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals import calibration, conformal, margin
from forecast.evaluation.intervals.calibration import CENTRAL, QUANTILES, Collected
from forecast.evaluation.intervals.collected import View

from .tables import measured, of_deviation

LEVELS = (0.05, 0.5, 0.95)


def table(values, keep=None, names=None):
    """Series side by side, (series, ticks, targets), without the rows that are not kept."""
    count, ticks, targets = values.shape
    series, tick = np.repeat(np.arange(count), ticks), np.tile(np.arange(ticks), count)
    keep = np.ones(len(series), bool) if keep is None else keep
    called = tuple(f"t{i}" for i in range(targets))
    rows = values.reshape(-1, targets)[keep]
    names = names or tuple(f"s{i:04}" for i in range(count))
    stamps = tick[keep]
    return Table(rows, rows, called, called, series[keep], stamps, stamps, names)


def spans(made, window, cut, begin=0, said=0.0, quantiles=False):
    """Forecasts of the held-out windows, from `begin` to `cut`, and of the test windows."""
    found = []
    for first, end, truth in ((begin, cut, "whole"), (cut, 10**9, "some")):
        inside = (made.tick >= first) & (made.tick < end)
        starts = windows.starts(made, window, within=inside, truth=truth)
        # a fixed offset for each window, step and target
        grid = starts[:, None, None] + np.arange(window.horizon)[:, None]
        values = said * np.sin(grid + np.arange(len(made.targets)))
        wide = 1 + grid % 3
        ends = [values - 0.4 * wide, values, values + 0.9 * wide]
        every = np.stack(ends, -1) if quantiles else None
        levels = LEVELS if quantiles else ()
        found.append(Forecasts(made, window, starts, values, every, levels))
    return found


def ragged(seed, series=4, ticks=300, targets=2):
    """A panel whose series begin and end anywhere, with absent rows and holes in the truth."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(series, ticks, targets)) * rng.uniform(1, 3, (series, 1, targets))
    first, last = rng.integers(0, 20, series), rng.integers(ticks - 60, ticks, series)
    tick = np.arange(ticks)
    keep = (tick >= first[:, None]) & (tick <= last[:, None])
    keep &= rng.uniform(size=keep.shape) > 0.01
    values[:, 200:][rng.uniform(size=(series, ticks - 200, targets)) < 0.02] = np.nan
    made = table(values, keep.ravel())
    std = rng.uniform(0.5, 2, (series, targets))
    return made, of_deviation(std)


def ranked(known, level):
    """The threshold of a set by the paper's sentence."""
    place = min(len(known), max(1, math.ceil(round((len(known) + 1) * level, 9))))
    return sorted(known)[place - 1]


def thresholds(seen, known, share):
    """Adaptive thresholds of one series, its whole arrays held at once."""
    count, horizon, targets = seen.shape
    steps = np.arange(horizon)
    filled = pd.DataFrame(seen.reshape(count, -1)).ffill().to_numpy().reshape(seen.shape)
    owed = np.zeros((count + 1, horizon, targets, len(share)))
    found = np.full((len(known), horizon, targets, len(share)), np.nan)
    levels = np.concatenate([share, [0.1, 0.9]])
    for moment, late in enumerate(known):
        for h in steps:
            if late[h] < conformal.LEAST:
                continue
            last = late[h] - late[h] % conformal.RENEWED
            newest = np.sort(filled[max(0, last - conformal.NEWEST) : last, h], axis=0)
            set_of = newest[conformal.rank(len(newest), levels) - 1].T  # (targets, levels + 2)
            spread = set_of[:, -1:] - set_of[:, -2:-1]
            found[moment, h] = set_of[:, :-2] + conformal.RATE * spread * owed[late[h], h]
        if moment < count:
            missed = (seen[moment][..., None] > found[moment]) - (1 - share)
            silent = np.isnan(found[moment]) | np.isnan(seen[moment])[..., None]
            owed[moment + 1] = owed[moment] + np.where(silent, 0, missed)
    return found


def one_by_one(test, held, scaler, level, method):
    """Lower and upper ends and what is served, series by series."""
    between = None if method == "split" else margin.pair(level, test.levels)
    lower, upper = np.full((2, *test.values.shape), np.nan)
    served = np.full((len(test.table.names), *test.values.shape[1:]), np.nan)
    share, made = np.array([level]), test.table
    newest = windows.origins(made)
    ends = []
    for one in (held, test):
        every = one.values[..., None] if one.quantiles is None else one.quantiles
        low, high = margin.base(every, one.levels, one.values, between)
        std = scaler.output_std[one.series][:, None]
        ends.append((low, high, conformal.scores(low, high, one.true) / std))
    for code in np.unique(test.series):
        mine, own = test.series == code, held.series == code
        if method == "adaptive":
            seen = np.concatenate([ends[0][2][own], ends[1][2][mine]])
            origins = made.tick[np.concatenate([held.origins[own], test.origins[mine]])]
            moments = np.append(origins, made.tick[newest[made.series[newest] == code]])
            ahead = test.window.lead + 1 + np.arange(test.window.horizon)
            known = np.stack([np.searchsorted(origins + h, moments, "right") for h in ahead], 1)
            found = thresholds(seen, known, share)[-mine.sum() - 1 :]
        else:
            fixed = conformal.split(ends[0][2][own], share)
            found = np.broadcast_to(fixed, (mine.sum() + 1, *fixed.shape))
        found = found * scaler.output_std[code, :, None]
        low, high = (end[mine][..., None] for end in ends[1][:2])
        both = margin.widened(low, high, test.values[mine][..., None], found[:-1])
        lower[mine], upper[mine] = (end[..., 0] for end in both)
        served[code] = found[-1][..., 0]
    return lower, upper, served


@pytest.mark.parametrize("method", margin.CALIBRATIONS)
@pytest.mark.parametrize("cells", [conformal.CELLS, 20_000, 1])
def test_series_at_once_are_series_one_by_one_to_the_bit(method, cells, monkeypatch):
    monkeypatch.setattr(conformal, "CELLS", cells)
    made, scaler = ragged(3)
    window = Window(3, 4, lead=1)
    forecasters = {
        name: tuple(reversed(spans(made, window, 200, said=said, quantiles=quantiles)))
        for name, said, quantiles in (("a", 0.3, True), ("b", 0.7, False))
    }
    both = calibration.calibrate_all(forecasters, scaler, 0.8, method)
    ninety = calibration.calibrate_all(forecasters, scaler, 0.9, method)
    for level, every in ((0.8, both), (0.9, ninety)):
        for name, (test, held) in forecasters.items():
            assert (np.bincount(held.series) > 60).all() and np.isnan(test.true).any()
            lower, upper, served = one_by_one(test, held, scaler, level, method)
            np.testing.assert_array_equal(every[name].lower, lower)
            np.testing.assert_array_equal(every[name].upper, upper)
            np.testing.assert_array_equal(every[name].reach.values, served)


def test_long_series_are_followed_in_blocks_of_moments(monkeypatch):
    rng = np.random.default_rng(0)
    made, scaler = table(rng.normal(size=(1, 900, 1))), of_deviation(np.ones((1, 1)))
    held, test = spans(made, Window(1, 6), 400)
    whole = calibration.calibrate(test, held, scaler, 0.9, "adaptive")
    monkeypatch.setattr(conformal, "CELLS", 3000)
    sizes = []
    track = conformal.track

    def watched(*args, **kwargs):
        for moments, found in track(*args, cells=3000, **kwargs):
            sizes.append(found.size)
            yield moments, found

    monkeypatch.setattr(conformal, "track", watched)
    cut = calibration.calibrate(test, held, scaler, 0.9, "adaptive")
    assert len(sizes) > 10 and max(sizes) <= 3000
    np.testing.assert_array_equal(whole.lower, cut.lower)
    np.testing.assert_array_equal(whole.reach.values, cut.reach.values)


def two_kinds(noisy_first):
    """More series than a set has moments, some noisy and some calm, all with few windows."""
    rng = np.random.default_rng(1)
    noisy, calm = rng.normal(size=(150, 80, 1)), 0.1 * rng.normal(size=(250, 80, 1))
    values = np.concatenate([noisy, calm] if noisy_first else [calm, noisy])
    made = table(values)
    first, last = np.arange(400) < 150, np.arange(400) >= 250
    return made, (first if noisy_first else last)


@pytest.mark.parametrize("method", ["adaptive", "split"])
def test_names_of_a_panel_exchanged_change_nothing(method):
    covered = []
    for noisy_first in (True, False):
        made, noisy = two_kinds(noisy_first)
        held, test = spans(made, Window(7, 3), 45, begin=30)
        scaler = of_deviation(np.ones((400, 1)))
        found = calibration.calibrate(test, held, scaler, 0.9, method)
        inside = (test.true >= found.lower) & (test.true <= found.upper)
        is_noisy = noisy[test.series]
        covered.append((found.upper[is_noisy], found.upper[~is_noisy], found.observed))
        # neither kind alone decides: of all the promised share is covered
        assert inside.mean() == pytest.approx(0.9, abs=0.02)
    for one, other in zip(covered[0][:2], covered[1][:2], strict=True):
        np.testing.assert_array_equal(one, other)
    assert covered[0][2] == covered[1][2]


@pytest.mark.parametrize("method", ["adaptive", "split"])
def test_more_series_of_equal_behaviour_hardly_move_a_threshold(method):
    rng = np.random.default_rng(2)
    values = rng.normal(size=(30, 80, 1))
    ends = []
    for copies in (1, 4):
        made = table(np.concatenate([values] * copies))
        held, test = spans(made, Window(7, 3), 45, begin=30)
        scaler = of_deviation(np.ones((30 * copies, 1)))
        found = calibration.calibrate(test, held, scaler, 0.9, method)
        ends.append(found.upper[test.series < 30])
    # (n + 1) · level counts the new value once, whatever n: less than a rank of a hundred
    assert np.abs(ends[0] - ends[1]).max() < 0.1
    assert np.abs(ends[0] - ends[1]).mean() < 0.02


def test_the_newest_are_those_of_the_newest_moments(monkeypatch):
    """Not of the newest windows, which are the last names of one moment."""
    monkeypatch.setattr(conformal, "NEWEST", 16)
    rng = np.random.default_rng(4)
    seen, ticks = rng.normal(size=(120, 2)).round(1), np.repeat(np.arange(40), 3)  # with ties
    seen[rng.uniform(size=seen.shape) < 0.1] = np.nan
    levels = (0.5, 0.9, 0.1)
    found = conformal.pooled(seen, ticks, np.array([0, 3, 8, 40]), levels)
    assert np.isnan(found[0]).all()
    for row, newest in ((1, seen[:9]), (2, seen[:24]), (3, seen[72:])):
        for target, own in enumerate(newest.T):
            expected = [ranked(own[~np.isnan(own)], level) for level in levels]
            np.testing.assert_array_equal(found[row, target, :3], expected)
            assert found[row, target, 3] == expected[1] - expected[2]


@pytest.mark.parametrize("seed", range(3))
def test_places_among_sorted_runs_are_those_of_one_sort(seed):
    rng = np.random.default_rng(seed)
    runs = [np.sort(rng.normal(size=n) * 10.0 ** rng.integers(-3, 4)) for n in (0, 1, 50, 400)]
    runs += [np.zeros(300), np.array([0.0, 0.0, 5.0])] * (seed > 0) + [np.array([np.inf])] * seed
    whole = np.sort(np.concatenate(runs))
    places = np.unique(rng.integers(0, len(whole), 40))
    np.testing.assert_array_equal(conformal._smallest(runs, places), whole[places])


@pytest.mark.parametrize("quantiles", [False, True])
def test_crps_of_ends_that_cross_is_that_of_the_sorted_quantiles(quantiles):
    """By the metric itself, of the nineteen quantiles."""
    made, _ = ragged(0)
    _, test = spans(made, Window(3, 4), 200, said=0.5, quantiles=quantiles)
    between = (0.05, 0.95) if quantiles else None
    levels = (*CENTRAL, 0.95)
    one = Collected(test, between, levels, 8, True)
    by = np.random.default_rng(0).normal(0.5, 1, (*test.values.shape, len(levels)))
    assert (np.diff(by) < 0).any()
    rows, whole = np.arange(len(test.starts)), View(slice(None), slice(None), levels)
    for part in (rows[:20], rows[20:]):
        one.put(part, whole, by[part])
    middle = test.values[..., None]
    ends = (test.quantiles[..., :1], test.quantiles[..., 2:]) if quantiles else (middle, middle)
    low, high = np.minimum(ends[0] - by, middle), np.maximum(ends[1] + by, middle)
    every = np.sort(np.concatenate([low[..., :9], middle, high[..., :9]], axis=-1), axis=-1)
    expected = metrics.crps(test.true, every, QUANTILES, ())
    np.testing.assert_allclose(one.crps, expected, rtol=1e-12)
    inside = (test.true[..., None] >= low) & (test.true[..., None] <= high)
    shares = inside[np.isfinite(test.true)].mean(axis=0)
    observed = {level: count / one.count for level, count in one.inside.items()}
    assert observed == pytest.approx(dict(zip(levels, shares, strict=True)))


def test_scores_by_series_are_those_of_a_loop():
    made, _ = ragged(5)
    _, test = spans(made, Window(3, 4), 200, said=0.3)
    own = measured(test).by_series
    for code in np.unique(test.series):
        mine = test.series == code
        expected = metrics.mae(test.true[mine], test.values[mine])
        assert own[made.names[code]] == pytest.approx(float(expected), rel=1e-12)
    assert len(own) == len(np.unique(test.series))


def test_a_series_that_a_baseline_left_out_scores_nan():
    made, _ = ragged(5)
    _, test = spans(made, Window(3, 4), 200)
    test.values[np.flatnonzero(test.series == 1)[0]] = np.nan
    assert np.isnan(measured(test).by_series["s0001"]) and np.isfinite(
        measured(test).by_series["s0000"]
    )


@pytest.mark.parametrize("season", [1, 7, 250, 400])
def test_naive_scales_are_those_of_each_series_on_its_grid(season):
    made, _ = ragged(6, series=5)
    train = made.take((made.tick < 180) & (made.series != 2))  # of which one is not seen
    std = np.ones((len(made.names), 2))
    found = scales.Scale.of(train, of_deviation(std), season)
    for code in range(len(made.names)):
        own = train.take(train.series == code)
        grid = np.full((300, 2), np.nan)
        grid[own.tick] = own.outputs
        absolute, square = metrics.naive_scale(grid, season)
        np.testing.assert_allclose(found.absolute[code], absolute, 1e-12)
        np.testing.assert_allclose(found.square[code], square, 1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_every_score_is_its_metric_of_what_has_a_truth(seed):
    made, scaler = ragged(seed, ticks=260)
    held, test = spans(made, Window(3, 4), 200, begin=150 - 30 * seed, said=0.4, quantiles=True)
    found = calibration.calibrate(test, held, scaler, 0.9, "adaptive")
    train = made.take(made.tick < 150)
    told = scores.measure(test, scales.Scale.of(train, scaler, 7), found).scores
    known = np.isfinite(test.true)
    assert 0 < known.sum() < known.size
    true, values, every = test.true[known], test.values[known], test.quantiles[known]
    for name in ("mae", "rmse", "bias", "smape", "wape", "r2"):
        assert told[f"test/{name}"] == pytest.approx(getattr(metrics, name)(true, values))
    low, high = every[:, 0], every[:, 2]
    assert told["test/coverage_90_raw"] == pytest.approx(metrics.coverage(true, low, high))
    assert told["test/width_90_raw"] == pytest.approx(metrics.width(true, low, high))
    assert told["test/width_90_raw"] == pytest.approx(np.mean(high - low))
    assert told["test/crps_raw"] == pytest.approx(metrics.crps(true, every, LEVELS))
    assert told["test/pinball"] == pytest.approx(metrics.pinball(true, every, LEVELS).mean())
    spoken = known & np.isfinite(found.lower)
    ends = test.true[spoken], found.lower[spoken], found.upper[spoken]
    assert told["test/coverage_90"] == pytest.approx(metrics.coverage(*ends))
    assert told["test/width_90"] == pytest.approx(metrics.width(*ends))
    assert told["test/winkler_90"] == pytest.approx(metrics.winkler(*ends, 0.9))
    assert told["test/crps"] == pytest.approx(found.crps[spoken].mean())
    assert np.isfinite(found.crps).sum() == spoken.sum()


def test_who_says_nothing_does_not_score_better():
    made, scaler = ragged(1)
    held, test = spans(made, Window(3, 4), 200)
    test.values[5] = np.nan
    found = calibration.calibrate(test, held, scaler, 0.9, "split")
    told = measured(test, found).scores
    assert np.isnan(told["test/crps"]) and np.isnan(told["test/width_90"])


def test_some_windows_in_any_order():
    made, _ = ragged(2)
    _, test = spans(made, Window(3, 4), 200, said=0.5, quantiles=True)
    rows = np.random.default_rng(0).permutation(len(test.starts))[:30]
    some = test.at(test.starts[rows])
    np.testing.assert_array_equal(some.starts, test.starts[rows])
    np.testing.assert_array_equal(some.values, test.values[rows])
    np.testing.assert_array_equal(some.quantiles, test.quantiles[rows])
    np.testing.assert_array_equal(some.true, test.true[rows])
    assert some.levels == test.levels
    with pytest.raises(InputError, match="starts must be among the 30 windows .* got"):
        some.at(test.starts)
    with pytest.raises(InputError, match="among the 0 windows"):
        test.at(test.starts[:0]).at(test.starts[:1])


@pytest.mark.parametrize("kind", ["M8[ns]", "int64", "float64"])
def test_distinct_stamps_are_those_of_a_sort(kind):
    rng = np.random.default_rng(0)
    for count in (0, 1, 50):
        panel = rng.integers(0, 20, count).astype(kind)
        for stamps in (panel, np.sort(panel)):
            np.testing.assert_array_equal(split.distinct(stamps), np.unique(stamps))
