"""Files of one format as one table: a file, several, a folder, on this machine or in a store."""

import hashlib
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

import pandas as pd
import pyarrow as pa

from forecast.data.sources import arrow_files, csv_files, json_lines, listing
from forecast.data.sources.csv_files import NONE, PLAIN, Dialect, Texts
from forecast.data.sources.listing import Part
from forecast.data.sources.source import ROWS, Source, chosen, common, filled, fitted
from forecast.errors import InputError, cause, plain

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


class Files(Source):
    """Files of one format, below each other; columns that their folders name come last."""

    def __init__(
        self,
        place: str,
        found: list[Part],
        format: str | None,
        *,
        single: bool = False,
        dialect: Dialect = PLAIN,
        texts: Texts = NONE,
    ):
        self.place = place
        self.parts = tuple(part.name for part in found)
        self.size = sum(part.size for part in found)
        self._found = found
        self._format = listing.format_of(found, format)
        self._single, self._dialect, self._texts = single, dialect, texts
        if dialect != PLAIN:
            dialect.check()
            if self._format != "csv":
                raise InputError(
                    "data.separator, data.decimal, data.skip and data.na must be left out where "
                    f"data.path is no CSV file, got {self._format}: leave them out"
                )
        self._held: dict[str, frozenset[str]] = {}

    def columns(self) -> list[str]:
        """Return the names of all columns."""
        first = self._found[0]
        if self._format == "csv":
            with _readable(first, "csv"):
                own = csv_files.names(first, self._dialect)
        elif self._format == "jsonl":
            return self._schema.names
        else:
            own = self._own(first).names
        return [*own, *(name for name, _ in first.partition if name not in own)]

    def most(self) -> int | None:
        """Return how many rows Parquet files state, or how many lines uncompressed text has."""
        text, far = self._format in ("csv", "jsonl"), any(part.system for part in self._found)
        if text and (far or any(part.compression for part in self._found)):
            return None
        if not text and self._format != "parquet":
            return None
        count = _lines if text else arrow_files.rows
        found = 0
        for part in self._found:
            with _readable(part, self._format):
                found += count(part)
        return found

    def digest(self) -> str:
        """Hash the bytes of the file, or the names of several and the bytes of each."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        every = [(part.inner, _hash(part)) for part in self._found]
        read = "" if self._dialect == PLAIN else repr(self._dialect)
        if len(every) == 1 and not self._found[0].partition and not read:
            return every[0][1][:16]
        told = "".join(f"{inner}\n{found}\n" for inner, found in sorted(every)) + read
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def batches(self, columns: Sequence[str], rows: int = ROWS) -> Iterator[pa.RecordBatch]:
        """Yield some columns of all rows."""
        schema = self._schema
        asked = chosen(columns, self.columns())
        wanted = pa.schema([schema.field(name) for name in asked])
        for part in self._found:
            yield from self._rows(part, wanted, rows)

    def frame(self) -> pd.DataFrame | None:
        """Read one CSV or Parquet file of this machine as pandas does, None where it is no such."""
        if not self._single or self._format not in ("csv", "parquet"):
            return None
        part = self._found[0]
        with _readable(part, self._format):
            if self._format == "csv":
                return csv_files.read(part, self._dialect, self._texts)
            return arrow_files.read(part)

    @cached_property
    def _schema(self) -> pa.Schema:
        """The types that hold the columns of all files, which must have the same ones."""
        found: dict[str, pa.DataType] = {}
        first = self._found[0]
        for part in self._found:
            own = self._own(part)
            self._held[part.path] = frozenset(own.names)
            kinds = {name: pa.string() for name, _ in part.partition}
            kinds |= {field.name: field.type for field in own}
            if part is first or self._format == "jsonl":  # a line may leave out what it lacks
                found = {name: pa.null() for name in kinds} | found
            self._agree(part, list(found), list(kinds))
            for name, kind in kinds.items():
                both = common(found[name], kind)
                if both is None and self._format != "csv":
                    raise InputError(
                        f"data.path must hold files that agree, got column {name!r} as {kind} in "
                        f"{plain(part.name)!r} and as {found[name]} before: write it as one type"
                    )
                found[name] = pa.string() if both is None else both
        return pa.schema(list(zip(found, filled(found.values()), strict=True)))

    def _agree(self, part: Part, before: list[str], names: list[str]) -> None:
        """Refuse a file whose columns are not those of the first."""
        for name in [*before, *names]:
            if (name in before) != (name in names) and self._format != "jsonl":
                there, lacks = self._found[0], part
                if name in names:
                    there, lacks = lacks, there
                raise InputError(
                    f"data.path must hold files with the same columns, got {name!r} in "
                    f"{plain(there.name)!r} and not in {plain(lacks.name)!r}: add it, or name the "
                    "files that have it"
                )

    def _own(self, part: Part) -> pa.Schema:
        """Return the columns that a file holds itself."""
        with _readable(part, self._format):
            if self._format == "csv":
                return csv_files.schema(part, self._dialect, self._texts)
            if self._format == "jsonl":
                return json_lines.schema(part)
            return arrow_files.schema(part, self._format)

    def _rows(self, part: Part, wanted: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield columns of a file, those that its folders name among them."""
        named = dict(part.partition)
        held = [name for name in wanted.names if name in self._held[part.path]]
        if self._format == "jsonl":
            held = [name for name in wanted.names if name not in named or name in held]
        read = held or [min(self._held[part.path])]  # which says how many rows there are
        own = pa.schema([wanted.field(name) if held else self._schema.field(name) for name in read])
        with _readable(part, self._format):
            if self._format == "csv":
                found = csv_files.batches(part, own, rows, self._dialect, self._texts)
            elif self._format == "jsonl":
                found = json_lines.batches(part, own, rows)
            else:
                found = arrow_files.batches(part, self._format, own, rows)
            for batch in found:
                columns = [
                    batch.column(read.index(name))
                    if name in read
                    else pa.repeat(pa.scalar(named[name], pa.string()), len(batch))
                    for name in wanted.names
                ]
                yield fitted(columns, wanted)


def _lines(part: Part) -> int:
    """Count the lines of a file."""
    with part.open() as file:
        return 1 + sum(block.count(b"\n") for block in iter(lambda: file.read(2**20), b""))


def _hash(part: Part) -> str:
    """Hash a file's bytes."""
    with _readable(part, "data"), part.open() as file:
        found = hashlib.sha256()
        while block := file.read(2**20):
            found.update(block)
        return found.hexdigest()


@contextmanager
def _readable(part: Part, kind: str) -> Iterator[None]:
    """Say in a sentence what cannot be read."""
    try:
        yield
    except InputError:
        raise
    except _UNREADABLE as error:
        # of pandas's own parser only the end says something
        reason = cause(str(error).rpartition("C error: ")[2] or error)
        cure = "as UTF-8" if isinstance(error, UnicodeError) else "again"
        cure = f"save it {cure} or set data.format" if part.system is None else "read it again"
        raise InputError(
            f"data.path must be a readable {kind} file, got {part.name!r} ({reason}): {cure}"
        ) from error
