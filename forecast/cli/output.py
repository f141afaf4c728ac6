"""Files that a command writes: checked before the work begins, complete or absent."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forecast.errors import InputError, cause


def place(asked: str | None, default: str, endings: tuple[str, ...]) -> Path:
    """Find out where a command writes, before it computes anything."""
    path = Path(default if asked is None else asked)
    try:
        if path.is_dir() or (path.exists() and not path.is_file()):
            raise _refused(path, "which is a folder or a device")
        if not path.parent.is_dir():
            raise _refused(path, f"but {str(path.parent)!r} is not a folder")
    except OSError as error:  # a name too long, a folder that may not be entered
        raise _refused(path, cause(error)) from error
    if path.suffix not in endings:
        raise _refused(path, f"which does not end with {' or '.join(endings)}")
    return path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Let a file be written beside its place, and put it there when it is whole."""
    fresh = path.with_name(f".part-{path.name}")
    try:
        with writing(path):
            yield fresh
            fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in a sentence why a file cannot be written."""
    try:
        yield
    except OSError as error:
        why = cause(error.strerror or error)
        raise _refused(path, why, "free some space, or choose another") from error


def _refused(path: Path, why: str, cure: str = "name a file in a folder that exists") -> InputError:
    """Say what an output must be."""
    return InputError(
        f"output must be a file that can be written, got {str(path)[:99]!r} ({why}): {cure}"
    )
