"""A file becomes a raw frame: CSV (also compressed) or Parquet, exactly as it was written."""

import hashlib
from pathlib import Path

import pandas as pd

from forecast.errors import InputError

FORMATS = ("csv", "parquet")


def read(path: str | Path, format: str | None = None) -> pd.DataFrame:
    """Read a data file.

    Args:
        path: A CSV file (`.gz`, `.zip`, `.bz2`, `.xz`, `.zst` are unpacked) or a Parquet file.
        format: "csv" or "parquet"; None tells by the name.

    Returns:
        The rows and columns of the file, unchanged.

    Raises:
        InputError: The file is missing, empty, or not what its format says.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"data.path must be a file, got {str(path)!r}: check the spelling")
    kind = format or ("parquet" if path.suffix in (".parquet", ".pq") else "csv")
    if kind not in FORMATS:
        raise InputError(f"data.format must be one of {', '.join(FORMATS)}, got {kind!r}")
    try:
        # utf-8-sig drops the byte-order mark that spreadsheets write before the first column's name
        frame = (
            pd.read_parquet(path)
            if kind == "parquet"
            else pd.read_csv(path, encoding="utf-8-sig", low_memory=False)
        )
    except (OSError, EOFError, UnicodeDecodeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"data.path must be a readable {kind} file, got {str(path)!r} ({reason}): "
            "save it again or set data.format"
        ) from error
    if isinstance(frame.index, pd.MultiIndex) or frame.index.name is not None:
        frame = frame.reset_index()  # Parquet keeps an index; a column is what configs can name
    if frame.empty:
        raise InputError(f"data.path must hold at least one row, got {str(path)!r} with none")
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
