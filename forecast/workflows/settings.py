"""The settings of every workflow as frozen dataclasses; their values are in `conf/`.

A key that says nothing of itself here does so there, beside its value, or is an argument of the
class that its group names.
"""

from dataclasses import dataclass, field
from typing import Any

MISSING: Any = "???"
"""A value that the files in `conf/` must give; Hydra reads it so."""


def key(meaning: str, default: Any = MISSING) -> Any:
    """Declare a key: what it means, and its value, or what makes it, where conf/ has none."""
    about = {"meaning": meaning}
    if callable(default):
        return field(default_factory=default, metadata=about)
    return field(default=default, metadata=about)


@dataclass(frozen=True)
class DataConfig:
    """Which data, and what its columns mean; see `forecast.data.schema.Schema`."""

    name: str | None = key(
        "Name of the data set, and of the experiment in MLflow; null takes that of the file.", None
    )
    memory: str | None = key(
        "What rows may take, such as 4GiB: larger tables are read in blocks; null: a sixteenth of "
        "the machine's.",
        None,
    )
    path: Any = key(
        "File, folder, glob or a list; address of a file, store, database; `-`: standard input."
    )
    query: str | None = key("SELECT that a database answers.", None)
    table: str | None = key("Table of a database, read whole.", None)
    sha256: str | None = key("Hash of a fetched file.", None)
    format: str | None = key(
        'Format of the files: "csv", "parquet", "feather", "jsonl"; null: what their names say.',
        None,
    )
    separator: str = key("Sign between fields of a CSV file, or `tab`.", ",")
    decimal: str = key("Sign before decimals in a CSV file: . or ,", ".")
    skip: int = key("Lines of a CSV file above its column names.", 0)
    na: list[str] = key("Texts in a CSV file that mean a missing value.", list)
    wide: str | None = key("`columns` or `rows`, if a series is one of them.", None)
    time: Any = key("Column of time stamps, or [Date, Time] of two.")
    time_format: str | None = key(
        "As strptime has it, or s, ms, us, ns since 1970, excel (days) or number; null: ISO 8601.",
        None,
    )
    since: str | None = key("First moment that is used, such as 2024-03-01.", None)
    until: str | None = key("Last moment; months count to their end.", None)
    series: list[str] = field(default_factory=list)
    targets: list[str] = MISSING
    features: list[str] = field(default_factory=list)
    calendar: list[str] = field(default_factory=list)
    zone: str | None = None
    holidays: str | None = None
    known_future: list[str] = field(default_factory=list)
    static: list[str] = field(default_factory=list)
    frequency: str | None = key(
        "Distance of two rows, an alias of pandas (h, 15min, D, B, MS); `rows`: the next row is "
        "the next step, whatever its time; null: what most rows have.",
        None,
    )
    resample: dict[str, Any] = key(
        "Put rows together on a regular clock: {rule: h, how: mean}, or sum, min, max, median, "
        "first, last, or nearest, of stamps a little early or late.",
        dict,
    )
    circular: dict[str, Any] = field(default_factory=dict)
    valid: dict[str, list[Any]] = field(default_factory=dict)
    missing: str = "hold"
    hold: int = 12
    duplicates: str = "refuse"
    units: dict[str, str] = field(default_factory=dict)
    events: dict[str, Any] = field(default_factory=dict)
    classes: dict[str, list[Any]] = field(default_factory=dict)
    transform: Any = field(default_factory=dict)
    bounds: dict[str, list[Any]] = field(default_factory=dict)
    grid: list[int] = key(
        "Rows and columns of the matrix that the features of a row make; for `conv_heads_lstm`.",
        list,
    )


@dataclass(frozen=True)
class WindowConfig:
    """Shape of a sample; see `forecast.data.windows.Window`."""

    timesteps: int = MISSING
    horizon: int = MISSING
    stride: int = MISSING
    lead: int = MISSING


@dataclass(frozen=True)
class TrainingConfig:
    """How to train; see `forecast.training.parameters.Training`."""

    epochs: int = MISSING
    batch_size: int = MISSING
    stateful: bool = MISSING
    learning_rate: float = MISSING
    optimizer: str = MISSING
    loss: str = MISSING
    step_weights: Any = None  # as of runs that were recorded before it
    quantiles: list[Any] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    schedule: str | None = None
    decay: float = MISSING
    patience: int | None = None
    average: int | None = None
    clipnorm: float | None = None
    weight_decay: float | None = None
    seed: int = MISSING
    seeds: int = 1  # as of runs that were recorded before it
    refit: bool = False  # as of runs that were recorded before it
    threads: int = MISSING
    scaling: str = MISSING
    recipe: str | None = key(
        '"auto": `train` and `backtest` try two recipes, of which the validation span chooses one, '
        'where you have set nothing of model and training yourself; "structure" takes that one, in '
        "a grid too; null: all as it stands.",
        None,  # as of runs that were recorded before there were recipes
    )


