"""A run that is written to this machine first."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from forecast.tracking.journal import (
    AFTER,
    CHECKPOINT,
    FIT,
    MISSING,
    Journal,
    missing,
    records,
)
from forecast.tracking.run import Record, Run


class Journalled(Run):
    """A run that is written to its journal, which a thread carries on.

    A number that the journal has of a key and step is not written again, so a run that was resumed
    has each once.
    """

    def __init__(self, journal: Journal, clock: Callable[[], float]):
        super().__init__(clock)
        self.journal = journal
        self._seen: set[tuple[str, int]] = set()
        self._done: list[Record] = []
        for record in records(journal.folder):
            self.began = record["time"] if record["do"] == "create" else self.began
            self._new(record)

    @property
    def id(self) -> str:  # type: ignore[override]
        """Return the id in MLflow, or the local one while no server has given it."""
        return self.journal.run_id or self.journal.local_id

    @property
    def local_id(self) -> str:
        """Return the id that it has on this machine."""
        return self.journal.local_id

    def write(self, record: Record) -> None:
        """Write a record to the journal, or what is new in it."""
        if record["do"] == "files":
            record["from"] = str(Path(record["from"]).relative_to(self.journal.folder))
        if record := self._new(record):
            self.journal.append(record)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Lend a folder that stays until its files have arrived."""
        yield self.journal.place()

    def done(self, stage: str) -> None:
        """Write that a stage of the training is finished, `FIT` or one of `AFTER`."""
        self.write({"do": "done", "stage": stage})

    def missing(self) -> tuple[str, ...]:
        """List the stages that are not finished."""
        lacking = missing(self._done)
        return (FIT, *AFTER) if lacking is None else lacking

    def tag_missing(self) -> None:
        """Write what a trained run lacks as a tag; one that never lacked anything has none."""
        lacking, written = ", ".join(self.missing()), records(self.journal.folder)
        if lacking or any(
            MISSING in record["values"] for record in written if record["do"] == "tags"
        ):
            self.tags({MISSING: lacking or "nothing"})

    def checkpoint(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Save the training state; the file before it is replaced as a whole."""
        fresh = self.journal.folder / f"{CHECKPOINT}.new"
        with fresh.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        fresh.replace(self.journal.folder / CHECKPOINT)

    def last_checkpoint(self) -> dict[str, np.ndarray] | None:
        """Return where the training stood when the run was left; None where it had not begun."""
        file = self.journal.folder / CHECKPOINT
        if not file.exists():
            return None
        with np.load(file) as found:
            return dict(found)

    def _new(self, record: Record) -> Record:
        """Return what of a record was not seen before, and remember it; nothing is {}."""
        if record["do"] == "done":
            self._done.append(record)
        if record["do"] != "metrics":
            return record
        points = [point for point in record["points"] if (point[0], point[1]) not in self._seen]
        self._seen |= {(key, step) for key, step, _ in points}
        return record | {"points": points} if points else {}
