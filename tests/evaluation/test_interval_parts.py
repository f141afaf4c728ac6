"""Intervals whose windows come in parts, against all windows at once, to the bit."""

import pickle

import numpy as np
import pytest

from forecast.data import windows
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals import calibration, conformal, following, margin
from forecast.evaluation.intervals.calibration import Calibration
from forecast.evaluation.intervals.collected import View

from .tables import of_deviation

LEVELS = (0.1, 0.5, 0.9)
WINDOW = Window(3, 4, lead=2)
TICKS, CUT = 520, 190


def panel(seed, series=1, targets=2, holes=0.03, early=()):
    """Series that begin and end anywhere, with absent ticks and holes in the truth.

    The first rows of some (series, target) are holes; those of `early` series end at 130.
    """
    rng = np.random.default_rng(seed)
    first, last = rng.integers(0, 10, series), rng.integers(TICKS - 30, TICKS, series)
    rows = [
        (code, tick)
        for code in range(series)
        for tick in range(first[code] if code not in early else CUT - 40, last[code])
    ]
    code, tick = np.array(rows).T
    keep = rng.uniform(size=len(code)) > 0.004
    code, tick = code[keep], tick[keep]
    values = rng.normal(size=(len(code), targets)) * (1 + tick[:, None] / TICKS + code[:, None])
    values[rng.uniform(size=values.shape) < holes] = np.nan
    values[(tick < 40) & (code == 0), targets - 1] = np.nan
    names = tuple(f"t{i}" for i in range(targets))
    called = tuple(f"s{i}" for i in range(series))
    made = Table(values, values, names, names, code, tick, tick, called)
    return made, of_deviation(rng.uniform(0.5, 2, (series, targets)))


def forecasters(made, seed=0, *, method="adaptive", cut=CUT):
    """A model with quantiles, a rival, and a rival that forecasts a few stretches of origins."""
    rng = np.random.default_rng(seed)
    every = Table(**vars(made) | {"inputs": np.zeros_like(made.inputs)})
    early = made.tick < cut
    truth = "some" if method == "adaptive" else "whole"  # as a rule it is whole
    known = [
        windows.starts(every, WINDOW, within=early, truth=truth),
        windows.starts(every, WINDOW, within=~early, truth="some"),
    ]
    found = {}
    for name, sample in (("", False), ("a", False), ("few", True)):
        spans = []
        for starts in known:
            some = (starts // 7) % 3 == 0 if sample else np.ones(len(starts), bool)
            own = starts[some]
            said = 0.3 * rng.normal(size=(len(own), WINDOW.horizon, len(made.targets)))
            wide = 1 + rng.uniform(size=said.shape)
            each = np.stack([said - wide, said, said + 0.7 * wide], -1) if not name else None
            spans.append(
                Forecasts(made, WINDOW, own, said, each, LEVELS if each is not None else ())
            )
        found[name] = (spans[1], spans[0])
    return found


def during(forecasts, begin, end):
    """The windows whose origins lie in some ticks."""
    tick = forecasts.table.tick[forecasts.origins]
    return forecasts.at(forecasts.starts[(tick >= begin) & (tick < end)])


def of_series(forecasts, codes):
    """The windows of some series."""
    return forecasts.at(forecasts.starts[np.isin(forecasts.series, codes)])


def cut_up(spans, edges):
    """Stretches of all forecasters between neighbouring edges."""
    return [
        {name: tuple(during(one, a, b) for one in own) for name, own in spans.items()}
        for a, b in zip([-1, *edges], [*edges, 10**6], strict=True)
    ]


def pooled(spans, scaler, method, level=0.8):
    """What parts are put into, series of few held-out windows learning from all."""
    made = Calibration(level, method, scaler)
    made.pool(spans)
    return made


def stretches(made, parts, **more):
    """What the stretches of the same series say, one after the other."""
    said = []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        said.append(made.put(part, goes_on=number > 0, more=not last, **more))
    return said


def assert_alike(made, parts, said, whole, spans):
    """Assert that the parts together say what the whole says."""
    assert_same_ends(parts, said, whole, spans)
    assert set(made.reach) == set(whole)
    for name, one in whole.items():
        np.testing.assert_array_equal(made.reach[name].values, one.reach.values)


def assert_same_ends(parts, said, whole, spans):
    for name, one in whole.items():
        each = [part[name] for part in said]
        starts = np.concatenate([part[name][0].starts for part in parts])
        order = np.argsort(starts)
        np.testing.assert_array_equal(starts[order], spans[name][0].starts)
        for end in ("lower", "upper", "crps"):
            got = np.concatenate([getattr(own, end) for own in each])[order]
            np.testing.assert_array_equal(got, getattr(one, end))
        if one.inner is not None:
            for end in ("lower", "upper"):
                got = np.concatenate([getattr(own.inner, end) for own in each])[order]
                np.testing.assert_array_equal(got, getattr(one.inner, end))
        count = sum(own.count for own in each)
        assert count == one.count > 0
        for level, share in one.observed.items():
            assert sum(own.inside[level] for own in each) / count == share


def whole_of(spans, scaler, method, level=0.8):
    return calibration.calibrate_all(spans, scaler, level, method)


@pytest.mark.parametrize("method", margin.CALIBRATIONS)
@pytest.mark.parametrize("seed", range(4))
def test_stretches_of_one_series_are_the_series_at_once(method, seed):
    made, scaler = panel(seed)
    spans = forecasters(made, seed, method=method)
    whole = whole_of(spans, scaler, method)
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.choice(TICKS, 3 + 6 * (seed > 1), replace=False)).tolist()
    edges = sorted({*edges, 100 + 40 * seed, CUT})  # one among the held-out windows
    parts = cut_up(spans, edges)
    one = pooled(spans, scaler, method)
    assert_alike(one, parts, stretches(one, parts), whole, spans)


