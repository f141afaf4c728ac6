"""What a shell may complete: commands, keys, values, columns, ids; and the scripts that ask."""

import csv
import gzip
import json
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml

from forecast import process
from forecast.cli.config import keys
from forecast.errors import InputError
from forecast.models.catalogue import CATALOGUE
from forecast.vocabulary import VALUES
from forecast.workflows.settings import Config

FLAGS = ("--help", "--cfg", "--info", "--multirun", "--quiet", "--verbose")
COLUMNS = ("time", "targets", "features", "series", "known_future", "static")
"""Keys of `data` that name columns of the file."""

NEWEST = 200
"""Runs that are read, so that a folder of thousands does not delay an answer."""

PLAIN = re.compile(r"[\w./:%@+-]+")
"""Names that stand in an override without quotes."""


def candidates(line: str, commands: Collection[str]) -> list[str]:
    """List what may stand at the end of a line.

    >>> candidates("forecast tr", ["train", "sweep"])
    ['train']
    >>> candidates("forecast train model=patch_", ["train"])
    ['model=patch_gru', 'model=patch_lstm']
    >>> candidates("forecast train data.calendar=[hour,y", ["train"])
    ['data.calendar=[hour,year,', 'data.calendar=[hour,year]']
    """
    words = [word.strip("'\"") for word in line.split()]
    *before, last = [*words, ""] if line[-1:].isspace() or not words else words
    before = [word.replace("\\", "") for word in before]
    key, equals, value = last.partition("=")
    if len(before) < 2:
        found = [*commands, "--help", "--version", "--completion", "--install-completion"]
    elif last.startswith("-"):
        found = list(FLAGS)
    elif equals:
        found = [f"{key}={one}" for one in _written(key, value, before)]
    else:
        found = list(_keys(before))
        if "." not in last:
            found = [one.split(".")[0] + "." if "." in one else one for one in found]
    return sorted({word for word in found if word.startswith(last)})


def _written(key: str, value: str, before: list[str]) -> list[str]:
    """List values as they are written, in a list after what is already typed.

    A single item of a list comes twice, with what may follow: so the shell adds no space to it, and
    closes no quote.
    """
    cut = max(value.rfind("["), value.rfind(",")) + 1
    head, item = value[:cut], value[cut:]
    kind, known = _kind(key), [one for one in _values(key, before) if PLAIN.fullmatch(one)]
    if get_origin(kind) is not list:
        return [head + one for one in known]
    head, there = head or "[", head.strip("[").split(",")
    fits = [one for one in known if one.startswith(item) and one not in there]
    return [f"{head}{one}{end}" for one in fits for end in (",]" if len(fits) == 1 else [""])]


def _kind(key: str) -> Any:
    """Return the type of a key of the schema; None where it has none."""
    kinds: dict[str, Any] = {own.name: own.type for own in fields(Config)}
    group, _, name = key.partition(".")
    own = kinds.get(group)
    if not name:
        return own
    return {f.name: f.type for f in fields(own)}.get(name) if is_dataclass(own) else None


def _given(key: str, before: list[str]) -> str | None:
    """Return what the line sets a key to, the last one counting."""
    return next((w.partition("=")[2] for w in reversed(before) if w.startswith(f"{key}=")), None)


def _option(group: str, before: list[str]) -> dict[str, Any]:
    """Return the keys of the option that the line chooses, or the configuration for it."""
    chosen = _given(group, before)
    if chosen is None:
        defaults = _read(keys.CONF / "config.yaml").get("defaults", [])
        chosen = next(
            (one[group] for one in defaults if isinstance(one, dict) and group in one), ""
        )
    return _read(keys.options(group).get(chosen))


def _keys(before: list[str]) -> Iterator[str]:
    """List groups and keys, each with its equals sign."""
    for home in (keys.CONF, Path.cwd() / "conf"):
        if home.is_dir():
            yield from (f"{group.name}=" for group in home.iterdir() if group.is_dir())
    for group in fields(Config):
        if is_dataclass(group.type):
            yield from (f"{group.name}.{own.name}=" for own in fields(group.type))
        elif group.name != "model":
            yield f"{group.name}="
    yield from (f"model.{name}=" for name in _option("model", before) if name != "name")


def _read(file: Path | None) -> dict[str, Any]:
    """Return the keys of an option; none where its file cannot be read."""
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8")) if file else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else {}


