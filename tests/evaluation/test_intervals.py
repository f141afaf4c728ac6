"""Intervals against brute-force loops, exchangeable data, and data that drift."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from forecast import metrics
from forecast.data import windows
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.intervals import calibration, conformal, margin
from forecast.report import figures

from .tables import measured, of_deviation

LEVEL = 0.9


def table(values, absent=()):
    """Series side by side, (ticks, series, targets), without the rows of some (series, tick)."""
    ticks, count, targets = values.shape
    rows = [(s, t) for s in range(count) for t in range(ticks) if (s, t) not in set(absent)]
    series, tick = np.array(rows).T
    own = values[tick, series]
    names = tuple(f"t{i}" for i in range(targets))
    called = tuple(f"s{i}" for i in range(count))
    return Table(own, own, names, names, series, tick, tick, called)


def parts(values, window, begin, cut, *, absent=(), quantiles=False, model=None):
    """Forecasts of the held-out windows and of the test windows: 0, or the model's."""
    made, found = table(values, absent), []
    for first, end in ((begin, cut), (cut, len(values))):
        inside = (made.tick >= first) & (made.tick < end)
        starts = windows.starts(made, window, within=inside)
        shape = (len(starts), window.horizon, values.shape[2])
        said = np.zeros(shape) if model is None else np.broadcast_to(model, shape)
        every = np.stack([said - 0.5, said, said + 1.0], -1) if quantiles else None
        found.append(
            Forecasts(made, window, starts, said, every, (0.05, 0.5, 0.95) if quantiles else ())
        )
    return found


def scale(made, std=None):
    one = np.ones((len(made.names), len(made.targets))) if std is None else std
    return of_deviation(one)


def noise(ticks=420, series=1, targets=1, seed=0):
    return np.random.default_rng(seed).normal(size=(ticks, series, targets))


def ranked(known, level):
    """The threshold of a set by the paper's sentence."""
    place = min(len(known), max(1, math.ceil(round((len(known) + 1) * level, 9))))
    return sorted(known)[place - 1]


def replay(seen, origins, moments, ahead, given, level, least):
    """Adaptive thresholds of one step at some ticks, each from the outcomes known then.

    `seen` are scores of one step in the order of `origins`, of which the first are `given`.
    """
    told, found = {}, []
    for moment in moments:
        known = [s for s, origin in zip(seen, origins, strict=True) if origin + ahead <= moment]
        count = len(known)
        if count < least:
            told[moment] = math.nan
        else:
            late = count - (count % conformal.RENEWED if count >= conformal.RENEWED else 0)
            newest = known[:late][-conformal.NEWEST :]
            owed = 0.0
            for i in range(given, count):
                own = told[origins[i]]
                owed += 0.0 if math.isnan(own) else (seen[i] > own) - (1 - level)
            spread = ranked(newest, 0.9) - ranked(newest, 0.1)
            told[moment] = ranked(newest, level) + conformal.RATE * spread * owed
        found.append(told[moment])
    return found


def test_split_is_the_ranked_residual_of_each_series_step_and_target():
    window, std = Window(2, 3), np.array([[2.0, 0.5], [1.0, 3.0]])
    values = noise(200, 2, 2)
    held, test = parts(values, window, 0, 120)
    found = calibration.calibrate(test, held, scale(test.table, std), LEVEL, "split")
    for code in range(2):
        for step in range(3):
            for target in range(2):
                residuals = [
                    abs(held.true[i, step, target])
                    for i in range(len(held.starts))
                    if held.series[i] == code
                ]
                expected = ranked(residuals, LEVEL)
                own = found.upper[test.series == code, step, target]
                np.testing.assert_allclose(own, expected)
                assert found.reach.values[code, step, target] == pytest.approx(expected)
    np.testing.assert_allclose(found.lower, -found.upper)


