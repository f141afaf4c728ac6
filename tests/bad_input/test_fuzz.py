"""Thousands of files and configurations that nobody has thought of: read, or refused in a sentence.

`make test` tries a few hundred, `make test-slow` ten thousand (`--seeds=2`: two thousand). The seed
is in the name of the test.
"""

import gzip
import io
import re
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis import strategies as st

from forecast.cli.config import compose
from forecast.data import panel
from forecast.data.schema import Schema
from forecast.data.sources import opened
from forecast.data.table import Table
from forecast.errors import InputError
from forecast.workflows import load

from .files import hours


def try_all(check, strategy, number: int, cases: int) -> None:
    """Call a check with that many drawn cases; the first that fails is made as small as it can."""
    chosen = settings(
        max_examples=cases, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    seed(number)(chosen(given(strategy)(check)))()


CELLS = st.one_of(
    st.sampled_from(
        "0 1 -1 2.5 1e5 1e308 1e309 -inf nan NaN NULL true 0,5 1.234,5 1_000 0x1F 99% =1+1 a ä 温 "
        "2024-01-01 2024-01-01T05:00 2024-01-01T05:00Z 2024-01-01T05:00+02:00 2024-02-30 24:00 "
        "2024-01-01T24:00 2024-12-31T23:59:60Z 9999-12-31 0001-01-01 1677-09-21 2262-04-12 "
        "20240101 1704067200 45292.5 01/02/2024 2024-W01-1 2024-001 now today NaT "
        "2024-01-01T00:00:00.123456789 2024-01-01T00:00+99:99 12:00 -2024-01-01".split()
    ),
    st.sampled_from(["", " ", '"', '""', '"a\nb"', "'", "\0", ";", "\t", "a b", "9" * 400, "#"]),
    st.floats().map(str),
    st.integers().map(str),
    st.text(max_size=6),
    st.datetimes().map(str),
)
NAMES = st.sampled_from(["ts", "load", "temp", "site", "ts", "load", "x", "", " ", "load ", "0"])


@st.composite
def tables(draw) -> bytes:
    """A CSV file that is nearly one: mostly good rows, some cells of anything."""
    rows = [line.split(b",") for line in hours(draw(st.integers(0, 12))).splitlines()]
    cells = [[cell.decode() for cell in row] for row in rows]
    for _ in range(draw(st.integers(0, 4))):
        row = draw(st.sampled_from(cells))
        row[draw(st.integers(0, len(row) - 1))] = draw(CELLS)
    if draw(st.booleans()):
        cells[0] = draw(st.lists(NAMES, min_size=1, max_size=5))
    if draw(st.integers(0, 4)) == 0:
        draw(st.sampled_from(cells)).append(draw(CELLS))
    mark = draw(st.sampled_from([",", ",", ",", ",", ";", "\t", ", "]))
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    code = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    return end.join(mark.join(row) for row in cells).encode(code, "replace")


@st.composite
def damaged(draw) -> tuple[str, bytes]:
    """A file of any kind, some of its bytes changed, left out or put in."""
    name, data = draw(st.sampled_from(WHOLE_FILES))
    data = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from([0, 1, 1, 4, 50]))
        data[place : place + length] = draw(st.binary(max_size=4))
    return name, bytes(data[: draw(st.sampled_from([len(data), len(data) // 2, 30]))])


def whole_files() -> list[tuple[str, bytes]]:
    """A good file of each kind."""
    frame, file = pd.read_csv(io.BytesIO(hours(12))), io.BytesIO()
    frame.assign(ts=pd.to_datetime(frame.ts), site="a").to_parquet(file)
    return [
        ("a.csv", hours(12)),
        ("a.csv.gz", gzip.compress(hours(12))),
        ("a.parquet", file.getvalue()),
    ]


WHOLE_FILES = whole_files()
FILES = st.one_of(
    tables().map(lambda data: ("a.csv", data)),
    tables().map(lambda data: ("a.csv", data)),
    damaged(),
    st.tuples(st.sampled_from(["a.csv", "a.csv.gz", "a.csv.zip", "a.parquet"]), st.binary()),
)
SCHEMAS = st.sampled_from(
    [
        Schema("ts", ("load",)),
        Schema("ts", ("load",), ("load", "temp"), calendar=("hour", "year")),
        Schema("ts", ("load",), ("load",), ("temp",), duplicates="last"),
        Schema("ts", ("load",), ("temp",), missing="mask", duplicates="first"),
        Schema("ts", ("load",), missing="drop", frequency="h", valid={"load": (0, 5)}),
        Schema("ts", ("load",), ("load",), static=("temp",), circular={}),
        Schema("ts", ("load",), circular={"temp": 9}, known_future=("temp",), frequency="D"),
        Schema("ts", ("load",), time_format="%Y", events={"load": 2.0}),
        Schema("ts", ("temp",), ("load",), classes={"temp": (3, 6)}, frequency="MS"),
        Schema("ts", ("temp",), classes={"temp": ("1", "2", "3")}, time_format="%d/%m/%Y"),
    ]
)


def one_sentence(error: InputError) -> None:
    said = str(error)
    assert "\n" not in said and " must " in said and len(said) < 1_500, said


def read(case: tuple[tuple[str, bytes], Schema]) -> None:
    """A file becomes a table, or an InputError says why not."""
    (name, data), schema = case
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            table = panel.build(opened.read(opened.open(path)), schema)
        except InputError as error:
            one_sentence(error)
        else:
            assert isinstance(table, Table) and len(table) > 0


def keys() -> list[str]:
    """Every key of the default configuration, but those that choose where a file is fetched."""
    found = compose.compose([]).flat
    return sorted(key for key in found if key != "data.path")


KEYS = keys()
VALUES = st.one_of(
    st.sampled_from(
        "0 1 -1 2 0.5 1.5 1e3 1e999 -inf nan null true false ??? [] {} [1] [-1] [0.5] [a] [[1]] "
        "{a:1} {a:[1]} [null] [1,2] [0.1,0.5] ${oops} ${window.horizon} ${oc.env:NO} lstm mlp gru "
        "load temp hour h D MS 2024-01-01 2024 a/b ../x 'a' '' \"x\" a,b choice(1,2) range(1,3) "
        "_target_ {_target_:os.system} 99999999999999999999 1_000 0x1F 1e-400 @ % ~x +1 \\ "
        "$ =".split()
    ),
    st.sampled_from(["", " ", "[", "{", "'", "[1", "{a", "a b", "9" * 30, "[" * 30, "ä", "\t"]),
    st.integers().map(str),
    st.floats().map(str),
    st.lists(st.integers(-2, 99), max_size=3).map(lambda found: str(found).replace(" ", "")),
    st.text(max_size=8),
)
GROUPS = sorted({path.parent.name for path in compose.CONF.glob("*/*.yaml")})
OVERRIDES = st.one_of(
    st.tuples(st.sampled_from(KEYS), VALUES).map("=".join),
    st.tuples(st.sampled_from(KEYS), VALUES).map("=".join),
    st.tuples(st.sampled_from(GROUPS), VALUES).map("=".join),
    st.tuples(st.sampled_from(["+", "++", "~", ""]), st.sampled_from(KEYS), VALUES).map(
        lambda parts: f"{parts[0]}{parts[1]}={parts[2]}"
    ),
    st.tuples(
        st.sampled_from(["data.valid", "data.units", "data.events", "data.classes"]), VALUES
    ).map(lambda parts: f"{parts[0]}.load={parts[1]}"),
    st.tuples(st.text(max_size=9), VALUES).map("=".join),
    st.text(max_size=12),
)


def composed(overrides: list[str]) -> None:
    """Overrides become a spec and a schema, or an InputError says why not."""
    assume(not any(re.search(r"\$\{oc\.(?!env)", text) for text in overrides))
    try:
        request = compose.compose(overrides)
        found = request.settings
        assert request.flat and request.yaml
        load.schema(found)
        spec = load.spec(found)
        spec.training.check()
    except InputError as error:
        one_sentence(error)


KINDS = {
    "loader": (read, st.tuples(FILES, SCHEMAS)),
    "config": (composed, st.lists(OVERRIDES, min_size=1, max_size=3)),
}
WHOLE = {"loader": 900, "config": 100}
"""Cases of a slow test: Hydra takes as long for one as twenty files do."""

QUICK = {"loader": 150, "config": 40}
"""Cases of the quick test, a first look."""


@pytest.mark.parametrize("kind", KINDS)
def test_no_input_is_a_fault_of_ours(kind):
    try_all(*KINDS[kind], 0, QUICK[kind])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_no_input_among_thousands_is_a_fault_of_ours(kind, seed_number):
    try_all(*KINDS[kind], seed_number, WHOLE[kind])