@pytest.mark.parametrize("method", margin.CALIBRATIONS)
def test_a_stretch_may_be_one_window_or_none(method):
    made, scaler = panel(7, holes=0.2)
    spans = forecasters(made, 7, method=method)
    whole = whole_of(spans, scaler, method)
    parts = cut_up(spans, [*range(150, 260), 262, 270, 10_000, 10_001])
    assert not len(parts[-1][""][0].starts)
    one = pooled(spans, scaler, method)
    assert_alike(one, parts, stretches(one, parts), whole, spans)


@pytest.mark.parametrize("method", margin.CALIBRATIONS)
def test_targets_in_chunks_and_moments_in_blocks(method, monkeypatch):
    made, scaler = panel(5, targets=3)
    spans = forecasters(made, 5, method=method)
    whole = whole_of(spans, scaler, method)
    monkeypatch.setattr(conformal, "CELLS", 6000)
    parts = cut_up(spans, [120, 200, 333])
    one = pooled(spans, scaler, method)
    assert_alike(one, parts, stretches(one, parts), whole, spans)


@pytest.mark.slow
@pytest.mark.parametrize("method", margin.CALIBRATIONS)
def test_several_series_go_on_together(method):
    made, scaler = panel(3, series=4, early=(2,))
    spans = forecasters(made, 3, method=method)
    held = np.bincount(spans[""][1].series)
    assert held[2] < conformal.LEAST < held[[0, 1, 3]].min()
    whole = whole_of(spans, scaler, method)
    parts = cut_up(spans, [60, 170, 230, 231, 480])
    one = pooled(spans, scaler, method)
    assert_alike(one, parts, stretches(one, parts), whole, spans)


