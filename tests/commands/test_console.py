"""The closing table, of an outcome made by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from forecast.commands.console import say, score_table, table
from forecast.commands.progress import EpochProgress, during
from forecast.commands.terminal import console
from forecast.evaluation.significance.pairs import Verdict
from forecast.metrics.headline import HEADLINES

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
        test=SimpleNamespace(values=np.zeros(4767), headline=HEADLINES["regression"]),
        table=SimpleNamespace(targets=("a", "b"), common_unit=", °F"),
    )
    with console.capture() as said:
        score_table(outcome)
    return [line.rstrip() for line in said.get().splitlines()]


@pytest.mark.parametrize("metrics", [("rmse", "mase"), ("rmse", "mase", "crps", "mae_z", "mse_z")])
def test_verdicts_fit_in_the_table_or_stand_below_it(metrics):
    lines = closing(*metrics)
    assert max(map(len, lines)) <= 80
    assert ("Against each baseline" in lines) == (len(metrics) > 2)
    for name, words in {
        "ridge": "better, p 0.0012",
        "persistence": "no significant difference (p 0.55)",
        "seasonal_naive": "too few origins to test",
    }.items():
        [row] = [line for line in lines if line.startswith(name) and line.endswith(words)]
        assert ("+12.3%" in row) == (len(metrics) == 2)
    [own] = [line for line in lines if line.startswith("lstm")]
    assert own.split() == ["lstm"] + ["12.35"] * (len(metrics) + 1)


def test_names_from_the_data_do_nothing_to_a_terminal():
    hostile = "[/b]\x1b]0;t\x07[b]\u202e"
    with console.capture() as said:
        table(hostile, ["", hostile], [[hostile, 1.0]])
        say("data", hostile)
    text = said.get()
    assert not set("\x1b\x07\u202e") & set(text)
    assert text.count("[/b]�]0;t�[b]�") == 4


def test_a_stage_lasts_as_a_line_only_when_it_succeeds():
    with console.capture() as said, during("track", "words"):
        pass
    assert said.get() == "track      words, 0.0 s\n"
    with console.capture() as said, pytest.raises(KeyboardInterrupt), during("track", "words"):
        raise KeyboardInterrupt
    assert said.get() == ""
    progress = EpochProgress(2)
    with console.capture() as said, pytest.raises(KeyboardInterrupt), progress:
        progress.on_train_end()
        raise KeyboardInterrupt
    assert said.get() == ""
