"""What Python code cannot mean is refused as on the command line: one sentence of four parts."""

import numpy as np
import pytest

from forecast.data import pair, panel, scale, split
from forecast.data.schema import Schema
from forecast.data.split import Folds
from forecast.data.windows import Window
from forecast.errors import InputError

from ..data.panels import hours


def refuse(told, action, *arguments, **named):
    """Check that an action raises InputError, in one sentence that says all that is needed."""
    with pytest.raises(InputError, match=told) as caught:
        action(*arguments, **named)
    sentence = str(caught.value)
    assert "\n" not in sentence and "got " in sentence
    assert ": " in sentence and sentence == sentence.strip()


def test_a_frame_without_rows_is_refused():
    refuse(
        r"data must hold at least one row, got none: give",
        panel.build,
        hours(0),
        Schema("time", ("load",)),
    )


@pytest.mark.parametrize("size", [0, -1, 2.0, 0.5, "3", None, True, float("nan")])
@pytest.mark.parametrize("name", ["timesteps", "horizon", "stride"])
def test_window_sizes_are_whole_numbers_above_0(name, size):
    told = rf"window\.{name} must be a whole number of 1 or more, got {size!r}: try"
    refuse(told, Window(**{name: size}).check)


@pytest.mark.parametrize("size", [-1, 1.0, "0", None, True])
def test_a_lead_is_a_whole_number_from_0(size):
    refuse(rf"window\.lead must be .*0 or more, got {size!r}: try", Window(lead=size).check)


@pytest.mark.parametrize(
    "size", [0, -3, 24, 99, 0.0, 1.0, 1.5, 24.0, -0.1, 1e-9, float("nan"), float("inf"), True]
)
@pytest.mark.parametrize("name", ["test", "validation"])
def test_a_cut_leaves_rows_on_both_sides(name, size):
    table = panel.build(hours(24), Schema("time", ("load",)))
    sizes = {"test": 4, "validation": 4, name: size}
    told = rf"split\.{name} must leave rows on both sides .*got {size!r} of \d+ time stamps: give"
    refuse(told, split.holdout, table, **sizes)


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ({"test": "2023-12-01"}, r"split\.test must leave .*got '2023-12-01' of 24 .*: give"),
        ({"test": "2025-01-01"}, r"split\.test must leave .*got '2025-01-01' of 24 .*: give"),
        ({"test": "yesterday"}, r"split\.test must be a readable date, got 'yesterday': write"),
        ({"test": 0.5, "validation": 0.5}, r"split\.validation .*got 0\.5 of 12 time stamps: give"),
        ({"test": 12, "validation": 12}, r"split\.validation .*got 12 of 12 time stamps: give"),
        (
            {"test": "2024-01-01T12", "validation": "2024-01-01T18"},
            r"split\.validation must leave .*got '2024-01-01T18' of 12 time stamps: give",
        ),
    ],
)
def test_dates_and_spans_outside_the_data_are_refused(sizes, told):
    refuse(told, split.holdout, panel.build(hours(24), Schema("time", ("load",))), **sizes)


@pytest.mark.parametrize(
    ("folds", "told"),
    [
        (Folds(24), r"sweep\.folds=24 .*got 24 time stamps: take fewer"),
        (Folds(3, test_size=9), r"sweep\.folds=3 of 9 time stamps .*got 24 .*: take fewer"),
        (Folds(3, test_size=6, gap=8), r"sweep\.folds=3 .*gap of 8 .*got 24 .*: take fewer"),
        *[
            (Folds(size), rf"sweep\.folds must be .*2 or more, got {size!r}: try")
            for size in (1, 0, -2, 2.0, "3", True, None)
        ],
        *[
            (Folds(3, test_size=size), rf"test_size must be .*1 or more, got {size!r}: try")
            for size in (0, -1, 2.5)
        ],
        (Folds(3, gap=-1), r"gap must be .*0 or more, got -1: try"),
        (Folds(3, max_train_size=0), r"max_train_size must be .*got 0: try"),
    ],
)
def test_folds_that_do_not_fit_are_refused(folds, told):
    table = panel.build(hours(24), Schema("time", ("load",)))
    refuse(told, lambda: list(folds.split(table)))


def test_a_constant_target_is_refused():
    frame = hours(9).assign(load=3.5)
    told = r"data\.targets must vary .*got 'load' constant at 3\.5: predict another"
    refuse(told, scale.fit, panel.build(frame, Schema("time", ("load",))))
    early_only = hours(9).assign(load=np.where(np.arange(9) < 5, 3.5, 4.0))
    table = panel.build(early_only, Schema("time", ("load",)))
    refuse(told, scale.fit, table.take(table.tick < table.tick[5]))


def test_whole_numbers_beyond_floats_are_refused():
    huge = np.array([[1], [10**400], [2]], dtype=object)
    with pytest.raises(InputError, match=r"X must be numbers, got 10+….*row 2: fix"):
        pair.from_xy(huge, np.arange(3.0))
