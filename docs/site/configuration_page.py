"""The page of the configuration: every group, option and key, from `conf/` and its typed form."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import griffe
import yaml
from sources import homes, written

from forecast.cli.config import keys
from forecast.cli.config.keys import Key

RANGED = re.compile(r"^(?:count|share)\((.*?)(?:, most=.*)?\)$")
"""A default that is declared with its range."""


def text(conf: Path) -> str:
    """Return the page.

    Args:
        conf: The folder of the configuration.
    """
    parts = [
        "# Configuration",
        "`key=value` behind a command sets a key, `group=option` takes a file of `conf/`. A "
        "`conf/` of the folder you work in comes before this one. `forecast train --cfg job` "
        "prints what would run. A key without a default must be set.",
        "## Of single commands",
        _table(keys.single()),
    ]
    for group, about in keys.GROUPS.items():
        files = {_option(file, conf / group): file for file in (conf / group).rglob("*.yaml")}
        parts += [f"## {group}", f"{about}."]
        if len(files) > 1:
            parts.append(f"Options: {', '.join(f'`{group}={name}`' for name in sorted(files))}.")
        if group == "model":
            parts += _models(files)
            continue
        if group != "experiment":
            parts.append(_table(keys.of_group(group)))
        for name, file in sorted(files.items()):
            if name != "default":
                parts += [f"### {group}={name}", f"```yaml\n{file.read_text('utf-8').strip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _models(files: Mapping[str, Path]) -> Iterator[str]:
    """Write what all models have, and of each what is its own or has another default."""
    repairs = _settings(written("forecast.models.settings.Repairs"), {})
    yield "What every model has:"
    yield _table([Key("model.name", "str", None, "The architecture."), *repairs.values()])
    models = homes("forecast.models")
    for name, file in sorted(files.items()):
        values = yaml.safe_load(file.read_text("utf-8"))
        made = written(models[values["name"]])
        home = made.parameters["settings"].annotation.canonical_path
        settings = _settings(written(home), values)
        yield f"### model={name}"
        yield f"{made.docstring.value.splitlines()[0]}"
        yield _table(row for key, row in settings.items() if row != repairs.get(key))


def _settings(kind: griffe.Class, values: Mapping[str, Any]) -> dict[str, Key]:
    """Return the settings of an architecture, those that it inherits first."""
    found = {}
    for base in kind.bases:
        found |= _settings(written(base.canonical_path), values)
    told = _told(kind)
    for name, field in kind.attributes.items():
        plain = RANGED.sub(r"\1", str(field.value)).replace("None", "null")
        default = values.get(name, yaml.safe_load(plain))
        meaning = told.get(name) or found[name].meaning  # only the default is of its own
        found[name] = Key(f"model.{name}", str(field.annotation), default, meaning)
    for name in found.keys() & values.keys():
        found[name] = found[name]._replace(default=values[name])
    return found


def _told(kind: griffe.Class) -> dict[str, str]:
    """Return what a class says of its attributes."""
    told = {}
    for section in kind.docstring.parse("google") if kind.docstring else ():
        if section.kind.value in ("attributes", "parameters"):
            told |= {one.name: one.description for one in section.value}
    return told


def _option(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()


def _table(found: Iterator[Key] | list[Key]) -> str:
    lines = [
        f"| `{row.name}` | {_code(row.kind)} | {_value(row.default)} | {_cell(row.meaning)} |"
        for row in found
    ]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *lines])


def _value(value: Any) -> str:
    if value == "???":
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
