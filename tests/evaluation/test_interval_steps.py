"""Intervals of more forecasts than all levels are followed of, against those of all, to the bit."""

import numpy as np
import pytest

from forecast import metrics
from forecast.cli import console
from forecast.data import samples
from forecast.data.blocks import Blocks
from forecast.data.windows import Window
from forecast.evaluation import experiment, scales, scores
from forecast.evaluation.intervals import calibration, conformal, margin
from forecast.evaluation.intervals.calibration import Calibration, steps_apart
from forecast.evaluation.outcome import Spec
from forecast.report.sections import intervals
from forecast.training.parameters import Model, Training

from . import test_interval_parts as parts
from . import test_survey
from .test_large_panels import one_by_one, ragged
from .test_large_panels import spans as spans_of
from .test_parts import holed

APART = 3
STEPS = [1]  # counted from 0, of the four of the horizon


def every_third(spans, scaler, method, level=0.8):
    made = Calibration(level, method, scaler, APART)
    made.pool(spans)
    return made


def sampled(values):
    """All but the followed steps taken out, (windows, horizon, targets)."""
    found = np.full_like(values, np.nan)
    found[:, STEPS] = values[:, STEPS]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("method", margin.CALIBRATIONS)
@pytest.mark.parametrize(("series", "cut"), [(1, parts.CUT), (6, parts.CUT), (6, 60)])
def test_what_is_followed_is_what_all_would_be(method, series, cut, monkeypatch):
    made, scaler = parts.panel(4, series=series, targets=3, early=(1, 4) if series > 1 else ())
    spans = parts.forecasters(made, 4, method=method, cut=cut)
    whole = parts.whole_of(spans, scaler, method)
    monkeypatch.setattr(conformal, "CELLS", 20_000)
    one = every_third(spans, scaler, method)
    found = one.put(spans)
    for name, all_of in whole.items():
        own, cut_out = found[name], sampled if name else np.copy
        np.testing.assert_array_equal(own.lower, cut_out(all_of.lower))
        np.testing.assert_array_equal(own.upper, cut_out(all_of.upper))
        np.testing.assert_array_equal(own.crps, sampled(all_of.crps))
        reach = one.reach[name].values
        np.testing.assert_array_equal(reach, cut_out(all_of.reach.values))
        assert own.apart == APART and all_of.apart == 1
    np.testing.assert_array_equal(found[""].inner.upper, whole[""].inner.upper)


@pytest.mark.parametrize("method", margin.CALIBRATIONS)
def test_the_model_alone_has_ends_at_every_step(method):
    """By the loop over moments that knows of no steps left out."""
    made, scaler = ragged(3)
    held, test = spans_of(made, Window(3, 4, lead=1), 200, said=0.3, quantiles=True)
    spans = {"": (test, held), "a": (test, held)}
    one = every_third(spans, scaler, method)
    found = one.put(spans)
    lower, upper, served = one_by_one(test, held, scaler, 0.8, method)
    for name, cut_out in (("", np.copy), ("a", sampled)):
        np.testing.assert_array_equal(found[name].lower, cut_out(lower))
        np.testing.assert_array_equal(found[name].upper, cut_out(upper))
        np.testing.assert_array_equal(one.reach[name].values, cut_out(served))


@pytest.mark.parametrize("method", margin.CALIBRATIONS)
def test_stretches_say_what_the_series_says_at_once(method):
    made, scaler = parts.panel(6)
    spans = parts.forecasters(made, 6, method=method)
    one = every_third(spans, scaler, method)
    whole = one.put(spans)
    expected = {name: whole[name] for name in one.reach}
    cut = parts.cut_up(spans, [90, 160, parts.CUT, 260, 263, 400])
    two = every_third(spans, scaler, method)
    parts.assert_alike(two, cut, parts.stretches(two, cut), expected, spans)


