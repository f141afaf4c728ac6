"""The files that `data.path` means: one, a list, a glob, a folder, and what folders' names say."""

import fnmatch
import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote

from pyarrow import fs

from forecast.data.fetch import without_secrets
from forecast.errors import InputError, cause, nearest, plain
from forecast.vocabulary import FORMATS

ENDS = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
    ".ipc": "feather",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
"""How names end, and the format of such files."""

COMPRESSIONS = {
    ".gz": "gzip",
    ".bz2": "bz2",
    ".xz": "xz",
    ".zst": "zstd",
    ".zip": "zip",
    ".tar": "tar",
}
"""How names of compressed text end, and what pandas calls the compression."""

NOTHING = "__HIVE_DEFAULT_PARTITION__"
"""Name of a folder for rows without a value."""

_WILD = re.compile(r"[*?\[]")
_TABLES = {"_delta_log": "a Delta Lake table", ".hoodie": "a Hudi table"}
"""Folders in which files alone do not tell which rows are valid."""


@dataclass(frozen=True)
class Part:
    """One file.

    Attributes:
        name: As it may be shown.
        inner: Its name below the folder or glob that was asked for.
        path: What its file system calls it.
        system: The file system; None for this machine's own.
        size: Bytes.
        partition: Columns that its folders name, and their values.
    """

    name: str
    inner: str
    path: str
    system: fs.FileSystem | None
    size: int
    partition: tuple[tuple[str, str | None], ...] = ()

    def open(self) -> BinaryIO:
        """Open the file for reading; it may be sought in."""
        if self.system is None:
            return open(self.path, "rb")
        return self.system.open_input_file(self.path)

    @property
    def compression(self) -> str | None:
        """Return what pandas calls the compression that the name states."""
        stem, end = os.path.splitext(self.path.lower())
        return "tar" if stem.endswith(".tar") else COMPRESSIONS.get(end)


def local(path: str) -> list[Part]:
    """List the files of a path of this machine: of a file, a folder or a glob."""
    where = Path(path).expanduser()
    try:
        if where.is_file():
            return [Part(str(where), where.name, str(where), None, where.stat().st_size)]
        folder = where.is_dir()
    except OSError as error:  # a name too long, or a folder that may not be entered
        raise InputError(
            f"data.path must be a file, got {without_login(path)[:99]!r} ({cause(error)}): give "
            "another"
        ) from error
    shown = without_login(str(where))
    if folder:
        return _below(shown, str(where), list(_walk(where)))
    if not _WILD.search(path):
        raise InputError(
            f"data.path must be a file, got {shown!r}, which is not a file: check the spelling"
        )
    base, pattern = split(str(where))
    found = [
        file
        for match in sorted(map(Path, glob.iglob(pattern, root_dir=base or ".", recursive=True)))
        for file in _matched(Path(base or ".") / match)
        if not _hidden(str(match))
    ]
    return _below(shown, base or ".", found)


