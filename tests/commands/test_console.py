"""The closing table, of an outcome made by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm

from forecast.cli.commands import train
from forecast.cli.console import console, interval_line, print_table, say, score_table
from forecast.cli.progress import TERMINAL, EpochProgress
from forecast.data.table import Table
from forecast.evaluation.significance.pairs import Verdict
from forecast.metrics.headline import HEADLINES
from forecast.workflows.progress import during

VERDICTS = {
    "ridge": Verdict(-0.1, -3.2, 0.0012, 500),
    "persistence": Verdict(0.02, 0.6, 0.5512, 500),
    "seasonal_naive": Verdict(0.3, np.nan, np.nan, 50),
}


def closing(*metrics):
    """The table's rows by their first word, and all lines, of a run with some metrics."""
    scores = {f"test/{name}": 12.3456 for name in ("mae", *metrics)}
    outcome = SimpleNamespace(
        spec=SimpleNamespace(
            model=SimpleNamespace(name="lstm"), window=SimpleNamespace(horizon=24)
        ),
        scores=scores | {f"skill/{name}": 0.123 for name in VERDICTS},
        baseline_scores={name: scores for name in VERDICTS},
        verdicts=VERDICTS,
        windows=4767,
        test=SimpleNamespace(headline=HEADLINES["regression"]),
        table=SimpleNamespace(targets=("a", "b"), common_unit=", °F"),
    )
    with console.capture() as said:
        score_table(outcome)
    return [line.rstrip() for line in said.get().splitlines()]


@pytest.mark.parametrize("metrics", [("rmse",), ("rmse", "mase", "crps", "mae_z", "mse_z")])
def test_verdicts_fit_in_the_table_or_stand_below_it(metrics):
    lines = closing(*metrics)
    assert max(map(len, lines)) <= 80
    assert ("Against each baseline" in lines) == (len(metrics) > 1)
    for name, words in {
        "ridge": "better, p = 0.0012",
        "persistence": "no significant difference (p = 0.55)",
        "seasonal_naive": "too few origins to test",
    }.items():
        [row] = [line for line in lines if line.startswith(name) and line.endswith(words)]
        assert ("+12.3%" in row) == (len(metrics) == 1)
    [own] = [line for line in lines if line.startswith("lstm")]
    assert own.split() == ["lstm"] + ["12.35"] * (len(metrics) + 1)


@pytest.mark.parametrize("length", [54, 58, 59, 70])
def test_a_table_that_is_too_wide_stands_closer_before_a_name_is_folded(length):
    with console.capture() as said:
        print_table("", ["", "a", "b", "c"], [["n" * length, "1" * 6, "2" * 6, "3" * 6]])
    gap = {54: "  ", 58: " ", 59: " "}.get(length)
    row = next(line for line in said.get().splitlines() if "n" in line).rstrip()
    assert len(row) <= 80
    assert gap is None or row == gap.join(["n" * length, "1" * 6, "2" * 6, "3" * 6])


def test_names_from_the_data_do_nothing_to_a_terminal():
    hostile = "[/b]\x1b]0;t\x07[b]\u202e"
    with console.capture() as said:
        print_table(hostile, ["", hostile], [[hostile, 1.0]])
        say("data", hostile)
    text = said.get()
    assert not set("\x1b\x07\u202e") & set(text)
    assert text.count("[/b]�]0;t�[b]�") == 4


def test_a_stage_lasts_as_a_line_only_when_it_succeeds():
    with console.capture() as said, during(TERMINAL, "track", "words"):
        pass
    assert said.get() == "track      words, 0.0 s\n"
    with (
        console.capture() as said,
        pytest.raises(KeyboardInterrupt),
        during(TERMINAL, "track", "words"),
    ):
        raise KeyboardInterrupt
    assert said.get() == ""
    progress = EpochProgress(2)
    with console.capture() as said, pytest.raises(KeyboardInterrupt), progress:
        progress.on_train_end()
        raise KeyboardInterrupt
    assert said.get() == ""


@pytest.mark.parametrize("spread", [1.0, 0.5, 3.0])
def test_quantiles_that_hold_another_share_than_they_promise_are_named(spread):
    true = norm.ppf((np.arange(1000) + 0.5) / 1000).reshape(-1, 1, 1)
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    every = np.broadcast_to(spread * norm.ppf(levels), (1000, 1, 1, 5))
    scored = {
        f"test/coverage_{level}_raw": float(np.mean(np.abs(true) <= every[..., -1 - n]))
        for n, level in enumerate((90, 50))
    }
    test = SimpleNamespace(levels=levels)
    with console.capture() as captured:
        interval_line(SimpleNamespace(intervals=None, followed="", test=test, scores=scored))
    line = " ".join(captured.get().split())
    if spread == 1:
        assert not line
    else:
        share = [np.mean(np.abs(true) <= spread * norm.ppf(level)) for level in (0.95, 0.75)]
        far = 0 if abs(share[0] - 0.9) > abs(share[1] - 0.5) else 1
        ends = ("0.05 and 0.95, not 90%", "0.25 and 0.75, not 50%")[far]
        assert line.startswith(f"warning {share[far]:.1%} of actual values are between the model's")
        assert f"own quantiles {ends}" in line


def test_quantiles_that_are_far_from_promised_are_not_asked_of_a_model_without_them():
    test = SimpleNamespace(levels=())
    with console.capture() as captured:
        interval_line(SimpleNamespace(intervals=None, followed="", test=test, scores={}))
    assert not captured.get()


def test_what_moves_for_the_first_time_is_said_before_training():
    code, tick = np.repeat(np.arange(5), 20), np.tile(np.arange(20), 5)
    load = np.random.default_rng(0).normal(size=100)
    flag, price = (tick >= 15).astype(float), np.where(code == 0, load, 7.0 + (tick >= 15))
    values = np.column_stack([load, flag, price])
    names = ("north", "east", "south", "west", "middle")
    made = Table(
        values, load[:, None], ("load", "flag", "price"), ("load",), code, tick, tick, names
    )
    with console.capture() as captured:
        train.warn(made, tick < 15, "the training rows")
    text = " ".join(captured.get().split())
    assert text == (
        "warning flag is constant in the training rows but varies later: nothing is learned from "
        "it, and the model ignores the change "
        "warning price of east, south, west and 1 more is constant in the training rows but "
        "varies later: it is scaled as in the other series"
    )
    with console.capture() as captured:
        train.warn(made, tick < 20, "the training rows")
    assert not captured.get()


@pytest.mark.parametrize("words", ["p = 0.03", "p < 0.001", "−3.5 %"])
@pytest.mark.parametrize("before", range(60, 70))
def test_a_line_does_not_end_within_a_number(words, before):
    text = f"{'x' * before} {words} of it"
    with console.capture() as said:
        say("result", text)
    lines = [line[11:] for line in said.get().splitlines()]
    assert " ".join(lines) == text and max(map(len, lines)) <= 69
    assert sum(words in line for line in lines) == 1
