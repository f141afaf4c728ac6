"""Files that are messy and fine: what comes out of each."""

import datetime
import gzip
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from forecast.cli.config import compose
from forecast.workflows import load

from .door import SMALL
from .files import GOOD, TIMES, lines, parquet

SPRING = pd.date_range("2024-03-31", periods=6, freq="h", tz="Europe/Berlin")  # 02:00 is left out
AUTUMN = pd.date_range(
    "2024-10-27", periods=6, freq="h", tz="Europe/Berlin"
)  # 02:00 is there twice
LOADS = [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]


def stamped(stamps: pd.DatetimeIndex, form: str = "%Y-%m-%dT%H:%M%z") -> bytes:
    """The good hours under other time stamps."""
    return lines(*(f"{stamp:{form}},{number}.5,1" for number, stamp in enumerate(stamps)))


class Fine(NamedTuple):
    """A file, and what comes out: the targets, the first time stamp, the frequency."""

    file: str
    data: bytes
    loads: list[float]
    first: str = "2024-01-01T00"
    overrides: tuple[str, ...] = ()
    frequency: str = "h"


NAN = float("nan")
FINE = {
    "byte-order mark": Fine("a.csv", b"\xef\xbb\xbf" + GOOD, LOADS),
    "line ends of Windows": Fine("a.csv", GOOD.replace(b"\n", b"\r\n"), LOADS),
    "line ends of old Macs": Fine("a.csv", GOOD.replace(b"\n", b"\r"), LOADS),
    "blank lines": Fine("a.csv", GOOD.replace(b"\n", b"\n\n"), LOADS),
    "no line end": Fine("a.csv", GOOD.strip(), LOADS),
    "everything in quotes": Fine(
        "a.csv", GOOD.replace(b",", b'","').replace(b"\n", b'"\n"')[:-1].join((b'"', b"")), LOADS
    ),
    "a comma behind each row": Fine("a.csv", GOOD.replace(b"\n", b",\n"), LOADS),
    "compressed": Fine("a.csv.gz", gzip.compress(GOOD), LOADS),
    "unsorted": Fine("a.csv", lines(*sorted(GOOD.decode().split()[1:], reverse=True)), LOADS),
    "a row that is not there": Fine(
        "a.csv", GOOD.replace(b"2024-01-01T02:00,2.5,7\n", b""), [0.5, 1.5, NAN, 3.5, 4.5, 5.5]
    ),
    "words for nothing": Fine(
        "a.csv",
        GOOD.replace(b",2.5,", b",NULL,").replace(b",4.5,", b",nan,"),
        [0.5, 1.5, NAN, 3.5, NAN, 5.5],
    ),
    "spring, with zone": Fine("a.csv", stamped(SPRING), LOADS, "2024-03-30T23"),
    "spring, without zone": Fine(
        "a.csv",
        stamped(SPRING, "%Y-%m-%dT%H:%M"),
        [0.5, 1.5, NAN, 2.5, 3.5, 4.5, 5.5],
        "2024-03-31T00",
    ),
    "autumn, with zone": Fine("a.csv", stamped(AUTUMN), LOADS, "2024-10-26T22"),
    "autumn, without zone": Fine(
        "a.csv",
        stamped(AUTUMN, "%Y-%m-%dT%H:%M"),
        [0.5, 1.5, 2.5, 4.5, 5.5],
        "2024-10-27T00",
        ("data.duplicates=first",),
    ),
    "day first, as said": Fine(
        "a.csv",
        stamped(pd.date_range("2024-02-01", periods=6, freq="h"), "%d/%m/%Y %H:%M"),
        LOADS,
        "2024-02-01T00",
        ("data.time_format='%d/%m/%Y %H:%M'",),
    ),
    "years": Fine(
        "a.csv",
        lines("2001,0.5,1", "2002,1.5,1", "2003,2.5,1"),
        LOADS[:3],
        "2001-01-01T00",
        ("data.time_format=%Y",),
        "YS",
    ),
    "the last year of 64 bits": Fine(
        "a.csv", lines("2261-12-30,0.5,1", "2261-12-31,1.5,2"), LOADS[:2], "2261-12-30T00", (), "D"
    ),
    "names of any script": Fine(
        "a.csv",
        GOOD.replace(b"load", "größe °C (温度)".encode()),
        LOADS,
        "2024-01-01T00",
        ("data.targets=['größe °C (温度)']", "data.features=[temp]"),
    ),
    "a name twice that nobody asks for": Fine(
        "a.csv",
        lines("2024-01-01,0.5,1,2", "2024-01-02,1.5,1,2", header="ts,load,x,x"),
        LOADS[:2],
        "2024-01-01T00",
        ("data.features=[load]",),
        "D",
    ),
    "days of parquet": Fine(
        "a.parquet",
        parquet(
            ts=[datetime.date(2024, 1, day) for day in (1, 2, 3)], load=LOADS[:3], temp=LOADS[:3]
        ),
        LOADS[:3],
        frequency="D",
    ),
    "microseconds and a zone": Fine(
        "a.parquet",
        parquet(ts=TIMES.cast(pa.timestamp("us", "UTC")), load=LOADS[:3], temp=LOADS[:3]),
        LOADS[:3],
    ),
    "decimals": Fine(
        "a.parquet",
        parquet(ts=TIMES, load=[Decimal("0.5"), Decimal("1.5"), None], temp=[1, 2, 3]),
        [0.5, 1.5, NAN],
    ),
    "truth values": Fine(
        "a.parquet", parquet(ts=TIMES, load=[True, False, True], temp=[1, 2, 3]), [1, 0, 1]
    ),
    "categories of numbers": Fine(
        "a.parquet",
        parquet(ts=TIMES, load=pa.array([0.5, 1.5, 0.5]).dictionary_encode(), temp=[1, 2, 3]),
        [0.5, 1.5, 0.5],
    ),
}


