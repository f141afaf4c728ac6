"""Tables in the habits of their writers: what is in each, its file, and how the file is read.

The table comes first, as plain numbers on a clock; only then is it written down, in one of many
ways. What a reader finds is compared with the table itself.
"""

import gzip
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from forecast.errors import quoted

TARGETS = (
    *("load", "PM2.5", "a b", "Global active power (kW)", "größe", "x=1", "a,b", "[x]", "{y}"),
    *("100%", "°C", "湿度", 'say "hi"', "it's", "#id", "007", "true", "null", "f(a,b)", "a:b"),
)
SERIES = (
    *("north", "007", "7", "1.0", "1", "NA", "nan", "True", "None", "a,b", "ü b", "x=y", "[1]"),
    *('"q"', "-", "2024-01-01", "1e3", "#", "a/b", "0", "Inf"),
)
NOTHING = ("", "NaN", "?", "-", "No Data", "-999")


@dataclass
class Clock:
    """Regular moments, and the ways in which they are written.

    Attributes:
        rule: Their distance, by its name in pandas; None for rows that only follow each other.
        spellings: Names of entries of `SPELLINGS` that lose nothing of such moments.
        overrides: What a command must be told.
    """

    rule: str | None
    spellings: tuple[str, ...]
    overrides: tuple[str, ...] = ()


FINE = (
    *("iso", "letter T", "UTC", "offset", "german", "american"),
    *("seconds", "milliseconds", "apart"),
)
DAYS = ("iso", "date", "german date", "excel", "basic", "seconds")
CLOCKS = {
    "seconds": Clock("10s", FINE),
    "minutes": Clock("min", FINE),
    "quarter hours": Clock("15min", (*FINE, "24:00")),
    "hours": Clock("h", (*FINE, "24:00", "local")),
    "six hours": Clock("6h", (*FINE, "24:00")),
    "days": Clock("D", DAYS),
    "business days": Clock("B", DAYS),
    "weeks": Clock("W-SUN", DAYS),
    "ISO weeks": Clock("W-MON", (*DAYS, "week")),
    "month starts": Clock("MS", (*DAYS, "month")),
    "month ends": Clock("ME", DAYS),
    "business month ends": Clock("BME", DAYS),
    "quarters": Clock("QS", (*DAYS, "quarter")),
    "years": Clock("YS", (*DAYS, "year")),
    "numbers": Clock("number", ("number",)),
    "rows": Clock(None, ("iso", "UTC", "german"), ("data.frequency=rows",)),
}


@dataclass
class Spelling:
    """How a moment is written.

    Attributes:
        write: Stamps (n,) → texts or numbers (n,), or several such columns.
        overrides: What a command must be told.
        columns: Where they are written.
    """

    write: Callable[[pd.DatetimeIndex], Any]
    overrides: tuple[str, ...] = ()
    columns: tuple[str, ...] = ("time",)


def formed(form: str) -> Callable[[pd.DatetimeIndex], Any]:
    """Write stamps as strptime has it."""
    return lambda stamps: stamps.strftime(form).to_numpy(object)


def _ends(stamps: pd.DatetimeIndex) -> np.ndarray:
    """Write midnight as the end of the day before."""
    midnight = stamps == stamps.normalize()
    before = (stamps - pd.Timedelta(days=1)).strftime("%Y-%m-%d 24:00:00")
    return np.where(midnight, before, stamps.strftime("%Y-%m-%d %H:%M:%S"))


def _since_1970(unit: str) -> Callable[[pd.DatetimeIndex], np.ndarray]:
    return lambda stamps: stamps.to_numpy().astype(f"datetime64[{unit}]").astype(np.int64)


def _quarters(stamps: pd.DatetimeIndex) -> np.ndarray:
    return np.array([f"{stamp.year}Q{stamp.quarter}" for stamp in stamps], object)


