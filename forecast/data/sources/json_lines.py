"""JSON lines: an object a row; dates stay the text that they are."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import pyarrow as pa
from pyarrow import json

from forecast.data.sources.csv_files import refuse_width
from forecast.data.sources.listing import Part
from forecast.data.sources.source import common, fitted, pieces
from forecast.errors import InputError

_BLOCK = 16 * 2**20
"""Bytes that are read at a time, and then to the end of their last line."""


def schema(part: Part) -> pa.Schema:
    """Find all columns and the type of each by reading the file once."""
    kinds: dict[str, pa.DataType] = {}
    with _text(part) as file:
        for block in _blocks(file):
            for field in _parsed(block, None, part).schema:
                kind = pa.string() if pa.types.is_timestamp(field.type) else field.type
                known = kinds.get(field.name, pa.null())
                both = common(known, kind)
                if both is None:
                    raise InputError(
                        f"data.path must hold one type in each column, got {field.name!r} of "
                        f"{part.name!r} as {known} and as {kind}: write it as one of them"
                    )
                kinds[field.name] = both
    refuse_width(part, len(kinds))
    return pa.schema(list(kinds.items()))


def batches(part: Part, wanted: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield columns of a file with these types."""
    with _text(part) as file:
        for block in _blocks(file):
            for batch in _parsed(block, wanted, part).to_batches():
                columns = [batch.column(name) for name in wanted.names]
                yield from pieces(fitted(columns, wanted), rows)


@contextmanager
def _text(part: Part) -> Iterator[BinaryIO]:
    """Open a file, unpacked where its name says that it is compressed."""
    with part.open() as file:
        if part.compression is None:
            yield file
        else:
            with pa.CompressedInputStream(file, part.compression) as unpacked:
                yield unpacked


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield whole lines."""
    rest = b""
    while block := file.read(_BLOCK):
        lines, mark, rest_of_line = (rest + block).rpartition(b"\n")
        rest = rest_of_line
        if mark and lines.strip():
            yield lines + mark
    if rest.strip():
        yield rest


def _parsed(block: bytes, wanted: pa.Schema | None, part: Part) -> pa.Table:
    """Read lines as columns."""
    if block.lstrip().startswith(b"["):
        raise InputError(
            f"data.path must hold an object in each line, got the list of {part.name!r}: write it "
            "as JSON lines (of pandas: to_json(orient='records', lines=True))"
        )
    return json.read_json(
        io.BytesIO(block),
        json.ReadOptions(block_size=len(block) + 1, use_threads=False),
        json.ParseOptions(
            explicit_schema=wanted,
            unexpected_field_behavior="infer" if wanted is None else "ignore",
        ),
    )
