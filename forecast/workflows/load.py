"""Turn a configuration into data, table and spec."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from forecast import process
from forecast.data import clock, fetch, panel, source
from forecast.data.fetch import without_secrets
from forecast.data.schema import Schema
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation.outcome import Spec
from forecast.training.parameters import Model, Training
from forecast.workflows.settings import Config

EMBEDDED = "embedded:"
SAMPLES = process.folder("sample", "data")
ALL = "*"
"""As the only target: every column but time, series, and those known ahead or static."""


@dataclass(frozen=True)
class Loaded:
    """A data set, read and checked.

    Attributes:
        name: What runs and experiments call it.
        path: The file.
        digest: Of its bytes.
        frame: Raw rows.
        schema: What its columns mean.
        table: What models see.
    """

    name: str
    path: Path
    digest: str
    frame: Any
    schema: Schema
    table: Table

    @property
    def counted(self) -> str:
        """Say how many rows were read, and how many are missing on their regular grid."""
        read, missing = len(self.frame), len(self.table) - len(self.frame)
        unit = UNITS.get(self.table.frequency or "", "steps")
        return f"{read:,} rows" + (f" ({missing:,} {unit} missing)" if missing > 0 else "")


UNITS = {"h": "hours", "D": "days", "min": "minutes", "s": "seconds", "MS": "months", "W": "weeks"}
"""What steps of a frequency are called."""


def load(config: Config) -> Loaded:
    """Read and check the configured data."""
    return made(config, *rows(config))


def made(config: Config, path: Path, frame: pd.DataFrame) -> Loaded:
    """Check rows that were read."""
    meaning = schema(config, frame.columns)
    table = panel.build(frame, meaning).padded(window(config).timesteps)
    return Loaded(name(config), path, source.digest(path), frame, meaning, table)


def rows(config: Config) -> tuple[Path, pd.DataFrame]:
    """Read the configured file, between `data.since` and `data.until` where they are given."""
    data = config.data
    path = where(data.path, data.sha256)
    frame = source.read(path, data.format)
    if data.since is None and data.until is None or data.time not in frame.columns:
        return path, frame
    time = clock.parse(frame[data.time], data.time_format)
    return path, frame[source.between(time, data.since, data.until)]


def build_table(data: Loaded, config: Config) -> Table:
    """Return a loaded data set's table under another configuration, the same where they agree."""
    meaning = schema(config, data.frame.columns)
    if meaning == data.schema and meaning.missing != "mask":
        return data.table
    return panel.build(data.frame, meaning).padded(config.window.timesteps)


def schema_name(config: Config) -> str:
    """Name what the columns mean, so that candidates of equal tables share one."""
    meaning = schema(config)
    padded = config.window.timesteps if meaning.missing == "mask" else None
    return hashlib.sha256(repr((meaning, padded)).encode()).hexdigest()[:12]


def where(path: str, sha256: str | None = None) -> Path:
    """Return the data file."""
    if path.startswith(EMBEDDED):
        return SAMPLES / path.removeprefix(EMBEDDED)
    if path.startswith(("http://", "https://")):
        return fetch.download(path, sha256)
    return Path(path).expanduser()


def name(config: Config) -> str:
    """Return what the data set is called: its name, or the file's."""
    return config.data.name or Path(without_secrets(config.data.path)).name.split(".")[0]


def schema(config: Config, columns: Iterable[str] = ()) -> Schema:
    """Return what the columns mean."""
    data = config.data
    known = [column for column in data.known_future if column not in data.calendar]
    columns = list(columns)
    other = (data.time, *data.series, *known, *data.static, *source.nameless(columns))
    named = [column for column in columns if column not in other]
    targets = named if named and data.targets == [ALL] else data.targets
    return Schema(
        time=data.time,
        targets=tuple(targets),
        features=tuple(data.features),
        series=tuple(data.series),
        frequency=data.frequency,
        time_format=data.time_format,
        circular=dict(data.circular),
        valid={column: tuple(bounds) for column, bounds in data.valid.items()},
        missing=data.missing,
        hold=data.hold,
        duplicates=data.duplicates,
        calendar=tuple(data.calendar),
        units=dict(data.units),
        events=dict(data.events),
        classes={column: tuple(parts) for column, parts in data.classes.items()},
        known_future=tuple(data.known_future),
        static=tuple(data.static),
    )


def without_names(columns: Iterable[str]) -> str:
    """Name the columns that have no name in the file, which `data.targets=["*"]` leaves out."""
    found = ", ".join(source.nameless(columns))
    return f"; columns without a name: {found}" if found else ""


def window(config: Config) -> Window:
    """Return the shape of a sample, checked before anything is made as long as it."""
    found = Window(**vars(config.window))
    found.check()
    return found


def spec(config: Config) -> Spec:
    """Return everything an experiment depends on, beside the data."""
    settings = dict(config.model)
    training = {k: v for k, v in vars(config.training).items() if k != "scaling"}
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
