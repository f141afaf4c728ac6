"""What a notebook shows: every object says what it is, and names of the data stay text."""

from html.parser import HTMLParser

import keras
import numpy as np
import pandas as pd
import pytest

from forecast import Forecaster, Model, Schema, Training, Window, build, experiment, gates
from forecast.evaluation import backtest
from forecast.evaluation.rolling import Plan
from forecast.search.candidates import Candidate
from forecast.search.leaderboard import Standing
from forecast.search.sweep import Finished

EVIL = "<img src=x onerror=alert(1)>|&"


class Shown(HTMLParser):
    """The words of a piece of HTML, and its tags, which must close in order."""

    def __init__(self, markup: str):
        super().__init__()
        self.words, self.tags, self._open = [], set(), []
        self.feed(markup)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in ("br", "col", "img", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    hours = pd.date_range("2024-03-01", periods=300, freq="h")
    frame = pd.DataFrame(
        {"time": hours, EVIL: np.sin(np.arange(300) / 4), "temp": rng.normal(size=300)}
    )
    frame.loc[5, "temp"] = np.nan
    return build(
        frame,
        Schema(
            "time", targets=(EVIL,), features=(EVIL, "temp"), missing="drop", units={EVIL: "MW"}
        ),
    )


@pytest.fixture(scope="module")
def spec():
    model = Model("lstm", units=[3], recurrent_dropout=0.0)
    return experiment.Spec(model, Window(timesteps=8, horizon=4), Training(epochs=2))


@pytest.fixture(scope="module")
def outcome(spec, table):
    return experiment.run(spec, table)


def test_a_table_says_its_rows_names_units_and_holes(table):
    shown = Shown(table._repr_html_())
    assert "Table: 300 rows of 1 series" in shown.text
    assert "2024-03-01T00:00 to 2024-03-13T11:00" in shown.text
    assert f"targets {EVIL}, MW" in shown.text
    assert "missing temp 1" in shown.text
    assert "img" not in shown.tags


def test_a_fitted_forecaster_shows_its_layers(outcome):
    shown = Shown(outcome.forecaster._repr_mimebundle_()["text/html"])
    assert "8 timesteps, then 4 of the horizon" in shown.text
    assert "lstm_1" in shown.text and "4·((2 + 3)·3 + 3)" in shown.text
    assert f"{outcome.forecaster.model_.count_params():,}" in shown.text
    assert "img" not in shown.tags


def test_one_that_is_not_fitted_is_drawn_by_scikit_learn():
    assert "Forecaster" in Forecaster(Model("gru"))._repr_mimebundle_()["text/html"]


def test_gates_show_shapes_and_norms():
    layer = keras.layers.LSTM(2)
    layer.build((None, 24, 7))
    layer.set_weights([np.full((7, 8), 0.5), np.zeros((2, 8)), np.zeros(8)])
    shown = Shown(gates.split(layer)._repr_html_())
    assert "(7, 2), RMS 0.5" in shown.text  # of any size, as a norm is not
    assert all(f" {gate} " in shown.text for gate in "ifco")


def test_an_outcome_shows_scores_and_verdicts(outcome):
    shown = Shown(outcome._repr_html_())
    for name in ("lstm", "persistence", "seasonal_naive", "ridge"):
        assert name in shown.text
    assert "img" not in shown.tags


def test_a_backtest_shows_its_folds(spec, table):
    plan = Plan(folds=2, scheme="expanding", stride=1, refit=False)
    found = backtest.run_backtest(spec, table, plan)
    shown = Shown(found._repr_html_())
    assert "Backtest: 2 folds" in shown.text and "ridge" in shown.text
    assert "img" not in shown.tags


def test_a_leaderboard_shows_its_candidates(spec, table):
    made = [
        Candidate(n, {"data.targets": EVIL, "model.units": [n]}, spec, "", table.features)
        for n in (1, 2)
    ]
    standings = [Standing(one, np.array([1.0, 2.0]) * one.number, 10, 3.0) for one in made]
    shown = Shown(Finished(standings, {"ridge": 2.0}, 1234, 0, 4)._repr_html_())
    assert "Leaderboard" in shown.text and "1,234" in shown.text and "ridge 2" in shown.text
    assert "img" not in shown.tags
