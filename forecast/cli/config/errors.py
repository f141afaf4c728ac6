"""Overrides that cannot be read, or that a command does not read, as one sentence with a cure."""

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra import compose
from hydra.errors import HydraException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from forecast.errors import InputError, nearest, plain
from forecast.workflows.settings import Config

if TYPE_CHECKING:
    from forecast.serving.mixture import Predictor


BY_COLUMN = (
    *("data.circular", "data.valid", "data.units", "data.events", "data.classes"),
    *("data.transform", "data.bounds"),
)
"""Settings whose keys are columns of the user's file."""

MAPPINGS = (*BY_COLUMN, "evaluation.regressors")
"""Settings that hold names and values: a mapping that is typed replaces the default one."""

_CURES = {
    "deletion": "drop the ~ and give it a value",
    "Ambiguous": "put it in quotes, or put -m before the overrides to run each",
    "--multirun": "write one value, or put -m before the overrides to run each",
    "Interpolation": "name a key that the config has",
    "Optional": "write a value",
    "Integer": "write a whole number",
    "Float": "write a number, decimals with a point",
    "bool": "write true or false",
    "merge DictConfig": "write pairs, such as {a: 1}",
    "Dict[": "write pairs, such as {a: 1}",
    "ListConfig": "write a list, such as [a, b]",
    "List[": "write a list, such as [a, b]",
    "str": "write a text",
}
"""A word of OmegaConf's and Hydra's reasons to what fixes the value; the first one counts."""


def sentence(error: Exception, overrides: Sequence[str]) -> InputError:
    """Turn an error of Hydra or OmegaConf into one sentence; Hydra must still be open."""
    if isinstance(error, BrokenPipeError):  # whoever reads what Hydra prints has had enough
        raise error
    if isinstance(error, OverrideParseException):
        key, equals, value = error.override.partition("=")
        if not equals:
            return InputError(
                f"overrides must be key=value, got {plain(key)!r}: see forecast --help"
            )
        return InputError(
            f"{plain(key)} must have a value that Hydra can read, got {plain(value)!r}: put a "
            "value with characters other than letters, digits and ./-_ in quotes, "
            f"\"{plain(key)}='…'\""
        )
    known, text = _known(), str(error)
    for override in reversed(overrides):  # of two for one key the last one counts
        key, _, value = override.lstrip("+~").partition("=")
        if not key or key not in text:
            continue
        if key not in known and not key.startswith(tuple(f"{name}." for name in MAPPINGS)):
            return InputError(
                f"{plain(key)} must be a key of the config, got {plain(override)}: "
                f"{nearest_key(key, known)}"
            )
        written = f"{value!r}" if "=" in override else override
        return InputError(
            f"{plain(key)} must fit its type, got {plain(written)} ({_reason(error)}): "
            f"{_cure(error)}"
        )
    named = getattr(error, "full_key", None) or "config"
    given = plain(" ".join(overrides)) or "the defaults"
    return InputError(
        f"{named} must compose, got {given} ({_reason(error)}): see forecast train --help"
    )


def nearest_key(key: str, known: Iterable[str]) -> str:
    """Return the known key that comes closest to a wrong one; its last part counts.

    >>> nearest_key("epochs", ["training.epochs", "window.horizon"])
    'did you mean "training.epochs"?'
    >>> nearest_key("model.horizn", ["training.epochs", "window.horizon"])
    'did you mean "window.horizon"?'
    >>> nearest_key("units", ["data.units", "model.units"])
    'did you mean "data.units" or "model.units"?'
    """
    every, last = sorted(set(known)), key.rpartition(".")[2]
    exact = [whole for whole in every if whole.rpartition(".")[2] == last]
    if exact:
        names = " or ".join(f'"{whole}"' for whole in exact[:3])
        return f"did you mean {names}?"
    close = nearest(key, every)
    if close.startswith("known"):
        ends = {whole.rpartition(".")[2]: whole for whole in reversed(every)}
        end = nearest(last, ends).removeprefix('did you mean "').removesuffix('"?')
        if end in ends:
            return f'did you mean "{ends[end]}"?'
    return close


