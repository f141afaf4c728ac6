from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from forecast.data import windows
from forecast.data.table import Table
from forecast.data.windows import Window

from .panels import QUIET, tables, windows_by_loop
from .panels import windows as any_window

TRUTH = st.sampled_from(["whole", "some", "none"])


def gapless(lengths):
    """One input and one output a row, both the row's number."""
    series = np.repeat(np.arange(len(lengths)), lengths)
    tick = np.concatenate([np.arange(length) for length in lengths])
    rows = np.arange(float(len(tick)))[:, None]
    names = tuple(f"s{code}" for code in range(len(lengths)))
    return Table(rows, rows.copy(), ("x",), ("y",), series, tick, tick, names)


@QUIET
@given(tables(), any_window(), st.data(), TRUTH)
def test_starts_are_those_of_a_loop_over_rows(table, window, data, truth):
    flags = st.lists(st.sampled_from([True, True, True, False]), min_size=len(table))
    within = data.draw(st.none() | flags.map(lambda some: np.array(some[: len(table)], bool)))
    found = windows.starts(table, window, within=within, truth=truth)
    assert found.dtype == np.int32
    assert found.tolist() == windows_by_loop(table, window, within, truth)


@QUIET
@given(tables(), any_window(), TRUTH, st.sampled_from([(0,), (1,), (0, 1)]))
def test_what_is_known_ahead_must_be_there_up_to_the_last_predicted_row(
    table, window, truth, known
):
    table = replace(table, known=known)
    found = windows.starts(table, window, truth=truth)
    assert found.tolist() == windows_by_loop(table, window, None, truth)


@QUIET
@given(tables(), any_window(), st.integers(0, 9))
def test_latest_begins_the_future_behind_the_last_known_target(table, window, empty):
    last = np.array([max(table.tick[table.series == code]) for code in table.series], int)
    table.outputs[table.tick > last - empty] = np.nan  # the newest rows are the future
    table = replace(table, known=(1,))
    expected = []
    for code in sorted(set(table.series.tolist())):
        known = [
            row
            for row in range(len(table))
            if table.series[row] == code and not np.isnan(table.outputs[row, 0])
        ]
        start = known[-1] - window.timesteps + 1 if known else -1
        if start in windows_by_loop(table, window, None, truth="none"):
            expected.append(start)
    assert windows.latest(table, window).tolist() == expected


@QUIET
@given(tables(), st.integers(1, 5))
def test_latest_ends_each_series_at_its_last_row(table, timesteps):
    window = Window(timesteps, 2)
    expected = []
    for code in sorted(set(table.series.tolist())):
        own = [row for row in range(len(table)) if table.series[row] == code]
        past = own[-timesteps:]
        whole = len(past) == timesteps and table.tick[past[-1]] - table.tick[past[0]] + 1 == len(
            past
        )
        if whole and not np.isnan(table.inputs[past]).any():
            expected.append(past[0])
    assert windows.latest(table, window).tolist() == expected


@QUIET
@given(tables(), any_window(), st.booleans(), st.integers(0, 4))
def test_every_window_that_can_be_forecast_is_listed(table, window, ahead, empty):
    if ahead:
        last = np.array([max(table.tick[table.series == code]) for code in table.series], int)
        table.outputs[table.tick > last - empty] = np.nan  # the newest rows are the future
        table = replace(table, known=(1,))
    expected = []
    for start in range(len(table) - window.timesteps + 1):
        past = np.arange(start, start + window.timesteps)
        origin = past[-1]
        whole = (table.series[past] == table.series[start]).all()
        whole &= table.tick[origin] - table.tick[start] == window.timesteps - 1
        whole &= not np.isnan(table.inputs[past]).any()
        if ahead:
            later = (table.series == table.series[start]) & (np.arange(len(table)) >= origin)
            whole &= start in windows_by_loop(table, window, None, truth="none")
            whole &= not np.isnan(table.outputs[later, 0]).all()
        if whole:
            expected.append(start)
    assert windows.every(table, window).tolist() == expected


@QUIET
@given(tables(), any_window(), st.data())
def test_taking_rows_away_never_makes_a_new_window(table, window, data):
    kept = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(table), max_size=len(table))), bool
    )
    before = {
        (table.series[start], table.tick[start]) for start in windows.starts(table, window).tolist()
    }
    less = table.take(kept)
    after = {(less.series[start], less.tick[start]) for start in windows.starts(less, window)}
    assert after <= before


@QUIET
@given(
    st.integers(1, 6), st.integers(1, 6), st.integers(0, 4), st.integers(1, 20), st.integers(1, 9)
)
def test_a_gapless_test_span_is_scored_to_its_last_row(past, ahead, lead, test_rows, batch_size):
    window = Window(past, ahead, lead=lead)
    rows = past + lead + test_rows
    table = gapless([rows, rows])
    within = table.tick >= past + lead
    found = windows.starts(table, window, within=within)
    assert len(found) == 2 * max(0, test_rows - ahead + 1)
    dealt = [start for batch in windows.batches(found, batch_size) for start in batch]
    assert dealt == found.tolist()


@QUIET
@given(any_window())
def test_copies_hold_the_rows_that_the_definition_names(window):
    table = gapless([30])
    found = windows.starts(table, window)
    x = windows.inputs(table.inputs, found, window)
    y = windows.outputs(table.outputs, found, window)
    for sample, start in enumerate(found.tolist()):
        origin = start + window.timesteps - 1
        first = origin + 1 + window.lead
        assert x[sample, :, 0].tolist() == list(range(start, origin + 1))
        assert y[sample, :, 0].tolist() == list(range(first, first + window.horizon))
        assert windows.future_rows(found, window)[sample].tolist() == y[sample, :, 0].tolist()


