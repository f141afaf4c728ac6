"""What the shell may complete: commands, groups, options, keys and ids, from files alone."""

import os
from collections.abc import Collection, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from forecast.commands.schema import Config
from forecast.errors import InputError

PACKAGE = Path(__file__).parent.parent
FLAGS = ("--help", "--cfg", "--info", "--multirun", "--quiet", "--verbose")
IDS = ("run", "other", "runs", "resume")
"""Keys that name runs of this machine."""

BASH = r"""# Completion of `forecast` in bash, written by `forecast --install-completion`.
_forecast() {
  local line=${COMP_LINE:0:COMP_POINT} IFS=$'\n'
  local word=${line##*[[:space:]]}
  COMPREPLY=($("${COMP_WORDS[0]}" --complete "$line" 2>/dev/null))
  # readline breaks words at "=", so only what stands behind it is to be replaced
  if [[ $word == *=* && $COMP_WORDBREAKS == *=* ]]; then
    COMPREPLY=("${COMPREPLY[@]#"${word%%=*}="}")
  fi
  if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace; fi
} 2>/dev/null
complete -o default -F _forecast forecast
"""


def install() -> Path:
    """Write the script where bash-completion looks for it.

    Returns:
        The file.

    Raises:
        InputError: It cannot be written.
    """
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    file = Path(data) / "bash-completion" / "completions" / "forecast"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(BASH, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"--install-completion must be able to write {file}, got {error.strerror!r}: use "
            "forecast --completion, which prints the script"
        ) from error
    return file


def candidates(line: str, commands: Collection[str]) -> list[str]:
    """List what may stand at the end of a line.

    Args:
        line: Up to the cursor, the program's name first.
        commands: Those of the program.

    Returns:
        Whole words that begin as the last one does, sorted.

    >>> candidates("forecast tr", ["train", "sweep"])
    ['train']
    >>> candidates("forecast train model=patch_", ["train"])
    ['model=patch_gru', 'model=patch_lstm']
    """
    *before, last = [*line.split(), ""] if line[-1:].isspace() else line.split()
    if len(before) < 2:
        found = [*commands, "--help", "--version", "--completion", "--install-completion"]
    elif last.startswith("-"):
        found = list(FLAGS)
    elif "=" in last:
        key = last.split("=")[0]
        found = [f"{key}={value}" for value in _values(key)]
    else:
        found = list(_keys(before))
    return sorted({word for word in found if word.startswith(last)})


def _homes() -> tuple[Path, Path]:
    """Return the folders in which groups have their options: ours, and the user's own."""
    inside = PACKAGE / "conf"
    return (inside if inside.is_dir() else PACKAGE.parent / "conf"), Path.cwd() / "conf"


def _options(group: str) -> dict[str, Path]:
    """Return the options of a group, the user's own before ours."""
    return {
        str(file.relative_to(home / group).with_suffix("")): file
        for home in _homes()
        for file in (home / group).rglob("*.yaml")
    }


def _keys(before: list[str]) -> Iterator[str]:
    """List groups and keys, each with its equals sign."""
    for home in _homes():
        if home.is_dir():
            yield from (f"{group.name}=" for group in home.iterdir() if group.is_dir())
    for group in fields(Config):
        if is_dataclass(group.type):
            yield from (f"{group.name}.{own.name}=" for own in fields(group.type))
        elif group.name != "model":
            yield f"{group.name}="
    model = next((w.split("=")[1] for w in reversed(before) if w.startswith("model=")), "lstm")
    yield from (f"model.{name}=" for name in _read(_options("model").get(model)) if name != "name")


def _read(file: Path | None) -> dict[str, Any]:
    """Return the keys of an option; none where its file cannot be read."""
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8")) if file else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else {}


def _values(key: str) -> list[str]:
    """List what a key can be set to, where that can be listed; the shell then offers files."""
    if key in IDS:
        return [run.name for run in Path("runs").glob("[!.]*") if run.is_dir()]
    if "." not in key:
        return list(_options(key))
    group, _, name = key.partition(".")
    kinds: dict[str, Any] = {own.name: own.type for own in fields(Config)}
    own = fields(kinds[group]) if is_dataclass(kinds.get(group)) else ()
    return ["true", "false"] if any(f.name == name and f.type is bool for f in own) else []
