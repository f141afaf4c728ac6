"""Names of series are text, as they stand: from every format, whole or as a stream."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas._libs.parsers import STR_NA_VALUES

from forecast import Schema, build
from forecast.data.asked import label_positions
from forecast.data.columns import coded, named
from forecast.data.pair import from_xy
from forecast.data.sources import opened
from forecast.data.sources.csv_files import MISSING, Dialect, Texts
from forecast.data.sources.source import Source
from forecast.errors import InputError

CODES = ["007", "7", "1.0", "1", "1e3", "TRUE", "True", "NA", "None", "null", "nan", "A12", "-0"]
SITE = Texts(frozenset({"site"}))


def rows(names: list[str]) -> pd.DataFrame:
    """Two hours of each name, with a column that holds missing values in pandas' own texts."""
    return pd.DataFrame(
        {
            "site": np.repeat(names, 2),
            "time": np.tile(["2024-01-01T00", "2024-01-01T01"], len(names)),
            "load": [f"{n}.5" if n % 5 else "NA" for n in range(2 * len(names))],
        }
    )


def parts_of(source: Source) -> Iterator[pd.DataFrame]:
    """All rows at once, and as a stream."""
    yield opened.read(source)
    yield pa.Table.from_batches(list(source.batches(["site", "load"], rows=7))).to_pandas()
    yield pa.Table.from_batches(list(source.batches(["load", "site"], rows=7))).to_pandas()


@pytest.mark.parametrize("end", ["csv", "csv.gz", "parquet", "feather", "jsonl", "db"])
def test_names_stay_the_text_that_they_are(tmp_path: Path, end: str):
    frame, file = rows(CODES), tmp_path / f"rows.{end}"
    numbers = frame.assign(load=pd.to_numeric(frame.load, errors="coerce"))
    if end.startswith("csv"):
        frame.to_csv(file, index=False)
        source = opened.open(file, texts=SITE)
    elif end == "db":
        with sqlite3.connect(file) as connection:
            numbers.to_sql("rows", connection, index=False)
        source = opened.open(f"sqlite:///{file}", table="rows")
    else:
        if end == "jsonl":
            numbers.to_json(file, orient="records", lines=True)
        else:
            getattr(numbers, f"to_{end}")(file)
        source = opened.open(file)
    for found in parts_of(source):
        series, names = coded(found, ["site"])
        assert names[series].tolist() == np.repeat(CODES, 2).tolist()
        np.testing.assert_array_equal(found.load.astype(float), numbers.load)


@pytest.mark.parametrize("codes", [["007", "021"], ["1.0", "2.0"], ["TRUE", "FALSE"]])
def test_names_that_all_look_like_numbers_stay_text(tmp_path: Path, codes: list[str]):
    rows(codes).to_csv(tmp_path / "rows.csv", index=False)
    for place in (tmp_path / "rows.csv", [tmp_path / "rows.csv", tmp_path / "rows.csv"]):
        for found in parts_of(opened.open(place, texts=SITE)):
            assert set(found.site) == set(codes)


def test_what_is_missing_elsewhere_is_what_pandas_takes_for_missing(tmp_path: Path):
    assert {*MISSING} == STR_NA_VALUES
    cells = ["1", "2.5", *MISSING, "?"]
    frame = pd.DataFrame({"site": "007", "load": cells, "sky": cells})
    file = tmp_path / "rows.csv"
    frame.to_csv(file, index=False)
    dialect = Dialect(na=("?",))
    plain = opened.read(opened.open(file, dialect=dialect))
    texts = Texts(frozenset({"site"}), frozenset({"sky"}))
    found = opened.read(opened.open(file, dialect=dialect, texts=texts))
    pd.testing.assert_series_equal(found.load, plain.load)
    assert found.sky.isna().tolist() == plain.sky.isna().tolist()
    assert found.sky.dropna().tolist() == ["1", "2.5"]


@pytest.mark.parametrize("cell", ["", "?"])
def test_a_missing_name_is_refused_with_its_row(tmp_path: Path, cell: str):
    rows(["007", "NA", cell]).to_csv(tmp_path / "rows.csv", index=False)
    source = opened.open(tmp_path / "rows.csv", texts=SITE, dialect=Dialect(na=("?",)))
    for found in parts_of(source):
        with pytest.raises(InputError, match=r"data\.series must be filled .* row 5: name the ser"):
            coded(found, ["site"])


@pytest.mark.parametrize(
    ("column", "names"),
    [
        (pd.Series([7, 21, 7]), ["7", "21", "7"]),
        (pd.Series([7, 21], dtype="Int64"), ["7", "21"]),
        (pd.Series([7.0, 21.0, 0.5]), ["7", "21", "0.5"]),
        (pd.Series([7.0, 21.0], dtype="Float64"), ["7", "21"]),
        (pd.Series(pd.Categorical([7.0, 21.0])), ["7", "21"]),
        (pd.Series(pd.Categorical(["007", "7"])), ["007", "7"]),
        (pd.Series([7, 7.0, "007", "7.0", True], dtype=object), ["7", "7", "007", "7.0", "True"]),
        (pd.Series([2**62, 2**62 + 1]), [str(2**62), str(2**62 + 1)]),
        (pd.Series(["007", "7"], dtype=pd.ArrowDtype(pa.string())), ["007", "7"]),
    ],
)
def test_columns_of_any_type_name_series(column: pd.Series, names: list[str]):
    code, found = named(column)
    assert found[code].tolist() == names
    series, found = coded(pd.DataFrame({"site": column}), ["site"])
    assert found[series].tolist() == names
    index = pd.MultiIndex.from_arrays([column, pd.date_range("2024-01-01", periods=len(column))])
    table = from_xy(pd.DataFrame({"x": 1.0}, index), frequency="D")
    assert sorted(table.names) == sorted({*names})


def test_a_name_is_the_same_from_text_and_from_numbers(tmp_path: Path):
    frame = rows(["7", "21"]).assign(load="1")
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.assign(site=frame.site.astype(float), load=1.0).to_parquet(tmp_path / "rows.parquet")
    schema = Schema("time", ("load",), series=("site",))
    found = [
        build(opened.read(opened.open(tmp_path / f"rows.{end}", texts=SITE)), schema)
        for end in ("csv", "parquet")
    ]
    assert found[0].names == found[1].names == ("21", "7")


def test_two_pairs_of_names_are_never_one_series():
    frame = pd.DataFrame({"a": ["x/y", "x"], "b": ["z", "y/z"]})
    with pytest.raises(InputError, match="a name of its own, got .x/y/z. of two"):
        coded(frame, ["a", "b"])


def test_labels_are_text_but_whole_numbers_may_have_a_decimal_point():
    found = label_positions(pd.Series(["1.0", "2", "", "02"]), ("1", "2", "02"))
    assert found.tolist()[:2] == [0, 1]
    assert np.isnan(found[2])
    assert found[3] == 2
    with pytest.raises(InputError, match="got '02' in row 1"):
        label_positions(pd.Series(["02"]), ("1", "2"))
