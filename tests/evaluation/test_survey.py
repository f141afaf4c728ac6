"""An experiment on blocks finds what it finds on the whole table."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast.data import samples, windows
from forecast.data.blocks import Blocks
from forecast.data.schema import Schema
from forecast.data.stored.write import write
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation import experiment, survey
from forecast.evaluation.outcome import Spec
from forecast.training.parameters import Model, Training


def panel(lengths, *, holes=0.0, task="regression", seed=0):
    """Make daily series with a weekly season and levels of their own; the last rows are shared."""
    rng = np.random.default_rng(seed)
    parts, codes = [], np.repeat(np.arange(len(lengths)), lengths)
    tick = np.concatenate([np.arange(max(lengths) - n, max(lengths)) for n in lengths])
    for code, length in enumerate(lengths):
        own = tick[codes == code]
        wave = 10 * (code + 1) + 3 * np.sin(2 * np.pi * own / 7) + rng.normal(size=length)
        parts.append(np.column_stack([wave, rng.normal(size=length)]))
    inputs = np.concatenate(parts)
    outputs = inputs[:, :1].copy()
    if task == "event":
        outputs = 1.0 * (outputs > 10.0 * (codes[:, None] + 1))
    outputs[rng.random(len(outputs)) < holes] = np.nan
    return Table(
        inputs,
        outputs,
        ("load", "wind"),
        ("load",) if task == "regression" else ("high",),
        codes,
        tick,
        np.datetime64("2024-01-01", "ns") + tick * np.timedelta64(1, "D"),
        names=tuple(f"s{code:02}" for code in range(len(lengths))),
        frequency="D",
        task=task,
        about=("load",),
    )


def spec(**changes):
    settings = {
        "model": Model("linear", normalization="last"),
        "window": Window(8, 3),
        "training": Training(epochs=2, batch_size=64),
    }
    return Spec(**settings | changes)


@pytest.fixture
def small(monkeypatch):
    """Cut every table into small blocks."""
    monkeypatch.setattr(samples, "block_rows", lambda *_: 200)


CASES = {
    "short series": panel([120] * 9, holes=0.02),
    "of several lengths": panel([150, 40, 90, 150, 200, 70, 130], holes=0.02),
    "one long series": panel([1500], holes=0.02),
    "long ones among short ones": panel([100, 700, 120, 900, 60], holes=0.02),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("calibration", ["adaptive", "split"])
def test_blocks_are_scored_as_the_whole_table(name, calibration, small):
    table = CASES[name]
    asked = spec(calibration=calibration, baselines=("boosted_trees", "drift", "moving_average"))
    whole = experiment.prepare(asked, table)
    fitted = experiment.fit(whole)
    one = experiment.evaluate(whole, fitted)
    blocks = experiment.prepare(asked, Blocks.of(table))
    assert blocks.survey is not None and len(blocks.learned) > 1
    assert [span.windows for span in blocks.spans()] == [span.windows for span in whole.spans()]
    assert [span.rows for span in blocks.spans()] == [span.rows for span in whole.spans()]
    two = experiment.evaluate(blocks, fitted)
    assert two.extent == one.extent
    assert two.scores == pytest.approx(one.scores, rel=1e-9, nan_ok=True)
    assert two.baseline_scores.keys() == one.baseline_scores.keys()
    for baseline, scores in one.baseline_scores.items():
        assert two.baseline_scores[baseline] == pytest.approx(scores, rel=1e-6, nan_ok=True)
        assert two.verdicts[baseline].p == pytest.approx(one.verdicts[baseline].p, rel=1e-6)
    assert two.measured[""].by_series == pytest.approx(one.measured[""].by_series, rel=1e-9)
    # what is shown are the same forecasts of the same windows
    np.testing.assert_array_equal(two.test.starts, one.test.starts)
    np.testing.assert_allclose(two.test.values, one.test.values, rtol=1e-6)
    np.testing.assert_allclose(two.intervals.lower, one.intervals.lower, rtol=1e-5)


POOLED = {"one long series": (), "short series": ("test/coverage", "test/width")}
"""Keys of scores that depend on which series share their calibration."""


@pytest.mark.parametrize("name", POOLED)
def test_what_is_shown_of_drawn_rows_is_what_the_whole_table_has_there(name, small, monkeypatch):
    table = CASES[name]
    asked = spec()
    whole = experiment.prepare(asked, table)
    fitted = experiment.fit(whole)
    one = experiment.evaluate(whole, fitted)
    monkeypatch.setattr(survey, "DRAWN", 300 * 7)
    monkeypatch.setattr(survey, "MOST", 0)
    monkeypatch.setattr(survey, "SERIES", 2)
    blocks = experiment.prepare(asked, Blocks.of(table))
    drawn = blocks.table
    assert len(drawn) < 0.6 * len(table) and drawn.names == table.names
    assert blocks.survey.thinned == (name == "one long series")
    # drawn rows are rows of the table, each once
    place = {pair: row for row, pair in enumerate(zip(table.series, table.tick, strict=True))}
    rows = [place[pair] for pair in zip(drawn.series, drawn.tick, strict=True)]
    assert len({*rows}) == len(rows)
    np.testing.assert_array_equal(drawn.inputs, table.inputs[rows])
    two = experiment.evaluate(blocks, fitted)
    assert two.windows == one.windows > len(two.test.starts) > 0 and two.sampled
    for key, value in one.scores.items():
        if not key.startswith(("skill", "test/winkler", "test/crps", *POOLED[name])):
            assert two.scores[key] == pytest.approx(value, rel=1e-9, nan_ok=True), key
    for baseline in ("persistence", "seasonal_naive"):
        pairs = zip(
            one.baseline_scores[baseline].items(),
            two.baseline_scores[baseline].values(),
            strict=True,
        )
        for (key, value), other in pairs:
            if not key.startswith(("test/winkler", "test/crps", *POOLED[name])):
                assert other == pytest.approx(value, rel=1e-9, nan_ok=True), key
    at = {start: number for number, start in enumerate(one.test.starts.tolist())}
    shown = [at[rows[start]] for start in two.test.starts]
    np.testing.assert_allclose(two.test.values, one.test.values[shown], rtol=1e-6)
    np.testing.assert_array_equal(two.test.true, one.test.true[shown])
    if name == "one long series":  # no pool: each series learns from itself
        np.testing.assert_allclose(two.intervals.lower, one.intervals.lower[shown], rtol=1e-5)


def test_events_have_the_climatology_of_all_rows(small, monkeypatch):
    monkeypatch.setattr(survey, "DRAWN", 300 * 7)
    monkeypatch.setattr(survey, "MOST", 0)
    monkeypatch.setattr(survey, "SERIES", 2)
    table = panel([150, 40, 90, 150, 200, 70, 130], holes=0.05, task="event")
    asked = spec(model=Model("linear"), regressors={}, baselines=())
    whole = experiment.prepare(asked, table)
    fitted = experiment.fit(whole)
    one = experiment.evaluate(whole, fitted)
    two = experiment.evaluate(experiment.prepare(asked, Blocks.of(table)), fitted)
    for forecaster, scores in {"": one.scores, **one.baseline_scores}.items():
        other = two.scores if not forecaster else two.baseline_scores[forecaster]
        assert other == pytest.approx(scores, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("most", [300 * 8, 10**6])
def test_a_training_from_blocks_is_scored_as_what_it_forecasts(most, small, monkeypatch):
    """Static and known columns, a number of the series, and a lead go through blocks too."""
    monkeypatch.setattr(survey, "DRAWN", most)
    monkeypatch.setattr(survey, "MOST", 0)
    plain = panel([150, 40, 90, 150, 200, 70, 130])
    area = np.repeat(np.arange(7.0) % 3, np.bincount(plain.series))[:, None]
    table = replace(
        plain,
        inputs=np.hstack([plain.inputs, area]),
        features=(*plain.features, "area"),
        known=(1,),
        static=(2,),
    )
    asked = spec(
        model=Model("linear", normalization="last", series_embedding=2),
        window=Window(8, 3, lead=2),
    )
    prepared = experiment.prepare(asked, Blocks.of(table))
    outcome = experiment.run(asked, Blocks.of(table), prepared=prepared)
    fitted = outcome.forecaster
    starts = prepared.cuts.scored(table, asked.window)
    values = fitted.predict_windows(table, starts)
    true = windows.outputs(table.outputs, starts, asked.window)
    assert outcome.scores["test/mae"] == pytest.approx(np.nanmean(np.abs(true - values)), rel=1e-6)
    assert outcome.windows == len(starts)


def test_what_needs_all_rows_is_refused_before_anything_is_trained(small):
    asked = spec(baselines=("auto_arima",))
    with pytest.raises(InputError, match="evaluation.baselines must do without auto_arima"):
        experiment.prepare(asked, Blocks.of(CASES["short series"]))


@pytest.mark.parametrize("seed", range(4))
def test_time_stamps_of_a_stored_table_are_those_of_its_rows(seed, tmp_path):
    rng = np.random.default_rng(seed)
    frames = []
    for number in range(8):
        begin = pd.Timestamp("2024-01-31") + pd.offsets.MonthEnd(int(rng.integers(0, 90)))
        stamps = pd.date_range(begin, periods=int(rng.integers(2, 12)), freq="ME")
        frames.append(pd.DataFrame({"t": stamps, "s": f"s{number}", "y": rng.random(len(stamps))}))
    schema = Schema("t", ("y",), series=("s",), frequency="ME")
    blocks = write(frames, schema, tmp_path / "table")
    every = np.concatenate([block.time for block in blocks.tables(rows=20)])
    np.testing.assert_array_equal(blocks.stamps, np.unique(every))
