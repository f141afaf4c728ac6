"""The house as a checked file: which room may import what, and how large things may grow."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[1] / "forecast"

# A room may import itself and the rooms before it.
ROOMS = (
    "data",
    "metrics",
    "models",
    "training",
    "parallel",
    "evaluation",
    "gates",
    "report",
    "tracking",
    "serving",
    "search",
    "workflows",
    "cli",
)
LEAVES = ("errors", "process", "vocabulary")

# Where an outside library may be imported at all; libraries not named here are free.
HOMES = {
    "hydra": {"cli"},
    "jinja2": {"report"},
    "markupsafe": {"report"},
    "omegaconf": {"cli"},
    "mlflow": {"tracking", "serving", "workflows", "cli"},
}
# These rooms must be usable without paying for the import of TensorFlow.
LIGHT_ROOMS = {"data", "metrics"}
HEAVY = {"tensorflow", "keras"}

MAX_LINES = 400
MAX_METHODS = 12
MAX_PARAMETERS = 8
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Import(NamedTuple):
    """One imported name: `module` in full dots, `always` if importing the file imports it."""

    path: Path
    line: int
    module: str
    always: bool


def sources(package: Path) -> list[Path]:
    """All Python files of the package, in a fixed order."""
    return sorted(package.rglob("*.py"))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def place(package: Path, path: Path, line: int) -> str:
    return f"{path.relative_to(package.parent)}:{line}"


def room_of(package: Path, path: Path) -> str:
    """The room a file lies in; for a file directly in the package, its stem."""
    return path.relative_to(package).with_suffix("").parts[0]


def walk(tree: ast.AST, always: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """Every node, and whether it runs when the file is imported."""
    for node in ast.iter_child_nodes(tree):
        yield node, always
        inside_body = isinstance(node, Function | ast.Lambda)
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        yield from walk(node, always and not inside_body and not typing_only)


def imported(package: Path, path: Path, node: ast.AST) -> list[str]:
    """Full names of the modules that one statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            here = path.relative_to(package.parent).with_suffix("").parts
            base = ".".join((*here[: -node.level], *filter(None, [node.module])))
        # `from forecast import data` imports the room, `from forecast.data import x` a name in it.
        return [f"{base}.{alias.name}" for alias in node.names] if base == package.name else [base]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
        return [
            arg.value
            for arg in node.args[:1]
            if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
        ]
    return []


def imports(package: Path) -> Iterator[Import]:
    for path in sources(package):
        for node, always in walk(parse(path)):
            for module in imported(package, path, node):
                yield Import(path, getattr(node, "lineno", 0), module, always)


def may_import(source: str, target: str) -> bool:
    """Whether a file of `source` may import `target`: rooms, `errors`, `__init__`, `__main__`."""
    if source in LEAVES:
        return False
    if source in ("__init__", "__main__"):
        return target in (*ROOMS, *LEAVES)
    if source not in ROOMS:
        return False
    return target in LEAVES or target in ROOMS[: ROOMS.index(source) + 1]


def wrong_edges(package: Path) -> list[str]:
    faults = []
    for item in imports(package):
        name, *rest = item.module.split(".")
        source = room_of(package, item.path)
        if name != package.name:
            continue
        target = rest[0] if rest else "the package itself"
        if not may_import(source, target):
            where = place(package, item.path, item.line)
            faults.append(f"{where}: {source} must not import {target} ({item.module})")
    return faults


def wrong_libraries(package: Path) -> list[str]:
    faults = []
    for item in imports(package):
        library = item.module.split(".")[0]
        source = room_of(package, item.path)
        where = place(package, item.path, item.line)
        if source not in HOMES.get(library, {source}):
            faults.append(f"{where}: {library} belongs to {', '.join(sorted(HOMES[library]))}")
        if source in LIGHT_ROOMS and library in HEAVY and item.always:
            faults.append(f"{where}: {source} must import {library} inside a function, if at all")
    return faults