def _matched(path: Path) -> Iterable[Path]:
    """Return a file that a glob has found, or the files of a folder."""
    return _walk(path) if path.is_dir() else [path]


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, but hidden ones."""
    seen = set()
    for where, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        own = os.stat(where)
        if (own.st_dev, own.st_ino) in seen:  # links may lead in circles
            folders.clear()
            continue
        seen.add((own.st_dev, own.st_ino))
        for name in folders:
            _refuse_table(name, where)
        folders[:] = sorted(name for name in folders if name[0] not in "._")
        yield from (Path(where, name) for name in sorted(names) if name[0] not in "._")


def _refuse(error: OSError) -> None:
    """Say which folder cannot be read."""
    raise InputError(
        f"data.path must be a folder that can be read, got {error.filename!r} "
        f"({error.strerror}): change its permissions"
    ) from error


def _refuse_table(name: str, where: str) -> None:
    """Refuse the folders of formats that keep rows which are no longer valid."""
    if kind := _TABLES.get(name):
        raise InputError(
            f"data.path must be a folder of plain files, got {where!r}, {kind} whose files hold "
            "deleted rows too: write its rows as Parquet files"
        )


def _below(shown: str, base: str, files: Sequence[Path]) -> list[Part]:
    """Make parts of the files below a folder."""
    parts = []
    for file in files:
        inner = Path(os.path.relpath(file, base)).as_posix()
        try:
            size = file.stat().st_size
        except OSError as error:  # a link that leads nowhere
            raise InputError(
                f"data.path must hold files that can be read, got {str(file)!r} ({error.strerror})"
                ": take it out"
            ) from error
        parts.append(Part(str(file), inner, str(file), None, size, partition_of(inner)))
    return _not_empty(shown, parts)


def remote(address: str, system: fs.FileSystem, path: str) -> list[Part]:
    """List the files of a path of an object store: of a file, a folder or a glob."""
    shown, (base, pattern) = without_secrets(address), split(path)
    start = shown.removesuffix(path)
    if not pattern:
        [info] = system.get_file_info([path])
        if info.type == fs.FileType.File:
            name = PurePosixPath(path).name
            return [Part(shown, name, path, system, info.size)]
        base = path
    found = system.get_file_info(fs.FileSelector(base, recursive=True, allow_not_found=True))
    rule = re.compile(_expression(pattern)) if pattern else None
    parts = []
    for info in sorted(found, key=lambda one: one.path):
        inner = info.path[len(base) :].lstrip("/")
        for name in PurePosixPath(inner).parts[:-1]:
            _refuse_table(name, shown)
        if info.type != fs.FileType.File or _hidden(inner) or (rule and not rule.match(inner)):
            continue
        name = f"{start}{info.path}"
        parts.append(Part(name, inner, info.path, system, info.size, partition_of(inner)))
    return _not_empty(shown, parts)


def _not_empty(shown: str, parts: list[Part]) -> list[Part]:
    """Refuse a folder or a glob that holds nothing."""
    if not parts:
        what = "a file that matches" if _WILD.search(shown) else "a file in it"
        raise InputError(
            f"data.path must hold {what}, got {shown!r} with none: check the spelling (names that "
            "begin with . or _ are left out)"
        )
    return parts


def split(path: str) -> tuple[str, str]:
    """Split a glob into the folder before its first sign, and the rest.

    >>> split("data/2024/site=*/x.csv"), split("data/2024")
    (('data/2024', 'site=*/x.csv'), ('data/2024', ''))
    """
    names = path.split("/")
    first = next((n for n, name in enumerate(names) if _WILD.search(name)), len(names))
    return "/".join(names[:first]) or ("/" if path.startswith("/") else ""), "/".join(names[first:])


def _expression(pattern: str) -> str:
    """Write a glob as a regular expression, `**` for any folders, matching what lies below too."""
    written = []
    for name in pattern.split("/"):
        if name == "**":
            written.append("(?:[^/]+/)*")
        else:
            one = fnmatch.translate(name).removeprefix("(?s:").removesuffix(")\\Z")
            written.append(one.replace(".*", "[^/]*").replace("(?>", "(?:") + "/")
    return "".join(written).removesuffix("/") + "(?:/.*)?$"


def _hidden(inner: str) -> bool:
    """Tell whether a file, or a folder around it, has a name of what is no data."""
    return any(name[0] in "._" and name not in (".", "..") for name in PurePosixPath(inner).parts)


def partition_of(inner: str) -> tuple[tuple[str, str | None], ...]:
    """Read the columns that folders name; values stay text.

    >>> partition_of("site=007/day=2024-01-01/part.parquet")
    (('site', '007'), ('day', '2024-01-01'))
    """
    pairs = [name.partition("=") for name in PurePosixPath(inner).parts[:-1] if "=" in name]
    return tuple(
        (unquote(key), None if value == NOTHING else unquote(value)) for key, _, value in pairs
    )


def together(listed: Sequence[list[Part]]) -> list[Part]:
    """Join the files of several paths, each file once, with the partitions below their folder."""
    every = {(part.system is None, part.path): part for parts in listed for part in parts}
    if len(listed) == 1:
        return list(every.values())
    base = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for _, path in every])
    found = []
    for part in every.values():
        inner = os.path.relpath(os.path.abspath(part.path), base)
        found.append(Part(part.name, inner, part.path, part.system, part.size, partition_of(inner)))
    return found


def format_of(parts: Sequence[Part], said: str | None) -> str:
    """Return the format of all files, which must be one."""
    if said is not None:
        if said not in FORMATS:
            raise InputError(
                f"data.format must be one of {', '.join(FORMATS)}, got {said!r}: "
                f"{nearest(said, FORMATS)}"
            )
        return said
    kinds = {part.name: _by_name(part.path) for part in parts}
    first, kind = next(iter(kinds.items()))
    if len(parts) == 1:
        return kind or "csv"
    for name, other in kinds.items():
        if other != kind or other is None:
            if kind is None:
                name = first
            raise InputError(
                f"data.path must hold files of one format, got {plain(name)!r}"
                + (f" beside {plain(first)!r}" if name != first else ", whose name tells none")
                + ": take it out, name the files by a glob (folder/*.parquet), or set data.format"
            )
    return kind or "csv"


def _by_name(path: str) -> str | None:
    """Return the format that a name states."""
    stem, end = os.path.splitext(path.lower())
    while end in COMPRESSIONS:
        stem, end = os.path.splitext(stem)
    return ENDS.get(end)


def without_login(path: str) -> str:
    """Return a path that is no address as it may be shown: one may be meant.

    >>> without_login("postgresql:/me:secret@host/db"), without_login("a@b.csv")
    ('…@host/db', 'a@b.csv')
    """
    before, at, after = path.rpartition("@")
    return f"…@{after}" if at and ":" in before and "://" not in path else without_secrets(path)
