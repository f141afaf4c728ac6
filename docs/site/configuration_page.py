"""The page of the configuration: every group, option and key, from `conf/` and its typed form."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from sources import written

from forecast.cli.config import keys
from forecast.cli.config.keys import Key
from forecast.models.catalogue import CATALOGUE
from forecast.models.settings import Repairs


def text(conf: Path) -> str:
    """Return the page.

    Args:
        conf: The folder of the configuration.
    """
    parts = [
        "# Configuration",
        "`key=value` after a command sets a key, `group=option` selects a file of `conf/`. A "
        "`conf/` of the folder you work in comes before this one. `forecast train --cfg job` "
        "prints what would run. A key without a default must be set.",
        "## Options of individual commands",
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
    shared = {"model.name": "???"} | {f"model.{one.name}": one.default for one in fields(Repairs)}
    held = {name: yaml.safe_load(file.read_text("utf-8")) for name, file in sorted(files.items())}
    any_model = [key for key in keys.of_model(held["lstm"]) if key.name in shared]
    yield "What every model has:"
    yield _table([key._replace(default=shared[key.name]) for key in any_model])
    for name, values in held.items():
        made = written(f"forecast.models.{CATALOGUE[values['name']].home}.{values['name']}")
        own = [key for key in keys.of_model(values)[1:] if shared.get(key.name, ...) != key.default]
        yield f"### model={name}"
        yield f"{made.docstring.value.splitlines()[0]}"
        yield _table(own)


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
