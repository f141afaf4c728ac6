"""Overrides and files that Hydra could not read, as one sentence with a cure."""

import contextlib
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.errors import HydraException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from forecast.cli.config import columns
from forecast.cli.config.columns import BY_COLUMN, LISTS, parted
from forecast.errors import InputError, nearest, plain, quoted
from forecast.workflows.settings import Config

MAPPINGS = (*BY_COLUMN, "data.resample", "evaluation.regressors")
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
        key, equals, value = parted(error.override)
        if key in LISTS and value:
            return InputError(
                f"{key} must be a list of columns, got {plain(value)!r}: write "
                f"{_list_of(key, value)}"
            )
        if key in BY_COLUMN and value:
            return InputError(
                f"{key} must be pairs of a column and its value, got {plain(value)!r}: write pairs "
                f"in braces, {key}={{COLUMN: VALUE}}, or one column, {key}.COLUMN=VALUE"
            )
        if not equals:
            return InputError(
                f"overrides must be key=value, got {plain(key)!r}: see forecast --help"
            )
        return InputError(
            f"{plain(key)} must have a value that Hydra can read, got {plain(value)!r}: put a "
            "value with characters other than letters, digits and ./-_ in quotes, "
            + shlex.quote(f"{plain(key)}={quoted(plain(value), always=True)}")
        )
    file = re.match(r"In '([\w/-]+)'", str(error))
    if file and Path("conf", f"{file[1]}.yaml").is_file():
        return InputError(
            f"conf/{file[1]}.yaml must hold keys and values of forecast, got others "
            f"({_reason(error)}): mend it or rename it"
        )
    known, text = _known(), str(error)
    for override in reversed(overrides):  # of two for one key the last one counts
        key, _, value = parted(override)
        if not key or key not in text:
            continue
        if key not in known and not key.startswith(tuple(f"{name}." for name in MAPPINGS)):
            return InputError(
                f"{plain(key)} must be a key of the config, got {plain(override)}: "
                f"{nearest_key(key, known)}"
            )
        written = f"{value!r}" if "=" in override else override
        bare = key in LISTS and "=" in override and value[:1] not in ("", "[", "{")
        cure = f"write a list, {_list_of(key, value)}" if bare else _cure(error)
        return InputError(
            f"{plain(key)} must fit its type, got {plain(written)} ({_reason(error)}): {cure}"
        )
    named = getattr(error, "full_key", None) or "config"
    given = plain(" ".join(overrides)) or "the defaults"
    return InputError(
        f"{named} must compose, got {given} ({_reason(error)}): see forecast train --help"
    )


def _list_of(key: str, value: str) -> str:
    """Write the list that somebody meant who left its brackets away."""
    parts = columns.elements(value)
    return columns.argument(key, [columns.unquoted(part) for part in parts if part])


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
    if lines and lines[0].startswith("In '"):  # which says only what kind of error follows
        lines = lines[1:]
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
