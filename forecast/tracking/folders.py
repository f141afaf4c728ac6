"""What the folder of runs holds: their state, and what is not sent yet."""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forecast.data.fetch import without_secrets
from forecast.errors import InputError, nearest
from forecast.tracking.journal import (
    LINES,
    MISSING,
    Held,
    Journal,
    held,
    kept,
    missing,
    records,
    settled,
    status_of,
    story,
)
from forecast.tracking.mlflow.store import experiments
from forecast.tracking.run import Record
from forecast.tracking.sender import LOCAL_ID, ONCE

LAST = "last"
"""Names the newest run instead of its id."""

DIED = "its process was killed"
"""The error of a run that was found dead."""

NAMED = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
"""What a local id looks like."""

SAME = 3
"""Ids that are named of those with the same first letters."""

BEGUN = re.compile(r"[0-9a-f]{6,31}")
"""First letters of an id in MLflow, enough to tell one run from others."""


@dataclass(frozen=True)
class LocalRun:
    """A run as its folder tells it.

    Attributes:
        local_id: Name of its folder.
        run_id: In MLflow, None before it has one.
        name: What people read.
        kind: "train", "baseline", …
        state: "RUNNING", how it ended, or "DIED" where its process is gone without a word.
        epochs: How many were trained.
        waiting: Records that MLflow does not have.
        refused: Why it never will; None where it may.
        resumable: Whether `forecast train` can go on with it, once it is no longer running.
        missing: What a trained run lacks; None where the training is not finished.
    """

    local_id: str
    run_id: str | None
    name: str
    kind: str
    state: str
    epochs: int
    waiting: int
    refused: str | None
    resumable: bool
    missing: tuple[str, ...] | None = None

    @property
    def incomplete(self) -> bool:
        """Whether it is trained, lacks something, and nobody is at it."""
        return bool(self.missing) and self.state not in ("RUNNING", "FINISHED")


def in_store(client: Any, run: str) -> Any:
    """Return what MLflow has of a run, by its id there, the id's first letters or its local id."""
    if BEGUN.fullmatch(run):
        asked = f"attributes.run_id LIKE '{run}%'"
    elif NAMED.fullmatch(run):
        asked = f"tags.`{LOCAL_ID}` = '{run}'"
    else:
        return client.get_run(run)
    found = client.search_runs([*experiments(client)], asked, max_results=SAME + 1)
    if len(found) > 1:
        ids = ", ".join([one.info.run_id for one in found[:SAME]] + ["…"] * (len(found) > SAME))
        raise InputError(
            f"the id of a run must have enough letters to tell it from others, got {run!r}, with "
            f"which {ids} begin: write more of them"
        )
    return found[0] if found else client.get_run(run)


def runs(folder: Path, damaged: list[Path] | None = None) -> Iterator[LocalRun]:
    """Read the runs of a folder, the newest first, and note those whose lines cannot be read."""
    for path in reversed(_folders(folder)):
        found = story(path)
        if found is None and damaged is not None:
            damaged.append(path)
        if not found or not found[0]:
            continue
        own, marks = found
        head, state, name, epochs = own[0], "", own[0]["name"], 0
        for record in own:
            if record["do"] in ("begin", "end"):
                state = record.get("status", "")
            elif record["do"] == "tags":
                name = record["values"].get("mlflow.runName", name)
            elif record["do"] == "metrics":
                steps = [step for key, step, _ in record["points"] if key == "train/loss"]
                epochs = max(epochs, *steps, 0)
        state = state or ("RUNNING" if held(path) else "DIED")
        yield LocalRun(
            path.name,
            marks.get("run"),
            name,
            head["tags"]["forecast.kind"],
            state,
            epochs,
            waiting(path, marks),
            marks.get("refused"),
            _alone(head) and state not in ("FINISHED", "RUNNING"),
            missing(own),
        )