def _values(key: str, before: list[str]) -> list[str]:
    """List what a key can be set to, where that can be listed; the shell then offers files."""
    group, _, name = key.partition(".")
    if key in ("run", "other", "runs", "resume"):
        ids = list(_runs(key, Path(_given("tracking.folder", before) or "runs")))
        words = ["last"] if key == "resume" else ["last", "best"]
        return [*words, *ids] if ids else []
    if group == "model" and name:
        return settings(str(_option("model", before).get("name"))).get(name, [])
    kind = _kind(key)
    if kind is bool:
        return ["true", "false"]
    if not name:
        return list(VALUES.get(key) or (keys.options(key) if key.isidentifier() else ()))
    found = list(VALUES.get(key, ()))
    if found and isinstance(kind, UnionType) and type(None) in get_args(kind):
        found = [*found, "null"]
    return [*found, *_columns(before)] if group == "data" and name in COLUMNS else found


def settings(architecture: str) -> dict[str, list[str]]:
    """List what the settings of an architecture can be, where that is a closed list.

    >>> settings("gru")["head"]
    ['last', 'flatten', 'time_distributed']
    """
    if architecture not in CATALOGUE:
        return {}
    hints = get_type_hints(CATALOGUE[architecture].settings)
    closed = {name: list(get_args(h)) for name, h in hints.items() if get_origin(h) is Literal}
    return closed | {name: ["true", "false"] for name, hint in hints.items() if hint is bool}


def _runs(key: str, folder: Path) -> Iterator[str]:
    """List the newest runs of this machine by their ids in MLflow, where they have one."""
    from forecast.tracking.journal import CHECKPOINT, LINES, marks_of

    found = sorted(folder.glob(f"*/{CHECKPOINT if key == 'resume' else LINES}"))  # by their time
    for place in found[-NEWEST:]:
        if key == "resume":  # it is gone once the run has finished
            yield marks_of(place.parent).get("run") or place.parent.name
            continue
        try:
            with place.open(encoding="utf-8") as file:
                kind = json.loads(file.readline())["tags"]["forecast.kind"]
            run_id = marks_of(place.parent).get("run")
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if run_id and (key == "runs" or kind != "baseline"):
            yield run_id


def _columns(before: list[str]) -> list[str]:
    """Return the names in the first line of the CSV file that the line means."""
    path = str(_given("data.path", before) or _option("data", before).get("path"))
    file = (
        process.folder("sample", "data") / path.removeprefix("embedded:")
        if path.startswith("embedded:")
        else Path(os.path.expanduser(path))
    )
    opened = gzip.open if file.suffix == ".gz" else open
    try:
        if not file.is_file() or not file.name.endswith((".csv", ".csv.gz")):
            return []
        with opened(file, "rt", encoding="utf-8-sig") as lines:
            return next(csv.reader([lines.readline(1_000_000)]), [])
    except (OSError, UnicodeDecodeError, EOFError, csv.Error):
        return []


BASH = r"""# Completion of `forecast` in bash, written by `forecast --install-completion`.
_forecast() {
  local line=${COMP_LINE:0:COMP_POINT}
  local word=${line##*[[:space:]]}
  mapfile -t COMPREPLY < <("${COMP_WORDS[0]}" --complete "$line" 2>/dev/null)
  if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=.] ]]; then compopt -o nospace; fi
  # readline breaks words at "=" and ":", and replaces the last part alone
  word=${word#[\"\']}
  COMPREPLY=("${COMPREPLY[@]#"${word%"$2"}"}")
} 2>/dev/null
complete -o default -F _forecast forecast
"""

ZSH = r"""# Completion of `forecast` in zsh, written by `forecast --install-completion zsh`.
_forecast() {
  local -a found
  found=(${(f)"$(${~words[1]} --complete "${(j: :)words[1,CURRENT-1]} ${(Q)PREFIX}" 2>/dev/null)"})
  if (( ! $#found )); then
    compset -P '*='
    _files
    return
  fi
  compadd -S '' -- ${(M)found:#*[=.]}
  compadd -- ${found:#*[=.]}
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _forecast forecast
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH}


def chosen(asked: list[str]) -> str:
    """Return the shell that is meant."""
    own = Path(os.environ.get("SHELL", "")).name
    shell = " ".join(asked) or (own if own in SCRIPTS else "bash")
    if shell not in SCRIPTS:
        raise InputError(
            f"completion must be for {' or '.join(SCRIPTS)}, got {shell!r}: name one of them"
        )
    return shell


def install(shell: str) -> str:
    """Write the script of a shell: where bash-completion or zsh looks for it."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    places = {"bash": "bash-completion/completions/forecast", "zsh": "forecast/completion.zsh"}
    file = data / places[shell]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(SCRIPTS[shell], encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"--install-completion must be able to write {file}, got {error.strerror!r}: use "
            "forecast --completion, which prints the script"
        ) from error
    if shell == "bash":
        return f"wrote {file}: open a new bash that has bash-completion, or source it in ~/.bashrc"
    return f"wrote {file}: source it in ~/.zshrc, and open a new zsh"
