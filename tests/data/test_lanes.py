"""Lanes of windows against their own definition, row by row."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from forecast.data import samples, windows
from forecast.data.windows import Window

from .panels import QUIET, tables
from .panels import windows as any_window
from .test_windows import gapless


@QUIET
@given(tables(), any_window(), st.integers(1, 9), st.integers(0, 99))
def test_lanes_hold_every_window_once_and_go_on_wherever_they_can(table, window, count, seed):
    starts = windows.starts(table, window)
    if not len(starts):
        return
    known = set(starts.tolist())
    dealt = samples.stateful_batches(starts, window, count, shuffle=np.random.default_rng(seed))
    assert dealt.dtype == np.int32 and dealt.shape[1] == count
    assert sorted(dealt[dealt >= 0].tolist()) == starts.tolist()
    assert (dealt >= 0).any(axis=1).all()
    loads, longest = [], 0
    for lane in dealt.T.tolist():
        loads.append(sum(start >= 0 for start in lane))
        assert all(start < 0 for start in lane[loads[-1] :])  # empty only at its end
        length, before = 0, None
        for start in lane[: loads[-1]]:
            if before is not None and start == before + window.timesteps:
                length += 1
                for row in range(before, start + window.timesteps - 1):  # neighbours throughout
                    assert table.series[row] == table.series[row + 1]
                    assert table.tick[row] + 1 == table.tick[row + 1]
            else:
                length = 1
                assert before is None or before + window.timesteps not in known
                assert start - window.timesteps not in known
            longest, before = max(longest, length), start
    assert loads == sorted(loads, reverse=True)
    assert loads[0] - loads[-1] <= longest  # each chain goes to the lane that is free soonest


def test_lanes_of_a_border_where_row_numbers_alone_would_go_on():
    """Row 5 follows row 4 and is another series; rows 9 and 10 of it are a tick apart."""
    table = gapless([5, 8])
    table.tick[9:] += 1
    dealt = samples.stateful_batches(
        windows.starts(table, Window(2, 1)), Window(2, 1), 1, shuffle=np.random.default_rng(0)
    )
    chains = [[0, 2], [1], [5], [6], [9], [10]]
    found = dealt[:, 0].tolist()
    assert sorted(found) == sorted(start for chain in chains for start in chain)
    assert found.index(2) == found.index(0) + 1


def test_lanes_are_dealt_anew_with_every_seed_and_alike_with_the_same():
    starts, window = np.arange(200, dtype=np.int32), Window(10, 1)
    one, two, other = (
        samples.stateful_batches(starts, window, 4, shuffle=np.random.default_rng(seed)).tolist()
        for seed in (1, 1, 2)
    )
    assert one == two != other