def check_option(override: str, homes: Sequence[Path]) -> None:
    """Refuse what chooses no option of a group; Hydra fails in many ways where it is no text."""
    key, equals, value = override.lstrip("+").partition("=")
    if not re.fullmatch(r"\w{1,99}", key) or not equals:
        return
    groups = [home / key for home in homes]
    options = {
        str(file.relative_to(group).with_suffix(""))
        for group in groups
        for file in group.rglob("*.yaml")
    }
    if options:
        for asked in (part.strip(" '\"[]") for part in value.split(",")):
            if asked not in options:
                kept = "; runs are kept in tracking.experiment=" if key == "experiment" else ""
                raise InputError(
                    f"{key} must be one of its options, got {plain(asked)!r}: "
                    f"{nearest(asked, options)}{kept}{plain(asked) if kept else ''}"
                )


def _reason(error: Exception) -> str:
    """Return the first line of the deepest cause, shortened."""
    merging = str(error).startswith("Error merging") and error.__cause__ is not None
    lines = str(error.__cause__ if merging else error).splitlines()
    return plain(next((line.strip() for line in lines if line.strip()), type(error).__name__))


def _cure(error: Exception) -> str:
    """Return what fixes a value of the wrong type."""
    reason = _reason(error)
    return next((cure for word, cure in _CURES.items() if word in reason), "see its line in conf/")


def _known() -> list[str]:
    """List every key that the default configuration has, and every group."""
    with contextlib.suppress(HydraException, OmegaConfBaseException):
        found: list[str] = []
        _list(OmegaConf.to_container(compose("config")), "", found)
        return [*found, *(f"{group.name}.{key}" for group, key in _typed())]
    return []


def _list(node: Any, path: str, found: list[str]) -> None:
    """Walk a configuration and list its keys, with and without keys below them."""
    for name, value in node.items() if isinstance(node, dict) else ():
        key = f"{path}.{name}" if path else str(name)
        found.append(key)
        _list(value, key, found)


def _typed() -> list[tuple[Any, str]]:
    """List the keys of the schema, some of which no default sets."""
    return [
        (group, own.name)
        for group in fields(Config)
        if is_dataclass(group.type)
        for own in fields(group.type)
    ]


HONOURED = (
    "data.path",
    "data.query",
    "data.table",
    "data.format",
    *(f"data.{name}" for name in ("separator", "decimal", "skip", "na")),
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
    *(f"data.{name}" for name in ("frequency", "missing", "hold", "zone", "holidays")),
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
    keys = [text.lstrip("+~").partition("=")[0].partition("@")[0] for text in overrides]
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
        if column := key.removeprefix(field).removeprefix("."):
            asked, fixed = asked.get(column), fixed.get(column)
            if column not in used:  # a bundle forgets columns that it does not read
                continue
        elif isinstance(asked, dict) and name not in ("events", "units"):
            asked = {column: value for column, value in asked.items() if column in used}
        if field == "data.targets" and asked == ALL:  # whose columns only the file can name
            continue
        if _plain(asked) != _plain(fixed):
            raise fixed_otherwise(key, fixed, asked)


def refuse_other_columns(bundle: "Predictor", columns: Iterable[str], settings: Config) -> None:
    """Refuse `data.targets=["*"]` where it means other columns than those of training."""
    schema, data = bundle.schema, settings.data
    apart = {data.time, schema.time, *data.series, *schema.series}
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

    >>> written(("load", "temp")), written(None), written({"load": (0.0, 9.0)})
    ('[load,temp]', 'null', '{load:[0,9]}')
    """
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{written(own)}" for key, own in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(written, value))}]"
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
    others = {
        "training.quantiles": bundle.quantiles,
        "evaluation.interval": None if reach is None else reach.level,
        "evaluation.calibration": None if reach is None else reach.method,
    }
    for key in FIXED:
        group, name = key.split(".")
        if group in ("data", "window"):
            others[key] = getattr(bundle.schema if group == "data" else bundle.window, name)
    return others


def _plain(value: Any) -> Any:
    """Make values comparable that YAML and JSON write differently."""
    if isinstance(value, Mapping):
        return {str(key): _plain(own) for key, own in value.items()}
    return [_plain(own) for own in value] if isinstance(value, (list, tuple)) else value
