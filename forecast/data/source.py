"""A file becomes a raw frame: CSV (also compressed) or Parquet, exactly as it was written."""

import hashlib
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from pyarrow import parquet

from forecast.errors import InputError, cause, nearest, shown
from forecast.vocabulary import FORMATS

MOST_COLUMNS = 20_000
"""Of a file; reading a million names takes minutes, and no network takes them."""

_COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".tar", ".zst")
_OTHERS = {
    b"PK\x03\x04": ("an Excel or ZIP file", "save the sheet as CSV, or end its name with .zip"),
    b"\xd0\xcf\x11\xe0": ("an old Excel file", "save the sheet as CSV"),
    b"PAR1": ("a Parquet file", "set data.format=parquet"),
    b"\x1f\x8b": ("a gzip file", "end its name with .csv.gz"),
    b"\x89PNG": ("a picture", "give the table"),
    b"%PDF": ("a PDF", "save its table as CSV"),
    b"SQLite f": ("a database", "write its table as CSV"),
    b"\0": ("bytes that are not text", "download the file again"),
}
"""How files begin that are taken for CSV, what they are, and what helps."""

_NAMELESS = re.compile(r"Unnamed: \d+(_level_\d+)?|__index_level_\d+__|\s*")
"""What pandas and Arrow call a column whose header is empty, or an index without a name."""

_ENCODING = "utf-8-sig"  # drops the byte-order mark that spreadsheets write before the first name
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    ImportError,  # a compression whose package is not installed
    NotImplementedError,  # a Parquet feature that Arrow cannot read
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


def read(path: str | Path, format: str | None = None) -> pd.DataFrame:
    """Read a data file."""
    path = Path(path)
    try:
        there = path.is_file()
    except OSError as error:  # a name too long, or a folder that may not be entered
        raise InputError(
            f"data.path must be a file, got {str(path)[:99]!r} ({cause(error)}): give another"
        ) from error
    if not there:
        kind = "a folder" if path.is_dir() else "not a file"
        raise InputError(
            f"data.path must be a file, got {str(path)!r}, which is {kind}: check the spelling"
        )
    kind = (
        format
        if format is not None
        else ("parquet" if path.suffix.lower() in (".parquet", ".pq") else "csv")
    )
    if kind not in FORMATS:
        raise InputError(
            f"data.format must be one of {', '.join(FORMATS)}, got {kind!r}: "
            f"{nearest(kind, FORMATS)}"
        )
    try:
        frame = _parquet(path) if kind == "parquet" else _csv(path)
    except InputError:
        raise
    except _UNREADABLE as error:
        # of pandas's own parser only the end says something
        reason = cause(str(error).rpartition("C error: ")[2] or error)
        cure = "as UTF-8" if isinstance(error, UnicodeError) else "again"
        raise InputError(
            f"data.path must be a readable {kind} file, got {str(path)!r} ({reason}): "
            f"save it {cure} or set data.format"
        ) from error
    if frame.empty:
        raise InputError(
            f"data.path must hold at least one row, got {str(path)!r} with none: give another file"
        )
    return frame


def _parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file; an index that it keeps becomes a column, which configs can name."""
    _refuse_width(path, parquet.read_metadata(path).num_columns)
    frame = pd.read_parquet(path)
    named = [name for name in frame.index.names if name is not None]
    if named or not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index(drop=bool(set(named) & set(frame.columns)))
    frame.columns = frame.columns.map(str)
    return frame


def nameless(columns: Iterable[str]) -> list[str]:
    """List the columns without a name: row numbers of a frame, or what a trailing comma makes.

    >>> nameless(["Unnamed: 0", "load", "__index_level_0__"])
    ['Unnamed: 0', '__index_level_0__']
    """
    return [column for column in columns if _NAMELESS.fullmatch(column)]


def _csv(path: Path) -> pd.DataFrame:
    """Read a CSV file."""
    _refuse_others(path)
    # no text holds this separator: the whole first line is one field
    line = pd.read_csv(path, encoding=_ENCODING, header=None, nrows=1, sep="\x1f", quoting=3)
    first = str(line.iat[0, 0]) if line.size else ""
    if "," not in first and any(mark in first for mark in ";\t|"):
        raise InputError(
            "data.path must have its fields separated by commas, got the first line "
            f"{shown(first)}: save it with commas, and decimals with a point"
        )
    _refuse_width(path, first.count(",") + 1)
    frame = pd.read_csv(path, encoding=_ENCODING, low_memory=False)
    if not isinstance(frame.index, pd.RangeIndex):
        raise InputError(
            f"data.path must have a name for every field, got rows of {str(path)!r} with more than "
            f"the {len(frame.columns)} names of its first line: name all columns"
        )
    # pandas renames the second "load" to "load.1"; who asks for "load" must hear that it is twice
    header = pd.read_csv(path, encoding=_ENCODING, header=None, nrows=1, dtype=str).iloc[0]
    twice = (header.duplicated(keep=False) & header.notna()).to_numpy(bool)
    frame.columns = pd.Index(np.where(twice, header, frame.columns))
    return frame


def _refuse_others(path: Path) -> None:
    """Say what a file is that is no text, where its first bytes tell."""
    if path.suffix.lower() not in _COMPRESSED:
        with path.open("rb") as file:
            begin = file.read(8)
        for mark, (kind, cure) in _OTHERS.items():
            if begin.startswith(mark):
                raise InputError(f"data.path must be a csv file, got {kind}, {str(path)!r}: {cure}")


def _refuse_width(path: Path, columns: int) -> None:
    """Refuse more columns than anything here could handle, before they are read."""
    if columns > MOST_COLUMNS:
        raise InputError(
            f"data.path must hold at most {MOST_COLUMNS:,} columns, got {str(path)!r} with "
            f"{columns:,}: write many series below each other, named by a column of data.series"
        )


def digest(path: str | Path) -> str:
    """Hash a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def between(time: np.ndarray, since: str | None, until: str | None) -> np.ndarray:
    """Tell which time stamps lie in a span.

    Shapes: `time` (rows,); returns (rows,).

    >>> days = np.arange("2020-01-30", "2020-02-03", dtype="datetime64[D]")
    >>> between(days, "2020-01-31", "2020-02-01").tolist()
    [False, True, True, False]
    """
    inside = np.ones(len(time), bool)
    try:
        first, last = (None if text is None else _period(text) for text in (since, until))
    except ValueError as error:
        raise InputError(
            f"data.since and data.until must be readable dates, got {since!r} and {until!r}: write "
            "2013-10-19 or 2013-10-19 06:00, in the time of the file (UTC where it states zones)"
        ) from error
    if first is not None:
        inside &= time >= np.datetime64(first.start_time)
    if last is not None:
        inside &= time <= np.datetime64(last.end_time)
    if not inside.any():
        raise InputError(
            f"data.since={since} and data.until={until} must leave rows, got rows from "
            f"{time.min()} to {time.max()}: choose dates between these"
        )
    return inside


def _period(text: str) -> pd.Period:
    """Read a moment, a day, a month or a year."""
    found = pd.Period(text)
    if str(found) == "NaT":  # an empty string parses to NaT
        raise ValueError("no date")
    return found