@pytest.mark.parametrize("name", FINE)
def test_a_messy_file_is_read(name, door):
    case = FINE[name]
    door.put(case.file, case.data)
    request = compose.compose([*SMALL, f"data.path={case.file}", *case.overrides])
    table = load.load(request.settings).table
    np.testing.assert_array_equal(table.outputs[:, 0], case.loads)
    assert table.time[0] == np.datetime64(case.first) and table.frequency == case.frequency
    assert (np.diff(table.tick) == 1).all()


def panel(**columns: object) -> pd.DataFrame:
    """Two sites of 120 hours."""
    stamps = pd.date_range("2024-01-01", periods=120, freq="h")
    wave = np.sin(np.arange(120) / 4)
    sites = [pd.DataFrame({"site": s, "ts": stamps, "load": wave + k}) for k, s in enumerate("ab")]
    return pd.concat(sites, ignore_index=True).assign(**columns)


EMPTY = pd.DataFrame({"site": "c", "ts": pd.date_range("2024-01-01", periods=9, freq="h")})
# a panel, and how many test windows each of its series is scored in
PANELS = {
    "a series without a value": (pd.concat([panel(), EMPTY]), {"a": 21, "b": 21}),
    "a series of one row": (pd.concat([panel(), EMPTY[:1].assign(load=1.0)]), {"a": 21, "b": 21}),
    "a series that never varies": (
        panel().assign(load=lambda f: f.load.where(f.site == "a", 7.0)),
        {"a": 21, "b": 21},
    ),
    "truth values, decimals and zones": (
        panel(load=lambda f: f.load > 0, ts=lambda f: f.ts.dt.tz_localize("Europe/Berlin")),
        {"a": 21, "b": 21},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PANELS)
def test_a_messy_panel_trains(name, door):
    frame, windows = PANELS[name]
    frame.to_parquet(door.folder / "a.parquet")
    own = ["data.path=a.parquet", "data.series=[site]", "data.features=[load]"]
    status, said = door.run("train", *SMALL, *own, f"tracking.uri=sqlite:///{door.folder}/m.db")
    assert status == 0, said
    [file] = door.folder.glob("mlartifacts/*/artifacts/model/../predictions.parquet")
    assert pd.read_parquet(file).groupby("series").origin.nunique().to_dict() == windows
