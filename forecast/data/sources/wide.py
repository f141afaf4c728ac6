"""Wide tables, a column or a row for each series, as long ones."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from forecast.data.sources.source import ROWS, Source, pieces
from forecast.errors import InputError, nearest
from forecast.vocabulary import WIDE

COLUMNS = WIDE[0]

SERIES, STEP = "series", "step"
"""Columns that are made: the name of the series; of rows the number of the value as well."""


class Wide(Source):
    """Rows of another source, each value of which becomes a row of its own.

    With "columns" each column that is not kept is a series, and its name the series' name. With
    "rows" each row is one: its name stands in the first column that is kept, and its values follow
    each other from the left; fields behind its last value are none.
    """

    def __init__(self, source: Source, how: str, kept: Sequence[str], value: str):
        """Name the columns that are kept as they are, and that of the values."""
        if how not in WIDE:
            raise InputError(
                f"data.wide must be one of {', '.join(WIDE)}, got {how!r}: {nearest(how, WIDE)}"
            )
        self._source, self._how, self._value = source, how, value
        known = source.columns()
        for name in kept:
            if name not in known:
                raise InputError(
                    f"data.wide must keep columns of the file, got {name!r}: {nearest(name, known)}"
                )
        self._kept = list(kept)
        self._series = [name for name in known if name not in kept]
        if value in kept:
            raise InputError(
                f"data.targets must name the values of a wide table like none of its columns, got "
                f"{value!r}: write data.targets=[value]"
            )
        made = SERIES if how == COLUMNS else STEP
        if made in (*kept, value):
            raise InputError(
                f"data.wide={how} must make a column {made!r}, got a file or targets with that "
                "name: give it another one"
            )
        if not self._series:
            raise InputError(
                f"data.wide={how} must find columns of values beside {', '.join(kept)}, got none: "
                "leave it out"
            )
        self.place, self.parts, self.size = source.place, source.parts, source.size

    def most(self) -> int | None:
        """Return how many rows there are at most."""
        rows = self._source.most()
        return None if rows is None else rows * len(self._series)

    def columns(self) -> list[str]:
        """Return the names of all columns."""
        return [*self._kept, SERIES if self._how == COLUMNS else STEP, self._value]

    def digest(self) -> str:
        """Hash the content of the file itself."""
        return self._source.digest()

    def batches(self, columns: Sequence[str], rows: int = ROWS) -> Iterator[pa.RecordBatch]:
        """Yield some columns of all values, a row of the file after another."""
        at_once = max(1, rows // len(self._series))
        for batch in self._source.batches([*self._kept, *self._series], at_once):
            yield from pieces(self._long(batch).select(list(columns)), rows)

    def _long(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Write every value of a batch into a row of its own."""
        count = len(self._series)
        values = np.column_stack(
            [_numbers(batch.column(name), name) for name in self._series]
        )  # (rows, series)
        row, place = np.divmod(np.arange(values.size), count)
        flat = values.ravel()
        if self._how != COLUMNS:  # series end where their last value is
            there = ~np.isnan(values)
            last = count - there[:, ::-1].argmax(axis=1)
            inside = place < np.where(there.any(axis=1), last, 0)[row]
            row, place, flat = row[inside], place[inside], flat[inside]
        taken = {name: batch.column(name).take(pa.array(row)) for name in self._kept}
        if self._how == COLUMNS:
            names = pa.DictionaryArray.from_arrays(
                pa.array(place.astype(np.int32)), pa.array(self._series, pa.string())
            )
            taken[SERIES] = names.cast(pa.string())
        else:
            taken[STEP] = pa.array(place + 1)
        taken[self._value] = pa.array(flat)
        return pa.RecordBatch.from_pydict(taken)


def _numbers(column: pa.Array, name: str) -> np.ndarray:
    """Return the values of a series' column, NaN where there are none."""
    try:
        values = column.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        text = next((one for one in column.to_pylist() if isinstance(one, str)), str(column.type))
        raise InputError(
            f"data.wide must find numbers in every column of values, got {text!r} in column "
            f"{name!r}: name it in data.known_future or data.static, which keep it, or mend it"
        ) from error
    return np.asarray(values.fill_null(np.nan).to_numpy(zero_copy_only=False))
