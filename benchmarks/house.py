"""Count what the package consists of: `python -m benchmarks.house`.

Lines, files, docstrings, private words, function names, and the modules that a training imports.
"""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "forecast"
WORDS = ("told", "stands", "said", "is none", "as which", "by which")
NAMES = ("run", "check", "build", "table")
IMPORTED = "import sys, forecast.cli.commands.train; print(*sys.modules, sep='\\n')"


def docstring_lines(tree: ast.Module) -> int:
    """Return how many lines of a module are docstrings, those of attributes included."""
    return sum(
        node.end_lineno - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        and node.end_lineno
    )


def word_count(text: str, word: str) -> int:
    """Return how often a word stands in a source, as part of an identifier too."""
    return len(re.findall(rf"(?<![A-Za-z]){word}(?![A-Za-z])", text))


def main() -> None:
    """Print one line per count."""
    files = sorted(PACKAGE.rglob("*.py"))
    texts = [file.read_text("utf-8") for file in files]
    trees = [ast.parse(text) for text in texts]
    functions = Counter(
        node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
    )
    folders = Counter(file.parent for file in files)
    folder, most = folders.most_common(1)[0]
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True
    )
    own = [name for name in done.stdout.split() if name.split(".")[0] == "forecast"]
    print(f"lines                        {sum(text.count(chr(10)) for text in texts):,}")
    print(f"files                        {len(files)}")
    print(f"most files in a folder       {most} ({folder.relative_to(PACKAGE.parent)})")
    print(f"lines of docstrings          {sum(map(docstring_lines, trees)):,}")
    print(f"modules imported by `train`  {len(own)}")
    for word in WORDS:
        print(f"{word!r:<28} {sum(word_count(text, word) for text in texts)}")
    for name in NAMES:
        print(f"functions called {name!r:<11} {functions[name]}")


if __name__ == "__main__":
    main()
