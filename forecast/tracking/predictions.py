"""The forecasts of an evaluation, written to Parquet as they are made."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.evaluation.forecasts import Ends, Forecasts
from forecast.evaluation.parts import KEPT
from forecast.evaluation.significance.aligned import PREDICTIONS

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetWriter


class Predictions:
    """Files of forecasts, one a forecaster, a row group for each part of the windows.

    Attributes:
        folder: Where they lie until they are kept with a run.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._writers: dict[str, ParquetWriter] = {}
        self._values: dict[str, int] = {}

    def put(self, forecasts: Mapping[str, Forecasts], around: Mapping[str, Ends]) -> None:
        """Write the forecasts of a part; the model's name is ""."""
        for name, found in forecasts.items():
            self._values[name] = self._values.get(name, 0) + found.values.size
            if not name or self._values[name] <= KEPT:
                self._write(name, found, around.get(name))

    def _write(self, name: str, forecasts: Forecasts, around: Ends | None) -> None:
        """Write a row group."""
        from pyarrow import nulls
        from pyarrow.parquet import ParquetWriter
        from pyarrow.types import is_floating

        rows = forecasts.arrow(around)
        writer = self._writers.get(name)
        if writer is None:
            path = self._place(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            # numbers seldom repeat: to look them up takes three times as long, and more room
            repeated = [field.name for field in rows.schema if not is_floating(field.type)]
            writer = ParquetWriter(path, rows.schema, use_dictionary=repeated)
            self._writers[name] = writer
        for field in writer.schema:  # of a part without intervals
            if field.name not in rows.column_names:
                rows = rows.append_column(field, nulls(len(rows), field.type))
        writer.write_table(rows.select(writer.schema.names))

    def close(self) -> None:
        """Finish the files."""
        for writer in self._writers.values():
            writer.close()

    def file(self, name: str = "") -> Path | None:
        """Return the whole file of a forecaster; None where it was too large to be kept."""
        if name not in self._writers or (name and self._values[name] > KEPT):
            return None
        return self._place(name)

    def _place(self, name: str) -> Path:
        """Return where the file of a forecaster lies; names of forecasters are ours or keys."""
        number = [*self._values].index(name)
        return self.folder / f"{number}" / PREDICTIONS
