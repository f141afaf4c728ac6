"""Turn a configuration into data, table and spec."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa

from forecast import process
from forecast.data import columns, fetch, panel, samples, split
from forecast.data.blocks import Blocks
from forecast.data.columns import nameless
from forecast.data.fetch import without_secrets
from forecast.data.schema import Schema
from forecast.data.sources import opened
from forecast.data.sources.csv_files import MISSING, TAB, Dialect, Texts
from forecast.data.sources.ordered import ordered
from forecast.data.sources.source import Source
from forecast.data.sources.together import Together, joined_name, of_time
from forecast.data.sources.wide import COLUMNS, SERIES, Wide
from forecast.data.stored import write
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation.outcome import Spec
from forecast.training.parameters import Model, Training
from forecast.workflows.loaded import (
    FRAME,
    KEPT,
    frames,
    inside,
    labelled,
    needed,
    row_bytes,
    shown_size,
    stored_labels,
    without,
)
from forecast.workflows.loaded import Loaded as Loaded
from forecast.workflows.settings import Config, DataConfig

EMBEDDED = "embedded:"
SAMPLES = process.folder("sample", "data")
ALL = "*"
"""As the only target: every column but time, series, and those known ahead or static."""


def load(config: Config, source: Source | None = None, *, whole: bool = False) -> Loaded:
    """Read and check the configured data: into memory, or block by block onto the disk.

    `whole` reads all into memory where `data.memory` does not say that it must not.
    """
    source = source or opening(config.data)
    rows = None if whole and config.data.memory is None else too_many(config, source)
    if rows is None:
        return made(config, source, inside(opened.read(source), config.data))
    return _stored(config, source, rows)


def too_many(config: Config, source: Source) -> int | None:
    """Count the rows of a source where they are more than fit the memory; else None."""
    most = memory(config)
    if source.size is not None and source.size < most // LARGER:
        return None
    return _count(source, config.data, most // row_bytes(schema(config, source.columns())))


def in_order(config: Config, source: Source, wanted: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Read some columns of all rows by series and time, part by part."""
    data = config.data
    by, form = (*data.series, time_name(data)), data.time_format
    batches = ordered(source, by, memory(config), wanted, time_format=form)
    return frames(batches, data)


def _stored(config: Config, source: Source, rows: int) -> Loaded:
    """Write a table of so many raw rows to the disk, or find it there."""
    names = source.columns()
    meaning = schema(config, names)
    if meaning.missing == "mask":
        raise InputError(
            f"data.missing must be hold or drop where the table is read in blocks, got mask for "
            f"{rows:,} rows: take one of them, or set data.memory to more than "
            f"{shown_size(rows * row_bytes(meaning))}"
        )
    meaning = with_labels(config, source, meaning)
    blocks = _blocks(config, source, meaning)
    return Loaded(name(config), meaning, blocks, tuple(names), rows, config.data, source)


def _blocks(config: Config, source: Source, meaning: Schema) -> Blocks:
    """Write a table to the disk, or find it there."""
    since, until = config.data.since, config.data.until
    digest = " ".join(map(str, filter(None, (source.digest(), since, until))))
    return write.cached(digest, meaning, lambda: in_order(config, source, needed(meaning)))


def with_labels(config: Config, source: Source, meaning: Schema) -> Schema:
    """Name the labels of columns of text, those of the training rows, by reading part by part."""
    there = source.columns()
    asked = [name for name in columns.unlisted(meaning) if there.count(name) == 1]
    if not asked:
        return meaning
    first = next(iter(source.batches(asked, 1)), None)
    names = [name for name in asked if first and pa.types.is_string(first.schema.field(name).type)]
    if not names:
        return meaning
    blocks = _blocks(config, source, without(meaning, names))
    spans, stamps = config.split, blocks.stamps
    cuts = split.holdout(blocks.facts, spans.validation, spans.test, stamps=stamps)
    return stored_labels(
        lambda wanted: frames(source.batches(wanted), config.data), meaning, names, cuts.validation
    )


def made(config: Config, source: Source, frame: pd.DataFrame) -> Loaded:
    """Check rows that were read."""
    meaning = found_in(config, frame)
    table = panel.build(frame, meaning).padded(window(config).timesteps)
    names = tuple(frame.columns)
    found = Loaded(name(config), meaning, table, names, len(frame), config.data, source)
    if len(frame) <= KEPT:
        vars(found)[FRAME] = frame
    return found


