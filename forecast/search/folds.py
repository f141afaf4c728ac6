"""Which rows each fold trains on, and which origins all candidates are scored on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from forecast.data import windows
from forecast.data.split import Folds
from forecast.data.table import Table
from forecast.errors import InputError
from forecast.search.candidates import Candidate


@dataclass(frozen=True)
class Fold:
    """One cut in time.

    Attributes:
        first: First time stamp of the training rows.
        cut: First time stamp of the scored rows.
        end: First time stamp after them.
        origins: Rows of the table whose futures every candidate is scored on, (origins,).
    """

    first: np.datetime64
    cut: np.datetime64
    end: np.datetime64
    origins: np.ndarray


def common(
    candidates: Sequence[Candidate],
    tables: Mapping[str, Table],
    development: np.ndarray,
    folds: Folds,
) -> list[Fold]:
    """Cut the folds and find the origins that all candidates can predict.

    Args:
        candidates: All of one question.
        tables: Name to table, all on one grid.
        development: Mask (rows,) of the rows before the test span.
        folds: The splitter.

    Returns:
        The folds, in time order.

    Raises:
        InputError: A fold has no origin that all candidates can predict.
    """
    grid = next(iter(tables.values()))
    given = np.flatnonzero(development)
    found = []
    for number, (train, scored) in enumerate(folds.split(grid.take(development)), start=1):
        stamps = grid.time[given[scored]]
        cut, last = stamps.min(), stamps.max()
        inside = development & (grid.time >= cut) & (grid.time <= last)
        after = np.unique(grid.time[grid.time > last])
        origins = _shared(candidates, tables, inside)
        if not len(origins):
            raise InputError(
                f"sweep.folds={folds.n_splits} must leave origins that all candidates can predict, "
                f"got none in fold {number} ({cut} to {last}): take fewer folds or shorter windows"
            )
        end = after[0] if len(after) else last + np.timedelta64(1, "ns")
        found.append(Fold(grid.time[given[train]].min(), cut, end, origins))
    return found


def _shared(
    candidates: Sequence[Candidate], tables: Mapping[str, Table], inside: np.ndarray
) -> np.ndarray:
    """Intersect the origins of all candidates."""
    shared: np.ndarray | None = None
    for table, timesteps in {(c.table, c.spec.window.timesteps) for c in candidates}:
        window = next(c.spec.window for c in candidates if c.spec.window.timesteps == timesteps)
        starts = windows.starts(tables[table], window, within=inside, truth="some")
        origins = starts.astype(np.int64) + timesteps - 1
        shared = origins if shared is None else np.intersect1d(shared, origins)
    return np.zeros(0, np.int64) if shared is None else np.sort(shared)
