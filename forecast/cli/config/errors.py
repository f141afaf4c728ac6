"""Overrides that a command does not read, as one sentence with a cure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from forecast.cli.config import columns
from forecast.cli.config.columns import parted
from forecast.errors import InputError, plain, quoted
from forecast.workflows.settings import Config

if TYPE_CHECKING:
    from forecast.serving.mixture import Predictor


HONOURED = (
    "data.path",
    "data.query",
    "data.table",
    "data.format",
    *(f"data.{name}" for name in ("separator", "decimal", "skip", "na", "wide")),
    "data.sha256",
    "data.since",
    "data.until",
    "data.time",
    "data.series",
    "data.time_format",
    "data.duplicates",
    "data.memory",
)
"""What `predict` may be given of data: where new rows are, and how their file is written."""

TRAINING = (
    "experiment",
    *(
        f"{group}.*"
        for group in (
            "data",
            "window",
            "model",
            "training",
            "split",
            "evaluation",
            "gates",
            "tracking",
        )
    ),
)
"""What a training reads; `check` and `explain` take the same words, and say what it would do."""

WORKERS = ("scheduler", "workers")

READ: Mapping[str, tuple[str, ...]] = {
    "train": (*TRAINING, "resume", "register", *WORKERS),
    "backtest": (*TRAINING, "backtest.*", *WORKERS),
    "sweep": (*TRAINING, "sweep.*", *WORKERS),
    "best": (
        *("data.*", "window.*", "split.*", "tracking.*", "budget", *WORKERS),
        *("evaluation.season", "evaluation.interval", "training.seed", "training.scaling"),
    ),
    "check": (*TRAINING, "leak", "output"),
    "explain": TRAINING,
    "runs": ("tracking.*",),
    "sync": ("tracking.*",),
    "ui": ("tracking.*", "run"),
    "predict": (
        *("run", "history", "output", "data", *HONOURED),
        *("tracking", "tracking.uri", "tracking.folder", "training.threads", *WORKERS),
    ),
    "inspect": (
        *("run", "other", "runs", "file", "output"),
        *("gates.*", "tracking.*", "training.threads"),
    ),
    "compare": ("runs", "kind", "output", "tracking.*"),
    "reproduce": ("run", "force", "data.path", "tracking.*"),
    "promote": ("registered", "tracking.*"),
}
"""Command to the keys and groups that it reads; `gates.*` is a group and all its keys."""

COLUMNS = ("targets", "features", "calendar", "known_future", "static")
FIXED = (
    *(f"data.{name}" for name in (*COLUMNS, "circular", "valid", "classes", "events", "units")),
    *("data.transform", "data.bounds"),
    *(f"data.{name}" for name in ("frequency", "resample", "missing", "hold", "zone", "holidays")),
    *(f"window.{name}" for name in ("timesteps", "stride", "lead")),
    "training.quantiles",
    "evaluation.interval",
    "evaluation.calibration",
)
"""What a bundle knows of its training: the same value is accepted, another one is refused."""

HORIZON = "window.horizon"
"""What `predict` reads too, unlike the other sizes of a window."""

ALL = ["*"]


def typed(overrides: Iterable[str]) -> list[str]:
    """List the keys and groups that were typed, but those of Hydra itself.

    >>> typed(["++data.valid.load=[0,9]", "~gates", "hydra/launcher=x", "model@here=mlp"])
    ['data.valid.load', 'gates', 'model']
    """
    keys = [parted(text).key for text in overrides]
    keys = [key if columns.below(key) else key.partition("@")[0] for key in keys]
    return [key for key in keys if key.replace("/", ".").split(".")[0] != "hydra"]


def refuse(command: str, overrides: Sequence[str]) -> None:
    """Refuse overrides that a command would not read, before it does anything."""
    read = READ[command]
    for key, text in zip(typed(overrides), _own(overrides), strict=True):
        if among(key, read) or (command == "predict" and _field(key) in (*FIXED, HORIZON)):
            continue
        if command == "predict" and key.split(".")[0] in ("data", "window", "model", "training"):
            raise InputError(
                f"{plain(key)} must be left to the run that run= names, whose model was trained "
                f"with its own, got {plain(text)}: leave it out, or train with it"
            )
        if command == "reproduce":
            raise InputError(
                f"reproduce must be given only run, data.path, tracking and force, got "
                f"{plain(text)!r}: every other setting is that of the run"
            )
        keys = ", ".join(one.removesuffix(".*") for one in read)
        raise InputError(
            f"{plain(key)} must be a key that forecast {command} reads, got {plain(text)}: leave "
            f"it out; it reads {keys}"
        )


def refuse_fixed(bundle: "Predictor", settings: Config, overrides: Sequence[str]) -> None:
    """Refuse overrides that say otherwise than the bundle was trained."""
    from forecast.data.scaling.transform import (
        by_target,  # imports NumPy, and composing is to be quick
    )

    trained = _trained(bundle)
    for key in typed(overrides):
        field = _field(key)
        if field not in FIXED:
            continue
        group, name = field.split(".")
        asked, fixed = getattr(getattr(settings, group), name), trained[field]
        used = {*bundle.schema.inputs, *bundle.schema.targets}
        if name == "transform":  # one word may stand for all targets
            asked = by_target(asked, bundle.schema.targets)
        if below := columns.below(key):
            _, column = below
            asked, fixed = asked.get(column), fixed.get(column)
            if column not in used:  # a bundle forgets columns that it does not read
                continue
        elif isinstance(asked, dict) and name not in ("events", "units", "resample"):
            asked = {column: value for column, value in asked.items() if column in used}
        if field == "data.targets" and asked == ALL:  # whose columns only the file can name
            continue
        if _plain(asked) != _plain(fixed):
            raise fixed_otherwise(key, fixed, asked)


def refuse_other_columns(bundle: "Predictor", columns: Iterable[str], settings: Config) -> None:
    """Refuse `data.targets=["*"]` where it means other columns than those of training."""
    schema, data = bundle.schema, settings.data
    apart = {*([data.time] if isinstance(data.time, str) else data.time), schema.time}
    apart |= {*data.series, *schema.series}
    from forecast.data.columns import nameless  # imports pandas, and composing is to be quick

    apart |= {*schema.known_columns, *schema.static}
    columns = list(columns)
    apart |= {*nameless(columns)}
    named = [column for column in columns if column not in apart]
    if set(named) != set(schema.targets):
        raise fixed_otherwise("data.targets", schema.targets, named)


def fixed_otherwise(key: str, fixed: Any, asked: Any) -> InputError:
    """Say that a key is fixed by the model, with its value."""
    own, other = written(fixed), written(asked)
    leave = f"write {key}={own}" if key == "data.targets" else "leave it out"  # data=file needs it
    return InputError(
        f"{plain(key)} must be {plain(own)}, which is fixed by the model, got {plain(other)}: "
        f"{leave}, or train with {plain(f'{key}={other}')}"
    )


def written(value: Any) -> str:
    """Write a value as on the command line.

    >>> written(("load", "a,b")), written(None), written({"load": (0.0, 9.0)})
    ('[load,"a,b"]', 'null', '{load:[0,9]}')
    """
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{quoted(k)}:{written(own)}" for k, own in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        parts = (quoted(own) if isinstance(own, str) else written(own) for own in value)
        return f"[{','.join(parts)}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _own(overrides: Iterable[str]) -> list[str]:
    """Return the overrides that `typed` names."""
    return [text for text in overrides if typed([text])]


def among(key: str, read: Sequence[str]) -> bool:
    """Tell whether a key is among those that a command reads."""
    groups = [one.removesuffix(".*") for one in read if one.endswith(".*")]
    return key in read or any(key == own or key.startswith(f"{own}.") for own in groups)


def _field(key: str) -> str:
    """Return the key of the schema that a typed one sets or lies below.

    >>> _field("data.valid.load"), _field("window.horizon"), _field("run")
    ('data.valid', 'window.horizon', 'run')
    """
    return ".".join(key.split(".")[:2])


def _trained(bundle: "Predictor") -> dict[str, Any]:
    """Return what a bundle knows of its training, by the keys of `FIXED`."""
    reach = bundle.reach
    others: dict[str, Any] = {
        "training.quantiles": bundle.quantiles,
        "evaluation.interval": None if reach is None else reach.level,
        "evaluation.calibration": None if reach is None else reach.method,
    }
    for key in FIXED:
        group, name = key.split(".")
        if group in ("data", "window"):
            others[key] = getattr(bundle.schema if group == "data" else bundle.window, name)
    found = bundle.schema.others  # nobody has listed them
    listed = bundle.schema.classes.items()
    others["data.classes"] = {name: parts for name, parts in listed if name not in found}
    return others


def _plain(value: Any) -> Any:
    """Make values comparable that YAML and JSON write differently."""
    if isinstance(value, Mapping):
        return {str(key): _plain(own) for key, own in value.items()}
    return [_plain(own) for own in value] if isinstance(value, (list, tuple)) else value
