"""Open what `data.path` names, and read it whole."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from forecast.data.fetch import without_secrets
from forecast.data.sources import duck, listing
from forecast.data.sources.csv_files import NONE, PLAIN, Dialect, Texts
from forecast.data.sources.files import Files
from forecast.data.sources.source import Source
from forecast.errors import InputError

_DATABASES = ("postgresql", "postgres", "sqlite", "mysql", "mariadb", "mssql", "oracle")
_STORES = ("s3", "gs", "az")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.-]*)(\+\w+)?://")


def open(
    path: str | Path | Sequence[str | Path],
    format: str | None = None,
    *,
    query: str | None = None,
    table: str | None = None,
    dialect: Dialect = PLAIN,
    texts: Texts = NONE,
) -> Source:
    """Open a source of rows; nothing but names and sizes is read yet.

    Args:
        path: A file, a folder, a glob, an address of an object store (`s3://`, `gs://`, `az://`),
            or a list of these; or the address of a database; or a DuckDB file.
        format: What files are, where the ends of their names do not tell.
        query: SELECT that a database answers.
        table: Table of a database, which is read whole.
        dialect: How CSV files are written.
        texts: Columns of CSV files that are text whatever they hold; elsewhere columns have types.

    Returns:
        The source.

    Raises:
        InputError: Nothing is there, files are of several formats, an address is none, …
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    if not paths:
        raise InputError("data.path must name a file, got an empty list: name one")
    places = [str(one).removeprefix("file://") for one in paths]
    database = len(places) == 1 and is_database(places[0])
    if database and dialect != PLAIN:
        raise InputError(
            "data.separator, data.decimal, data.skip and data.na must be left out where data.path "
            "is no CSV file, got a database: leave them out"
        )
    if len(places) == 1 and is_server(places[0]):
        from forecast.data.sources.databases import Database  # SQLAlchemy takes a while

        return Database(places[0], query, table)
    if len(places) == 1 and (file := _duckdb(places[0])):
        return duck.Duck(file, query, table)
    if query is not None or table is not None:
        key = "query" if query is not None else "table"
        raise InputError(
            f"data.{key} must be left out where data.path is no database, got it beside "
            f"{listing.without_login(places[0])!r}: leave it out, or write postgresql://…, "
            "sqlite:///… or a .duckdb file"
        )
    listed = [_files(text) for text in places]
    found = listing.together(listed)
    single = len(found) == 1 and found[0].path == str(Path(places[0]).expanduser())
    shown = [listing.without_login(text) for text in places]
    place = ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")
    return Files(place, found, format, single=single, dialect=dialect, texts=texts)


def read(source: Source) -> pd.DataFrame:
    """Read all rows into memory; one CSV or Parquet file exactly as pandas reads it."""
    frame = source.frame() if isinstance(source, Files) else None
    if frame is None:
        found = list(source.batches(names := source.columns()))
        frame = (
            pa.Table.from_batches(found).to_pandas(date_as_object=False)
            if found
            else pd.DataFrame(columns=names)
        )
    if frame.empty:
        raise InputError(
            f"data.path must hold at least one row, got {source.place!r} with none: give another "
            "file"
        )
    return frame


def is_database(path: object) -> bool:
    """Tell whether a path is one of which a table or a query must be named."""
    return isinstance(path, str) and (is_server(path) or _duckdb(path) is not None)


def is_server(path: str) -> bool:
    """Tell whether a path is the address of a database."""
    return _scheme(path) in _DATABASES


def guessed(begin: bytes) -> str:
    """Return the format of what begins so; text counts as CSV."""
    marks = {b"PAR1": "parquet", b"ARROW1": "feather", b"{": "jsonl"}
    return next((kind for mark, kind in marks.items() if begin.startswith(mark)), "csv")


def _scheme(text: str) -> str | None:
    """Return the kind of an address, None for a path of this machine."""
    found = _SCHEME.match(text)
    return found[1].lower() if found else None


def _duckdb(text: str) -> Path | None:
    """Return the path of a DuckDB file, None where it is none."""
    path = Path(text).expanduser()
    try:
        return path if path.is_file() and duck.is_one(path) else None
    except OSError:  # a name too long, a file that may not be read: said later
        return None


def _files(text: str) -> list[listing.Part]:
    """List the files of a path or an address."""
    scheme = _scheme(text)
    if scheme is None:
        return listing.local(text)
    if scheme in _STORES:
        from forecast.data.sources import objects

        return objects.files(text)
    shown = without_secrets(text)
    if is_server(text):
        raise InputError(
            f"data.path must be one database, got {shown!r} in a list: read it alone, and join in "
            "data.query"
        )
    raise InputError(
        f"data.path must be an address that can be read, got {shown!r}: write a path, https://, "
        "s3://, gs://, az://, postgresql:// or sqlite:///"
    )