def test_every_predicted_row_must_lie_within_the_mask_and_no_input_need():
    table = gapless([10])
    within = np.isin(np.arange(10), [4, 5, 6, 8, 9])
    assert windows.starts(table, Window(3, 2), within=within).tolist() == [1, 2, 5]
    assert windows.starts(table, Window(3, 2, lead=1), within=within).tolist() == [0, 1, 4]


def test_one_value_six_hours_ahead_is_horizon_1_lead_5():
    table = gapless([9])
    window = Window(timesteps=2, horizon=1, lead=5)
    found = windows.starts(table, window)
    assert found.tolist() == [0, 1]
    # origin is row 1, six rows later is row 7
    assert windows.outputs(table.outputs, found, window)[:, 0, 0].tolist() == [7, 8]


def test_a_window_as_long_as_the_series_fits_once_and_a_longer_one_never():
    table = gapless([5, 4])
    assert windows.starts(table, Window(3, 2)).tolist() == [0]
    assert windows.starts(table, Window(4, 2)).tolist() == []
    assert windows.starts(table, Window(99, 1)).tolist() == []


def test_no_rows_hold_no_window():
    table = gapless([3]).take(np.zeros(3, bool))
    assert windows.starts(table, Window(1, 1)).tolist() == []
    assert windows.latest(table, Window(1, 1)).tolist() == []


def test_infinite_inputs_and_outputs_count_as_holes():
    table = gapless([6])
    table.inputs[1], table.outputs[5] = np.inf, -np.inf
    assert windows.starts(table, Window(1, 1)).tolist() == [0, 2, 3]


def test_stride_is_left_to_the_trainer():
    table = gapless([20])
    assert len(windows.starts(table, Window(3, 2, stride=7))) == len(
        windows.starts(table, Window(3, 2))
    )


def test_shuffled_batches_hold_every_window_once_and_repeat_with_the_seed():
    found = np.arange(103, dtype=np.int32)
    one, two = (
        [batch.tolist() for batch in windows.batches(found, 10, shuffle=np.random.default_rng(7))]
        for _ in range(2)
    )
    assert one == two
    assert [len(batch) for batch in one] == [10] * 10 + [3]
    dealt = [start for batch in one for start in batch]
    assert dealt != found.tolist() and sorted(dealt) == found.tolist()


@QUIET
@given(tables(), any_window(), st.integers(1, 9), st.none() | st.integers(0, 99))
def test_a_dataset_holds_every_window_once_in_any_order(table, window, batch_size, seed):
    starts = windows.starts(table, window)
    rows = np.arange(len(table), dtype=float)[:, None]  # a row's value is its number
    batches = windows.dataset(rows, -rows, starts, window, batch_size=batch_size, seed=seed)
    seen = []
    for past, ahead in batches.as_numpy_iterator() if len(starts) else ():
        assert past.dtype == ahead.dtype == np.float32 and 0 < len(past) <= batch_size
        for one, future in zip(past[..., 0].tolist(), ahead[..., 0].tolist(), strict=True):
            first = int(one[0])
            begin = first + window.timesteps + window.lead
            assert one == list(range(first, first + window.timesteps))
            assert future == [-row for row in range(begin, begin + window.horizon)]
            seen.append(first)
    assert (seen if seed is None else sorted(seen)) == starts.tolist()


def test_a_dataset_is_shuffled_anew_every_epoch_and_alike_from_the_same_seed():
    table = gapless([60])
    starts, window = windows.starts(table, Window(3, 2)), Window(3, 2)

    def epochs(seed):
        batches = windows.dataset(table.inputs, table.outputs, starts, window, seed=seed)
        return [
            [past[0, 0, 0] for past, _ in batches.unbatch().batch(1).as_numpy_iterator()]
            for _ in range(2)
        ]

    first, second = epochs(1)
    assert first != second and [first, second] == epochs(1) != epochs(2)


def test_window_is_a_parameter_object_of_scikit_learn():
    window = Window(48, 12, stride=2, lead=3)
    assert clone(window).get_params() == {"timesteps": 48, "horizon": 12, "stride": 2, "lead": 3}
    assert window.set_params(timesteps=5).span == 5 + 3 + 12


@pytest.mark.parametrize("value", [1, np.int64(3)])
def test_whole_sizes_pass(value):
    Window(value, value, stride=value, lead=value).check()


@given(seed=st.integers(0, 50), factor=st.sampled_from([2.0**-30, 3e7, 1.0]))
@QUIET
def test_windows_by_content_do_not_know_names_or_units(seed, factor):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(4, 12, size=3)
    values = [rng.normal(size=(length, 1)) for length in lengths]
    order = rng.permutation(3)  # which series stands first, when they have other names

    def found(parts):
        series = np.repeat(np.arange(3), [len(part) for part in parts])
        tick = np.concatenate([np.arange(len(part)) for part in parts])
        rows = np.concatenate(parts)
        table = Table(rows, rows, ("y",), ("y",), series, tick, tick, ("a", "b", "c"))
        starts = windows.starts(table, Window(2, 1))
        sorted_starts = windows.by_content(table, starts)
        assert sorted(sorted_starts) == starts.tolist()
        return rows[sorted_starts, 0]  # the value that a window begins with

    named = found([values[code] * factor for code in order])
    assert np.array_equal(found(values) * factor, named)


def test_windows_of_one_series_keep_their_order():
    table = Table(
        *[np.arange(9.0)[::-1, None]] * 2, ("y",), ("y",), *[np.zeros(9, int)], *[np.arange(9)] * 2
    )
    starts = windows.starts(table, Window(2, 1))
    assert windows.by_content(table, starts).tolist() == list(range(7))