def edges(package: Path) -> dict[str, set[str]]:
    """Module to the modules of the package that it imports, for typing and inside functions too."""
    files = {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in sources(package)
    }
    found: dict[str, set[str]] = {}
    for name, path in files.items():
        own = found.setdefault(name, set())
        for node, _ in walk(parse(path)):
            for module in imported(package, path, node):
                names = getattr(node, "names", [])
                parts = {f"{module}.{alias.name}" for alias in names} & files.keys()
                own |= parts or ({module} & files.keys())
    return {name: own - {name} for name, own in found.items()}


def circles(package: Path) -> list[str]:
    """Modules that import each other, whenever and for whatever they do so."""
    graph = edges(package)
    reached = {name: set(graph[name]) for name in graph}
    for _ in graph:
        grown = {
            name: own.union(*(reached[other] for other in own)) for name, own in reached.items()
        }
        if grown == reached:
            break
        reached = grown
    inside = sorted(name for name, own in reached.items() if name in own)
    return [
        f"{place(package, package.parent / (name.replace('.', '/') + '.py'), 1)}: imports itself "
        f"through {', '.join(sorted(o for o in graph[name] if name in reached[o]))}"
        for name in inside
    ]


MOST_FILES = 16
"""Chapters in a folder, its `__init__` among them."""


def crowded(package: Path) -> list[str]:
    """Folders with more files than one looks through."""
    folders = {path.parent for path in sources(package)}
    counts = {folder: len(list(folder.glob("*.py"))) for folder in sorted(folders)}
    return [
        f"{place(package, folder, 1)}: {count} files, at most {MOST_FILES}"
        for folder, count in counts.items()
        if count > MOST_FILES
    ]


def unprepared(package: Path) -> list[str]:
    """Rooms that import Keras, without what must be set in the process before."""
    faults = []
    for item in imports(package):
        room = package / room_of(package, item.path)
        if item.always and item.module.split(".")[0] in HEAVY and room.is_dir():
            begin = room / "__init__.py"
            if not begin.is_file() or "from forecast import process" not in begin.read_text():
                faults.append(f"{place(package, item.path, item.line)}: {room.name} needs process")
    return faults


MERGED = 70
"""Lines below which a module with one importer belongs into that importer."""

ALONE = {
    "hierarchical": "an architecture a file",
    "keys": "holds the number that is raised by hand",
    "mlp": "an architecture a file",
}
"""Small modules that stay, and why."""


def orphans(package: Path) -> list[str]:
    """Small modules with a single importer."""
    graph = edges(package)
    faults = []
    for path in sources(package):
        parts = path.relative_to(package.parent).with_suffix("").parts
        lines = len(path.read_text(encoding="utf-8").splitlines())
        importers = [name for name, own in graph.items() if ".".join(parts) in own]
        if lines < MERGED and path.stem not in ("__init__", *ALONE) and len(importers) == 1:
            faults.append(f"{place(package, path, 1)}: part of {importers[0]}, its only importer")
    return faults