@pytest.mark.parametrize("method", margin.CALIBRATIONS)
def test_each_level_covers_what_it_covers_alone(method):
    made, scaler = parts.panel(5)
    spans = parts.forecasters(made, 5, method=method)
    for name, own in every_third(spans, scaler, method).put(spans).items():
        test = spans[name][0]
        assert set(own.inside) == {*calibration.CENTRAL, 0.95}
        for level in (0.5, 0.8, 0.95):
            promised = parts.whole_of(spans, scaler, method, level)[name]
            true = np.where(np.isfinite(promised.lower), test.true, np.nan)[:, STEPS]
            low, high = promised.lower[:, STEPS], promised.upper[:, STEPS]
            assert own.count == np.isfinite(true).sum()
            if name:  # around quantiles of its own level an interval is another one
                assert own.inside[level] == ((true >= low) & (true <= high)).sum()


def test_model_and_baselines_are_scored_at_the_same_steps():
    made, scaler = parts.panel(8, targets=2)
    spans = parts.forecasters(made, 8)
    found = every_third(spans, scaler, "adaptive").put(spans)
    scale = scales.Scale.of(made.take(made.tick < 100), scaler, 7)
    for name in ("", "a"):
        test, own = spans[name][0], found[name]
        told = scores.measure(test, scale, own)
        ends = [values[:, STEPS] for values in (test.true, own.lower, own.upper)]
        ends[0] = np.where(np.isfinite(ends[1]), ends[0], np.nan)
        assert told.scores["test/coverage_80"] == pytest.approx(metrics.coverage(*ends))
        assert told.scores["test/width_80"] == pytest.approx(metrics.width(*ends))
        known = np.isfinite(ends[1]).all(axis=1)[:, None]
        errors = np.where(known, abs(test.true - test.values), np.nan)
        ratio = np.nanmean(errors) / np.nanmean(errors[:, STEPS])
        score = metrics.winkler(*ends, 0.8) * ratio
        assert told.scores["test/winkler_80"] == pytest.approx(score)
        assert told.scores["test/crps"] == pytest.approx(np.nanmean(own.crps) * ratio)
        for i in range(2):
            each = [values[..., i] for values in ends]
            assert told.scores[f"test_t{i}/coverage_80"] == pytest.approx(metrics.coverage(*each))
            assert told.scores[f"test_t{i}/width_80"] == pytest.approx(metrics.width(*each))
        assert np.isfinite(told.covered_by_step[STEPS]).all()
        assert np.isfinite(told.covered_by_step).all() == (name == "")
        assert np.isfinite(told.by_step).all()  # errors are of all


def test_scores_at_some_steps_are_those_of_all(monkeypatch):
    """Though the errors of persistence go up and down with the week."""
    table = test_survey.panel([260] * 6)
    spec = Spec(Model("linear"), Window(8, 7), Training(epochs=1), baselines=())
    prepared = experiment.prepare(spec, table)
    fitted = experiment.fit(prepared)
    whole = experiment.evaluate(prepared, fitted)
    count = len(prepared.validation) + len(prepared.test)
    monkeypatch.setattr(calibration, "FOLLOWED", count)
    found = experiment.evaluate(prepared, fitted)
    steps = found.intervals.steps
    assert found.intervals.apart == 7
    for name, scores_of in found.baseline_scores.items():
        for key in ("test/crps", "test/winkler_90"):
            assert scores_of[key] == pytest.approx(whole.baseline_scores[name][key], rel=0.1)
    crps = whole.baseline_intervals["persistence"].crps
    assert abs(np.nanmean(crps[:, steps]) / np.nanmean(crps) - 1) > 0.2


@pytest.mark.parametrize("horizon", [1, 2, 96, 720])
@pytest.mark.parametrize("count", [1, 1000, 300_000, 10**8])
@pytest.mark.parametrize("targets", [1, 862])
def test_levels_are_followed_of_as_many_forecasts_as_are_allowed(horizon, count, targets):
    apart = steps_apart(Window(1, horizon), count, targets, 1)
    steps = range(horizon)[of(apart).steps]
    assert 1 <= apart <= horizon and len(steps)
    values = count * horizon * targets
    if values <= calibration.FOLLOWED:
        assert list(steps) == list(range(horizon))
    # rounding may add one step to the share that is allowed
    assert len(steps) == 1 or count * targets * (len(steps) - 1) <= calibration.FOLLOWED
    # and no step is further from a followed one than half of their distance
    assert max(min(abs(step - one) for one in steps) for step in range(horizon)) <= apart


