"""All index arithmetic: which rows are a window's past, which its future.

A window is one integer, the row of its first input. With `timesteps` T, `lead` L and `horizon` H,
window s reads rows s … s+T−1; its origin is row s+T−1; it predicts rows s+T+L … s+T+L+H−1.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

import numpy as np
from sklearn.base import BaseEstimator

from forecast.data.table import Table
from forecast.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf


MOST_ROWS = 1_000_000
"""Of a window: more would only fill the memory."""


class Window(BaseEstimator):
    """The shape of one sample.

    Args:
        timesteps: Look-back, rows.
        horizon: Rows predicted.
        stride: Rows between the starts of two training windows; scores always use every window.
        lead: Rows skipped between the origin and the first predicted row.
    """

    def __init__(self, timesteps: int = 72, horizon: int = 24, *, stride: int = 1, lead: int = 0):
        self.timesteps = timesteps
        self.horizon = horizon
        self.stride = stride
        self.lead = lead

    @property
    def span(self) -> int:
        """Rows from the first input to the last predicted row, both included."""
        return self.timesteps + self.lead + self.horizon

    def check(self) -> None:
        """Refuse sizes that are no window.

        Raises:
            InputError: A size is not a whole number, or below its least value.
        """
        least = {"timesteps": 1, "horizon": 1, "stride": 1, "lead": 0}
        for name, low in least.items():
            value = getattr(self, name)
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if not whole or not low <= value <= MOST_ROWS:
                bound = f"of {low} or more" if not whole or value < low else f"up to {MOST_ROWS:,}"
                raise InputError(
                    f"window.{name} must be a whole number {bound}, got {value!r}: "
                    f"try {max(low, 24)}"
                )


Truth = Literal["whole", "some", "none"]


def starts(
    table: Table,
    window: Window,
    *,
    within: np.ndarray | None = None,
    truth: Truth = "whole",
) -> np.ndarray:
    """List the windows of a table.

    A window never crosses a series or a tick that is absent and has no missing input; what is known
    ahead is known up to the last predicted row. In a table whose columns say what is missing it may
    have missing inputs, but not all of them.
    `stride` is not applied: that is the trainer's choice.

    Args:
        table: Rows to cut.
        window: Shape of a sample.
        within: Mask (rows,) of the rows that may be predicted; inputs may lie before them.
        truth: How much of what is predicted must be known: "whole" to learn from, "some" to be
            scored (holes are left out of the sums), "none" where rows need only be there.

    Returns:
        First input row of every window, ascending, (windows,) int32.

    >>> rows = np.arange(6.0)[:, None]
    >>> zero = np.zeros(6, int)
    >>> table = Table(rows, rows, ("a",), ("a",), zero, np.arange(6), np.arange(6))
    >>> starts(table, Window(timesteps=2, horizon=3)).tolist()
    [0, 1]
    >>> starts(table, Window(2, 1), within=np.arange(6) >= 4).tolist()
    [2, 3]
    """
    candidates = len(table) - window.span + 1
    if candidates <= 0:
        return np.zeros(0, np.int32)
    first = np.arange(candidates, dtype=np.int32)
    future = first + window.timesteps + window.lead
    good = _unbroken(table, first, window.span)
    good &= _seen(table, first, window) & _foreseen(table, first, window)
    known = np.isfinite(table.outputs)
    if truth == "whole":
        good &= _none(~known.all(axis=1), future, window.horizon)
    elif truth == "some":
        good &= ~_none(known.any(axis=1), future, window.horizon)
    if within is not None:
        good &= _none(~within, future, window.horizon)
    return first[good]


def series_order(table: Table, learned: np.ndarray | None = None) -> np.ndarray:
    """Number series by the shape of their targets, so that names decide nothing.

    The shape is the order of a series' values in time, which no unit changes.

    Args:
        table: Rows.
        learned: Mask (rows,) of those that may be learned from, and so decide; None means all.

    Returns:
        Place of each series among all, (series,); 0 for one that has no such row.
    """
    own = table if learned is None else table.take(learned)
    first = np.flatnonzero(np.diff(own.series, prepend=-1))  # (series that have rows,)
    shapes = np.empty(len(first), "S16")
    for number, rows in enumerate(np.split(np.arange(len(own)), first[1:])):
        ticks = own.tick[rows] - own.tick[rows[0]]
        values = np.argsort(own.outputs[rows], axis=0, kind="stable")
        shapes[number] = blake2b(ticks.tobytes() + values.tobytes(), digest_size=8).hexdigest()
    places = np.zeros(len(table.names), int)
    places[own.series[first]] = np.argsort(np.argsort(shapes, kind="stable"))
    return places


def by_content(table: Table, starts: np.ndarray, learned: np.ndarray | None = None) -> np.ndarray:
    """Sort windows by series, and series as `series_order` does.

    What learns from windows in an order of its own, or from a part of them, so finds the same when
    series are renamed.

    Args:
        table: Rows.
        starts: First rows of windows, ascending, (windows,).
        learned: As for `series_order`.

    Returns:
        The same windows, (windows,); of one series as they were.
    """
    if len(table.names) == 1:
        return starts
    places = series_order(table, learned)
    return starts[np.argsort(places[table.series[starts]], kind="stable")]


def latest(table: Table, window: Window) -> np.ndarray:
    """List the newest window of every series, the one whose origin `origins` names.

    Args:
        table: Rows to cut.
        window: Shape of a sample; its future lies beyond the table, or, where columns are known
            ahead, in its last rows.

    Returns:
        First input row of one window a series, for the series that have enough unbroken rows.
    """
    return _ready(table, origins(table) - window.timesteps + 1, window)


def every(table: Table, window: Window) -> np.ndarray:
    """List the windows that can be forecast, whether or not the table holds what came true.

    Args:
        table: Rows to cut.
        window: Shape of a sample; what is predicted may lie beyond the table, what is known ahead
            may not.

    Returns:
        First input row of each, up to that of the newest one of every series, ascending,
        (windows,) int32.
    """
    last = np.full(len(table.names), -1, np.int32)
    last[table.series[origins(table)]] = origins(table)
    first = _ready(table, np.arange(len(table), dtype=np.int32), window)
    return first[first + window.timesteps - 1 <= last[table.series[first]]]


def origins(table: Table) -> np.ndarray:
    """List the row of every series behind which its future begins.

    Args:
        table: Rows.

    Returns:
        The last row of each series, or, where columns are known ahead, its last row with a known
        target, for the series that have one; ascending, (series,) int32.
    """
    given = np.isfinite(table.outputs).any(axis=1) if table.known else np.ones(len(table), bool)
    rows = np.flatnonzero(given).astype(np.int32)
    return rows[np.diff(table.series[rows], append=-1) != 0]


def inputs(table_rows: np.ndarray, starts: np.ndarray, window: Window) -> np.ndarray:
    """Copy the inputs of some windows; for oracles, ridge regression and pictures only.

    Args:
        table_rows: (rows, features).
        starts: (samples,).
        window: Shape of a sample.

    Returns:
        (samples, timesteps, features).
    """
    return table_rows[starts[:, None] + np.arange(window.timesteps)]


def outputs(table_rows: np.ndarray, starts: np.ndarray, window: Window) -> np.ndarray:
    """Copy the futures of some windows.

    Args:
        table_rows: (rows, targets).
        starts: (samples,).
        window: Shape of a sample.

    Returns:
        (samples, horizon, targets).
    """
    return table_rows[future_rows(starts, window)]


def future_rows(starts: np.ndarray, window: Window) -> np.ndarray:
    """List the predicted rows of some windows.

    Args:
        starts: (samples,).
        window: Shape of a sample.

    Returns:
        (samples, horizon).
    """
    return starts[:, None] + window.timesteps + window.lead + np.arange(window.horizon)


def batches(
    starts: np.ndarray, batch_size: int, *, shuffle: np.random.Generator | None = None
) -> Iterator[np.ndarray]:
    """Deal windows into batches.

    Args:
        starts: (windows,).
        batch_size: Windows a batch; the last batch holds the rest.
        shuffle: Source of the order; None keeps it.

    Yields:
        (batch,) window starts; every window exactly once.
    """
    order = starts if shuffle is None else shuffle.permutation(starts)
    for position in range(0, len(order), batch_size):
        yield order[position : position + batch_size]


def dataset(
    inputs: np.ndarray,
    outputs: np.ndarray,
    starts: np.ndarray,
    window: Window,
    *,
    batch_size: int = 64,
    seed: int | None = None,
) -> "tf.data.Dataset":
    """Batch windows for a training loop of one's own; they are cut batch by batch, never stored.

    Args:
        inputs: (rows, features), such as `table.inputs`, standardised or not.
        outputs: (rows, targets).
        starts: First input row of every window, as `starts` lists them.
        window: Shape of a sample.
        batch_size: Windows a batch; the last batch holds the rest.
        seed: Of a new order in every epoch; None keeps the order.

    Returns:
        Batches of (batch, timesteps, features) and (batch, horizon, targets) float32.

    >>> rows = np.arange(6.0)[:, None]
    >>> [[past, ahead]] = dataset(rows, rows, np.array([0, 2]), Window(2, 1)).as_numpy_iterator()
    >>> past[..., 0].tolist(), ahead[..., 0].tolist()
    ([[0.0, 1.0], [2.0, 3.0]], [[2.0], [4.0]])
    """
    import tensorflow as tf

    x, y = tf.constant(inputs, tf.float32), tf.constant(outputs, tf.float32)
    past = tf.range(window.timesteps)
    ahead = tf.range(window.horizon) + window.timesteps + window.lead

    def cut(batch: "tf.Tensor") -> "tuple[tf.Tensor, tf.Tensor]":
        return tf.gather(x, batch[:, None] + past), tf.gather(y, batch[:, None] + ahead)

    found = tf.data.Dataset.from_tensor_slices(starts.astype(np.int32))
    if seed is not None:
        found = found.shuffle(max(1, len(starts)), seed=seed, reshuffle_each_iteration=True)
    return found.batch(batch_size).map(cut).prefetch(1)


def _ready(table: Table, first: np.ndarray, window: Window) -> np.ndarray:
    """Keep the windows that have all that a forecast needs."""
    length = window.span if table.known else window.timesteps
    first = first[(first >= 0) & (first + length <= len(table))]
    good = _unbroken(table, first, length)
    good &= _seen(table, first, window) & _foreseen(table, first, window)
    return first[good]


def _unbroken(table: Table, first: np.ndarray, length: int) -> np.ndarray:
    """Tell which stretches of `length` rows are neighbours throughout."""
    last = first + length - 1
    same = table.series[first] == table.series[last]
    return same & (table.tick[last] - table.tick[first] == length - 1)


def _seen(table: Table, first: np.ndarray, window: Window) -> np.ndarray:
    """Tell which windows have the inputs that they need."""
    if table.indicators:
        return ~_none(~table.absent, first, window.timesteps)
    return _none(~np.isfinite(table.inputs).all(axis=1), first, window.timesteps)


def _foreseen(table: Table, first: np.ndarray, window: Window) -> np.ndarray:
    """Tell which windows have what is known ahead, from the origin to the last predicted row."""
    if table.indicators or not table.known:
        return np.ones(len(first), bool)
    holes = ~np.isfinite(table.inputs[:, list(table.known)]).all(axis=1)
    return _none(holes, first + window.timesteps, window.lead + window.horizon)


def _none(bad: np.ndarray, first: np.ndarray, length: int) -> np.ndarray:
    """Tell which stretches of `length` rows hold no bad row."""
    count = np.concatenate([[0], np.cumsum(bad)])
    return count[first + length] == count[first]
