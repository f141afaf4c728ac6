"""What cannot be learned is not learned, and a leak shows."""

import numpy as np
import pandas as pd
import pytest

from forecast.data import panel
from forecast.evaluation.leakage.shuffle_test import in_standard_errors, shuffle_test
from forecast.training.parameters import Training

from .leaks import case, spec

QUICK = spec(
    training=Training(epochs=12, batch_size=32, learning_rate=0.03, optimizer="Adam"),
    normalization="none",
)


def plus(column):
    """A pipeline that adds a column made of the load."""

    def build(raw, meaning):
        made = raw.groupby("site").load.transform(column)
        return panel.build(raw.assign(made=made), meaning)

    return build


@pytest.mark.parametrize(
    ("column", "leaks"),
    [(lambda load: load.shift(1), False), (lambda load: load.shift(-2).ffill(), True)],
    ids=["past", "future"],
)
def test_only_a_column_of_the_future_beats_the_mean(column, leaks):
    raw, table = case(220, plus(column), features=("load", "made"), circular={})
    found = shuffle_test(QUICK, table, raw=raw)
    assert found.holds != leaks and ("it leaks" in str(found)) == leaks
    # standardised squares of what nobody can guess are 1 on average
    assert found.mean == pytest.approx(1, abs=0.35)
    if leaks:
        assert found.model < 0.85 * found.mean


def test_without_raw_rows_the_table_is_shuffled():
    raw, table = case(220, plus(lambda load: load.shift(1)), features=("load", "made"), circular={})
    found = shuffle_test(QUICK, table)
    assert found.holds and found == shuffle_test(QUICK, table)
    assert found != shuffle_test(QUICK, table, seed=1)


def test_standard_errors_of_independent_values_are_those_of_the_textbook():
    values = np.random.default_rng(0).normal(1, 2, 5000)
    expected = values.mean() / (values.std() / np.sqrt(5000))
    assert in_standard_errors(values, 0) == pytest.approx(expected)
    assert in_standard_errors(values, 12) == pytest.approx(expected, rel=0.1)
    assert in_standard_errors(np.zeros(9), 3) == 0


def test_standard_errors_of_overlapping_means_are_about_as_wide_as_their_spread():
    """Means of 6 neighbours of 400 panels: what is divided by its standard error spreads by 1."""
    rng = np.random.default_rng(1)
    drawn = rng.normal(size=(400, 300))
    overlapping = [pd.Series(row).rolling(6).mean().dropna().to_numpy() for row in drawn]
    assert 1 < np.std([in_standard_errors(values, 24) for values in overlapping]) < 1.3
    assert np.std([in_standard_errors(values, 0) for values in overlapping]) > 2