@pytest.mark.slow
@pytest.mark.parametrize("method", margin.CALIBRATIONS)
@pytest.mark.parametrize("cut", [60, CUT])  # few held-out windows, and enough of them
def test_parts_of_whole_series_are_all_series_at_once(method, cut):
    made, scaler = panel(4, series=6, early=(1, 4))
    spans = forecasters(made, 4, method=method, cut=cut)
    whole = whole_of(spans, scaler, method)
    groups = [[0, 3], [1], [4, 5, 2]]
    parts = [
        {name: tuple(of_series(one, codes) for one in own) for name, own in spans.items()}
        for codes in groups
    ]
    one = pooled(spans, scaler, method)
    said = [one.put(part) for part in parts]
    assert_alike(one, parts, said, whole, spans)


@pytest.mark.slow
@pytest.mark.parametrize("method", margin.CALIBRATIONS)
def test_long_series_and_small_ones_take_turns(method):
    made, scaler = panel(8, series=4, early=(3,))
    spans = forecasters(made, 8, method=method)
    whole = whole_of(spans, scaler, method)
    one, parts, said = pooled(spans, scaler, method), [], []
    for codes, edges in (([1], [100, 250]), ([0, 3], []), ([2], [350])):
        own = {n: tuple(of_series(part, codes) for part in both) for n, both in spans.items()}
        cut = cut_up(own, edges)
        said += stretches(one, cut)
        parts += cut
    assert_alike(one, parts, said, whole, spans)


@pytest.mark.slow
@pytest.mark.parametrize("method", margin.CALIBRATIONS)
def test_a_part_may_have_a_table_of_its_own(method):
    """Whose series are numbered from 0, and which begins where the windows do."""
    made, scaler = panel(9, series=5, early=(3,))
    spans = forecasters(made, 9, method=method)
    whole = whole_of(spans, scaler, method)
    one, parts, said = pooled(spans, scaler, method), [], []
    for codes in ([0, 2], [1], [3, 4]):
        rows = np.flatnonzero(np.isin(made.series, codes))
        block = made.take(rows)
        numbered = {"series": np.searchsorted(codes, block.series)}
        names = {"names": tuple(made.names[code] for code in codes)}
        block = Table(**vars(block) | numbered | names)
        own = {n: tuple(of_series(part, codes) for part in both) for n, both in spans.items()}
        parts.append(own)
        moved = {
            name: tuple(
                Forecasts(
                    block,
                    f.window,
                    np.searchsorted(rows, f.starts),
                    f.values,
                    f.quantiles,
                    f.levels,
                )
                for f in both
            )
            for name, both in own.items()
        }
        beside = one.beside(of_deviation(scaler.output_std[codes]))
        said.append(beside.put(moved))
        for name, reach in beside.reach.items():
            np.testing.assert_array_equal(reach.values, whole[name].reach.values[codes])
    assert_same_ends(parts, said, whole, spans)


def test_what_is_carried_does_not_grow_with_the_windows():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3000, 1))
    zero, ticks = np.zeros(3000, int), np.arange(3000)
    made = Table(values, values, ("a",), ("a",), zero, ticks, ticks, ("s",))
    spans = {"": forecasters(made, cut=100)[""]}
    one, sizes = Calibration(0.8, "adaptive", of_deviation(np.ones((1, 1)))), []
    for number, part in enumerate(cut_up(spans, range(200, 2900, 300))):
        one.put(part, goes_on=number > 0, more=True)
        sizes.append(len(pickle.dumps([one._carried, one._past])))
    assert max(sizes[3:]) < 1.02 * sizes[2] and sizes[2] < 30_000
    one.put(spans)  # of other series
    assert not one._carried and not one._past


@pytest.mark.parametrize("limit", ["MOST_WINDOWS", "MOST_SCORES"])
def test_fixed_thresholds_are_learned_from_the_newest_windows(limit, monkeypatch):
    made, scaler = panel(2, holes=0.0)
    spans = {"": forecasters(made, 2, method="split")[""]}
    test, held = spans[""]
    newest = {"": (test, held.at(held.starts[-60:]))}
    expected = whole_of(newest, scaler, "split")[""].upper
    values = WINDOW.horizon * len(made.targets)
    monkeypatch.setattr(following, limit, 60 if limit == "MOST_WINDOWS" else 61 * values - 1)
    np.testing.assert_array_equal(whole_of(spans, scaler, "split")[""].upper, expected)
    one, parts = pooled(spans, scaler, "split"), cut_up(spans, [90, 150, 300])
    said = stretches(one, parts)
    np.testing.assert_array_equal(np.concatenate([part[""].upper for part in said]), expected)


