"""Bytes of files, good and damaged."""

import io
import zipfile

import pandas as pd
import pyarrow as pa
import pyarrow.parquet


def lines(*text: str, header: str = "ts,load,temp") -> bytes:
    """A CSV file."""
    return "\n".join((header, *text, "")).encode()


def hours(
    count: int = 6,
    *,
    load: tuple[int, str] | None = None,
    temp: tuple[int, str] | None = None,
    ts: tuple[int, str] | None = None,
) -> bytes:
    """Good hours as CSV, one cell of which is replaced: (row, text)."""
    rows = [
        [f"2024-01-{1 + hour // 24:02}T{hour % 24:02}:00", f"{hour % 7}.5", f"{9 - hour % 10}"]
        for hour in range(count)
    ]
    for position, change in enumerate((ts, load, temp)):
        if change:
            rows[change[0] - 1][position] = change[1]
    return lines(*(",".join(row) for row in rows))


def parquet(**columns: object) -> bytes:
    """A Parquet file."""
    file = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns), file)
    return file.getvalue()


def twice(name: str) -> bytes:
    """A Parquet file with two columns of one name."""
    file = io.BytesIO()
    table = pa.Table.from_arrays([TIMES, ONE, ONE], names=["ts", name, name])
    pyarrow.parquet.write_table(table, file)
    return file.getvalue()


def archive(**members: bytes) -> bytes:
    """A ZIP file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        for name, data in members.items():
            written.writestr(name, data)
    return file.getvalue()


def damaged(data: bytes) -> bytes:
    """The same with the byte in the middle changed."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :]


GOOD = hours()
TIMES = pa.array(pd.date_range("2024-01-01", periods=3, freq="h"))
ONE = pa.array([1, 2, 3])
