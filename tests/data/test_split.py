import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import TimeSeriesSplit

from forecast.data import panel, split
from forecast.data.schema import Schema
from forecast.data.split import Folds

from .panels import QUIET, hours

DAILY = Schema("time", ("load",))


def days(count, start="2024-01-01"):
    time = pd.date_range(start, periods=count, freq="D")
    return panel.build(pd.DataFrame({"time": time, "load": range(count)}), DAILY)


def panel_frame(lengths, delays):
    """Series that begin and end at different days, rows in series order."""
    parts = [
        pd.DataFrame(
            {"x": 1.0}, pd.date_range("2024-01-01", periods=length) + pd.Timedelta(days=delay)
        )
        for length, delay in zip(lengths, delays, strict=True)
    ]
    return pd.concat(parts, keys=[f"s{i}" for i in range(len(parts))], names=["series", "time"])


@pytest.mark.parametrize(
    ("validation", "test", "first_validation", "first_test"),
    [
        # 100 days from New Year of a leap year: 9 April is the last
        (0.1, 0.2, "2024-03-11", "2024-03-21"),
        (10, 20, "2024-03-11", "2024-03-21"),
        ("2024-03-01", "2024-04-01", "2024-03-01", "2024-04-01"),
        (5, "2024-04-09", "2024-04-04", "2024-04-09"),
        ("2024-02-29", 1, "2024-02-29", "2024-04-09"),
        (0.5, 0.25, "2024-01-26", "2024-03-16"),
    ],
)
def test_holdout_begins_at_the_dates_a_calendar_says(
    validation, test, first_validation, first_test
):
    table = days(100)
    cut = split.holdout(table, validation, test)
    assert (cut.validation, cut.test) == (
        np.datetime64(first_validation),
        np.datetime64(first_test),
    )
    masks = [cut.train_rows(table), cut.validation_rows(table), cut.test_rows(table)]
    assert (np.sum(masks, axis=0) == 1).all()  # every row belongs to one span
    assert table.time[masks[0]].max() < table.time[masks[1]].min()
    assert table.time[masks[1]].max() < table.time[masks[2]].min()


def test_a_date_with_a_zone_is_that_moment_in_utc():
    table = panel.build(hours(100), DAILY)
    cut = split.holdout(table, 10, "2024-01-03T12:00+05:30")
    assert cut.test == np.datetime64("2024-01-03T07:00")


def test_a_date_between_two_stamps_begins_at_the_next_one():
    cut = split.holdout(days(10), 2, "2024-01-07T18:00")
    assert cut.test == np.datetime64("2024-01-08")


def test_every_series_is_cut_at_the_same_moment():
    frame = panel_frame([60, 30, 45], [0, 20, 5]).reset_index()
    table = panel.build(frame, Schema("time", ("x",), series=("series",)))
    cut = split.holdout(table, 0.2, 0.2)  # 60 days in all, so 12 and 12
    assert (cut.validation, cut.test) == (np.datetime64("2024-02-06"), np.datetime64("2024-02-18"))
    for code in range(3):
        own = table.series == code
        assert table.time[own & cut.train_rows(table)].max() < cut.validation


@pytest.mark.parametrize("test_size", [None, 3])
@pytest.mark.parametrize("gap", [0, 2])
@pytest.mark.parametrize("max_train_size", [None, 5])
def test_folds_of_one_series_are_scikit_learns(test_size, gap, max_train_size):
    sizes = {"test_size": test_size, "gap": gap, "max_train_size": max_train_size}
    frame = pd.DataFrame({"x": range(23)}, pd.date_range("2024", periods=23))
    ours = [(a.tolist(), b.tolist()) for a, b in Folds(3, **sizes).split(frame)]
    theirs = [(a.tolist(), b.tolist()) for a, b in TimeSeriesSplit(3, **sizes).split(frame)]
    assert ours == theirs


@QUIET
@given(
    st.lists(st.tuples(st.integers(6, 20), st.integers(0, 6)), min_size=1, max_size=3),
    st.integers(2, 3),
    st.integers(0, 2),
)
def test_no_fold_of_a_panel_scores_a_stamp_that_it_trains_on_or_after(series, n_splits, gap):
    frame = panel_frame(*zip(*series, strict=True))
    stamps = sorted(set(frame.index.get_level_values("time")))
    scored = []
    for train, test in Folds(n_splits, test_size=1, gap=gap).split(frame):
        trained = {frame.index[row][1] for row in train}
        judged = {frame.index[row][1] for row in test}
        assert max(trained) < min(judged)
        # all rows of a stamp stand on one side: every series is cut at the same moment
        for row, (_, stamp) in enumerate(frame.index):
            assert (row in train) == (stamp in trained)
            assert (row in test) == (stamp in judged)
        between = [stamp for stamp in stamps if max(trained) < stamp < min(judged)]
        assert len(between) == gap
        scored += sorted(judged)
    assert scored == stamps[-n_splits:]


def test_folds_of_a_table_and_of_its_frame_are_the_same_rows():
    frame = panel_frame([30, 20], [0, 3]).reset_index()
    table = panel.build(frame, Schema("time", ("x",), series=("series",)))
    for one, two in zip(Folds(4).split(table), Folds(4).split(table.frames()[0]), strict=True):
        assert one[0].tolist() == two[0].tolist() and one[1].tolist() == two[1].tolist()


def test_folds_count_their_splits():
    assert Folds(5).get_n_splits(days(30)) == 5
    assert len(list(Folds(5).split(days(30)))) == 5