def _offset(stamps: pd.DatetimeIndex) -> np.ndarray:
    return (stamps + pd.Timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00").to_numpy(object)


def _format(form: str) -> tuple[str, ...]:
    return (f"data.time_format='{form}'",)


SPELLINGS = {
    "iso": Spelling(formed("%Y-%m-%d %H:%M:%S")),
    "letter T": Spelling(formed("%Y-%m-%dT%H:%M:%S")),
    "UTC": Spelling(formed("%Y-%m-%d %H:%M:%SZ")),
    "offset": Spelling(_offset),
    "german": Spelling(formed("%d.%m.%Y %H:%M:%S"), _format("%d.%m.%Y %H:%M:%S")),
    "american": Spelling(formed("%m/%d/%Y %I:%M:%S %p"), _format("%m/%d/%Y %I:%M:%S %p")),
    "seconds": Spelling(_since_1970("s"), ("data.time_format=s",)),
    "milliseconds": Spelling(_since_1970("ms"), ("data.time_format=ms",)),
    "excel": Spelling(
        lambda stamps: ((stamps - pd.Timestamp("1899-12-30")) // pd.Timedelta(days=1)).to_numpy(),
        ("data.time_format=excel",),
    ),
    "apart": Spelling(
        lambda stamps: [formed("%d/%m/%Y")(stamps), formed("%H:%M:%S")(stamps)],
        _format("%d/%m/%Y %H:%M:%S"),
        ("Date", "Time"),
    ),
    "24:00": Spelling(_ends),
    "local": Spelling(formed("%Y-%m-%d %H:%M"), ("data.zone=Asia/Tokyo",)),
    "date": Spelling(formed("%Y-%m-%d")),
    "german date": Spelling(formed("%d.%m.%Y"), _format("%d.%m.%Y")),
    "basic": Spelling(formed("%Y%m%d"), _format("%Y%m%d")),
    "week": Spelling(formed("%G-W%V")),
    "month": Spelling(formed("%Y-%m")),
    "quarter": Spelling(_quarters),
    "year": Spelling(formed("%Y"), _format("%Y")),
    "number": Spelling(lambda numbers: numbers.to_numpy(), ("data.time_format=number",)),
}


@dataclass
class Habit:
    """A file, how to read it, and what is in it.

    Attributes:
        file: Its name.
        data: Its bytes.
        overrides: What a command must be told.
        truth: For each series its values on every tick from its first to its last row, NaN where
            there are none, under moments (UTC, or of the place), numbers, or nothing.
        words: What was drawn, to read in a failure.
    """

    file: str
    data: bytes
    overrides: list[str]
    truth: dict[str, pd.Series]
    words: dict[str, Any] = field(default_factory=dict)


def pick(rng: np.random.Generator, choices: Sequence[Any]) -> Any:
    """Draw one of several, of whatever type."""
    return choices[int(rng.integers(len(choices)))]


def habit(number: int) -> Habit:
    """Draw a table and a way to write it down."""
    rng = np.random.default_rng(number)
    name = pick(rng, list(CLOCKS))
    clock, spelled = CLOCKS[name], pick(rng, CLOCKS[name].spellings)
    spelling = SPELLINGS[spelled]
    target = pick(rng, TARGETS)
    names = rng.permutation(SERIES)[: pick(rng, [1, 1, 2, 4])] if rng.random() < 0.6 else [""]
    truth = {str(one): values(rng, moments(rng, clock)) for one in names}
    rows = pd.concat([_rows(rng, one, found, target) for one, found in truth.items()])
    words: dict[str, Any] = {"clock": name, "time": spelled, "series": [*truth], "target": target}
    if rng.random() < 0.2 and clock.rule:
        rows = pd.concat([rows, rows.sample(3, random_state=number)])
        words["duplicates"] = pick(rng, ["first", "last"])
    if rng.random() < 0.3 and clock.rule:
        rows = rows.sample(frac=1, random_state=number)
        words["order"] = "any"
    overrides = [
        *("data=file", f"data.targets=[{quoted(target)}]"),
        *clock.overrides,
        *spelling.overrides,
        *([f"data.duplicates={words['duplicates']}"] if "duplicates" in words else []),
        *(["data.series=[site]"] if [*truth] != [""] else []),
        f"data.time={'[Date,Time]' if spelled == 'apart' else 'time'}",
    ]
    table = _written(rows, spelling, target, [*truth] != [""])
    file, data, more = _file(rng, table, words)
    return Habit(file, data, [*overrides, *more, f"data.path={file}"], truth, words)


def moments(rng: np.random.Generator, clock: Clock) -> pd.Index:
    """Draw the first tick of a series and those that follow."""
    count = int(rng.integers(30, 60))
    if clock.rule == "number":
        return pd.RangeIndex(int(rng.integers(0, 50)), 10_000)[:count]
    start = pd.Timestamp("2001-03-04") + pd.Timedelta(hours=int(rng.integers(0, 100_000)))
    if clock.rule is None:
        steps = rng.integers(1, 5000, count).cumsum()
        return pd.DatetimeIndex(start + pd.to_timedelta(steps, "min"))
    start += pd.Timedelta(minutes=int(pick(rng, [0, 0, 7])))  # each series has a phase of its own
    first = start.normalize() if "date" in clock.spellings else start
    return pd.date_range(first, periods=count, freq=clock.rule)


def values(rng: np.random.Generator, at: pd.Index) -> pd.Series:
    """Draw numbers, some absent, and never those at the ends."""
    found = rng.normal(0, 10.0 ** rng.integers(-2, 6), len(at)).round(3)
    if rng.random() < 0.3:
        found = np.abs(found * 1000).round()  # counts
    holes = rng.random(len(at)) < pick(rng, [0.0, 0.0, 0.1])
    holes[[0, -1]] = False
    return pd.Series(np.where(holes, np.nan, found), at)


def _rows(rng: np.random.Generator, name: str, found: pd.Series, target: str) -> pd.DataFrame:
    """Lay out a series; some rows without a value are left out altogether."""
    frame = pd.DataFrame({"site": name, "at": found.index, target: found.to_numpy()})
    left_out = frame[target].isna() & (rng.random(len(frame)) < 0.5)
    left_out &= not isinstance(found.index, pd.DatetimeIndex) or found.index.freq is not None
    return frame[~left_out]


def _written(rows: pd.DataFrame, spelling: Spelling, target: str, series: bool) -> pd.DataFrame:
    """Write the moments of rows down, beside columns that nobody asks for."""
    index = pd.Index(rows["at"])
    written = spelling.write(index)
    columns = written if len(spelling.columns) > 1 else [written]
    table = pd.DataFrame(dict(zip(spelling.columns, columns, strict=True)))
    if series:
        table["site"] = rows["site"].to_numpy()
    table[target] = rows[target].to_numpy()
    return table.assign(note="as usual")


def _file(
    rng: np.random.Generator,
    table: pd.DataFrame,
    words: dict[str, Any],
) -> tuple[str, bytes, list[str]]:
    """Write a table as a file: its name, its bytes, and what a command must be told."""
    kind = words["file"] = pick(rng, ["csv", "csv", "csv", "csv.gz", "parquet", "feather", "jsonl"])
    out = io.BytesIO()
    if kind == "parquet":
        table.to_parquet(out, index=False)
        return "a.parquet", out.getvalue(), []
    if kind == "feather":
        table.to_feather(out)
        return "a.feather", out.getvalue(), []
    if kind == "jsonl":
        return "a.jsonl", table.to_json(orient="records", lines=True).encode(), []
    text, more = _csv(rng, table, words)
    data = text.encode(pick(rng, ["utf-8", "utf-8", "utf-8-sig"]))
    return f"a.{kind}", gzip.compress(data) if kind == "csv.gz" else data, more


def _csv(
    rng: np.random.Generator, table: pd.DataFrame, words: dict[str, Any]
) -> tuple[str, list[str]]:
    """Write a CSV file as one of many programs would."""
    mark = words["mark"] = pick(rng, [",", ",", ";", "\t", "|"])
    decimal = words["decimal"] = pick(rng, [".", ","]) if mark != "," else "."
    free = [text for text in NOTHING if text not in words["series"]]  # what `data.na` says holds
    nothing = words["nothing"] = pick(rng, free)
    end = words["end"] = pick(rng, ["\n", "\n", "\r\n"])
    skip = words["skip"] = pick(rng, [0, 0, 2])
    text = table.to_csv(
        index=False,
        sep=mark,
        decimal=decimal,
        na_rep=nothing,
        lineterminator="\n",
        quoting=int(pick(rng, [0, 0, 2])),
        float_format=pick(rng, [None, None, "%.9e"]),
    )
    lines = text.splitlines()
    if rng.random() < 0.2:
        lines = [f"{line}{mark}" for line in lines]  # a separator too many
        words["behind"] = mark
    if rng.random() < 0.2:
        lines += ["", ""]
    top = ["Station 4", f"of May{mark} as measured"][:skip]
    more = [f"data.skip={skip}"] if skip else []
    if mark != ",":
        more.append("data.separator=tab" if mark == "\t" else f"data.separator='{mark}'")
    if decimal != ".":
        more.append("data.decimal=','")
    if nothing not in ("", "NaN"):
        more.append(f'data.na=["{nothing}"]')
    return end.join([*top, *lines]) + end, more
