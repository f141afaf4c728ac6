"""CSV files as loggers and spreadsheets write them: against the same table written plainly."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from forecast.data.sources import opened
from forecast.data.sources.csv_files import Dialect
from forecast.errors import InputError

from ..conftest import TINY, Place, load_frame, predicted

CASES = [
    Dialect(separator, decimal, skip, na)
    for separator, decimal, skip, na in product(
        (",", ";", "\t", "|"), (".", ","), (0, 2), ((), ("?", "No Data"))
    )
    if separator != decimal
]


def table() -> pd.DataFrame:
    """Numbers with holes, whole numbers, text."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "time": pd.date_range("2024-01-01", periods=50, freq="h").astype(str),
            "load": np.where(rng.random(50) < 0.2, np.nan, rng.normal(1000, 300, 50).round(3)),
            "count": np.arange(50),
            "site": ["a b", "c"] * 25,
        }
    )


def written(folder: Path, dialect: Dialect) -> Path:
    """Write the table as a dialect says."""
    file = folder / "table.csv"
    text = table().to_csv(
        index=False,
        sep=dialect.separator,
        decimal=dialect.decimal,
        na_rep=dialect.na[-1] if dialect.na else "",
    )
    file.write_text("".join(f"Plant {n}\n" for n in range(dialect.skip)) + text)
    return file


@pytest.mark.parametrize("dialect", CASES, ids=repr)
def test_every_dialect_reads_the_same_table(tmp_path: Path, dialect: Dialect):
    source = opened.open(written(tmp_path, dialect), dialect=dialect)
    assert source.columns() == ["time", "load", "count", "site"]
    pd.testing.assert_frame_equal(opened.read(source), table())
    parts = list(source.batches(source.columns(), rows=7))
    together = pa.Table.from_batches(parts).to_pandas()
    pd.testing.assert_frame_equal(together, table(), check_dtype=False)


def test_how_a_file_is_read_is_part_of_what_was_read(tmp_path: Path):
    file = written(tmp_path, Dialect())
    found = {opened.open(file, dialect=own).digest() for own in (Dialect(), Dialect(na=("a b",)))}
    assert len(found) == 2
    again = opened.open(file, dialect=Dialect(na=("a b",))).digest()
    assert again in found


@pytest.mark.parametrize(
    ("separator", "cure"),
    [(";", "';'"), ("\t", "tab"), ("|", "'|'")],
    ids=["semicolon", "tab", "bar"],
)
def test_the_cure_for_another_separator_works(place: Place, separator: str, cure: str):
    frame = load_frame(60)
    frame.to_csv(place.folder / "other.csv", sep=separator, index=False)
    asked = ["check", *TINY, "data.path=other.csv"]
    assert place.run(*asked) == 2
    assert f"write data.separator={cure}" in place.errors[-1]
    assert place.run(*asked, f"data.separator={cure.strip(chr(39))}") == 0, place.errors[-1]
    assert place.run(*asked, f"data.separator={cure}") == 0, place.errors[-1]


def test_the_cure_for_a_title_works(place: Place):
    text = load_frame(60).to_csv(index=False)
    (place.folder / "titled.csv").write_text(f"Loads of two sites\n{text}")
    asked = ["check", *TINY, "data.path=titled.csv"]
    assert place.run(*asked) == 2
    assert "set data.skip=1" in place.errors[-1]
    assert place.run(*asked, "data.skip=1") == 0, place.errors[-1]


@pytest.mark.parametrize(
    ("dialect", "said"),
    [
        (Dialect(separator=";;"), "data.separator must be one sign, or tab, got ';;'"),
        (Dialect(separator=""), "data.separator must be one sign, or tab, got ''"),
        (Dialect(separator='"'), "data.separator must be one sign"),
        (Dialect(decimal="'"), "data.decimal must be a point or a comma"),
        (Dialect(decimal=","), "data.separator must not be the sign before decimals"),
        (Dialect(skip=-1), "data.skip must be a number of lines from 0 to 10,000, got -1"),
    ],
)
def test_what_no_file_is_written_with_is_refused(tmp_path: Path, dialect: Dialect, said: str):
    with pytest.raises(InputError, match=f"^{said}"):
        opened.open(written(tmp_path, Dialect()), dialect=dialect)


def test_other_formats_have_no_dialect(tmp_path: Path):
    table().to_parquet(tmp_path / "table.parquet")
    with pytest.raises(
        InputError, match="must be left out where data.path is no CSV file, got parq"
    ):
        opened.open(tmp_path / "table.parquet", dialect=Dialect(";"))


@pytest.mark.slow
def test_a_run_reads_its_file_again_as_it_was_read(place: Place):
    """Forecasts of a spreadsheet's file are those of the same rows written plainly."""
    frame = load_frame()
    frame.loc[[3, 40], "temp"] = np.nan
    frame.to_csv(place.folder / "plain.csv", index=False)
    text = frame.to_csv(index=False, sep=";", decimal=",", na_rep="?")
    (place.folder / "sheet.csv").write_text(f"exported by a logger\n{text}")
    small = [*TINY, "model=linear", "gates.memory=0", "evaluation.regressors={}"]
    how = ["data.separator=;", "data.decimal=','", "data.skip=1", "data.na=['?']"]
    found = [
        predicted(place, name, *small, f"data.path={name}.csv", *more)
        for name, more in (("plain", []), ("sheet", how))
    ]
    pd.testing.assert_frame_equal(*found)
