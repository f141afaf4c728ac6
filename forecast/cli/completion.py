"""What a shell may complete: commands, keys, values, columns, ids; and the scripts that ask."""

import ast
import csv
import gzip
import json
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

import yaml

from forecast.errors import InputError
from forecast.workflows.settings import Config

PACKAGE = Path(__file__).parent.parent
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
    >>> candidates("forecast train data.calendar=[hour,w", ["train"])
    ['data.calendar=[hour,weekday,', 'data.calendar=[hour,weekday]']
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


def _given(key: str, before: list[str]) -> str | None:
    """Return what the line sets a key to, the last one counting."""
    return next((w.partition("=")[2] for w in reversed(before) if w.startswith(f"{key}=")), None)


def _option(group: str, before: list[str]) -> dict[str, Any]:
    """Return the keys of the option that the line chooses, or the configuration for it."""
    chosen = _given(group, before)
    if chosen is None:
        defaults = _read(_homes()[0] / "config.yaml").get("defaults", [])
        chosen = next(
            (one[group] for one in defaults if isinstance(one, dict) and group in one), ""
        )
    return _read(_options(group).get(chosen))


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
        return list(_runs(key, Path(_given("tracking.folder", before) or "runs")))
    if group == "model" and name:
        return settings(str(_option("model", before).get("name"))).get(name, [])
    kind = _kind(key)
    if kind is bool:
        return ["true", "false"]
    if not name:
        return list(_options(key)) if key.isidentifier() else []
    found = values(key)
    if found and isinstance(kind, UnionType) and type(None) in get_args(kind):
        found = [*found, "null"]
    return [*found, *_columns(before)] if group == "data" and name in COLUMNS else found


def _runs(key: str, folder: Path) -> Iterator[str]:
    """List the newest runs of this machine: by the id in MLflow, and by their own to resume."""
    from forecast.tracking.journal import CHECKPOINT, LINES, marks_of

    found = sorted(folder.glob(f"*/{CHECKPOINT if key == 'resume' else LINES}"))  # by their time
    for place in found[-NEWEST:]:
        if key == "resume":  # it is gone once the run has finished
            yield place.parent.name
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
    inside = PACKAGE / "sample"
    samples = inside if inside.is_dir() else PACKAGE.parent / "data"
    file = (
        samples / path.removeprefix("embedded:")
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


SOURCES = Path(__file__).parent.parent

CHECKED = {
    "data.calendar": (("data/schema.py", "CALENDAR"),),
    "data.duplicates": (("data/schema.py", "DUPLICATES"),),
    "data.format": (("data/source.py", "FORMATS"),),
    "data.known_future": (("data/schema.py", "CALENDAR"),),
    "data.missing": (("data/schema.py", "MISSING"),),
    "training.scaling": (("data/scale.py", "SCALING"),),
    "training.schedule": (("training/losses.py", "SCHEDULES"),),
    "evaluation.baselines": (
        ("evaluation/baselines/rules.py", "RULES"),
        ("evaluation/baselines/classical.py", "CLASSICAL"),
        ("evaluation/baselines/trees.py", "NAMES"),
    ),
    "evaluation.calibration": (("evaluation/intervals/margin.py", "METHODS"),),
    "backtest.scheme": (("evaluation/rolling.py", "SCHEMES"),),
    "sweep.strategy": (("cli/commands/sweep.py", "STRATEGIES"),),
    "sweep.resource": (("search/strategies.py", "RESOURCES"),),
}
"""Key to the constants that hold its values."""

KERAS = {
    "training.loss": ("losses", "Loss"),
    "training.metrics": ("metrics", "Metric"),
    "training.optimizer": ("optimizers", "Optimizer"),
}
"""Key to a module of Keras, and the base of its classes, which is none to choose."""


def values(key: str) -> list[str]:
    """List the values that a key of the schema can have.

    >>> values("data.missing")
    ['drop', 'hold', 'mask']
    """
    if key in KERAS:
        module, base = KERAS[key]
        return _classes(module, {base, *constant("training/losses.py", "WRAPPERS")})
    return [name for place in CHECKED.get(key, ()) for name in constant(*place)]


def settings(architecture: str) -> dict[str, list[str]]:
    """List what the settings of an architecture can be.

    >>> settings("gru")["head"]
    ['last', 'flatten', 'time_distributed']
    """
    found: dict[str, list[str]] = {}
    for kind in _kinds(architecture):
        for field in kind.body:
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                found[field.target.id] = _annotated(field.annotation)
    return {name: choices for name, choices in found.items() if choices}


def constant(file: str, name: str) -> list[str]:
    """Read the names that a constant of the package holds, without importing it."""
    for line in _parsed(SOURCES / file).body:
        if not isinstance(line, (ast.Assign, ast.AnnAssign)):
            continue
        target = line.targets[0] if isinstance(line, ast.Assign) else line.target
        if ast.unparse(target) == name:
            value = line.value
            if isinstance(value, ast.DictComp):
                value = value.generators[0].iter
            listed = value.keys if isinstance(value, ast.Dict) else getattr(value, "elts", [])
            parts: list[Any] = listed
            return [part.id if isinstance(part, ast.Name) else part.value for part in parts]
    return []


def _classes(module: str, without: set[str]) -> list[str]:
    """Return the classes that a module of Keras offers, but for some and what is made with them."""
    there = find_spec("keras")  # finds it without importing it
    if there is None or there.origin is None:
        return []
    tree = _parsed(Path(there.origin).parent / module / "__init__.py")
    imported = [
        (line.module, alias.asname or alias.name)
        for line in tree.body
        if isinstance(line, ast.ImportFrom)
        for alias in line.names
    ]
    beside = {source for source, name in imported if name in without}
    return [name for source, name in imported if name[0].isupper() and source not in beside]


def _kinds(architecture: str) -> list[ast.ClassDef]:
    """Return the dataclasses of an architecture's settings, each after the one it inherits."""
    for file in (SOURCES / "models").glob("*.py"):
        if f"def {architecture}(" in file.read_text(encoding="utf-8"):
            break
    else:
        return []
    body = [*_parsed(SOURCES / "models" / "settings.py").body, *_parsed(file).body]
    known = {part.name: part for part in body if isinstance(part, ast.ClassDef)}
    made = {part.name: part for part in body if isinstance(part, ast.FunctionDef)}
    taken = made[architecture].args.args
    named = [
        ast.unparse(one.annotation) for one in taken if one.arg == "settings" and one.annotation
    ]
    kind = next((known[name] for name in named if name in known), None)
    found: list[ast.ClassDef] = []
    while kind is not None:
        found.insert(0, kind)
        bases = [ast.unparse(base) for base in kind.bases]
        kind = next((known[name] for name in bases if name in known), None)
    return found


def _annotated(hint: ast.expr) -> list[str]:
    """Return the values that an annotation lists."""
    if isinstance(hint, ast.Subscript) and ast.unparse(hint.value) == "Literal":
        return list(ast.literal_eval(hint.slice))
    return ["true", "false"] if ast.unparse(hint) == "bool" else []


@cache
def _parsed(file: Path) -> ast.Module:
    """Parse a source file."""
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    except OSError:
        return ast.Module([], [])
