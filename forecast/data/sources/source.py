"""What every source of rows can be asked, and how types of columns become those of its batches."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.errors import InputError, nearest

ROWS = 65_536
"""Rows of a batch, where nobody asks for another number."""

CELLS = 4_000_000
"""Values that a batch may hold while it is read: a wide table comes in fewer rows at a time."""


class Source(ABC):
    """A table that is read as a stream.

    Attributes:
        place: Where it is, as it may be shown: no user, no password.
        parts: Names of the files or tables that it is made of, as they may be shown.
        size: Bytes of all parts; None where nobody knows before they are read.
    """

    place: str
    parts: tuple[str, ...]
    size: int | None

    def most(self) -> int | None:
        """Return how many rows there are at most; None where their values would have to be read."""
        return None

    @abstractmethod
    def columns(self) -> list[str]:
        """Return the names of all columns."""

    @abstractmethod
    def digest(self) -> str:
        """Hash the content: the same for the same rows, whatever the place is called."""

    @abstractmethod
    def batches(self, columns: Sequence[str], rows: int = ROWS) -> Iterator[pa.RecordBatch]:
        """Yield some columns of all rows, in the order asked for, every batch of the same types.

        Args:
            columns: Their names.
            rows: At most so many a batch.
        """


def chosen(columns: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the columns asked for, which must be there, and there once."""
    for name in columns:
        if (count := known.count(name)) != 1:
            cure = "rename one" if count else nearest(name, known)
            raise InputError(
                f"columns must be among those of the data, each once, got {name!r}"
                f"{' twice' if count else ''}: {cure}"
            )
    return list(columns)


def simple(kind: pa.DataType) -> pa.DataType:
    """Return the type in which a column is passed on: no dictionaries, one kind of text."""
    if pa.types.is_dictionary(kind):
        return simple(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return pa.float64()
    return kind


def common(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the type that holds the values of two, None where none does without a loss.

    >>> common(pa.int64(), pa.float32()), common(pa.null(), pa.string())
    (DataType(double), DataType(string))
    >>> common(pa.int64(), pa.string()) is None
    True
    """
    pair = [pa.schema([("x", simple(kind))]) for kind in (one, other)]
    try:
        return pa.unify_schemas(pair, promote_options="permissive").field("x").type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None


def fitted(columns: Sequence[pa.Array], schema: pa.Schema) -> pa.RecordBatch:
    """Make a batch of columns, each with the type of the schema."""
    return pa.RecordBatch.from_arrays(
        [
            array if array.type == field.type else array.cast(field.type, safe=False)
            for array, field in zip(columns, schema, strict=True)
        ],
        schema=schema,
    )


def pieces(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    """Cut a batch into pieces of at most so many rows, none of them empty."""
    for first in range(0, len(batch), rows):
        yield batch.slice(first, rows)


def filled(kinds: Iterable[pa.DataType]) -> list[pa.DataType]:
    """Return types of columns, those that hold nothing as numbers, as pandas has them."""
    return [pa.float64() if pa.types.is_null(kind) else kind for kind in kinds]


class Content:
    """The digest of rows, whatever their order, which a database does not promise.

    Every value is mixed into a number of 64 bits by its column, every row into one of its values,
    and those of all rows are added up.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._sums = [0, 0]

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the rows of a batch in."""
        row = np.zeros(len(batch), np.uint64)
        for number, column in enumerate(batch.columns):
            row += _mixed(_bits(column) + np.uint64((2 * number + 1) * _ODD % 2**64))
        for lane in range(2):
            total = int(_mixed(row ^ np.uint64(lane + 1)).sum(dtype=np.uint64))
            self._sums[lane] = (self._sums[lane] + total) % 2**64
        self.rows += len(batch)

    def digest(self, names: Sequence[str]) -> str:
        """Return the digest of all rows under these names of columns."""
        told = repr((list(names), self.rows, self._sums))
        return hashlib.sha256(told.encode()).hexdigest()[:16]


_ODD = 0x9E3779B97F4A7C15
_STEPS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def _mixed(values: np.ndarray) -> np.ndarray:
    """Spread each number over all its bits (SplitMix64).

    Shapes: `values` (rows,); returns (rows,).
    """
    for shift, factor in _STEPS:
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))


def _bits(column: pa.Array) -> np.ndarray:
    """Return 64 bits that stand for each value, equal numbers alike whatever their type.

    Returns (rows,).
    """
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        column = column.cast(pa.timestamp("ns"), safe=False).view(pa.int64())
        kind = column.type
    missing = column.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_floating(kind):
        values = pc.fill_null(column, 0.0).cast(pa.float64()).to_numpy() + 0.0  # no -0.0
        bits = np.where(np.isnan(values), np.nan, values).view(np.uint64)
    elif pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        whole = pc.fill_null(column.cast(pa.int64()), 0).to_numpy()
        exact = np.abs(whole) < 2**53
        bits = np.where(exact, whole.astype(float).view(np.uint64), whole.view(np.uint64))
    else:
        coded = _text(column).dictionary_encode()
        distinct = [
            int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
            for text in coded.dictionary.to_pylist()
        ]
        codes = coded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        bits = np.array(distinct or [0], np.uint64)[codes]
    return np.where(missing, np.uint64(0x7FF8DEADBEEF0000), bits)


def _text(column: pa.Array) -> pa.Array:
    """Return values as text, as Arrow writes them or, where it does not, as Python does."""
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array([None if one is None else str(one) for one in column.to_pylist()])