def find(folder: Path, run_id: str) -> Path:
    """Find the folder of a run, by either of its ids, the first letters of one, or as "last"."""
    if run_id == LAST:
        left = next((one for one in runs(folder) if one.resumable), None)
        if left is None:
            raise InputError(
                f"resume must be a run that was interrupted, got {run_id!r} with none in {folder}: "
                "start a new training"
            )
        return folder / left.local_id
    known: dict[str, Path] = {}
    for path in _folders(folder):
        if (found := story(path)) and found[0]:
            known |= {path.name: path, found[1].get("run", path.name): path}
    begun = {known[name] for name in known if name.startswith(run_id) and len(run_id) > 5}
    if run_id not in known and len(begun) == 1:
        return begun.pop()
    if run_id not in known:
        raise InputError(
            f"resume must be a run of this machine, got {run_id!r}: "
            f"{nearest(run_id, known) if known else f'there are none in {folder}'}"
        )
    return known[run_id]


def interrupted(folder: Path, run_id: str) -> Path:
    """Find the folder of a run that ended before its time."""
    found = find(folder, run_id)
    if not _alone(records(found)[0]):
        raise InputError(
            f"resume must be a run of `forecast train`, got {run_id!r}, which is not a "
            "training of its own: give the command that started it again"
        )
    if status_of(found) == "FINISHED":
        raise InputError(
            f"resume must be a run that was interrupted, got {run_id!r}, which has finished: see "
            "`forecast runs`"
        )
    return found


def unfinished(folder: Path, parent: str, path: str, text: str) -> Path | None:
    """Find a training of something larger that ended before its time, to go on with."""
    for found in reversed(_folders(folder)):
        read = story(found)
        if not read or not read[0] or read[0][0]["parent"] != parent:
            continue
        if status_of(found) == "FINISHED" or "refused" in read[1] or held(found):
            continue
        file = kept(found, path)
        if file is not None and file.read_text("utf-8") == text:
            return found
    return None


def params(folder: Path) -> dict[str, str]:
    """Read the parameters of a run on this machine, none where the folder is no run's."""
    read = story(folder) if (folder / LINES).is_file() else None
    found: dict[str, str] = {}
    for record in read[0] if read else ():
        found |= record["values"] if record["do"] == "params" else {}
    return found


def _alone(head: Record) -> bool:
    """Tell whether a run is a training by itself, and not a fold, a baseline or a winner."""
    return head["tags"]["forecast.kind"] == "train" and not head["parent"]


def waiting(folder: Path, marks: Mapping[str, Any]) -> int:
    """Count the records of a run that its store does not have, by how far it was sent."""
    with (folder / LINES).open("rb") as file:
        file.seek(marks.get("bytes", 0))
        return file.read().count(b"\n")


def leftover(folder: Path, uri: str) -> list[Journal]:
    """Open runs that no process writes and the store lacks parts of; close the dead as KILLED."""
    found = []
    for path in _folders(folder):
        if settled(path) or not (read := story(path)) or not read[0]:
            continue
        own, marks = read
        if "refused" in marks or own[0]["store"] != without_secrets(uri):
            continue
        try:
            journal = Journal(path)
        except Held:
            continue
        ended = own[-1]["do"] == "end"
        if not ended and ONCE in own[0]["tags"]:
            journal.close()
            shutil.rmtree(path)  # it is written again by whoever asks, and nobody has seen it
            continue
        if not ended:
            time = max(record.get("time", 0) for record in own)
            lacking = {MISSING: ", ".join(parts)} if (parts := missing(own)) else {}
            journal.append({"do": "tags", "values": {"forecast.error": DIED} | lacking})
            journal.append({"do": "end", "status": "KILLED", "time": time})
        found.append(journal)
    return found


def _folders(folder: Path) -> list[Path]:
    """List the folders of runs, the oldest first."""
    return sorted(path.parent for path in folder.glob(f"*/{LINES}"))
