"""The page of the configuration: every group, option and key, from `conf/` and its typed form."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple

import griffe
import yaml
from sources import homes, written

from forecast.workflows.settings import Config

LINE = re.compile(r"^( *)([a-z_0-9]+):(?: (.*?))?(?:(?:^| )# (.*))?$")
"""A key of a YAML file, its depth, its value and what is said of it."""

SEE = re.compile(r"; see `([\w.]+)`")
"""The class whose docstring explains the keys of a group."""

RANGED = re.compile(r"^(?:count|share)\((.*?)(?:, most=.*)?\)$")
"""A default that is declared with its range."""

GROUPS = {
    "data": "Which file, and what its columns mean.",
    "window": "The shape of a sample, in `conf/config.yaml`.",
    "model": "The architecture and its settings.",
    "training": "How it is trained.",
    "split": "The validation and the test span.",
    "evaluation": "What it is scored by and beside.",
    "backtest": "How `forecast backtest` walks through the test span.",
    "sweep": "What `forecast sweep` tries.",
    "gates": "How closely the gates are watched.",
    "tracking": "Where runs are kept.",
    "experiment": "Several of the above at once, such as an experiment of the literature.",
}


class Row(NamedTuple):
    """A key, what it takes, what it is where nobody sets it, and what it means."""

    key: str
    kind: str
    default: Any
    meaning: str


def text(conf: Path) -> str:
    """Return the page.

    Args:
        conf: The folder of the configuration.
    """
    single = [row for row in rows(Config, "", {}, {}) if row.key not in GROUPS]
    parts = [
        "# Configuration",
        "`key=value` behind a command sets a key, `group=option` takes a file of `conf/`. A "
        "`conf/` of the folder you work in comes before this one. `forecast train --cfg job` "
        "prints what would run. A key without a default must be set.",
        "## Of single commands",
        _table(single),
    ]
    for group, about in GROUPS.items():
        files = {_option(file, conf / group): file for file in (conf / group).rglob("*.yaml")}
        first = {"window": conf / "config.yaml"}.get(group) or files.get("default")
        parts += [f"## {group}", about]
        if len(files) > 1:
            parts.append(f"Options: {', '.join(f'`{group}={name}`' for name in sorted(files))}.")
        if group == "model":
            parts += _models(files)
            continue
        if group != "experiment":
            parts.append(_table(_group(group, first or files.get("local"))))
        for name, file in sorted(files.items()):
            if name != "default":
                parts += [f"### {group}={name}", f"```yaml\n{file.read_text('utf-8').strip()}\n```"]
    return "\n\n".join(parts) + "\n"


def rows(kind: type, prefix: str, values: Mapping, said: Mapping[str, str]) -> Iterator[Row]:
    """Yield the keys of a dataclass.

    Args:
        kind: One of `commands.schema`.
        prefix: What stands before its keys.
        values: Those of the file that a group takes by default; other keys have the dataclass's.
        said: Key to comment of that file.
    """
    own = written(f"{kind.__module__}.{kind.__name__}")
    told = _told(own)
    for field in fields(kind):
        default = values.get(field.name, _default(field))
        if is_dataclass(field.type) and prefix:
            yield from rows(field.type, f"{prefix}{field.name}.", default, said)
        else:
            key = f"{prefix}{field.name}"
            meaning = told.get(field.name) or said.get(key, "")
            yield Row(key, str(own.members[field.name].annotation), default, meaning)


def _group(group: str, file: Path | None) -> Iterator[Row]:
    """Yield the keys of a group with the defaults and comments of a file."""
    kind = next(one.type for one in fields(Config) if one.name == group)
    values = yaml.safe_load(file.read_text("utf-8")) if file else {}
    inside = values.get(group, {}) if group == "window" else values
    said = _comments(file, "" if group == "window" else f"{group}.") if file else {}
    return rows(kind, f"{group}.", inside, said)


def _models(files: Mapping[str, Path]) -> Iterator[str]:
    """Write what all models have, and of each what is its own or has another default."""
    repairs = _settings(written("forecast.models.settings.Repairs"), {})
    yield "What every model has:"
    yield _table([Row("model.name", "str", None, "The architecture."), *repairs.values()])
    models = homes("forecast.models")
    for name, file in sorted(files.items()):
        values = yaml.safe_load(file.read_text("utf-8"))
        made = written(models[values["name"]])
        home = made.parameters["settings"].annotation.canonical_path
        settings = _settings(written(home), values)
        yield f"### model={name}"
        yield f"{made.docstring.value.splitlines()[0]}"
        yield _table(row for key, row in settings.items() if row != repairs.get(key))


def _settings(kind: griffe.Class, values: Mapping[str, Any]) -> dict[str, Row]:
    """Return the settings of an architecture, those that it inherits first."""
    found = {}
    for base in kind.bases:
        found |= _settings(written(base.canonical_path), values)
    told = _told(kind)
    for name, field in kind.attributes.items():
        plain = RANGED.sub(r"\1", str(field.value)).replace("None", "null")
        default = values.get(name, yaml.safe_load(plain))
        meaning = told.get(name) or found[name].meaning  # only the default is of its own
        found[name] = Row(f"model.{name}", str(field.annotation), default, meaning)
    for name in found.keys() & values.keys():
        found[name] = found[name]._replace(default=values[name])
    return found


def _told(kind: griffe.Class) -> dict[str, str]:
    """Return what is said of attributes, by the class, the one that it names, and below each."""
    about = kind.docstring.value if kind.docstring else ""
    told = _told(written(named[1])) if (named := SEE.search(about)) else {}
    for section in kind.docstring.parse("google") if kind.docstring else ():
        if section.kind.value in ("attributes", "parameters"):
            told |= {one.name: one.description for one in section.value}
    below = {name: one.docstring.value for name, one in kind.attributes.items() if one.docstring}
    return told | below


def _comments(file: Path, prefix: str) -> dict[str, str]:
    """Return what a file says beside or above its keys; its first comment is of the whole file."""
    found, above, parent = {}, [], ""
    lines = file.read_text("utf-8").splitlines()
    begin = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    for line in lines[begin:]:
        if line.lstrip().startswith("#"):
            above.append(line.strip("# "))
        elif said := LINE.match(line):
            parent = parent if said[1] else f"{said[2]}."
            beside = [said[4]] if said[4] else []
            key = f"{prefix}{parent if said[1] else ''}{said[2]}"
            found[key] = ": ".join([" ".join(above).rstrip(".")] * bool(above) + beside)
            above = []
    return found


def _default(field: Any) -> Any:
    return field.default_factory() if field.default is MISSING else field.default


def _option(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()


def _table(found: Iterator[Row] | list[Row]) -> str:
    lines = [
        f"| `{row.key}` | {_code(row.kind)} | {_value(row.default)} | {_cell(row.meaning)} |"
        for row in found
    ]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *lines])


def _value(value: Any) -> str:
    if value == "???" or is_dataclass(value):
        return ""
    dumped = yaml.safe_dump(
        value, default_flow_style=True, width=10_000, allow_unicode=True, sort_keys=False
    )
    return _code(dumped.removesuffix("...\n").strip())


def _code(shown: str) -> str:
    return f"`{shown.replace(' |', ' or').replace('|', ' ')}`"


def _cell(told: str) -> str:
    """Write a text so that it stays in its cell."""
    return " ".join(told.split()).replace("|", "\\|")