def test_the_inner_band_holds_the_ranked_half_of_the_residuals():
    values = noise(200, 2)
    held, test = parts(values, Window(2, 3), 0, 120)
    found = calibration.calibrate(test, held, scale(test.table), LEVEL, "split")
    for code in range(2):
        for step in range(3):
            residuals = np.abs(held.true[held.series == code, step, 0])
            own = found.inner.upper[test.series == code, step, 0]
            np.testing.assert_allclose(own, ranked(list(residuals), 0.5))
    np.testing.assert_allclose(found.inner.lower, -found.inner.upper)
    # it costs memory, and no other forecaster is drawn with it
    both = {"": (test, held), "ridge": (test, held)}
    every = calibration.calibrate_all(both, scale(test.table), LEVEL, "split")
    assert every["ridge"].inner is None and every[""].inner is not None
    assert calibration.calibrate(test, held, scale(test.table), 0.5, "split").inner is None


@pytest.mark.parametrize("method", ["split", "adaptive"])
def test_the_inner_band_lies_within_the_interval(method):
    held, test = parts(noise(260), Window(2, 4, lead=1), 0, 120)
    found = calibration.calibrate(test, held, scale(test.table), 0.8, method)
    known = np.isfinite(found.lower)
    assert (np.isfinite(found.inner.lower) == known).all()
    assert (found.lower <= found.inner.lower)[known].all()
    assert (found.inner.upper <= found.upper)[known].all()
    true = test.true
    inside = ((found.inner.lower <= true) & (true <= found.inner.upper))[known].mean()
    assert 0.35 < inside < 0.65


def test_a_short_series_learns_from_all_each_by_its_own_scale():
    window, std = Window(2, 2), np.array([[1.0], [10.0]])
    held, test = parts(noise(80, 2), window, 0, 40)
    found = calibration.calibrate(test, held, scale(test.table, std), LEVEL, "split")
    for step in range(2):
        both = [
            abs(held.true[i, step, 0]) / std[held.series[i], 0] for i in range(len(held.starts))
        ]
        for code in range(2):
            expected = ranked(both, LEVEL) * std[code, 0]
            np.testing.assert_allclose(found.upper[test.series == code, step, 0], expected)


def test_cqr_is_the_papers_formula_in_a_plain_loop():
    held, test = parts(noise(160), Window(1, 2), 0, 100, quantiles=True)
    found = calibration.calibrate(test, held, scale(test.table), LEVEL, "cqr")
    for step in range(2):
        errors = [
            max(low - y, y - high)
            for (low, _, high), y in zip(
                held.quantiles[:, step, 0], held.true[:, step, 0], strict=True
            )
        ]
        by = ranked(errors, LEVEL)
        for i in range(len(test.starts)):
            low, middle, high = test.quantiles[i, step, 0]
            assert found.lower[i, step, 0] == pytest.approx(min(low - by, middle))
            assert found.upper[i, step, 0] == pytest.approx(max(high + by, middle))


def replay_pool(scores, mine, moments, ahead, level):
    """Adaptive thresholds of one step of one series, whose set is that of all series.

    `scores` are (origin, score) of all windows, held-out and test, `mine` those of the test windows
    of the series, whose origins are all but the last of `moments`.
    """
    told = {}
    for moment in moments:
        past = sorted({origin for origin, _ in scores if origin + ahead <= moment})
        if len(past) >= conformal.RENEWED:
            past = past[: len(past) - len(past) % conformal.RENEWED]
        newest = set(past[-conformal.NEWEST :])
        known = [s for origin, s in scores if origin in newest]
        owed = sum(
            (s > told[origin]) - (1 - level) for origin, s in mine if origin + ahead <= moment
        )
        spread = ranked(known, 0.9) - ranked(known, 0.1)
        told[moment] = ranked(known, level) + conformal.RATE * spread * owed
    return [told[moment] for moment in moments]


