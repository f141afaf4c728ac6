"""What a training ran on: our code, Python, libraries, processor."""

import json
import platform
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from forecast import process

LIBRARIES = ("tensorflow", "keras", "numpy", "pandas", "scipy", "scikit-learn", "statsmodels")
"""Where the numbers of a run come from; statsmodels may be absent."""

PROCESSOR = "forecast.processor"


def tags() -> dict[str, str]:
    """Return the tags that say on what this process computes."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return {
        "forecast.version": version(process.DISTRIBUTION),
        "forecast.git_commit": commit(),
        "forecast.versions": json.dumps(found),
        PROCESSOR: _processor(),
    }


def read(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the versions that tags tell, by name: ours, its commit, Python and the libraries.

    >>> read({"forecast.version": "0.1.0", "forecast.versions": '{"python": "3.11.9"}'})
    {'forecast': '0.1.0', 'commit': '', 'python': '3.11.9'}
    """
    own = {"forecast": "forecast.version", "commit": "forecast.git_commit"}
    found = {name: tags.get(tag, "") for name, tag in own.items()}
    return found | json.loads(tags.get("forecast.versions", "{}"))


def others(before: Mapping[str, str]) -> list[str]:
    """Say which versions are others here than those that tags tell."""
    had, now = read(before), read(tags())
    return [
        f"{name} {now.get(name) or 'unknown'} (it had {had.get(name) or 'unknown'})"
        for name in {**had, **now}
        if had.get(name) != now.get(name)
    ]


def commit() -> str:
    """Return the commit that last changed this package, "+" behind it where files differ from it.

    Nothing for an installed package, which `forecast.version` names.
    """
    if not shutil.which("git"):
        return ""
    found, changed = (
        subprocess.run(
            ["git", "-C", str(process.PACKAGE), *words.split(), "--", "."],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
        for words in ("log -1 --format=%h", "status --porcelain")
    )
    return f"{found}+" if found and changed else found


def _processor() -> str:
    """Return what the system calls its processor; compiled programs round by what it can do."""
    with suppress(OSError, StopIteration):  # only Linux has the file
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        line = next(line for line in lines if line.startswith("model name"))
        return f"{platform.machine()} {line.partition(':')[2].strip()}"
    return f"{platform.machine()} {platform.processor()}".strip()
