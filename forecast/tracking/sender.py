"""Journals are carried to MLflow by one thread, beside whatever the process does."""

import threading
import time
from collections import Counter
from collections.abc import Callable

from forecast.tracking.delivery import deliver
from forecast.tracking.journal import LINES, Journal, marks_of, status_of
from forecast.tracking.run import Record
from forecast.tracking.store import Store, reason

GIVE_UP = 3
"""Failures in a row after which nobody waits for the id of a run."""

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds in which records are gathered for one request, and those after failures in a row."""

FINAL = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST", "PERMISSION_DENIED")
"""Answers of a server that no repetition changes."""

LOCAL_ID, ONCE = "forecast.local_id", "forecast.baseline_key"
"""Tags by which a run is looked up before it is created: its own, and that of what it answers."""


class Sender:
    """A thread that sends what journals hold, again and again until it has arrived.

    Args:
        store: Returns the store of an experiment; raises while it is away.

    Attributes:
        trouble: Why the last attempt failed; None after one that did not.
    """

    def __init__(self, store: Callable[[str], Store]):
        self.trouble: str | None = None
        self._store = store
        self._journals: dict[str, Journal] = {}
        self._hurry = threading.Event()
        self._closing = threading.Event()
        self._over = threading.Event()
        self._failed: Counter[str] = Counter()
        self._moved = time.monotonic()
        self._thread = threading.Thread(target=self._work, daemon=True, name="tracking")
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Tell whether everything has arrived that ever can."""
        return all(
            journal.arrived or "refused" in journal.marks for journal in [*self._journals.values()]
        )

    def take(self, journal: Journal) -> None:
        """Begin to carry a journal."""
        self._journals[journal.local_id] = journal
        self._hurry.set()

    def identify(self, journal: Journal, seconds: float) -> None:
        """Wait until a run has its id in MLflow, unless asking for it fails and fails.

        Args:
            journal: Of the run, taken before.
            seconds: To wait at most.
        """
        until = time.monotonic() + seconds
        while journal.run_id is None and time.monotonic() < until:
            if self._failed[journal.local_id] >= GIVE_UP:
                return
            self._hurry.set()
            time.sleep(0.02)

    def close(self, patience: float, most: float) -> None:
        """Send what is left, then stop.

        Args:
            patience: Seconds without progress after which it is given up.
            most: Seconds after which it is given up in any case.
        """
        begun = self._moved = time.monotonic()
        self._closing.set()
        self._hurry.set()
        while self._thread.is_alive() and time.monotonic() < min(
            begun + most, self._moved + patience
        ):
            self._thread.join(0.02)
        self._over.set()  # a request under way may end, no other begins

    def _work(self) -> None:
        """Carry all journals every second, more slowly after failures, until all is done."""
        while not (self._over.is_set() or (self._closing.is_set() and self.idle)):
            trouble = None
            for journal in [*self._journals.values()]:
                try:
                    if not self._over.is_set():
                        self._carry(journal)
                    self._failed[journal.local_id] = 0
                except Exception as error:  # whatever is wrong with one, others may arrive
                    trouble = reason(error)
                    self._failed[journal.local_id] += 1
            self.trouble = trouble
            failures = min(max(self._failed.values(), default=0), len(PAUSES) - 1)
            if not self._closing.is_set():
                self._hurry.wait(PAUSES[failures])
                self._hurry.clear()
            elif not self.idle:
                self._over.wait(PAUSES[0])

    def _carry(self, journal: Journal) -> None:
        """Send what a journal holds, and mark how far that came."""
        found = [] if "refused" in journal.marks else journal.pending()
        if not found:
            return
        offsets, records = zip(*found, strict=True)

        def done(count: int) -> None:
            journal.mark(bytes=offsets[count - 1])
            self._moved = time.monotonic()

        try:
            store = self._store(journal.head["experiment"])
            if journal.run_id is None and not self._create(store, journal, records[0]):
                return
            deliver(store.client, str(journal.run_id), records, done)
        except Exception as error:
            if getattr(error, "error_code", None) not in FINAL:
                raise
            journal.mark(refused=reason(error))

    def _create(self, store: Store, journal: Journal, record: Record) -> bool:
        """Create the run of a journal, unless an earlier attempt or another run has.

        Returns:
            Whether there is a run to send to.
        """
        tags = record["tags"]
        if ONCE in tags:
            status = status_of(journal.folder)
            if status is None:
                return False  # all or nothing: others look for finished ones
            key = f"tags.`{ONCE}` = '{tags[ONCE]}' and attributes.status = 'FINISHED'"
            if known := store.find(key, most=1):
                journal.mark(
                    run=known[0].info.run_id, bytes=(journal.folder / LINES).stat().st_size
                )
                return False
        found = []
        if "asked" in journal.marks:  # the answer may have been lost
            found = store.find(f"tags.`{LOCAL_ID}` = '{journal.local_id}'", most=1)
        if found:
            journal.mark(run=found[0].info.run_id)
            return True
        if parent := record["parent"]:
            folder = journal.folder.parent / parent
            known_parent = marks_of(folder).get("run") if folder.is_dir() else parent
            if known_parent is None:
                return False  # its own journal comes first
            tags = tags | {"mlflow.parentRunId": known_parent}
        journal.mark(asked=True)
        made = store.client.create_run(
            store.experiment_id, record["time"], tags, run_name=record["name"]
        )
        journal.mark(run=made.info.run_id)
        return True
