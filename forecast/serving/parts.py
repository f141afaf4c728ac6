"""Forecasts on disk, part by part, until they are one file; what a kill leaves is used again."""

import json
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

ABOUT = "about.json"
"""File of a folder of parts that says of what they are the forecasts."""

TEXTS = ["series", "target"]


class Parts:
    """Parts of a file of forecasts, in a hidden folder beside it.

    Attributes:
        done: How many parts an earlier command has left.
    """

    def __init__(self, file: Path, about: Mapping[str, Any]):
        """Take the parts that are there, if they are of the same forecasts; remove all others."""
        self.file = file
        self.folder = file.with_name(f".parts-{file.name}")
        own = {**about, **{name: version(name) for name in ("tensorflow", "keras", "numpy")}}
        self._about = json.dumps(own, indent=1, sort_keys=True, default=str)
        self.done = 0
        try:
            same = (self.folder / ABOUT).read_text("utf-8") == self._about
        except (OSError, ValueError):
            same = False
        if not same:
            self.clear()
        while self._part(self.done).is_file():
            self.done += 1

    def clear(self) -> None:
        """Begin again."""
        self.remove()
        self.folder.mkdir()
        (self.folder / ABOUT).write_text(self._about, "utf-8")
        self.done = 0

    def put(self, number: int, rows: pa.Table) -> None:
        """Write a part; it is there as a whole or not at all."""
        fresh = self.folder / f"fresh{self.file.suffix}"
        if self.file.suffix == ".parquet":
            with _writer(fresh, rows.schema) as writer:
                writer.write_table(rows, row_group_size=len(rows))
        else:
            rows.to_pandas().to_csv(fresh, index=False, header=number == 0)
        fresh.replace(self._part(number))

    def join(self, file: Path) -> None:
        """Write all parts into one file, each a row group."""
        every = sorted(self.folder.glob(f"part*{self.file.suffix}"))
        if self.file.suffix != ".parquet":
            with file.open("wb") as sink:
                for part in every:
                    with part.open("rb") as source:
                        shutil.copyfileobj(source, sink, 2**20)
        elif len(every) == 1:
            shutil.copyfile(every[0], file)
        else:
            rows = _rows(every[0])
            with _writer(file, rows.schema) as writer:
                for part in every:
                    writer.write_table(rows := _rows(part), row_group_size=len(rows))

    def remove(self) -> None:
        """Remove all parts."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _part(self, number: int) -> Path:
        """Return where a part lies."""
        return self.folder / f"part{number:07}{self.file.suffix}"


def _writer(file: Path, schema: pa.Schema) -> Any:
    """Open a Parquet file for forecasts; texts are texts for whoever reads it."""
    from pyarrow import parquet

    repeated = [field.name for field in schema if not pa.types.is_floating(field.type)]
    return parquet.ParquetWriter(file, schema, store_schema=False, use_dictionary=repeated)


def _rows(file: Path) -> pa.Table:
    """Read a part, its texts as numbers of words, as they stand in the file."""
    from pyarrow import parquet

    return parquet.ParquetFile(file, read_dictionary=TEXTS).read()
