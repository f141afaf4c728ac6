"""The page of the configuration: every group, option and key, from `conf/` and its typed form."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

import griffe
import yaml

from forecast.commands import schema
from forecast.commands.schema import Config
from forecast.data.schema import Schema

SAID = re.compile(r"^ *([a-z_0-9]+):(?: (.*?))?(?:(?:^| )# (.*))?$")
"""A key of a YAML file, its value and what is said of it."""

GROUPS = {
    "data": "which file, and what its columns mean",
    "window": "the shape of a sample, in `config.yaml`",
    "model": "the architecture and its settings",
    "training": "how it is trained",
    "split": "the validation and the test span",
    "evaluation": "what it is scored by and beside",
    "backtest": "how `forecast backtest` walks through the test span",
    "sweep": "what `forecast sweep` tries",
    "gates": "how closely the gates are watched",
    "tracking": "where runs are kept",
    "experiment": "several of the above at once, such as an experiment of the literature",
}
OWN_FILES = ("data", "model", "experiment", "tracking")
"""Groups of several options, whose files the page shows."""


def text(conf: Path) -> str:
    """Return the page.

    Args:
        conf: The folder of the configuration.
    """
    parts = [
        "# Configuration",
        "`key=value` behind a command sets a key, `group=option` takes a file of `conf/`. A "
        "`conf/` of the folder you work in comes before this one. `forecast train --cfg job` "
        "prints what would run.",
        *_table("Of single commands", "", _documented(Config)),
    ]
    attributes = _documented(schema.DataConfig) | _documented(Schema)
    for group, about in GROUPS.items():
        options = sorted((conf / group).rglob("*.yaml"))
        names = [f"`{file.relative_to(conf / group).with_suffix('')}`" for file in options]
        parts += [f"## {group}", f"{about[0].upper()}{about[1:]}."]
        parts += [f"Options: {', '.join(names)}."] * (len(names) > 1)
        if group == "data":
            parts += _table("", "data.", attributes)
        elif group not in ("model", "experiment"):
            file = conf / "config.yaml" if group == "window" else options[0]
            parts += _table("", f"{group}.", _commented(file, group))
        if group in OWN_FILES:
            for file in options:
                name = file.relative_to(conf / group).with_suffix("")
                parts += [f"### {group}={name}", f"```yaml\n{file.read_text('utf-8').strip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _table(title: str, prefix: str, rows: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """Write keys with what they are by default, or of which type, and what they mean."""
    if title:
        yield f"## {title}"
    lines = [f"| `{prefix}{key}` | {kind} | {_cell(told)} |" for key, (kind, told) in rows.items()]
    yield "\n".join(["| key | default or type | meaning |", "|---|---|---|", *lines])


def _documented(cls: type) -> dict[str, tuple[str, str]]:
    """Return the fields of a dataclass that its docstring, or one below the field, explains."""
    module = griffe.load(cls.__module__)
    found = module[cls.__name__]
    told = {
        one.name: one.description
        for section in (found.docstring.parse("google") if found.docstring else ())
        if section.kind.value == "attributes"
        for one in section.value
    }
    own = {one.name for one in fields(cls)}
    told |= {
        name: member.docstring.value
        for name, member in found.members.items()
        if name in own and member.docstring
    }
    kinds = {name: f"`{found.members[name].annotation}`".replace(" |", " or") for name in told}
    return {name: (kinds[name], text) for name, text in told.items()}


def _commented(file: Path, group: str) -> dict[str, tuple[str, str]]:
    """Return the keys of a file with their values and the comments beside or above them."""
    lines = file.read_text("utf-8").splitlines()
    if group == "window":
        first = lines.index("window:")
        lines = [line[2:] for line in lines[first + 1 :] if line.startswith("  ")][:4]
    values = yaml.safe_load("\n".join(lines))
    found, above = {}, []
    for line in lines:
        if line.startswith("#"):
            above.append(line.removeprefix("#").strip())
        elif (said := SAID.match(line)) and said[1] in values and not line.startswith(" "):
            value = json.dumps(values[said[1]], ensure_ascii=False)
            found[said[1]] = (f"`{value}`", " ".join([*above, said[3] or ""]).strip())
            above = []
    return found


def _cell(told: str) -> str:
    """Write a text so that it stays in its cell."""
    return " ".join(told.split()).replace("|", "\\|")
