"""The stored forecasts of a run, of which no more rows are read at once than are asked for."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

BATCH = 1 << 18
"""Rows of a file that are decoded at once."""

WORDS = ("series", "target")
"""Columns of few texts, each many times."""

T = TypeVar("T")


class Sized(Protocol):
    """What has a size and can be added."""

    def __len__(self) -> int: ...


S = TypeVar("S", bound=Sized)


def added(parts: Iterator[S], add: Callable[[S, S], S]) -> S | None:
    """Add parts in order, neighbours of like length first; None where there are none.

    A sum of parts with nothing in common grows with each, and adding each to it would take time
    squared. So it waits until what comes later is half as long.

    >>> added(iter([[1], [2], [3]]), lambda one, other: one + other)
    [1, 2, 3]
    """
    found: list[S] = []
    for part in parts:
        found.append(part)
        while len(found) > 1 and len(found[-2]) <= 2 * len(found[-1]):
            last = found.pop()
            found[-1] = add(found[-1], last)
    return reduce(lambda later, earlier: add(earlier, later), reversed(found)) if found else None


@dataclass(frozen=True)
class Contents:
    """What forecasts are of.

    Attributes:
        series: Names of the series, in the order of their first rows.
        counts: Rows of each.
        targets: Names of the targets, likewise.
        origins: Distinct origins, ascending.
        groups: First and last place in `series`, and first and last origin, of each row group.
    """

    series: tuple[Any, ...]
    counts: np.ndarray
    targets: tuple[Any, ...]
    origins: np.ndarray
    groups: tuple[tuple[int, int, Any, Any], ...]

    @property
    def span(self) -> tuple[Any, Any]:
        """First and last origin, NaN without any."""
        if not len(self.origins):
            return np.nan, np.nan
        return value(self.origins[0]), value(self.origins[-1])


class Stored:
    """The forecasts of a run, in a Parquet file or a frame.

    Attributes:
        where: The file, or the frame.
    """

    def __init__(self, where: Path | pd.DataFrame):
        self.where = where
        self._table: pa.Table | None = None
        if isinstance(where, pd.DataFrame):
            self._table = pa.Table.from_pandas(where, preserve_index=False)
            self.columns = tuple(self._table.column_names)
        else:
            with self._file() as file:
                self.columns = tuple(file.schema_arrow.names)

    @cached_property
    def contents(self) -> Contents:
        """What they are of, by one pass over the columns that say so."""
        series, targets = dict[Any, int](), dict[Any, int]()
        counts = np.zeros(0, int)
        groups: list[tuple[int, int, Any, Any]] = []

        def pass_over() -> Iterator[np.ndarray]:
            nonlocal counts
            for group in range(self._groups):
                ends: list[tuple[int, int, Any, Any]] = []
                for batch in self._batches(["series", "origin", "target"], [group]):
                    own, origin = _codes(batch["series"], series), _numbers(batch["origin"])
                    _codes(batch["target"], targets)
                    counts = _plus(counts, np.bincount(own))
                    ends.append((int(own.min()), int(own.max()), origin.min(), origin.max()))
                    begins = np.append(True, origin[1:] != origin[:-1])
                    yield np.unique(origin[begins])  # sorted faster than one a value
                groups.append(_around(ends))

        origins = added(pass_over(), np.union1d)
        return Contents(
            tuple(series),
            counts,
            tuple(targets),
            np.zeros(0, "datetime64[ns]") if origins is None else origins,
            tuple(groups),
        )

    @cached_property
    def first_steps(self) -> tuple[set[int], pd.Series]:
        """All steps, and the origin of each forecast to the time of its first step."""
        steps: set[int] = set()

        def pass_over() -> Iterator[pd.DataFrame]:
            for batch in self._batches(["step", "origin", "time"], range(self._groups)):
                step = _numbers(batch["step"])
                steps.update(np.unique(step).tolist())
                first = step == min(steps)
                found = {name: _numbers(batch[name])[first] for name in ("origin", "time")}
                yield _once(pd.DataFrame(found | {"step": step[first]}))

        def add(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
            return _once(pd.concat([part for part in (one, other) if len(part)] or [one]))

        rows = added(pass_over(), add)
        if rows is None:
            return steps, pd.Series(dtype=float)
        return steps, rows.set_index("origin").time

    def counted(self, place: int) -> pd.Series:
        """Count the rows of one series by origin, ascending."""

        def pass_over() -> Iterator[pd.Series]:
            for rows in self._read(["origin"], self._only(place), None):
                yield pd.Series(1, rows["origin"]).groupby(level=0).sum()

        def add(one: pd.Series, other: pd.Series) -> pd.Series:
            return pd.concat([one, other]).groupby(level=0).sum()

        found = added(pass_over(), add)
        return pd.Series(dtype=int) if found is None else found

    def rows(self, wanted: np.ndarray, span: tuple[Any, Any] | None) -> pd.DataFrame:
        """Read the rows of some series.

        Args:
            wanted: Whether each of `contents.series` is, (series,).
            span: First and last origin, None for all.

        Returns:
            Series and target as places in `contents`, origin, time, forecast, true and crps, which
            is NaN of runs that have none.
        """
        columns = ["origin", "time", "target", "forecast", "true"]
        columns += ["crps"] if "crps" in self.columns else []
        found = list(self._read(columns, wanted, span))
        if not found:
            found = [{name: np.zeros(0, int) for name in ("series", *columns)}]
        whole = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
        if "crps" not in whole:
            whole["crps"] = np.full(len(whole["true"]), np.nan)
        return pd.DataFrame(whole)

    def _read(
        self, columns: list[str], wanted: np.ndarray, span: tuple[Any, Any] | None
    ) -> Iterator[dict[str, np.ndarray]]:
        """Read the rows of some series, batch by batch."""
        series, targets = self._places
        for batch in self._batches(["series", *columns], self._holding(wanted, span)):
            own, origin = _codes(batch["series"], series), _numbers(batch["origin"])
            kept = wanted[own]
            if span is not None:
                kept &= (origin >= span[0]) & (origin <= span[1])
            if not kept.any():
                continue
            found = {"series": own[kept]}
            for name in columns:
                each = batch[name]
                whole = _codes(each, targets) if name in WORDS else _numbers(each)
                found[name] = whole[kept]
            yield found

    def _holding(self, wanted: np.ndarray, span: tuple[Any, Any] | None) -> list[int]:
        """List the row groups that may hold rows of some series."""
        before = np.concatenate([[0], np.cumsum(wanted)])
        found = []
        for group, (low, high, first, last) in enumerate(self.contents.groups):
            inside = span is None or (first <= span[1] and span[0] <= last)
            if inside and before[high + 1] > before[low]:
                found.append(group)
        return found

    @cached_property
    def _places(self) -> tuple[dict[Any, int], dict[Any, int]]:
        """Place of each series and of each target."""
        names = self.contents.series, self.contents.targets
        own, asked = ({name: place for place, name in enumerate(each)} for each in names)
        return own, asked

    def _only(self, place: int) -> np.ndarray:
        return np.arange(len(self.contents.series)) == place

    @cached_property
    def _groups(self) -> int:
        if self._table is not None:
            return 1
        with self._file() as file:
            return int(file.num_row_groups)

    def _file(self) -> Any:
        from pyarrow.parquet import ParquetFile

        return ParquetFile(self.where, read_dictionary=list(WORDS))

    def _batches(self, columns: list[str], groups: Sequence[int]) -> Iterator[pa.RecordBatch]:
        """Decode columns of row groups, a batch at a time."""
        if self._table is not None:
            table = self._table.select(columns)
            batches = table.to_batches(max_chunksize=BATCH) if len(groups) else []
            yield from (batch for batch in batches if batch.num_rows)
            return
        with self._file() as file:
            for batch in file.iter_batches(BATCH, row_groups=list(groups), columns=columns):
                if batch.num_rows:
                    yield batch


def of(where: "Path | pd.DataFrame | Stored") -> Stored:
    """Return stored forecasts as such."""
    return where if isinstance(where, Stored) else Stored(where)


def value(stamp: Any) -> Any:
    """Return an origin as pandas has it: a time stamp, or the number of a row."""
    return pd.Timestamp(stamp) if np.asarray(stamp).dtype.kind == "M" else stamp


def _codes(column: pa.Array, known: dict[Any, int]) -> np.ndarray:
    """Return texts as places in the known ones, to which new ones are added."""
    words = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    absent = len(words.dictionary)  # of a row without a text
    indices = words.indices.cast(pa.int64()).fill_null(absent).to_numpy(zero_copy_only=False)
    used = np.flatnonzero(np.bincount(indices, minlength=absent + 1))
    names = words.dictionary.take(pa.array(used[used < absent])).to_pylist()
    places = np.zeros(absent + 1, int)
    places[used] = [known.setdefault(name, len(known)) for name in [*names, None][: len(used)]]
    return places[indices]


def _numbers(column: pa.Array) -> np.ndarray:
    """Return numbers or time stamps, these in nanoseconds since files may keep others."""
    found = column.to_numpy(zero_copy_only=False)
    if found.dtype.kind == "M":
        return found.astype("datetime64[ns]", copy=False)
    return found


def _plus(counts: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Add counts of which either may know more places."""
    found = np.zeros(max(len(counts), len(other)), int)
    found[: len(counts)] += counts
    found[: len(other)] += other
    return found


def _around(ends: list[tuple[int, int, Any, Any]]) -> tuple[int, int, Any, Any]:
    """Return first and last place and origin of several batches; none hold an empty group."""
    if not ends:
        return 0, -1, 0, 0
    low, high, first, last = zip(*ends, strict=True)
    return min(low), max(high), min(first), max(last)


def _once(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the first row of each origin among those of the first step."""
    return rows[rows.step == rows.step.min()].drop_duplicates("origin")
