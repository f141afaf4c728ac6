"""What every key of the configuration takes, what it is by default and what it means.

A meaning is written once: at the key in `workflows.settings`, beside its value in `conf/`, or, of a
model and of a group that names a class, among the arguments of that class. The help and the site
read it here.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from forecast import process
from forecast.models.catalogue import architecture
from forecast.workflows.settings import Config

CONF = process.folder("conf", "conf")

GROUPS = {
    "data": "Which file, its columns, and what is done about missing values",
    "window": "Shape of a sample: look-back, horizon, stride and lead",
    "model": "The architecture and its settings",
    "training": "Epochs, optimizer, loss, quantiles, early stopping, seed",
    "split": "Validation and test span",
    "evaluation": "Baselines, season and prediction intervals",
    "backtest": "How `forecast backtest` walks through the test span",
    "sweep": "What `forecast sweep` tries",
    "gates": "How closely gates are watched, and what is an alert",
    "tracking": "Where runs are kept: store, experiment, name, folder",
    "experiment": "Several of these at once, such as one of the literature",
}
"""Group to what it holds."""

_LINE = re.compile(r"^( *)([a-z_0-9]+):(?: (.*?))?(?:(?:^| )# (.*))?$")
"""A key of a YAML file, its depth, its value and what is said of it."""

_SEE = re.compile(r"; see `([\w.]+)`")
"""The class whose arguments a group sets."""

_SECTION = re.compile(r"^(?:Args|Attributes):\n((?: .*\n?|\n)+)", re.M)
_ARGUMENT = re.compile(r"^    (\w+): (.*(?:\n     +.*)*)", re.M)


class Key(NamedTuple):
    """A key, the type of its values, its default and its meaning."""

    name: str
    kind: str
    default: Any
    meaning: str


def single() -> list[Key]:
    """List the keys that belong to no group."""
    return [
        Key(own.name, kind(own), _default(own), own.metadata["meaning"])
        for own in fields(Config)
        if own.name not in GROUPS
    ]


def options(group: str) -> dict[str, Path]:
    """Return the options of a group, the user's own before ours."""
    return {
        file.relative_to(home / group).with_suffix("").as_posix(): file
        for home in (CONF, Path.cwd() / "conf")
        for file in sorted((home / group).rglob("*.yaml"))
    }


def of_group(group: str, values: Mapping[str, Any] | None = None) -> list[Key]:
    """List the keys of a group of the schema.

    Args:
        group: Its name.
        values: Its values, those of the option that it takes by default where none are given.
    """
    file = home_of(group)
    comments = _comments(file, "" if group == "window" else f"{group}.") if file else {}
    if values is None:
        values = yaml.safe_load(file.read_text("utf-8")) if file else {}
        values = values["window"] if group == "window" else values
    [own] = [own for own in fields(Config) if own.name == group]
    return list(_rows(own.type, f"{group}.", values, comments))


def of_model(values: Mapping[str, Any]) -> list[Key]:
    """List the settings of a model, those that every model has first.

    Args:
        values: Its values, the name of its architecture among them.
    """
    settings = architecture(values["name"]).settings
    meanings: dict[str, str] = {}
    for base in reversed(settings.__mro__[:-1]):
        meanings |= arguments(f"{base.__module__}.{base.__name__}")
    return [Key("model.name", "str", values["name"], "The architecture.")] + [
        Key(f"model.{own.name}", kind(own), values.get(own.name, own.default), meanings[own.name])
        for own in fields(settings)
    ]


def home_of(group: str) -> Path | None:
    """Return the file of ours that explains the keys of a group beside their values."""
    if group == "window":
        return CONF / "config.yaml"
    names = ("default", "local", "file")  # of tracking, and of data
    return next((file for name in names if (file := CONF / group / f"{name}.yaml").exists()), None)


def _rows(
    group: Any, prefix: str, values: Mapping[str, Any], comments: Mapping[str, str]
) -> Iterator[Key]:
    """Yield the keys of a dataclass of the schema, and of those in it."""
    for own in fields(group):
        name, value = f"{prefix}{own.name}", values.get(own.name, _default(own))
        if is_dataclass(own.type):
            yield from _rows(own.type, f"{name}.", value, comments)
            continue
        meaning = own.metadata.get("meaning") or comments.get(name)
        if not meaning and (named := _SEE.search(group.__doc__)):
            meaning = arguments(named[1]).get(own.name)
        yield Key(name, kind(own), value, meaning or "")


def kind(own: Field) -> str:
    """Write the type of a field."""
    if type(own.type) is type:
        return own.type.__name__
    return re.sub(r"\b(typing|collections\.abc)\.", "", str(own.type))


@cache
def arguments(path: str) -> dict[str, str]:
    """Return what a class says of its arguments."""
    home, _, name = path.rpartition(".")
    found = _SECTION.search(inspect.getdoc(getattr(import_module(home), name)) or "")
    return {
        key: " ".join(text.split()) for key, text in _ARGUMENT.findall(found[1] if found else "")
    }


def _comments(file: Path, prefix: str) -> dict[str, str]:
    """Return what a file says beside or above its keys; its first comment is of the whole file."""
    found, above, parent = {}, list[str](), ""
    lines = file.read_text("utf-8").splitlines()
    begin = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    for line in lines[begin:]:
        if line.lstrip().startswith("#"):
            above.append(line.strip("# "))
        elif said := _LINE.match(line):
            parent = parent if said[1] else f"{said[2]}."
            beside = [said[4]] if said[4] else []
            name = f"{prefix}{parent if said[1] else ''}{said[2]}"
            found[name] = ": ".join([" ".join(above).rstrip(".")] * bool(above) + beside)
            above = []
    return found


def _default(own: Field) -> Any:
    """Return the value of a field where conf/ gives none."""
    made: Any = own.default_factory
    return own.default if made is MISSING else made()