def test_a_part_goes_on_only_where_more_was_to_come():
    made, scaler = panel(2)
    spans = forecasters(made, 2)
    one = Calibration(0.8, "adaptive", scaler)
    one.put(spans)
    with pytest.raises(ValueError, match="goes_on must follow a part .* more=True"):
        one.put(spans, goes_on=True)


def test_without_held_out_windows_stretches_learn_from_the_test_windows():
    made, scaler = panel(10)
    spans = {name: (test, None) for name, (test, _) in forecasters(made, 10).items()}
    whole = whole_of(spans, scaler, "adaptive")
    parts = [
        {name: (during(own[0], a, b), None) for name, own in spans.items()}
        for a, b in ((0, 200), (200, 230), (230, 10**6))
    ]
    one = Calibration(0.8, "adaptive", scaler)
    assert_alike(one, parts, stretches(one, parts), whole, spans)
    # and a series that ends before enough is known has no interval at all
    one = Calibration(0.8, "adaptive", scaler)
    found = one.put({name: (during(own[0], 0, 215), None) for name, own in spans.items()})
    assert np.isnan(found[""].lower).all() and found[""].count == 0 and one.reach == {}


@pytest.mark.parametrize("method", margin.CALIBRATIONS)
def test_without_a_pool_a_series_of_few_windows_learns_from_its_own(method):
    """As if it were alone and had enough, not from the series beside it."""
    made, scaler = panel(11, series=3, early=(1,))
    spans = {"": forecasters(made, 11, method=method)[""]}
    found = Calibration(0.8, method, scaler).put(spans)[""]
    alone = {"": tuple(of_series(one, [1]) for one in spans[""])}
    mine = spans[""][0].series == 1
    own = Calibration(0.8, method, scaler).put(alone)[""]
    np.testing.assert_array_equal(found.upper[mine], own.upper)
    seen = following.Scores(alone[""], following.Promise(0.8, method), scaler)
    if method != "adaptive":
        held = alone[""][1]
        got = own.reach.values[1] / scaler.output_std[1]
        expected = conformal.split(
            seen.of(np.arange(len(held.starts)), View(slice(None), slice(0, 2), (0.8,))), [0.8]
        )
        np.testing.assert_allclose(got, expected[..., 0])


def test_a_pool_of_some_series_serves_the_others():
    """The others' outcomes then move nothing but their own misses."""
    made, scaler = panel(12, series=6)
    spans = {"": forecasters(made, 12, cut=60)[""]}
    drawn = {"": tuple(of_series(one, [0, 1, 2]) for one in spans[""])}
    rest = {"": tuple(of_series(one, [3, 4, 5]) for one in spans[""])}
    one = Calibration(0.8, "adaptive", scaler)
    one.pool(drawn)
    found = one.put(rest)[""]
    fixed = Calibration(0.8, "split", scaler)
    fixed.pool(drawn)
    by = fixed.put(rest)[""].reach.values
    held = drawn[""][1]
    errors = np.abs(held.true - held.values) / scaler.output_std[held.series][:, None]
    count = len(held.starts)
    place = int(np.ceil(round(0.8 * (count + 1), 9))) - 1
    expected = np.sort(errors, axis=0)[place]
    for code in (3, 4, 5):
        np.testing.assert_allclose(by[code], expected * scaler.output_std[code])
    first = np.flatnonzero(np.diff(rest[""][0].series, prepend=-1))
    wide = found.upper[first] - found.lower[first]
    assert np.isfinite(wide).all()  # from the first test window on
