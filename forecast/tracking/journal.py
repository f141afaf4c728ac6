"""The records of a run on disk before anything is sent: one flushed line per record."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a shell that completes an id waits for what is imported here
    from forecast.tracking.run import Record

TAIL = 200
"""Bytes that hold the line of an end."""

LINES, SENT, FILES = "journal.jsonl", "sent.jsonl", "files"
CHECKPOINT = "checkpoint.npz"

FIT = "fit"
"""The stage that trains; those of `AFTER` follow it, and each may fail without the others."""

AFTER = (
    "model",
    "scores",
    "baselines",
    "intervals",
    "leak proof",
    "gates",
    "report",
    "description",
)
"""What is made of a trained network, in this order; see `missing`."""

EVALUATION = "evaluation."
"""Head of the parameters that are written with the scores."""

MISSING = "forecast.missing"
"""Tag of a trained run that lacks some of it: what; "nothing" once that was made."""


class Held(Exception):
    """Another living process writes the journal."""


class Journal:
    """The folder of one run: its records, its files, and how far they were sent.

    A lock says that its process lives: the system takes it back when the process dies, however it
    dies. A line that a kill has torn is no record.

    Attributes:
        folder: Of the run.
        marks: How far it was sent: "asked" for a run, "run" its id in MLflow, "bytes" of the lines
            that have arrived, "refused" with the reason why the rest never will.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._file = (folder / LINES).open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise Held(folder.name) from None
        _mend(self._file)
        self._sent = (folder / SENT).open("a+b")
        _mend(self._sent)
        self.marks = marks_of(folder)

    @property
    def local_id(self) -> str:
        """Return the name of the run's folder, by which it is known everywhere."""
        return self.folder.name

    @cached_property
    def head(self) -> "Record":
        """Return the first record: what the run is created with."""
        return records(self.folder)[0]

    @property
    def run_id(self) -> str | None:
        """Return the id in MLflow, once it is known."""
        return self.marks.get("run")

    @property
    def arrived(self) -> bool:
        """Tell whether MLflow has everything that was written."""
        return self.marks.get("bytes", 0) == (self.folder / LINES).stat().st_size

    def append(self, record: "Record") -> None:
        """Write a record; once this returns, killing the process does not lose it."""
        self._file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        self._file.flush()

    def place(self) -> Path:
        """Make an empty folder for the files of a record."""
        files = self.folder / FILES
        files.mkdir(exist_ok=True)
        taken = (int(path.name) for path in files.iterdir() if path.name.isdecimal())
        number = 1 + max(taken, default=0)
        made = files / f"{number:05d}"
        made.mkdir()
        return made

    def pending(self, most: int = 5_000) -> "list[tuple[int, Record]]":
        """Read what was not sent yet."""
        found = []
        for end, record in _records(self.folder, self.marks.get("bytes", 0)):
            if record["do"] == "files":
                place = own(self.folder, record["from"])
                if place is None or not place.is_dir():
                    why = "is not there" if place else "holds files that are not the run's own"
                    self.mark(refused=f"{record['from']!r} {why}")
                    break
                record["from"] = str(place)
            found.append((end, record))
            if len(found) == most:
                break
        return found

    def mark(self, **facts: Any) -> None:
        """Write how far sending has come."""
        self.marks |= facts
        self._sent.write(json.dumps(facts).encode() + b"\n")
        self._sent.flush()

    def close(self) -> None:
        """Let others have it; of a finished run that has arrived, only its story stays."""
        if self.arrived and status_of(self.folder) == "FINISHED":
            for path in self.folder.iterdir():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                elif path.name not in (LINES, SENT):
                    path.unlink()
        self._sent.close()
        self._file.close()


def records(folder: Path) -> "list[Record]":
    """Read all records of a run's folder, whoever writes it."""
    return [record for _, record in _records(folder, 0)]


def story(folder: Path) -> "tuple[list[Record], dict[str, Any]] | None":
    """Read all records of a run's folder and how far they were sent."""
    try:
        written, marks = records(folder), marks_of(folder)
    except (ValueError, TypeError):  # no JSON, no UTF-8, or no record
        return None
    whole = all(isinstance(record, dict) for record in written)
    created = all(record.get("do") == "create" for record in written[:1]) if whole else False
    return (written, marks) if created else None


def settled(folder: Path) -> bool:
    """Tell whether a run has ended and arrived, by its last line and its marks alone."""
    try:
        sent = marks_of(folder).get("bytes")
    except (ValueError, TypeError):
        return False
    with (folder / LINES).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL))
        last = file.read().splitlines()[-1:]
    return sent == size and bool(last) and last[0].startswith(b'{"do": "end"')


def marks_of(folder: Path) -> dict[str, Any]:
    """Read how far the sending of a run has come, the newest of every fact."""
    found: dict[str, Any] = {}
    if (folder / SENT).exists():
        whole = (folder / SENT).read_bytes().split(b"\n")[:-1]  # the last is empty, or torn
        for facts in json.loads(b"[%b]" % b",".join(whole)):  # each by itself takes thrice as long
            found |= facts
    return found


def kept(folder: Path, path: str) -> Path | None:
    """Return the newest file of an artifact's path, where this machine still has it."""
    for record in reversed(records(folder)):
        if record["do"] == "files" and (place := own(folder, record["from"])):
            found = place / Path(path).name
            if found.is_file() and str(Path(record["to"]) / found.name) == path:
                return found
    return None


def missing(written: "Sequence[Record]") -> tuple[str, ...] | None:
    """List the stages that a trained run lacks."""
    done = {record["stage"] for record in written if record["do"] == "done"}
    return tuple(stage for stage in AFTER if stage not in done) if FIT in done else None


def scored(written: "Sequence[Record]") -> bool:
    """Tell whether a run has written the settings of its evaluation, and so perhaps its scores."""
    params = (record["values"] for record in written if record["do"] == "params")
    return any(key.startswith(EVALUATION) for values in params for key in values)


def own(folder: Path, name: str) -> Path | None:
    """Return a folder of a run's files.

    A journal may come from a stranger: whatever it names elsewhere, or links to, would be sent.
    """
    place = folder / name
    if not place.resolve().is_relative_to(folder.resolve() / FILES):
        return None
    return None if any(path.is_symlink() for path in place.rglob("*")) else place


def held(folder: Path) -> bool:
    """Tell whether a living process writes a run."""
    with (folder / LINES).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def status_of(folder: Path) -> str | None:
    """Return the status that a run has ended with; None where it has not."""
    for record in reversed(records(folder)):
        if record["do"] in ("begin", "end"):
            return record.get("status")
    return None


def _records(folder: Path, offset: int) -> "Iterator[tuple[int, Record]]":
    """Yield records from an offset on, each with the offset behind it."""
    with (folder / LINES).open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return  # being written, or torn
            offset += len(line)
            yield offset, json.loads(line)


def _mend(file: Any) -> None:
    """Drop a last line that a kill has torn."""
    file.seek(0)
    whole = file.read()
    file.truncate(whole.rfind(b"\n") + 1)
    file.seek(0, os.SEEK_END)