@pytest.mark.parametrize("season", [1, 7, 24, 168])
@pytest.mark.parametrize("least", range(1, 15))
def test_steps_see_every_phase_of_a_season_alike(season, least, monkeypatch):
    horizon = 20 * 168
    monkeypatch.setattr(calibration, "FOLLOWED", -(-horizon // least))
    apart = steps_apart(Window(1, horizon), 1, 1, season)
    assert least <= apart <= least + 6
    seen = np.bincount(np.arange(horizon)[of(apart).steps] % season, minlength=season)
    assert seen.max() - seen.min() <= 1
    # steps within one season are of different phases anyway
    assert steps_apart(Window(1, 168), horizon // 168, 1, 168) == least


def of(apart):
    return calibration.Intervals(0.9, "split", *[np.zeros(0)] * 2, None, np.zeros(0), apart=apart)


def test_an_evaluation_of_many_forecasts_says_which_steps_it_scores(monkeypatch, capsys):
    table = holed((150, 150, 140, 60), targets=2)
    training = Training(epochs=1, seed=1)
    window = Window(8, 4)
    spec = Spec(Model("linear", normalization="none"), window, training, validation=0.25, test=0.3)
    prepared = experiment.prepare(spec, table)
    fitted = experiment.fit(prepared)
    whole = experiment.evaluate(prepared, fitted)
    assert whole.followed == "" and "steps, evenly" not in intervals.section(whole)
    count = (len(prepared.validation) + len(prepared.test)) * 2
    monkeypatch.setattr(calibration, "FOLLOWED", 2 * count)
    found = experiment.evaluate(prepared, fitted)
    said = "CRPS, coverage and width of intervals are measured at 2 of 4 steps, evenly spread"
    assert found.followed.startswith(said) and said in intervals.section(found)
    console.interval_line(found)
    assert said in " ".join(capsys.readouterr().out.split())
    np.testing.assert_array_equal(found.intervals.upper, whole.intervals.upper)
    for name, own in {"": found.scores, **found.baseline_scores}.items():
        steps = found.intervals.steps
        crps = (whole.baseline_intervals[name] if name else whole.intervals).crps
        forecasts = whole.baselines[name] if name else whole.test
        errors = np.where(np.isfinite(crps), abs(forecasts.true - forecasts.values), np.nan)
        ratio = np.nanmean(errors) / np.nanmean(errors[:, steps])
        assert own["test/crps"] == pytest.approx(np.nanmean(crps[:, steps]) * ratio, rel=0.02)
        assert ratio != pytest.approx(1, rel=1e-3)
        at_once = whole.baseline_scores[name] if name else whole.scores
        assert own.keys() == at_once.keys() and own["test/mae"] == at_once["test/mae"]
    # all windows at once, as a fold of a backtest takes them, are not too many
    assert experiment.evaluate(prepared, fitted, whole=True).followed == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one long series", "long ones among short ones"])
@pytest.mark.parametrize("refit", [False, True])
def test_blocks_are_scored_at_the_steps_of_the_whole_table(name, refit, monkeypatch):
    monkeypatch.setattr(samples, "block_rows", lambda *_: 200)
    table, asked = test_survey.CASES[name], test_survey.spec(window=Window(8, 4))
    epochs = 1 if refit else None
    whole = experiment.prepare(asked, table, epochs=epochs)
    fitted = experiment.fit(whole)
    count = len(whole.test) + (0 if refit else len(whole.validation))
    monkeypatch.setattr(calibration, "FOLLOWED", 2 * count)  # windows of all, not of the drawn
    monkeypatch.setattr(test_survey.survey, "DRAWN", 300 * 7)
    one = experiment.evaluate(whole, fitted)
    blocks = experiment.prepare(asked, Blocks.of(table), epochs=epochs)
    assert blocks.survey is not None
    two = experiment.evaluate(blocks, fitted)
    assert two.intervals.apart == one.intervals.apart == 2
    for key in ("test/crps", "test/coverage_90", "test/width_90", "test/winkler_90"):
        if name == "one long series":
            assert two.scores[key] == pytest.approx(one.scores[key], rel=1e-6)
        assert np.isfinite(two.scores[key])
        assert np.isfinite(two.baseline_scores["persistence"][key])
