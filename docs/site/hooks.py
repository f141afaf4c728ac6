"""Pages of the site that do not lie in docs/: those of the root, those made from the sources."""

import re
from pathlib import Path
from posixpath import dirname, normpath, relpath
from typing import Any

import commands_page  # MkDocs lets a hook import what lies beside it
import configuration_page
import python_pages
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]

MOVED = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "data/README.md": "data.md",
}
"""Pages outside of docs/, from the root, and where they stand in the site."""

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)#\s]*)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the root and those that are made."""
    made = {site: (ROOT / path).read_text("utf-8") for path, site in MOVED.items()}
    made["site.css"] = Path(__file__).with_name("site.css").read_text("utf-8")
    made["reference/configuration.md"] = configuration_page.text(ROOT / "conf")
    made["reference/commands.md"] = commands_page.text()
    made |= {f"reference/{name}.md": text for name, text in python_pages.texts().items()}
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Let the links of a page, which are right in the repository, lead to pages of the site."""
    del config
    site = page.file.src_uri
    home = next((path for path, name in MOVED.items() if name == site), f"docs/{site}")

    def led(found: re.Match[str]) -> str:
        shown, text, target, anchor = found.groups()
        if not target or "://" in target:
            return found[0]
        path = normpath(f"{dirname(home)}/{target}".lstrip("/"))
        there = MOVED.get(path, path.removeprefix("docs/"))
        if path in MOVED or (path.startswith("docs/") and files.get_file_from_path(there)):
            return f"{shown}[{text}]({relpath(there, dirname(site) or '.')}{anchor or ''})"
        if not (ROOT / path).exists():
            return found[0]  # which the build then refuses
        return text if path in text else f"{text} (`{path}`)"

    return LINK.sub(led, markdown)