@pytest.mark.parametrize("quantiles", [False, True])
@pytest.mark.parametrize("cut", [40, 130])  # few held-out windows, and enough of them
def test_adaptive_is_the_rule_in_a_plain_loop(cut, quantiles):
    window, absent = Window(2, 3, lead=2), [(0, 90), (1, 145), (1, 170)]
    values = noise(200, 2, seed=3) * np.linspace(1, 3, 200)[:, None, None]
    held, test = parts(values, window, 0, cut, absent=absent, quantiles=quantiles)
    made = test.table
    found = calibration.calibrate(test, held, scale(made), LEVEL, "adaptive")
    ends = 0.5 if quantiles else 0.0, 1.0 if quantiles else 0.0

    def scored(one, rows, step):
        truth, ticks = one.true[rows, step, 0], made.tick[one.origins[rows]]
        each = (float(max(-ends[0] - y, y - ends[1])) for y in truth)
        return list(zip(ticks.tolist(), each, strict=True))

    for code in range(2):
        mine, own = test.series == code, held.series == code
        enough = own.sum() >= conformal.LEAST + window.lead + window.horizon
        assert enough == (cut == 130)
        for step in range(3):
            after = scored(test, mine, step)
            if enough:
                both = scored(held, own, step) + after
                origins, seen = zip(*both, strict=True)
                moments = [*origins, 199]
                by = replay(seen, origins, moments, step + 3, 0, LEVEL, conformal.LEAST)
            else:
                pool = scored(held, slice(None), step) + scored(test, slice(None), step)
                moments = [*(origin for origin, _ in after), 199]
                by = replay_pool(pool, after, moments, step + 3, LEVEL)
            tail = np.array(by[-mine.sum() - 1 :])
            upper = np.maximum(ends[1] + tail, 0)
            np.testing.assert_allclose(found.upper[mine, step, 0], upper[:-1], rtol=1e-12)
            lower = np.minimum(-ends[0] - tail, 0)
            np.testing.assert_allclose(found.lower[mine, step, 0], lower[:-1], rtol=1e-12)
            # what is served is what the method would say at the newest row
            assert found.reach.values[code, step, 0] == pytest.approx(tail[-1], rel=1e-12)


@pytest.mark.parametrize("held_out", [True, False])
def test_what_is_not_known_yet_changes_no_interval(held_out):
    window, values = Window(2, 4, lead=1), noise(260)
    held, test = parts(values, window, 0, 120)
    one = calibration.calibrate(
        test, held if held_out else None, scale(test.table), 0.8, "adaptive"
    )
    moment = 190
    wild = values.copy()
    wild[moment + 1 :] = 50.0
    held, other = parts(wild, window, 0, 120)
    two = calibration.calibrate(
        other, held if held_out else None, scale(test.table), 0.8, "adaptive"
    )
    until = test.table.tick[test.origins] <= moment
    np.testing.assert_array_equal(one.upper[until], two.upper[until])
    np.testing.assert_array_equal(one.lower[until], two.lower[until])
    # and what is known at once does: the first step of the origin before
    after = test.table.tick[test.origins] > moment + window.lead + 1
    assert (one.upper[after, 0] < two.upper[after, 0]).all()


def test_split_covers_exchangeable_data_within_binomial_bounds():
    values = noise(9000, seed=5)
    held, test = parts(values, Window(1, 1), 0, 4500)
    found = calibration.calibrate(test, held, scale(test.table), LEVEL, "split")
    # of the held-out quantile and of the test span: four standard deviations of both together
    bound = 4 * math.sqrt(LEVEL * (1 - LEVEL) * (1 / len(held.starts) + 1 / len(test.starts)))
    assert abs(found.observed[LEVEL] - LEVEL) < bound
    for level, share in found.observed.items():
        assert abs(share - level) < 0.035


def test_where_residuals_grow_split_fails_and_adaptive_holds():
    values = noise(1600, seed=6) * np.linspace(1, 6, 1600)[:, None, None]
    held, test = parts(values, Window(1, 6), 0, 400)
    one = scale(test.table)
    fixed = calibration.calibrate(test, held, one, LEVEL, "split")
    moving = calibration.calibrate(test, held, one, LEVEL, "adaptive")
    assert fixed.observed[LEVEL] < 0.75
    by_step = measured(test, moving).covered_by_step
    assert (abs(by_step - LEVEL) < 0.02).all()
    assert metrics.winkler(test.true, moving.lower, moving.upper, LEVEL) < metrics.winkler(
        test.true, fixed.lower, fixed.upper, LEVEL
    )


def test_without_held_out_windows_only_adaptive_speaks_and_only_after_a_while():
    _, test = parts(noise(200), Window(1, 2), 0, 40)
    one = scale(test.table)
    assert calibration.calibrate(test, None, one, LEVEL, "split") is None
    found = calibration.calibrate(test, None, one, LEVEL, "adaptive")
    known = [(test.table.tick[test.origins] - 38 - step).clip(0) for step in (1, 2)]
    for step in range(2):
        np.testing.assert_array_equal(
            np.isfinite(found.lower[:, step, 0]), known[step] >= conformal.LEAST
        )
    told = measured(test, found).scores
    assert told["test/coverage_90"] == pytest.approx(found.observed[LEVEL], abs=0.02)
    _, few = parts(noise(90), Window(1, 2), 0, 50)
    assert calibration.calibrate(few, None, one, LEVEL, "adaptive") is None
    assert not [name for name in measured(few).scores if "coverage" in name or "crps" in name]


def test_the_forecast_lies_between_the_ends_though_residuals_are_biased():
    held, test = parts(noise(160) - 8, Window(1, 2), 0, 100, quantiles=True)
    for method in margin.CALIBRATIONS:
        found = calibration.calibrate(test, held, scale(test.table), 0.9, method)
        assert (found.lower <= test.values).all() and (test.values <= found.upper).all()


def test_targets_in_chunks_are_targets_at_once(monkeypatch):
    held, test = parts(noise(150, 2, 3), Window(1, 2), 0, 90)
    whole = calibration.calibrate(test, held, scale(test.table), LEVEL, "adaptive")
    monkeypatch.setattr(conformal, "CELLS", 1)
    monkeypatch.setattr(conformal, "BLOCK", 1)
    each = calibration.calibrate(test, held, scale(test.table), LEVEL, "adaptive")
    np.testing.assert_array_equal(whole.upper, each.upper)
    np.testing.assert_array_equal(whole.reach.values, each.reach.values)
    np.testing.assert_array_equal(whole.crps, each.crps)
    assert whole.observed == each.observed


def test_scores_in_a_plain_loop():
    held, test = parts(noise(150, 1, 2), Window(1, 2), 0, 90)
    found = calibration.calibrate(test, held, scale(test.table), LEVEL, "adaptive")
    told = measured(test, found).scores
    each = [
        (low <= y <= high, high - low, 20 * max(low - y, y - high, 0))
        for low, high, y in zip(found.lower.flat, found.upper.flat, test.true.flat, strict=True)
    ]
    inside, wide, outside = np.mean(each, axis=0)
    assert told["test/coverage_90"] == pytest.approx(inside)
    assert told["test/width_90"] == pytest.approx(wide)
    assert told["test/winkler_90"] == pytest.approx(wide + outside)
    assert told["test_t1/coverage_90"] == pytest.approx(np.mean([e[0] for e in each[1::2]]))
    assert told["test_t0/width_90"] == pytest.approx(np.mean([e[1] for e in each[::2]]))
    assert told["test/crps"] == pytest.approx(found.crps.mean())