def rows(config: Config) -> tuple[Source, pd.DataFrame]:
    """Read the configured data, between `data.since` and `data.until` where they are given."""
    source = opening(config.data)
    return source, inside(opened.read(source), config.data)


LARGER = 200
"""Bytes that a table may take in memory, for each that it takes in a file."""


def memory(config: Config) -> int:
    """Return how many bytes the rows of the table may take."""
    text = config.data.memory
    if text is None:
        return samples.machine_share()
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", str(text), re.IGNORECASE)
    size = 0
    if found:
        unit = "KMGT".find(found[2].upper()) + 1 if found[2] else 0
        size = int(float(found[1]) * (1024 if found[3] else 1000) ** unit)
    if size < LEAST:
        raise InputError(
            f"data.memory must be a size of {shown_size(LEAST)} or more, got {text!r}: write "
            "data.memory=4GiB, or null for a sixteenth of the machine's"
        )
    return size


LEAST = 16 * 2**20
"""Bytes of `data.memory`."""

MEMORY = "memory_used"
"""Parameter of a run: bytes that decided how its table was cut into blocks."""


def _count(source: Source, data: DataConfig, most: int) -> int | None:
    """Count the rows of a source; None where they are no more than fit, or none can be counted."""
    bound = source.most()
    if time_name(data) not in source.columns() or bound is not None and bound <= most:
        return None
    count = sum(len(frame) for frame in frames(source.batches([time_name(data)]), data))
    return count if count > most else None


def opening(data: DataConfig, trained: Schema | None = None) -> Source:
    """Open the configured data; what is on the network is fetched where it is a file.

    `trained` is what new rows will be read with, if that is known.
    """
    found = [where(path, data.sha256) for path in paths(data)]
    one = found[0] if len(found) == 1 else found
    source = opened.open(
        one,
        data.format,
        query=data.query,
        table=data.table,
        dialect=dialect(data),
        texts=texts(data, trained),
    )
    parts = of_time(data.time)
    if len(parts) > 1:
        source = Together(source, parts)
    if not data.wide:
        return source
    value = (trained or data).targets[0]
    return Wide(source, data.wide, _kept(data, trained), value)


def _kept(data: DataConfig, trained: Schema | None) -> list[str]:
    """Name the columns of a wide table that hold no values of a series."""
    asked = trained or data
    known = [name for name in asked.known_future if name not in asked.calendar]
    first = [time_name(data)] if data.wide == COLUMNS else asked.series
    return [*first, *known, *asked.static]


def texts(data: DataConfig, trained: Schema | None = None) -> Texts:
    """Name the columns of series and of labels, whose text is read as it stands.

    Of a trained model its own columns count too, whatever those of new rows are called; numbers
    that are read as text stay what they are.
    """
    series = {*data.series, *(trained.series if trained else ())}
    asked = (trained or data).classes.items()
    labels = {name: parts for name, parts in asked if any(isinstance(one, str) for one in parts)}
    # a label may be called None
    plain = {name for name, parts in labels.items() if {*MISSING} & {*parts}}
    return Texts(frozenset(series | plain), frozenset({*labels} - series - plain))


def time_name(data: DataConfig) -> str:
    """Return the column of time stamps, which several columns of the file may make."""
    return joined_name(of_time(data.time))


DIALECT = ("data.separator", "data.decimal", "data.skip", "data.na", "data.wide")
"""Keys that say how the rows of a file are written."""


def dialect(data: DataConfig) -> Dialect:
    """Return how CSV files are written."""
    separator = "\t" if data.separator == TAB else data.separator
    return Dialect(separator, data.decimal, data.skip, tuple(map(str, data.na)))


def found_in(config: Config, frame: pd.DataFrame) -> Schema:
    """Return what the columns of raw rows mean, labels of text as they are in the training rows."""
    meaning = schema(config, frame.columns)
    return labelled(frame, meaning, config.split, window(config).timesteps)


def meaning_of(data: Loaded, config: Config) -> Schema:
    """Return what the columns of a loaded data set mean under another configuration."""
    found = schema(config, data.columns)
    asked = columns.unlisted(found)
    known = [name for name in asked if name in data.schema.others]
    if not {*asked} <= {*data.schema.inputs}:
        return found_in(config, data.frame)
    classes = {**found.classes, **{name: data.schema.classes[name] for name in known}}
    return replace(found, classes=classes, others=tuple(known))


def build_table(data: Loaded, config: Config) -> Table:
    """Return a loaded data set's table under another configuration, the same where they agree."""
    meaning = meaning_of(data, config)
    if meaning == data.schema and meaning.missing != "mask":
        return data.table
    return panel.build(data.frame, meaning).padded(config.window.timesteps)


