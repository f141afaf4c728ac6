"""Cuts in time: positions of rows, chosen by time stamp, the same for every series."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import TimeSeriesSplit

from forecast.data import windows
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError

Cut = float | int | str
"""The size of a span: a share of the time stamps, a number of them, or its first date."""


@dataclass(frozen=True)
class Holdout:
    """Where validation and test begin; train lies before both.

    Attributes:
        validation: First time stamp of the validation span.
        test: First time stamp of the test span, opened once.
    """

    validation: np.datetime64
    test: np.datetime64

    def train_rows(self, table: Table) -> np.ndarray:
        """Return the mask (rows,) of the training span."""
        return table.time < self.validation

    def validation_rows(self, table: Table) -> np.ndarray:
        """Return the mask (rows,) of the validation span."""
        return (table.time >= self.validation) & (table.time < self.test)

    def test_rows(self, table: Table) -> np.ndarray:
        """Return the mask (rows,) of the test span."""
        return table.time >= self.test

    def learned_rows(self, table: Table) -> np.ndarray:
        """Return the mask (rows,) of the training and validation spans."""
        return table.time < self.test

    def scored(self, table: Table, window: Window) -> np.ndarray:
        """Return the windows of the test span of whose future some value is known, (windows,)."""
        return windows.starts(table, window, within=self.test_rows(table), truth="some")


def holdout(
    table: Table, validation: Cut = 0.1, test: Cut = 0.2, *, stamps: np.ndarray | None = None
) -> Holdout:
    """Cut a table in time: train, then validation, then test.

    Args:
        table: Rows to cut.
        validation: Span before the test span, as a share, a number of time stamps or a first date.
        test: Span at the end, likewise.
        stamps: Distinct time stamps of all rows, where the table does not hold them, ascending,
            (time stamps,).

    Returns:
        The first time stamps of both spans.

    Raises:
        InputError: A span would be empty.
    """
    stamps = distinct(table.time) if stamps is None else stamps
    test_cut = cut(table, stamps, "split.test", test)
    earlier = stamps[stamps < test_cut]
    # a share is always one of the whole, so 0.1 means a tenth of the data in any position
    whole = len(stamps)
    return Holdout(cut(table, earlier, "split.validation", validation, whole=whole), test_cut)


def distinct(time: np.ndarray) -> np.ndarray:
    """Return the distinct time stamps of some rows, ascending, without sorting the rows.

    Shapes: `time` (rows,).

    >>> distinct(np.array([1, 1, 2, 0])).tolist()
    [0, 1, 2]
    """
    if (time[1:] >= time[:-1]).all():  # as those of one series are
        return time[np.append(True, time[1:] != time[:-1])[: len(time)]]
    return np.sort(pd.unique(time))


def cut(
    table: Table, stamps: np.ndarray, name: str, size: Cut, *, whole: int | None = None
) -> np.datetime64:
    """Find where the last span of some time stamps begins."""
    if isinstance(size, str):
        count = int((stamps >= table.at(size, name)).sum())
    elif isinstance(size, float):
        share = size if 0 < size < 1 else 0.0
        count = round(share * (len(stamps) if whole is None else whole))
    else:
        whole_number = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
        count = int(size) if whole_number else 0
    if not 0 < count < len(stamps):
        raise InputError(
            f"{name} must leave rows on both sides of its cut, got {size!r} of {len(stamps)} time "
            "stamps: give a share between 0 and 1, a number of time stamps or a date inside"
        )
    return stamps[len(stamps) - count]


class Folds:
    """Expanding folds over the time stamps of a panel, for `cv=` of scikit-learn and for sweeps.

    On one series it yields what scikit-learn's `TimeSeriesSplit` yields; on a panel every series is
    cut at the same moments, so no fold trains on one series' future beside another's past.

    Args:
        n_splits: Number of folds.
        test_size: Time stamps a scored span; None divides the stamps in `n_splits` + 1 parts.
        gap: Time stamps left out before each scored span.
        max_train_size: Most time stamps a training span; None keeps all.

    >>> index = pd.MultiIndex.from_product([["a", "b"], pd.date_range("2020", periods=4)])
    >>> for train, test in Folds(2, test_size=1).split(pd.DataFrame({"x": range(8)}, index)):
    ...     print(train, test)
    [0 1 4 5] [2 6]
    [0 1 2 4 5 6] [3 7]
    """

    def __init__(
        self,
        n_splits: int = 3,
        *,
        test_size: int | None = None,
        gap: int = 0,
        max_train_size: int | None = None,
    ):
        self.n_splits = n_splits
        self.test_size = test_size
        self.gap = gap
        self.max_train_size = max_train_size

    def split(
        self, X: Table | pd.DataFrame, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the row positions of every fold.

        Args:
            X: A table, or a frame whose index (or its last level) is time.
            y: Not read; scikit-learn passes it.
            groups: Not read; scikit-learn passes it.

        Yields:
            (train rows, scored rows), both ascending.

        Raises:
            InputError: A size is invalid, or there are too few time stamps for the folds.
        """
        del y, groups
        time = X.time if isinstance(X, Table) else X.index.get_level_values(-1).to_numpy()
        stamps = distinct(np.asarray(time))
        self._check()
        splitter = TimeSeriesSplit(
            self.n_splits,
            test_size=self.test_size,
            gap=self.gap,
            max_train_size=self.max_train_size,
        )
        try:
            parts = list(splitter.split(stamps))
        except ValueError as error:
            raise InputError(
                f"sweep.folds={self.n_splits} of {self.test_size or 'equal'} time stamps after a "
                f"gap of {self.gap} must fit the data, got {len(stamps)} time stamps: take fewer "
                "or shorter folds"
            ) from error
        for train, test in parts:
            yield (
                np.flatnonzero(np.isin(time, stamps[train])),
                np.flatnonzero(np.isin(time, stamps[test])),
            )

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""
        del X, y, groups
        return self.n_splits

    def _check(self) -> None:
        """Refuse sizes that are none."""
        for name, least, value in (
            ("sweep.folds", 2, self.n_splits),
            ("test_size", 1, 1 if self.test_size is None else self.test_size),
            ("gap", 0, self.gap),
            ("max_train_size", 1, 1 if self.max_train_size is None else self.max_train_size),
        ):
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if not whole or value < least:
                raise InputError(
                    f"{name} must be a whole number of {least} or more, got {value!r}: "
                    f"try {max(least, 3)}"
                )