@dataclass(frozen=True)
class SplitConfig:
    """Sizes of the spans: share, time stamps or first date."""

    validation: Any = key(
        "Rows that early stopping watches: share or number of the time stamps, or first date."
    )
    test: Any = key(
        "Newest rows, which are scored: share or number of the time stamps, or first date."
    )


@dataclass(frozen=True)
class EvaluationConfig:
    """How to score."""

    season: int | None = None
    baselines: list[str] = field(default_factory=list)
    regressors: dict[str, Any] = field(default_factory=dict)
    interval: float | None = None
    calibration: str = MISSING


@dataclass(frozen=True)
class BacktestConfig:
    """How the test span is walked through; see `forecast.evaluation.rolling.Plan`."""

    folds: int = MISSING
    scheme: str = MISSING
    stride: int = MISSING
    refit: Any = MISSING


@dataclass(frozen=True)
class SweepConfig:
    """What a sweep tries."""

    strategy: str = key(
        'What is tried: "grid" every point, "random" and "tpe" some, "halving" all for a while.'
    )
    grid: Any = key("Overrides and the values of each; a list of grids skips what makes no sense.")
    folds: int = MISSING
    seeds: int = MISSING
    samples: int = MISSING
    seed: int = MISSING
    batch: int = MISSING
    factor: int = MISSING
    resource: str = MISSING
    workers: int | None = None
    scheduler: str | None = None
    resume: bool = True


@dataclass(frozen=True)
class AlertsConfig:
    """Beyond what a number is worth a word; see `forecast.gates.alerts.Limits`."""

    saturated: float = MISSING
    dead: float = MISSING
    radius: float = MISSING
    update_low: float = MISSING
    update_high: float = MISSING
    memory: float = MISSING


@dataclass(frozen=True)
class GatesConfig:
    """How closely the gates are watched."""

    probe: int = MISSING
    memory: int = MISSING
    pictures: int = MISSING
    alerts: AlertsConfig = field(default_factory=AlertsConfig)


@dataclass(frozen=True)
class TrackingConfig:
    """Where runs are kept."""

    uri: str = key("Address of the store: a server, or a database such as sqlite:///mlflow.db.")
    experiment: str | None = key("Name of the experiment.", None)
    run_name: str | None = None
    snapshots: int = MISSING
    folder: str = MISSING
    port: int = key(
        "Port of 127.0.0.1 on which `forecast ui` shows a store that is not a server.", 5000
    )
    open: bool | None = key(
        "Whether `forecast ui` opens a browser; null means on a terminal with a screen.", None
    )


@dataclass(frozen=True)
class Config:
    """Everything a command reads."""

    data: DataConfig = field(default_factory=DataConfig)
    window: WindowConfig = field(default_factory=WindowConfig)
    model: dict[str, Any] = field(default_factory=dict)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    backtest: BacktestConfig = field(default_factory=BacktestConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    gates: GatesConfig = field(default_factory=GatesConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    experiment: Any = None
    run: str | None = key(
        "Run by its id or the first letters of it, last, or best (by validation error); `predict` "
        "takes models:/NAME@ALIAS and folders of a model too.",
        None,
    )
    history: bool = key(
        "Whether `predict` forecasts from every row that it can, and not only from the last.", False
    )
    resume: str | None = key("Interrupted run that `train` continues: its id, or last.", None)
    other: str | None = key("Second run, which `inspect` compares with it.", None)
    runs: list[str] = key(
        "Runs that `compare` or `inspect` compares; without any, `compare` reads the experiment.",
        list,
    )
    kind: str = key(
        "Kind of the runs that `compare` reads of an experiment: train, candidate or backtest.",
        "train",
    )
    file: str | None = key("Keras model that `inspect` reads instead of a run.", None)
    output: str | None = key(
        "File that `predict`, `inspect`, `compare`, or `check` of many series writes; null chooses "
        "a name in this folder.",
        None,
    )
    register: str | None = key(
        "Registered model to which `train` adds a version, the challenger.", None
    )
    registered: str | None = key(
        "Registered model whose challenger `promote` compares with its champion.", None
    )
    force: bool = key(
        "Whether `reproduce` continues when data or versions differ from those of the run.", False
    )
    budget: int = key("Seconds that `best` may take from start to end.", 600)
    scheduler: str | None = key("Dask scheduler whose workers do the work.", None)
    workers: int | None = key("Processes here that share the work.", None)
    leak: bool = key("Whether `check` also tests for leaks, for which it trains twice.", False)
