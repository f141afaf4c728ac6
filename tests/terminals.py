"""A pseudo-terminal, and a process that takes it for a person's."""

import os
import pty
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def at_terminal(
    command: Sequence[str], folder: Path, env: Mapping[str, str], size: tuple[int, int]
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a command at a terminal of (rows, columns); yield it with the end a person has."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, size)
    process = subprocess.Popen(
        command, cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)
