"""An evaluation in parts finds what it finds at once."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from forecast import metrics
from forecast.data import windows
from forecast.data.windows import Window
from forecast.evaluation import experiment, parts
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.gathered import Gathered, Shown
from forecast.evaluation.outcome import Spec
from forecast.evaluation.parts import Part
from forecast.evaluation.scales import Scale
from forecast.evaluation.scores import measure
from forecast.metrics import sums
from forecast.tracking.predictions import Predictions
from forecast.training.parameters import Model, Training

from .tables import panel

WINDOW = Window(6, 4, lead=1)


def starts(table, begin, end=1000):
    rows = (table.tick >= begin) & (table.tick < end)
    return windows.starts(table, WINDOW, within=rows, truth="some")


def made(table, noise=0.5, levels=(), seed=0):
    own = starts(table, 40)
    rng = np.random.default_rng(seed)
    true = windows.outputs(table.outputs, own, WINDOW)
    values = np.nan_to_num(true) + rng.normal(0, noise, true.shape)
    if table.task != "regression":
        values = rng.random(true.shape)
    every = values[..., None] + np.array([-1.0, 0.0, 1.0]) if levels else None
    return Forecasts(table, WINDOW, own, values, every, levels)


def holed(lengths=(70, 60, 90), **more):
    table = panel(lengths, **more)
    outputs = table.outputs.copy()
    outputs[np.random.default_rng(1).random(outputs.shape) < 0.1] = np.nan
    return replace(table, outputs=outputs)


@pytest.mark.parametrize("most", [1, 7, 40, 90, 10_000])
def test_every_window_lies_in_one_part_and_none_is_too_large(most, monkeypatch):
    table = panel((70, 60, 20, 300, 90), targets=2)
    monkeypatch.setattr(parts, "VALUES", most * 4 * 2)
    monkeypatch.setattr(parts, "FEWEST", 1)
    held, test = starts(table, 20, 40), starts(table, 40)
    found = parts.cut(table, WINDOW, held, test)
    np.testing.assert_array_equal(np.concatenate([part.held for part in found]), held)
    np.testing.assert_array_equal(np.concatenate([part.test for part in found]), test)
    seen = set()
    for before, part in zip([Part(held[:0], test[:0]), *found], found, strict=False):
        own = np.concatenate([part.held, part.test])
        assert 0 < len(own) <= most
        codes = set(table.series[own].tolist())
        if part.goes_on:  # a stretch of the same series, behind the one before
            last = np.concatenate([before.held, before.test])
            assert set(table.series[last].tolist()) == codes and len(codes) == 1
            assert last.max() < own.min()
        else:
            assert not codes & seen
        seen |= codes


def test_the_scores_of_parts_add_up_to_those_of_the_whole():
    table = holed()
    every = made(table, levels=(0.05, 0.5, 0.95))
    rng = np.random.default_rng(2)
    scale = Scale(*rng.uniform(1, 2, (3, 3, 2)))
    whole = measure(every, scale)
    order = rng.permutation(len(every.starts))
    cut = [every.at(every.starts[rows]) for rows in np.array_split(order, 5)]
    together = measure(cut[0], scale)
    for part in cut[1:]:
        together = together + measure(part, scale)
    assert together.windows == whole.windows and together.holes == whole.holes > 0
    assert together.scores == pytest.approx(whole.scores, rel=1e-12)
    assert together.by_series == pytest.approx(whole.by_series, rel=1e-12)
    np.testing.assert_allclose(together.by_step, whole.by_step, rtol=1e-12)
    np.testing.assert_allclose(together.targets.mean, whole.targets.mean, rtol=1e-12)
    pd.testing.assert_series_equal(together.origins.mean, whole.origins.mean, rtol=1e-12)
    known = np.isfinite(every.true)
    assert whole.scores["test/r2"] == pytest.approx(
        1 - ((every.true - every.values)[known] ** 2).mean() / every.true[known].var()
    )


@pytest.mark.parametrize("missing", [(), (0,), (1,), (2,), (0, 1, 2)])
def test_skill_compares_on_the_windows_of_the_baseline_in_every_part(missing):
    """Which may have forecast fewer windows in some parts than the model."""
    table = holed()
    model, rng = made(table), np.random.default_rng(3)
    rival = replace(model, values=model.values + rng.normal(0, 0.3, model.values.shape))
    scale = Scale(*rng.uniform(1, 2, (3, 3, 2)))
    found, asked = Gathered(scale, Shown(table, model.starts)), []
    for number, own in enumerate(np.array_split(model.starts, 3)):
        asked.append(own[::2] if number in missing else own)
        found.add({"": model.at(own), "same": rival.at(own), "few": rival.at(asked[-1])}, {})
    few = np.concatenate(asked)
    for name, on in (("", model.starts), ("same", model.starts), ("few", few)):
        told = (rival if name else model).at(on)
        assert found.paired[name].windows == found.measured[name].windows == len(on)
        assert found.measured[name].error == pytest.approx(np.nanmean(told.error(axis=())))
        assert found.paired[name].error == pytest.approx(np.nanmean(model.at(on).error(axis=())))


def test_one_part_is_the_plain_formula_to_the_bit():
    every = made(holed())
    one = np.ones((3, 2))
    found = measure(every, Scale(one, one, one)).scores
    for name in ("mae", "rmse", "bias", "smape", "wape", "r2"):
        assert found[f"test/{name}"] == float(getattr(metrics, name)(every.true, every.values))


@pytest.mark.parametrize("exact", [10_000, 50])
def test_ranks_of_parts_give_the_area_of_the_whole(exact, monkeypatch):
    monkeypatch.setattr(sums, "EXACT", exact)
    rng = np.random.default_rng(0)
    true = rng.integers(0, 2, 400).astype(float)
    chance = np.clip(0.4 * true + rng.random(400) * 0.6, 0, 1).round(2)  # with ties
    found = sums.ranked(true[:100], chance[:100])
    for begin in (100, 200, 300):
        found = found + sums.ranked(true[begin : begin + 100], chance[begin : begin + 100])
    assert (found.exact is None) == (exact == 50)
    assert found.auc == pytest.approx(roc_auc_score(true, chance), abs=1e-12)


def test_probabilities_add_up_too():
    table = panel((70, 60), targets=1)
    table = replace(table, outputs=(table.outputs > 20).astype(float), task="event")
    every, one = made(table), np.ones((2, 1))
    scale = Scale(one, one, one)
    half = len(every.starts) // 2
    both = measure(every.at(every.starts[:half]), scale) + measure(
        every.at(every.starts[half:]), scale
    )
    assert both.scores == pytest.approx(measure(every, scale).scores, rel=1e-12)
    assert {"test/brier", "test/auc", "test/log_loss"} <= both.scores.keys()


def test_what_is_shown_is_bounded_and_no_name_decides(monkeypatch):
    table = panel((90,) * 30, targets=1)
    test = starts(table, 40)
    np.testing.assert_array_equal(parts.shown(table, WINDOW, test), test)
    monkeypatch.setattr(parts, "SHOWN", 4 * 10 * 47)
    monkeypatch.setattr(parts, "FEWEST", 1)
    found = parts.shown(table, WINDOW, test)
    codes, count = np.unique(table.series[found], return_counts=True)
    assert len(codes) == 10 and set(count) == {47}  # whole series
    order = np.random.default_rng(0).permutation(30)  # the same series under other names
    rows = np.concatenate([np.flatnonzero(table.series == code) for code in order])
    other = replace(table.take(rows), series=np.repeat(np.arange(30), 90))
    again = np.unique(other.series[parts.shown(other, WINDOW, starts(other, 40))])
    assert sorted(order[again]) == sorted(codes)
    monkeypatch.setattr(parts, "SHOWN", 4 * 100)
    few = parts.shown(table, WINDOW, test)
    assert len(few) <= 100 and len(np.unique(table.series[few])) == parts.SERIES
    by_series = pd.Series(table.tick[few]).groupby(table.series[few]).agg(tuple)
    assert by_series.nunique() == 1  # the same origins of all


def test_shown_origins_see_every_hour(monkeypatch):
    table = panel((2000,), targets=1)
    test = starts(table, 500, 5000)
    monkeypatch.setattr(parts, "SHOWN", 4 * len(test) // 4)  # every fourth would see six hours
    monkeypatch.setattr(parts, "FEWEST", 1)
    found = parts.shown(table, WINDOW, test)
    assert len(test) // 6 < len(found) <= len(test) // 4
    assert len(np.unique(table.tick[found] % 24)) == 24
    assert len(np.unique(np.diff(found))) == 1 and found[-1] == test[-1]


@pytest.mark.parametrize("cut", [1, 3])
def test_the_file_of_all_parts_holds_the_frame(cut, tmp_path):
    every = made(holed(), levels=(0.05, 0.5, 0.95))
    written = Predictions(tmp_path)
    for own in np.array_split(every.starts, cut):
        written.put({"": every.at(own), "ridge": every.at(own)}, {})
    written.close()
    for name in ("", "ridge"):
        pd.testing.assert_frame_equal(pd.read_parquet(written.file(name)), every.frame())
    assert written.file("persistence") is None


def test_a_baseline_of_too_many_values_keeps_no_file(tmp_path, monkeypatch):
    from forecast.tracking import predictions

    every = made(holed())
    monkeypatch.setattr(predictions, "KEPT", every.values.size)
    written = Predictions(tmp_path)
    written.put({"": every, "ridge": every}, {})
    assert written.file("ridge") is not None
    written.put({"": every, "ridge": every.at(every.starts[:1])}, {})
    written.close()
    assert written.file("ridge") is None
    assert len(pd.read_parquet(written.file())) == 2 * every.values.size


@pytest.mark.parametrize("lengths", [(150, 150, 140, 60), (600,)], ids=["panel", "one series"])
def test_an_evaluation_in_parts_finds_what_it_finds_at_once(lengths, monkeypatch):
    table = holed(lengths, targets=2)
    spec = Spec(
        Model("linear", normalization="none"),
        WINDOW,
        Training(epochs=2, seed=1),
        validation=0.25,
        test=0.3,
    )
    prepared = experiment.prepare(spec, table)
    fitted = experiment.fit(prepared)
    frames = {"whole": {}, "parts": {}}

    def keep(where):
        def put(forecasts, around):
            for name, own in forecasts.items():
                where.setdefault(name, []).append(own.frame(around.get(name)))

        return put

    whole = experiment.evaluate(prepared, fitted, keep=keep(frames["whole"]), whole=True)
    monkeypatch.setattr(parts, "VALUES", 400)
    monkeypatch.setattr(parts, "FEWEST", 1)
    found = experiment.evaluate(prepared, fitted, keep=keep(frames["parts"]))
    assert found.sampled == "" and len(frames["parts"][""]) > 3
    for name, [one] in frames["whole"].items():
        many = pd.concat(frames["parts"][name], ignore_index=True)
        pd.testing.assert_frame_equal(many, one, check_exact=True)
    assert found.scores == pytest.approx(whole.scores, rel=1e-9, nan_ok=True)
    assert {"test/crps", "test/coverage_90"} <= found.scores.keys()
    for name, own in whole.baseline_scores.items():
        assert found.baseline_scores[name] == pytest.approx(own, rel=1e-9, nan_ok=True)
        assert found.verdicts[name].p == pytest.approx(whole.verdicts[name].p, nan_ok=True)
    np.testing.assert_array_equal(found.intervals.lower, whole.intervals.lower)
    np.testing.assert_array_equal(found.intervals.inner.upper, whole.intervals.inner.upper)
    assert found.intervals.observed == whole.intervals.observed
    np.testing.assert_array_equal(found.intervals.reach.values, whole.intervals.reach.values)
