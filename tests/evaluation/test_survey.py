"""An experiment on blocks finds what it finds on the whole table."""

import numpy as np
import pytest

from forecast.data import samples
from forecast.data.blocks import Blocks
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation import experiment
from forecast.evaluation.outcome import Spec
from forecast.training.parameters import Model, Training

FORECASTERS = ("", "persistence", "seasonal_naive", "boosted_trees", "ridge")


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