def parameters(function: Function) -> int:
    """Number of parameters, without `self` or `cls`."""
    spec = function.args
    named = [arg.arg for arg in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
    stars = [star for star in (spec.vararg, spec.kwarg) if star]
    return len(named) - (named[:1] in (["self"], ["cls"])) + len(stars)


def too_large(package: Path) -> list[str]:
    faults = []
    for path in sources(package):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MAX_LINES:
            faults.append(f"{place(package, path, lines)}: {lines} lines, at most {MAX_LINES}")
        tree = parse(path)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                count = sum(isinstance(item, Function) for item in node.body)
                kind, limit = "methods", MAX_METHODS
            elif isinstance(node, Function):
                count, kind, limit = parameters(node), "parameters", MAX_PARAMETERS
            else:
                continue
            if count > limit:
                where = place(package, path, node.lineno)
                faults.append(f"{where}: {node.name} has {count} {kind}, at most {limit}")
    return faults


def vague_errors(package: Path) -> list[str]:
    faults = []
    for path in sources(package):
        for node in ast.walk(parse(path)):
            where = place(package, path, getattr(node, "lineno", 0))
            if isinstance(node, ast.Assert):
                faults.append(
                    f"{where}: assert vanishes under -O; raise an error that says the cure"
                )
            if isinstance(node, ast.Raise) and node.exc:
                raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
                if ast.unparse(raised) in ("Exception", "BaseException"):
                    faults.append(f"{where}: raise a named error, not {ast.unparse(raised)}")
    return faults


@pytest.mark.parametrize(
    "rule",
    [wrong_edges, wrong_libraries, too_large, vague_errors, circles, orphans, crowded, unprepared],
)
def test_house(rule):
    faults = rule(PACKAGE)
    assert not faults, "\n" + "\n".join(faults)


def test_importing_the_package_is_cheap_and_changes_nothing():
    heavy = {"keras", "matplotlib", "mlflow", "pandas", "sklearn", "tensorflow"}
    script = (
        "import os, sys; before = dict(os.environ); import forecast;"
        f"print(*sorted({heavy!r} & set(sys.modules)));"
        "print(*(dict(os.environ).items() - before.items()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []


BAD_HOUSE = {
    "errors.py": "import forecast.data",
    "data/a.py": "import keras\nfrom ..models import lstm\ndef f():\n    import tensorflow",
    "data/b.py": "from forecast.data.a import f\nfrom forecast.errors import E\nimport mlflow",
    "metrics/a.py": "from forecast import data\nfrom forecast import Forecaster",
    "models/a.py": "from importlib import import_module\nimport_module('forecast.search')",
    "search/a.py": "def g():\n    from hydra import compose\nassert g\nraise Exception('x')",
    "tracking/a.py": "def h(a, b, c, d, e, f, g, i, *, j): ...\nimport mlflow.pyfunc",
    "gates/a.py": "class C:\n" + "    def __init__(self, a, b, c, d, e, f, g, h, **i): ...\n" * 13,
    "serving/a.py": "\n" * 401,
    "evaluation/a.py": "if TYPE_CHECKING:\n    from forecast.evaluation.b import f",
    "evaluation/b.py": "def f():\n    from forecast.evaluation import a",
    "attic/a.py": "import forecast.data",
}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            wrong_edges,
            [
                "attic/a.py:1",
                "data/a.py:2",
                "errors.py:1",
                "metrics/a.py:2",
                "models/a.py:2",
            ],
        ),
        (wrong_libraries, ["data/a.py:1", "data/b.py:3", "search/a.py:2"]),
        (vague_errors, ["search/a.py:3", "search/a.py:4"]),
        (unprepared, ["data/a.py:1"]),
        (crowded, ["attic:1"]),
        (circles, ["evaluation/a.py:1", "evaluation/b.py:1"]),
        (orphans, ["data/a.py:1", "errors.py:1", "evaluation/a.py:1", "evaluation/b.py:1"]),
        (
            too_large,
            ["gates/a.py:1", *(f"gates/a.py:{n}" for n in range(2, 15)), "serving/a.py:401"]
            + ["tracking/a.py:1"],
        ),
    ],
)
def test_rules_find_the_faults_of_a_bad_house(tmp_path, rule, expected):
    package = tmp_path / "forecast"
    many = {f"attic/{letter}.py": "" for letter in "bcdefghijklmnopq"}
    for name, text in (BAD_HOUSE | many).items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    found = [fault.split(": ")[0].removeprefix("forecast/") for fault in rule(package)]
    assert found == expected


def test_a_marker_stands_in_the_file_of_its_tests():
    """`make test-slow` and others give pytest the files that name their marker, and no other."""
    tests = Path(__file__).parent
    other = re.compile(r"mark\.(slow|processes|faults|ui|docs|install|relations)\b|add_marker\(")
    found = [
        str(path.relative_to(tests))
        for path in tests.rglob("*.py")
        if not path.name.startswith("test_") and other.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []
