"""The documents: which pages there are, and the blocks that stand in them."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
)


class Block(NamedTuple):
    """A fenced block: its language and its text."""

    language: str
    text: str


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[Block]:
    found = [
        Block(*match) for match in re.findall(r"^```(\w+)\n(.*?)^```$", read(page), re.M | re.S)
    ]
    return [block for block in found if block.language in languages]


def lines(block: Block) -> list[str]:
    """The lines of a block, those that end in a backslash joined with the next.

    Of a text, which shows what was printed, those that were typed: behind a dollar.
    """
    text = re.sub(r" *\\\n *", " ", block.text)
    if block.language == "text":
        return re.findall(r"^\$ (.+)$", text, re.M)
    return [line for line in text.splitlines() if line.strip()]


def commands(page: str) -> list[str]:
    """Every line that is typed, and every piece of inline code outside of blocks."""
    told = [line for block in blocks(page, "bash", "text") for line in lines(block)]
    return told + re.findall(r"`([^`]+)`", prose(page))


def prose(page: str) -> str:
    """What stands outside of fenced blocks."""
    return re.sub(r"^```.*?^```$", "", read(page), flags=re.M | re.S)


def build_site(folder: Path, source: Path = ROOT) -> Path:
    """Build the site as `make docs` does in the folder of a source; a warning is a fault."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)],
        cwd=source,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder
