"""A file becomes a raw frame: CSV (also compressed) or Parquet, exactly as it was written."""

import hashlib
import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from forecast.errors import InputError

FORMATS = ("csv", "parquet")

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
    """Read a data file.

    Args:
        path: A CSV file (`.gz`, `.zip`, `.bz2`, `.xz` are unpacked) or a Parquet file.
        format: "csv" or "parquet"; None tells by the name.

    Returns:
        The rows and columns of the file, unchanged; a name that stands twice in its header does
        so here.

    Raises:
        InputError: The file is missing, empty, or not what its format says.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"data.path must be a file, got {str(path)!r}: check the spelling")
    kind = format or ("parquet" if path.suffix.lower() in (".parquet", ".pq") else "csv")
    if kind not in FORMATS:
        raise InputError(
            f"data.format must be one of {', '.join(FORMATS)}, got {kind!r}: save as one"
        )
    try:
        frame = _parquet(path) if kind == "parquet" else _csv(path)
    except InputError:
        raise
    except _UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
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
    frame = pd.read_parquet(path)
    named = [name for name in frame.index.names if name is not None]
    if named or not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index(drop=bool(set(named) & set(frame.columns)))
    frame.columns = frame.columns.map(str)
    return frame


def _csv(path: Path) -> pd.DataFrame:
    """Read a CSV file."""
    frame = pd.read_csv(path, encoding=_ENCODING, low_memory=False)
    if not isinstance(frame.index, pd.RangeIndex):
        raise InputError(
            f"data.path must hold a name for every field, got rows of {str(path)!r} with more than "
            f"the {len(frame.columns)} names of its first line: name all columns"
        )
    if len(frame.columns) == 1 and any(mark in frame.columns[0] for mark in ";\t|"):
        raise InputError(
            f"data.path must have its fields separated by commas, got the first line "
            f"{frame.columns[0]!r}: save it with commas"
        )
    # pandas renames the second "load" to "load.1"; who asks for "load" must hear that it is twice
    header = pd.read_csv(path, encoding=_ENCODING, header=None, nrows=1, dtype=str).iloc[0]
    twice = (header.duplicated(keep=False) & header.notna()).to_numpy(bool)
    frame.columns = pd.Index(np.where(twice, header, frame.columns))
    return frame


def digest(path: str | Path) -> str:
    """Hash a file's bytes.

    Args:
        path: Any file.

    Returns:
        The first 16 hex digits of its sha256.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def between(time: np.ndarray, since: str | None, until: str | None) -> np.ndarray:
    """Tell which time stamps lie in a span.

    Args:
        time: Parsed, (rows,).
        since: First moment, such as "2017-01-01"; None takes all earlier ones.
        until: Last moment; a day, a month or a year is meant to its end. None takes all later ones.

    Returns:
        Mask (rows,).

    Raises:
        InputError: A moment cannot be read, or no row lies between them.

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
    if str(found) == "NaT":  # as which an empty text reads
        raise ValueError("no date")
    return found
