import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data import pair, panel
from forecast.errors import InputError

from .panels import QUIET, hours, same, schema, tables


@QUIET
@given(tables(), st.data())
def test_a_mask_and_its_positions_take_the_same_rows(table, data):
    flags = st.lists(st.booleans(), min_size=len(table), max_size=len(table))
    mask = np.array(data.draw(flags), bool)
    one, two = table.take(mask), table.take(np.flatnonzero(mask))
    kept = [row for row in range(len(table)) if mask[row]]
    assert one.tick.tolist() == two.tick.tolist() == [table.tick[row] for row in kept]
    assert same(one.inputs, two.inputs) and len(one) == len(kept)


@QUIET
@given(tables(), st.integers(0, 6))
def test_newest_keeps_the_last_rows_of_each_series(table, rows):
    expected = []
    for code in range(3):
        own = [row for row in range(len(table)) if table.series[row] == code]
        expected += own[max(0, len(own) - rows) :]
    assert table.newest(rows).inputs[:, 1].tolist() == pytest.approx(
        table.inputs[expected, 1].tolist(), nan_ok=True
    )


@QUIET
@given(tables(), tables())
def test_then_is_the_union_in_which_the_later_rows_win(early, late):
    late.inputs[:] += 1000.0
    union = {}
    for table in (early, late):
        for row in range(len(table)):
            union[table.series[row], table.tick[row]] = table.inputs[row].tolist()
    both = early.then(late)
    assert list(zip(both.series.tolist(), both.tick.tolist(), strict=True)) == sorted(union)
    assert same(both.inputs, np.array([union[key] for key in sorted(union)]).reshape(-1, 2))


def test_cutting_a_table_in_two_and_putting_it_together_gives_it_back():
    frame = pd.concat([hours(9, station="a", temp=1.0), hours(7, station="b", temp=2.0)])
    table = panel.build(frame, schema())
    early = table.time < np.datetime64("2024-01-01T05")
    again = table.take(early).then(table.take(~early))
    for name in ("inputs", "outputs", "series", "tick", "time"):
        assert same(getattr(again, name), getattr(table, name))


def test_frames_carry_series_and_time_in_their_index():
    table = panel.build(hours(3, station="a", temp=[3.0, 4.0, 5.0]), schema())
    x, y = table.frames()
    assert x.index.names == ["series", "time"] and x.index.equals(y.index)
    assert x.loc[("a", pd.Timestamp("2024-01-01T01:00"))].to_dict() == {"load": 1.0, "temp": 4.0}
    assert y["load"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024-01-02", "2024-01-02T00:00"),
        ("2024-01-02 06:30", "2024-01-02T06:30"),
        ("2024-01-02T06:30Z", "2024-01-02T06:30"),
        ("2024-01-02T06:30-05:00", "2024-01-02T11:30"),
        (pd.Timestamp("2024-01-02", tz="Europe/Berlin"), "2024-01-01T23:00"),
    ],
)
def test_a_date_is_read_as_people_write_it(written, moment):
    assert panel.build(hours(3), schema(series=(), features=())).at(written) == np.datetime64(
        moment
    )


@pytest.mark.parametrize("written", ["soon", "", "2024-13-01", "3024-01-01"])
def test_what_is_no_date_is_refused(written):
    table = panel.build(hours(3), schema(series=(), features=()))
    with pytest.raises(InputError, match=r"split\.test must be a readable date, got .*: write"):
        table.at(written, "split.test")


def test_rows_without_a_clock_have_no_dates():
    table = pair.from_xy(np.ones((3, 1)))
    with pytest.raises(InputError, match=r"a date must be a share .*got '2024-01-01': try"):
        table.at("2024-01-01")