def schema_name(config: Config) -> str:
    """Name what the columns mean, so that candidates of equal tables share one."""
    meaning = schema(config)
    padded = config.window.timesteps if meaning.missing == "mask" else None
    meant = repr((meaning, padded))
    later = ("zone=None", "holidays=None", "transform={}", "resample={}", "others=()")
    for added in (*later, "bounds={}"):
        meant = meant.replace(f", {added}", "")  # sweeps of before know no such
    return hashlib.sha256(meant.encode()).hexdigest()[:12]


def paths(data: DataConfig) -> list[str]:
    """Return the paths and addresses of `data.path`, which may be one or a list."""
    found = data.path if isinstance(data.path, list) else [data.path]
    for path in found or [None]:
        if not path or isinstance(path, (dict, list)):
            raise InputError(
                "data.path must be a path, an address or a list of them, got "
                f"{data.path if path else 'nothing'}: write data.path=load.csv"
            )
    if data.sha256 is not None and len(found) > 1:
        raise InputError(
            f"data.sha256 must be that of one file, got {len(found)} in data.path: leave it out"
        )
    return [str(path) for path in found]


def where(path: str, sha256: str | None = None) -> str:
    """Return what is opened for a path: an embedded or fetched file, or the path itself."""
    if path.startswith(EMBEDDED):
        return str(SAMPLES / path.removeprefix(EMBEDDED))
    if path.startswith(("http://", "https://")):
        return str(fetch.download(path, sha256))
    return path


def name(config: Config) -> str:
    """Return what the data set is called: its name, or that of the table or the first file."""
    data = config.data
    if data.name or data.table:
        return str(data.name or data.table)
    place = without_secrets(paths(data)[0]).rstrip("/")
    plain = Path(re.split(r"/[^/]*[*?\[]", place)[0])  # a glob is called after its folder
    return plain.name.split(".")[0] or "data"


def schema(config: Config, there: Iterable[str] = ()) -> Schema:
    """Return what the columns mean, of which those of the file are `there`."""
    data = config.data
    known = [column for column in data.known_future if column not in data.calendar]
    there = list(there)
    other = (*of_time(data.time), time_name(data), *data.series, *known, *data.static)
    other = (*other, *nameless(there))
    named = [column for column in there if column not in other]
    targets = named if named and data.targets == [ALL] else data.targets
    return Schema(
        time=time_name(data),
        targets=tuple(targets),
        features=tuple(data.features),
        series=tuple(data.series or ([SERIES] if data.wide == COLUMNS else [])),
        frequency=data.frequency or data.resample.get("rule"),
        time_format=data.time_format,
        circular=dict(data.circular),
        valid={column: tuple(bounds) for column, bounds in data.valid.items()},
        missing=data.missing,
        hold=data.hold,
        duplicates=data.duplicates,
        calendar=tuple(data.calendar),
        zone=data.zone,
        holidays=data.holidays,
        units=dict(data.units),
        events=dict(data.events),
        classes={column: tuple(parts) for column, parts in data.classes.items()},
        known_future=tuple(data.known_future),
        static=tuple(data.static),
        transform=data.transform,
        resample={name: str(own) for name, own in data.resample.items()},
        bounds={column: tuple(ends) for column, ends in data.bounds.items()},
    )


def without_names(there: Iterable[str]) -> str:
    """Name the columns that have no name in the file, which `data.targets=["*"]` leaves out."""
    found = ", ".join(name if name.strip() else repr(name) for name in nameless(there))
    return f"; columns without a name: {found}" if found else ""


def window(config: Config) -> Window:
    """Return the shape of a sample, checked before anything is made as long as it."""
    found = Window(**vars(config.window))
    found.check()
    return found


def spec(config: Config) -> Spec:
    """Return everything an experiment depends on, beside the data."""
    settings = dict(config.model)
    training = {k: v for k, v in vars(config.training).items() if k not in ("scaling", "recipe")}
    return Spec(
        model=Model(settings.pop("name", "lstm"), **settings),
        window=window(config),
        training=Training(**training),
        scaling=config.training.scaling,
        validation=config.split.validation,
        test=config.split.test,
        season=config.evaluation.season,
        baselines=tuple(config.evaluation.baselines),
        regressors={name: own or {} for name, own in config.evaluation.regressors.items()},
        interval=config.evaluation.interval,
        calibration=config.evaluation.calibration,
    )