def test_crps_is_that_of_nineteen_quantiles():
    held, test = parts(noise(900, seed=2), Window(1, 1), 0, 500)
    found = calibration.calibrate(test, held, scale(test.table), LEVEL, "split")
    ends = []
    for level in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1):
        ends.append(ranked([abs(y) for y in held.true.flat], level))
    sample, levels = [-end for end in ends] + [0.0] + ends[::-1], np.arange(1, 20) / 20
    loss = [
        [2 * max(p * (y - q), (p - 1) * (y - q)) for p, q in zip(levels, sample, strict=True)]
        for y in test.true.flat
    ]
    np.testing.assert_allclose(found.crps.ravel(), np.mean(loss, axis=1))


def test_the_pictures_show_what_was_promised_and_covered(tmp_path):
    held, test = parts(noise(200), Window(2, 3), 0, 100)
    found = calibration.calibrate(test, held, scale(test.table), LEVEL, "adaptive")
    figure = figures.reliability(measured(test, found), found)
    whole, by_step = figure.axes
    drawn = whole.lines[1]
    assert list(drawn.get_xdata()) == sorted(found.observed) == [*calibration.CENTRAL, 0.95]
    assert list(drawn.get_ydata()) == [found.observed[level] for level in drawn.get_xdata()]
    inside = (test.true >= found.lower) & (test.true <= found.upper)
    np.testing.assert_allclose(by_step.lines[1].get_ydata(), inside.mean(axis=(0, 2)))
    figure.savefig(tmp_path / "reliability.png")
    bands = figures.forecasts(SimpleNamespace(test=test, intervals=found)).axes[0].collections
    tops = [band.get_paths()[0].vertices[:, 1].max() for band in bands]
    assert tops[-1] == pytest.approx(found.upper[-1].max())


def test_a_row_of_the_frame_has_its_ends():
    held, test = parts(noise(150, 1, 2), Window(1, 3), 0, 90)
    found = calibration.calibrate(test, held, scale(test.table), LEVEL, "adaptive")
    frame = test.frame(found)
    row = frame.iloc[(20 * 3 + 2) * 2 + 1]  # window 20, step 3, second target
    assert (row.lower, row.upper) == (found.lower[20, 2, 1], found.upper[20, 2, 1])
    assert row.crps == found.crps[20, 2, 1]
    assert list(frame.columns) == [
        *("series", "origin", "time", "step", "target", "forecast"),
        *("lower", "upper", "true", "crps"),
    ]
    assert "lower" not in test.frame() and test.frame().crps.isna().all()


def test_a_reach_is_plain_data_and_back():
    values = np.array([[[1.5, np.nan]]])
    one = margin.Reach(0.9, "adaptive", (0.05, 0.95), values)
    plain = one.to_dict()
    assert plain["reach"] == [[[1.5, None]]]
    again = margin.Reach.from_dict(plain)
    np.testing.assert_array_equal(again.values, values)
    assert (again.level, again.method, again.between) == (0.9, "adaptive", (0.05, 0.95))


@pytest.mark.parametrize(
    ("level", "method", "quantiles", "sentence"),
    [
        (1.5, "split", (), "evaluation.interval must be a share between 0 and 1.* got 1.5"),
        (True, "split", (), "evaluation.interval .* got True"),
        (0.9, "adaptve", (), "evaluation.calibration .* got 'adaptve': did you mean \"adaptive\""),
        (
            0.9,
            "cqr",
            (),
            r"calibration=cqr must have training.quantiles with 0.05 and 0.95, got \[",
        ),
        (0.8, "cqr", (0.05, 0.5, 0.95), "with 0.1 and 0.9, got"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(level, method, quantiles, sentence):
    with pytest.raises(InputError, match=sentence):
        margin.check_interval(level, method, quantiles, "regression")


def test_what_is_not_asked_is_not_checked():
    margin.check_interval(None, "nothing", (), "regression")
    margin.check_interval(0.9, "cqr", (), "event")
    margin.check_interval(0.9, "cqr", (0.05, 0.5, 0.95), "regression")
