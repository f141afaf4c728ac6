"""The columns of a raw frame, checked one by one."""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd

from forecast.data.asked import label_positions
from forecast.data.schema import OTHER, Schema
from forecast.data.stamps import reading
from forecast.data.stamps.reading import Moments
from forecast.errors import InputError, nearest, quoted, shown

GREATEST = 1e100
"""Size of a value whose square can still be summed."""


_NAMELESS = re.compile(r"Unnamed: \d+(_level_\d+)?|__index_level_\d+__|\s*")
"""What pandas and Arrow call a column whose header is empty, or an index without a name."""


def nameless(columns: Iterable[str]) -> list[str]:
    """List the columns without a name: row numbers of a frame, or what a trailing comma makes.

    >>> nameless(["Unnamed: 0", "load", "__index_level_0__"])
    ['Unnamed: 0', '__index_level_0__']
    """
    return [column for column in columns if _NAMELESS.fullmatch(column)]


def check_columns(frame: pd.DataFrame, schema: Schema) -> None:
    """Refuse a frame that has no rows, lacks a column, or holds one twice."""
    for fault in faults(frame, schema):
        raise InputError(fault)


def faults(frame: pd.DataFrame, schema: Schema) -> Iterator[str]:
    """Say, one by one, which columns a frame lacks or holds twice."""
    if frame.empty:
        yield "data must hold at least one row, got none: give another file or span"
    twice = frame.columns[frame.columns.duplicated()]
    asked = {
        "data.time": (schema.time,),
        "data.series": schema.series,
        "data.targets": schema.targets,
        "data.features": schema.features,
        "data.circular": tuple(schema.circular),
        "data.valid": tuple(schema.valid),
        "data.classes": tuple(schema.classes),
        "data.known_future": schema.known_columns,
        "data.static": schema.static,
    }
    there = [str(column) for column in frame.columns]
    for argument, names in asked.items():
        calendar = schema.calendar if argument == "data.known_future" else ()
        for column in names:
            if column not in frame.columns:
                yield (
                    f"{argument} must name columns of the file"
                    f"{' or of data.calendar' if argument == 'data.known_future' else ''}, "
                    f"got {column!r}: "
                    f"{_typed(argument, names, column, there, schema)}"
                    f"{nearest(column, [*there, *calendar])}"
                )
            elif column in twice:
                yield f"{argument} must be one column, got {column!r} twice: rename one"


def moments(frame: pd.DataFrame, schema: Schema, *, before: int = 0) -> Moments:
    """Read the time stamps of a raw frame; see `reading.read`."""
    return reading.read(
        frame[schema.time],
        schema.time_format,
        zoned=schema.zoned,
        before=before,
        frequency=schema.frequency or schema.resample.get("rule"),
    )


def _typed(
    argument: str, names: Sequence[str], column: str, there: Sequence[str], schema: Schema
) -> str:
    """Say how a column is typed that was taken for another, or for several: with quotes."""
    for one in there:
        parts = [part.strip() for part in one.split(",")]
        at = next((i for i in range(len(names)) if [*names[i : i + len(parts)]] == parts), None)
        if at is None or not at <= list(names).index(column) < at + len(parts) or one == column:
            continue
        own = getattr(schema, argument.removeprefix("data."))
        if isinstance(own, dict):
            typed = f"{argument}={{{quoted(one)}: {json.dumps(own[column])}}}"
        elif argument == "data.time":
            continue
        else:
            every = [*names[:at], one, *names[at + len(parts) :]]
            typed = f"{argument}=[{','.join(map(quoted, every))}]"
        return f"for column {one!r} write {shlex.quote(typed)}; "
    return ""


def labels(frame: pd.DataFrame, schema: Schema) -> np.ndarray:
    """Name the series of every row; several columns are joined by a slash.

    Returns (rows,).
    """
    series, names = coded_labels(frame, schema)
    return names[series]


def coded_labels(
    frame: pd.DataFrame, schema: Schema, before: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Number the series of every row, and name them in their order.

    Returns (rows,), (series,); errors count the rows `before` the frame.
    """
    if not schema.series:
        return np.zeros(len(frame), np.intp), np.full(1, "series")
    return coded(frame, schema.series, before)


def coded(
    frame: pd.DataFrame, series: Sequence[str], before: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Number the series that some columns name together; see `coded_labels`."""
    code, joined = np.zeros(len(frame), np.intp), np.array([""], object)
    for number, name in enumerate(series):
        column = frame[name]
        own, part = named(column)
        text = pd.Series(part)
        empty = (own < 0) | np.append(text.str.strip() == "", False)[own]
        if empty.any():
            row = int(empty.argmax())
            raise InputError(
                f"data.series must be filled in every row, got {shown(column.iloc[row])} in column "
                f"{name!r}, row {before + row + 1}: name the series or take the row out"
            )
        if not number:
            code, joined = own, part
            continue
        code, pairs = pd.factorize(code * len(part) + own)
        joined = joined[pairs // len(part)] + "/" + part[pairs % len(part)]
    names, place, count = np.unique(joined.astype(str), return_inverse=True, return_counts=True)
    if (count > 1).any():
        twice = shown(str(names[count > 1][0]))
        raise InputError(
            f"data.series must give each series a name of its own, got {twice} of two, whose "
            f"columns {list(series)} hold a slash: write another sign there"
        )
    return place[code], names


def named(values: pd.Series | pd.Index) -> tuple[np.ndarray, np.ndarray]:
    """Number the names in a column, and write each as text, whole numbers without a decimal point.

    Returns (rows,), −1 where missing, and (names,).

    >>> named(pd.Series([7.0, np.nan, 7.5]))
    (array([ 0, -1,  1]), array(['7', '7.5'], dtype=object))
    >>> named(pd.Series(["007", 7, 7.0], dtype=object))[1].tolist()
    ['007', '7']
    """
    if values.dtype == object and pd.api.types.infer_dtype(values) != "string":
        # where 1 and True stand in one column, only their texts tell them apart
        pairs = zip(values, values.isna(), strict=True)
        values = pd.Series([None if empty else _name(one) for one, empty in pairs], dtype=object)
    code, found = pd.factorize(values)
    if isinstance(found, pd.CategoricalIndex | pd.Categorical):
        found = pd.Index(np.asarray(found))
    text = pd.Series(found).map(_name) if found.dtype == object else pd.Series(found).astype(str)
    if pd.api.types.is_float_dtype(found.dtype):
        sizes = np.asarray(found, float)
        whole = (np.floor(sizes) == sizes) & (np.abs(sizes) < EXACT)
        text = text.mask(whole, pd.Series(np.where(whole, sizes, 0).astype(np.int64).astype(str)))
    return code, text.to_numpy(object)


EXACT = 2**53
"""Numbers below this size have all their digits."""


def _name(value: object) -> str:
    """Write one value as a name."""
    if isinstance(value, float | np.floating | Decimal):
        value = float(value)
        if value.is_integer() and abs(value) < EXACT:
            return str(int(value))
    return str(value)


def numbers(frame: pd.DataFrame, name: str, schema: Schema, before: int | None = None) -> pd.Series:
    """Return a column as numbers, or say where it holds something else.

    Returns (rows,). `before` counts the rows before the frame where it is a part of more, which may
    hold missing values alone.
    """
    column = frame[name]
    argument = _argument(name, schema)
    found = as_numbers(column)
    bad = (found.isna() & column.notna()).to_numpy(bool)
    if column.dtype.kind in "mMc":  # dates, durations and complex numbers become numbers too
        bad = column.notna().to_numpy(bool)
    if bad.any():
        row = int(bad.argmax())
        text = name not in schema.targets and holds_labels(column)
        cure = "list its labels in data.classes" if text else "fix it (decimals take a point)"
        raise InputError(
            f"{argument} must be numbers, got {shown(column.iloc[row])} in column {name!r}, "
            f"row {(before or 0) + row + 1}: {cure} or leave the column out"
        )
    values = found.to_numpy(float)
    infinite = np.abs(values) > GREATEST
    if infinite.any():
        row = int(infinite.argmax())
        raise InputError(
            f"{argument} must be finite and at most {GREATEST:g} in size, got "
            f"{shown(column.iloc[row])} in column {name!r}, row {(before or 0) + row + 1}: write "
            "an empty field for a missing value, or use another unit"
        )
    if before is None and np.isnan(values).all():
        raise only_missing(name, schema)
    return found


def as_numbers(column: pd.Series) -> pd.Series:
    """Return numbers, missing where a value is none and infinite where it is too large.

    >>> as_numbers(pd.Series([1, 10**400, "x"], dtype=object)).tolist()
    [1.0, inf, nan]
    """
    try:
        return pd.to_numeric(column, errors="coerce")
    except OverflowError:  # of whole numbers without bounds, which as text become infinite
        return pd.to_numeric(column.astype(str), errors="coerce")


def only_missing(name: str, schema: Schema) -> InputError:
    """Say that a column holds no value."""
    return InputError(
        f"{_argument(name, schema)} must hold values, got only missing ones in column {name!r}: "
        "fill it or leave out the column"
    )


def values(frame: pd.DataFrame, name: str, schema: Schema, before: int | None = None) -> pd.Series:
    """Return a column as numbers, labels as their positions.

    Returns (rows,); `before` as for `numbers`.
    """
    if schema.labelled(name):
        other = name in schema.others
        return label_positions(frame[name], schema.labels(name), before or 0, other=other)
    return numbers(frame, name, schema, before)


MOST_LABELS = 32
"""Labels of a column of text that have a column of their own."""

_NUMBER = re.compile(r"[-+]?[\d.,'’\s]*\d[\d.,'’\s]*(e[-+]?\d+)?\s*%?", re.IGNORECASE)
"""Numbers as people write them; a column of these is no column of labels."""


def unlisted(schema: Schema) -> list[str]:
    """List the inputs that may hold text whose labels nobody has listed."""
    given = {*schema.targets, *schema.classes, *schema.circular, *schema.valid, *schema.series}
    return [name for name in schema.inputs if name not in given and name != schema.time]


def text_columns(frame: pd.DataFrame, schema: Schema) -> list[str]:
    """List the inputs of a frame that hold labels which nobody has listed."""
    return [
        name
        for name in unlisted(schema)
        if list(frame.columns).count(name) == 1 and holds_labels(frame[name])
    ]


def holds_labels(column: pd.Series) -> bool:
    """Tell whether a column is one of labels: text, of whose distinct values most are no numbers.

    >>> holds_labels(pd.Series(["rain", "sun", None, "2"]))
    True
    >>> holds_labels(pd.Series(["1,5", "2,5", "?"]))
    False
    """
    kind = column.dtype.categories.dtype if hasattr(column.dtype, "categories") else column.dtype
    if not pd.api.types.is_object_dtype(kind) and not pd.api.types.is_string_dtype(kind):
        return False
    try:
        distinct = [one for one in pd.unique(column.dropna()) if not isinstance(one, bool)]
    except TypeError:  # lists
        return False
    text = [one.strip() for one in distinct if isinstance(one, str)]
    words = [one for one in text if one and not _NUMBER.fullmatch(one)]
    return 2 * len(words) > len(distinct)


def counted_labels(column: pd.Series) -> pd.Series:
    """Count each label of a column; an empty one is none."""
    text = column.dropna().astype(str).str.strip()
    return text[text != ""].value_counts()


def with_labels(schema: Schema, counts: Mapping[str, pd.Series]) -> Schema:
    """Name the labels of columns of text by how often each is there; the rest is "other".

    >>> sky = pd.Series(["rain", "clear", "rain", "other"])
    >>> schema = Schema("time", ("load",), ("load", "sky"))
    >>> with_labels(schema, {"sky": counted_labels(sky)}).labels("sky")
    ('clear', 'rain', 'other')
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, count in counts.items():
        argument, count = _argument(name, schema), count.drop(OTHER, errors="ignore")
        if count.empty:
            raise InputError(
                f"{argument} must hold labels in the training rows, got none there in column "
                f"{name!r}: leave the column out, or list its labels in data.classes"
            )
        if len(count) > MOST_LABELS and 2 * len(count) > count.sum():
            raise InputError(
                f"{argument} must be numbers, or labels that come again, got {len(count):,} "
                f"different texts in {count.sum():,} training rows of column {name!r}, such as "
                f"{shown(count.index[0])}: leave the column out"
            )
        order = sorted(count.index, key=lambda label: (-count[label], label))
        found[name] = tuple(sorted(order[:MOST_LABELS]))
    return replace(schema, classes={**schema.classes, **found}, others=(*schema.others, *found))


def _argument(name: str, schema: Schema) -> str:
    """Return the argument that asks for an input or output column."""
    parts = ("targets", "features", "known_future", "static")
    return "data." + next(part for part in parts if name in getattr(schema, part))


def unique_rows(
    time: np.ndarray, series: np.ndarray, names: Sequence[str], keep: str = "refuse"
) -> np.ndarray:
    """Choose one of the rows of a series that have one time stamp.

    Shapes: `time` (rows,), `series` (rows,); returns (rows,).
    """
    twice = (np.diff(time) == np.timedelta64(0)) & (np.diff(series) == 0)
    if keep == "refuse" and twice.any():
        row = int(twice.argmax())
        whose = f" of series {shown(str(names[series[row]]))}" if len(names) > 1 else ""
        raise InputError(
            f"data.time must be unique within a series, got {pd.Timestamp(time[row])} twice{whose}"
            ": name the series columns in data.series, use a column in UTC, or set "
            "data.duplicates=first"
        )
    return np.append(~twice, True) if keep == "last" else np.append(True, ~twice)
