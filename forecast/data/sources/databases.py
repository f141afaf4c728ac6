"""Databases through SQLAlchemy: a table or a query, read once as a stream and kept on disk."""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import ipc

from forecast.data.fetch import without_secrets
from forecast.data.sources import queries
from forecast.data.sources.source import (
    CELLS,
    ROWS,
    Content,
    Source,
    chosen,
    common,
    filled,
    fitted,
    pieces,
)
from forecast.data.sources.spill import Spill
from forecast.errors import InputError, cause

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL

_PATIENCE = 10
"""Seconds in which a server must answer a call; libpq would wait for minutes."""

_REASONS = {
    "authentication failed|no password supplied|access denied|login failed|does not exist"
    "|no pg_hba": "it refuses this user, password or database",
    "refused|translate host|name or service|timed? ?out|timeout|no route|unreachable|can't connect"
    "|no such file": "no server answers there",
    "unable to open": "it is no file that can be read",
    "not a database|file is encrypted|malformed": "it is no SQLite file",
}
"""What drivers say where a connection fails, and the same without names of users."""


class Database(Source):
    """A table of a database, or what a query finds.

    It is read once, into a file that goes with this object: digest and rows are of one moment, and
    the server is asked once.
    """

    def __init__(self, address: str, query: str | None, table: str | None):
        self.place = without_secrets(address)
        self.query = queries.checked(self.place, query, table)
        self.parts = (f"{self.place} {table}" if table else f"{self.place} (a query)",)
        self.size = None
        self._table = table
        self._engine = _engine(address, self.place)

    def columns(self) -> list[str]:
        """Return the names of all columns."""
        return list(self._kept.names)

    def digest(self) -> str:
        """Hash the rows, whatever their order, which no database promises."""
        return self._kept.digest

    def batches(self, columns: Sequence[str], rows: int = ROWS) -> Iterator[pa.RecordBatch]:
        """Yield some columns of all rows."""
        kept = self._kept
        asked = chosen(columns, kept.names)
        places = [kept.names.index(name) for name in asked]
        kinds = [kept.kinds[place] for place in places]
        wanted = pa.schema(list(zip(asked, kinds, strict=True)))
        for batch in kept.batches():
            found = [batch.column(place) for place in places]
            yield from pieces(fitted(found, wanted), rows)

    @cached_property
    def _kept(self) -> "_Kept":
        """What the database has answered."""
        from sqlalchemy.exc import SQLAlchemyError

        kept = _Kept()
        try:
            connection = self._engine.connect()
        except SQLAlchemyError as error:
            raise _no_connection(self.place, error) from None  # whose words name the user
        with connection:
            try:
                if connection.dialect.name == "postgresql":
                    connection = connection.execution_options(postgresql_readonly=True)
                text = self.query or self._whole_table(connection)
                # parameters are none, so that % is a sign like any other
                found = connection.execution_options(
                    stream_results=True, no_parameters=True
                ).exec_driver_sql(text)
                kept.names = [str(name) for name in found.keys()]
                size = max(1000, min(ROWS, CELLS // max(len(kept.names), 1)))
                for rows in found.partitions(size):
                    kept.add([tuple(row) for row in rows])
            except SQLAlchemyError as error:
                if "not a database" in str(error):  # as SQLite notices only now
                    raise _no_connection(self.place, error) from None
                what = "table" if self._table else "query"
                reason = cause(getattr(error, "orig", None) or type(error).__name__)
                raise queries.refuse_query(self.place, what, reason) from None
            except OSError as error:
                raise InputError(
                    f"data.path must fit on disk while it is used, got a refusal ({cause(error)}): "
                    "make room, or ask for fewer rows and columns in data.query"
                ) from error
            finally:
                self._engine.dispose()
        kept.end()
        return kept

    def _whole_table(self, connection: "Connection") -> str:
        """Return the query of a table, which must be there."""
        from sqlalchemy import inspect

        schema, _, name = str(self._table).rpartition(".")
        seen, quote = inspect(connection), connection.dialect.identifier_preparer.quote
        if not seen.has_table(name, schema or None):
            known = [*seen.get_table_names(schema or None), *seen.get_view_names(schema or None)]
            raise queries.refuse_table(
                self.place,
                str(self._table),
                [f"{schema}.{one}" if schema else one for one in known],
            )
        return f"select * from {f'{quote(schema)}.' if schema else ''}{quote(name)}"


class _Kept:
    """An answer on disk, in files of one set of types each, and the digest of its rows."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.kinds: list[pa.DataType] = []
        self.digest = ""
        self._spill = Spill()
        self._files: list[Path] = []
        self._writer: Any = None
        self._schema: pa.Schema | None = None

    def add(self, rows: list[tuple[Any, ...]]) -> None:
        """Write rows."""
        columns = [_column(values) for values in zip(*rows, strict=True)]
        schema = pa.schema([(str(n), column.type) for n, column in enumerate(columns)])
        if schema != self._schema:
            self._close()
            self._files.append(self._spill.path / f"{len(self._files)}.arrow")
            self._writer = ipc.new_stream(str(self._files[-1]), schema)
            self._schema = schema
            before = self.kinds or [pa.null()] * len(columns)
            pairs = zip(before, schema.types, strict=True)
            self.kinds = [common(one, other) or pa.string() for one, other in pairs]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))

    def end(self) -> None:
        """Finish writing, and hash what was written with the types that all rows have."""
        self._close()
        self.kinds = filled(self.kinds or [pa.null()] * len(self.names))
        content = Content()
        schema = pa.schema([(str(n), kind) for n, kind in enumerate(self.kinds)])
        for batch in self.batches():
            content.add(fitted(batch.columns, schema))
        self.digest = content.digest(self.names)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows with the types of their file; columns go by their numbers."""
        for path in self._files:
            with pa.memory_map(str(path)) as file, ipc.open_stream(file) as reader:
                yield from reader

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _column(values: tuple[Any, ...]) -> pa.Array:
    """Make a column of what a driver returns."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {int, float, Decimal} and Decimal in kinds:
        return pa.array([None if one is None else float(one) for one in values], pa.float64())
    if kinds == {datetime} and any(one.tzinfo for one in values if one is not None):
        return pa.array(values, pa.timestamp("us", "UTC"))
    if kinds == {date}:
        return pa.array(values, pa.date32()).cast(pa.timestamp("us"))
    try:
        found = pa.array(values, from_pandas=True)
        if found.type in (pa.null(), pa.bool_(), pa.int64(), pa.float64(), pa.string()):
            return found
        if pa.types.is_timestamp(found.type):
            return found.cast(pa.timestamp("us", found.type.tz))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        pass  # several types in one column, as SQLite allows, or one that Arrow does not know
    return pa.array([None if one is None else str(one) for one in values], pa.string())


def _engine(address: str, place: str) -> "Engine":
    """Return what connects, which happens later."""
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    from sqlalchemy.pool import NullPool

    try:
        url = make_url(re.sub(r"^postgres(?=[:+])", "postgresql", address))
        if url.drivername.startswith("sqlite"):
            return create_engine("sqlite://", creator=_sqlite(url, place), poolclass=NullPool)
        told = {}
        if url.get_backend_name() == "postgresql":
            if url.drivername == "postgresql":
                url = url.set(drivername=f"postgresql+{_driver()}")
            if "connect_timeout" not in url.query:
                told["connect_timeout"] = _PATIENCE
        return create_engine(url, connect_args=told, poolclass=NullPool)
    except InputError:
        raise
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise InputError(
            f"data.path must be the address of a database, got {place!r}: write "
            "postgresql://HOST/DATABASE or sqlite:///FILE"
        ) from None  # whose words repeat the address
    except ImportError:
        cure = "install SQLAlchemy's driver for it"
        if place.startswith("postgres"):
            cure = "pip install 'psycopg2-binary>=2.9.13'"
        raise InputError(
            f"data.path must be a database whose driver is installed, got {place!r} without: {cure}"
        ) from None


def _driver() -> str:
    """Return the driver of PostgreSQL that is installed."""
    return "psycopg" if find_spec("psycopg") and not find_spec("psycopg2") else "psycopg2"


def _sqlite(url: "URL", place: str) -> Any:
    """Return what opens an SQLite file for reading, where it is."""
    import sqlite3

    path = Path(url.database or "").expanduser()
    if not path.is_file():
        raise InputError(
            f"data.path must be an SQLite file, got {place!r}, which is not a file: check the "
            "spelling (sqlite:///FILE below this folder, sqlite:////FILE from the root)"
        )
    return lambda: sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _no_connection(place: str, error: Exception) -> InputError:
    """Say why a database cannot be reached, in none of its driver's words."""
    text = str(getattr(error, "orig", None) or error).lower()
    reason = next(
        (reason for words, reason in _REASONS.items() if re.search(words, text)),
        type(error).__name__,
    )
    return InputError(
        f"data.path must be a database that can be read, got {place!r} ({reason}): check address, "
        "user and password (a password may come from ${oc.env:…}, PGPASSWORD or ~/.pgpass)"
    )
