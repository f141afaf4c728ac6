"""Which values a key can have, from the source of what checks them: to import it takes seconds."""

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent.parent

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
    for line in _parsed(PACKAGE / file).body:
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
    for file in (PACKAGE / "models").glob("*.py"):
        if f"def {architecture}(" in file.read_text(encoding="utf-8"):
            break
    else:
        return []
    body = [*_parsed(PACKAGE / "models" / "settings.py").body, *_parsed(file).body]
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
