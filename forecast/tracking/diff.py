"""Compare two runs to the bit."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Held = Mapping[str, Mapping[str, Any]]
"""Aspect of a run, such as "metrics", to what it holds of it by name."""

CLOCKED = "time/"
"""Metrics that no repetition can repeat begin so."""


PIECE = 1 << 20
"""Values of a column that are compared at once."""


class Column:
    """A column of a Parquet file, compared as an array is but read piece by piece.

    Attributes:
        path: The file.
        name: Of the column.
        dtype: Of its values in NumPy.
        shape: (rows,)
    """

    def __init__(self, path: Path, name: str):
        from pyarrow.parquet import ParquetFile

        self.path, self.name = path, name
        with ParquetFile(path) as file:
            empty = file.schema_arrow.empty_table().to_pandas()
            self.dtype, self.shape = empty[name].to_numpy().dtype, (file.metadata.num_rows,)

    @property
    def size(self) -> int:
        """How many values it has."""
        return int(self.shape[0])

    def pieces(self) -> Iterator[np.ndarray]:
        """Read its values, `PIECE` at a time whatever the row groups are."""
        from pyarrow.parquet import ParquetFile

        left = np.zeros(0, self.dtype)
        with ParquetFile(self.path) as file:
            for batch in file.iter_batches(PIECE, columns=[self.name]):
                left = np.concatenate([left, batch.to_pandas()[self.name].to_numpy()])
                while len(left) >= PIECE:
                    yield left[:PIECE]
                    left = left[PIECE:]
        if len(left):
            yield left


def columns(path: Path) -> dict[str, Column]:
    """List the columns of a Parquet file."""
    from pyarrow.parquet import read_schema

    return {name: Column(path, name) for name in read_schema(path).names}


@dataclass(frozen=True)
class Difference:
    """Something that is not equal.

    Attributes:
        name: What.
        before: In the first run, as text.
        now: In the second.
    """

    name: str
    before: str
    now: str


@dataclass(frozen=True)
class Aspect:
    """One thing that two runs were compared in.

    Attributes:
        name: Such as "metrics".
        count: Values compared, those included that only one of them has; an array has many.
        differences: Names whose values are not all equal.
    """

    name: str
    count: int
    differences: tuple[Difference, ...]


def compare_runs(before: Held, now: Held) -> list[Aspect]:
    """Compare two runs in all aspects of the first.

    >>> (found,) = compare_runs({"metrics": {"a": 0.3, "b": 1.0}}, {"metrics": {"a": 0.1 + 0.2}})
    >>> for one in found.differences:
    ...     print(one.name, one.before, one.now)
    a 0.3 0.30000000000000004
    b 1.0 –
    """
    found = []
    for aspect, first in before.items():
        second = now.get(aspect, {})
        names = sorted({*first, *second})
        differ = [_difference(name, first, second) for name in names]
        count = sum(np.size(first.get(name, second.get(name))) for name in names)
        found.append(Aspect(aspect, count, tuple(one for one in differ if one)))
    return found


def held(client: Any, run_id: str) -> dict[str, dict[str, Any]]:
    """Read what the tracking store holds of a run and a repetition must hold too.

    Returns (epochs, steps ahead).
    """
    run = client.get_run(run_id)
    metrics: dict[str, dict[str, Any]] = {"metrics": {}, "metrics by step": {}}
    for key in run.data.metrics:
        for point in [] if key.startswith(CLOCKED) else client.get_metric_history(run_id, key):
            if point.step:
                metrics["metrics by step"][f"{key} at {point.step}"] = point.value
            else:
                metrics["metrics"][key] = point.value
    spans = [json.loads(one.dataset.profile) for one in run.inputs.dataset_inputs]
    return {
        "data": {"sha256": run.data.tags.get("forecast.data_digest", "")},
        "splits": dict(spans[0]) if spans else {},
        **metrics,
    }


def _difference(
    name: str, first: Mapping[str, Any], second: Mapping[str, Any]
) -> Difference | None:
    """Compare one value, which either may lack."""
    if name not in first or name not in second:
        one, other = (_shown(part[name]) if name in part else "–" for part in (first, second))
        return Difference(name, one, other)
    a, b = first[name], second[name]
    if not isinstance(a, np.ndarray | Column):
        return None if a == b else Difference(name, _shown(a), _shown(b))
    if a.dtype != b.dtype or a.shape != b.shape:
        return Difference(name, *(f"{part.dtype} {part.shape}" for part in (a, b)))
    numbers = a.dtype.kind == "f"
    others, furthest = 0, 0.0
    for was, now in zip(_pieces(a), _pieces(b), strict=True):
        unequal = was != now
        if numbers:
            unequal &= ~(np.isnan(was) & np.isnan(now))
        others += int(np.count_nonzero(unequal))
        if numbers and np.any(unequal):
            furthest = np.maximum(furthest, np.abs(was - now)[unequal].max())
    if not others:
        return None
    difference = f"{others:,} of {a.size:,} others"
    if numbers:
        difference += f", by up to {furthest:.2g}"
    return Difference(name, f"{a.size:,} values", difference)


def _pieces(values: np.ndarray | Column) -> Iterator[np.ndarray]:
    """Return values in pieces; an array is one."""
    return values.pieces() if isinstance(values, Column) else iter([values])


def _shown(value: Any) -> str:
    """Write a value whole, an array as its shape."""
    array = isinstance(value, np.ndarray | Column)
    return f"{value.dtype} {value.shape}" if array else str(value)
