"""DuckDB: files of its own, opened for reading only."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from forecast.data.sources import queries
from forecast.data.sources.source import ROWS, Content, Source, chosen, fitted, simple
from forecast.errors import InputError, cause

if TYPE_CHECKING:
    import duckdb

ENDS = (".duckdb", ".ddb")

ALONE = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
"""Settings by which DuckDB downloads nothing."""


def is_one(path: Path) -> bool:
    """Tell whether a file is a database of DuckDB."""
    if path.suffix.lower() in ENDS:
        return True
    with path.open("rb") as file:
        return file.read(12)[8:] == b"DUCK"


class Duck(Source):
    """A table of a DuckDB file, or what a query finds in it."""

    def __init__(self, path: Path, query: str | None, table: str | None):
        self.place = str(path)
        self.parts = (f"{path} {table}" if table else f"{path} (a query)",)
        self.size = path.stat().st_size
        self._path = path
        self._query = queries.checked(self.place, query, table)
        self._table = table

    def columns(self) -> list[str]:
        """Return the names of all columns."""
        return list(self._relation.columns)

    def digest(self) -> str:
        """Hash the rows, whatever their order."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        content, names = Content(), self.columns()
        for batch in self._read([f"#{place}" for place in range(1, len(names) + 1)], ROWS):
            content.add(batch)
        return content.digest(names)

    def batches(self, columns: Sequence[str], rows: int = ROWS) -> Iterator[pa.RecordBatch]:
        """Yield some columns of all rows."""
        names = self.columns()
        asked = chosen(columns, names)
        for batch in self._read([f"#{names.index(name) + 1}" for name in asked], rows):
            yield batch.rename_columns(asked)

    def _read(self, places: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Yield columns by their places."""
        import duckdb

        try:
            reader = self._relation.project(", ".join(places)).to_arrow_reader(rows)
            wanted = pa.schema(
                [(str(n), simple(kind)) for n, kind in enumerate(reader.schema.types)]
            )
            for batch in reader:
                yield fitted(batch.columns, wanted)
        except (duckdb.Error, OSError) as error:
            what = "table" if self._table else "query"
            raise queries.refuse_query(self.place, what, cause(error)) from error

    @cached_property
    def _relation(self) -> "duckdb.DuckDBPyRelation":
        """What is read."""
        connection = self._connection
        import duckdb

        try:
            if self._table:
                parts = [_quoted(part) for part in self._table.split(".")]
                return connection.sql(f"select * from {'.'.join(parts)}")
            return connection.sql(str(self._query))
        except duckdb.CatalogException as error:
            if not self._table:
                raise queries.refuse_query(self.place, "query", _reason(error)) from error
            known = connection.execute(
                "select table_name from information_schema.tables"
            ).fetchall()
            names = [name for (name,) in known]
            raise queries.refuse_table(self.place, self._table, names) from error
        except duckdb.Error as error:
            what = "table" if self._table else "query"
            raise queries.refuse_query(self.place, what, _reason(error)) from error

    @cached_property
    def _connection(self) -> Any:
        """The file, opened so that a query reaches no other file and no network."""
        duckdb = imported()
        try:
            connection = duckdb.connect(str(self._path), read_only=True, config=ALONE)
            connection.execute("set enable_external_access=false")
            connection.execute("set lock_configuration=true")
            return connection
        except duckdb.Error as error:
            raise InputError(
                f"data.path must be a DuckDB file that can be read, got {self.place!r} "
                f"({_reason(error)}): close what writes to it, or write it again"
            ) from error


def imported() -> Any:
    """Import DuckDB, or say how to get it."""
    try:
        import duckdb
    except ImportError as error:
        raise InputError(
            "duckdb must be installed to read its files and to sort more rows than memory holds, "
            "got none: pip install 'duckdb>=2'"
        ) from error
    return duckdb


def _quoted(name: str) -> str:
    """Write a name as SQL does."""
    return '"' + name.replace('"', '""') + '"'


def _reason(error: Exception) -> str:
    """Return what DuckDB says, without the kind of its error."""
    kind, _, rest = str(error).partition(": ")
    return cause(rest or kind)
