"""The thread that sends a run's records to MLflow as requests."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from forecast.tracking.journal import LINES, Journal, marks_of, status_of
from forecast.tracking.mlflow.store import Store, reason
from forecast.tracking.run import Record

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
        """Wait until a run has its id in MLflow, unless asking for it fails and fails."""
        until = time.monotonic() + seconds
        while journal.run_id is None and time.monotonic() < until:
            if self._failed[journal.local_id] >= GIVE_UP:
                return
            self._hurry.set()
            time.sleep(0.02)

    def close(self, patience: float, most: float) -> None:
        """Send what is left, then stop."""
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
        """Create the run of a journal, unless an earlier attempt or another run has."""
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


METRICS, TEXTS = 900, 100
"""Numbers, and parameters or tags, of one request; a server takes 1,000 things and 100 of these."""

MARK = 500
"""Characters of a data set's tag; a server refuses a run with more."""

Batch = tuple[list[list[Any]], dict[str, str], dict[str, str]]
"""Points with their time, parameters and tags of one request."""


def deliver(
    client: Any,
    run_id: str,
    records: Sequence[Record],
    done: Callable[[int], object] | None = None,
) -> None:
    """Send records: numbers and texts together in few requests, then the rest one by one.

    MLflow keeps one of two equal points, a parameter or tag once for each key, a file once for each
    path and a data set once for each digest, so a request whose answer was lost may be repeated.
    """
    from mlflow.entities import Metric, Param, RunTag

    for points, params, tags in _batches(records):
        client.log_batch(
            run_id,
            [Metric(key, value, time, step) for key, step, value, time in points],
            [Param(key, value) for key, value in params.items()],
            [RunTag(key, value) for key, value in tags.items()],
        )
    for count, record in enumerate(records, start=1):
        if record["do"] not in ("metrics", "params", "tags"):
            _send(client, run_id, record)
            if done:
                done(count)
    if done:
        done(len(records))


def _batches(records: Sequence[Record]) -> Iterator[Batch]:
    """Gather what fits into one request; of two tags of one key the later stays."""
    points: list[list[Any]] = []
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    for record in records:
        if record["do"] == "metrics":
            points += [[*point, record["time"]] for point in record["points"]]
        elif record["do"] == "params":
            params |= record["values"]
        elif record["do"] == "tags":
            tags |= record["values"]
    names, marks = list(params.items()), list(tags.items())
    while points or names or marks:
        yield points[:METRICS], dict(names[:TEXTS]), dict(marks[:TEXTS])
        points, names, marks = points[METRICS:], names[TEXTS:], marks[TEXTS:]


def _send(client: Any, run_id: str, record: Record) -> None:
    """Send a record that is a request of its own."""
    if record["do"] == "files":
        client.log_artifacts(run_id, record["from"], record["to"] or None)
    elif record["do"] == "data":
        client.log_inputs(run_id, [_data_set(record)])
    elif record["do"] == "begin":
        client.update_run(run_id, status="RUNNING")
    elif record["do"] == "end":
        client.set_terminated(run_id, record["status"], end_time=record["time"])


def _data_set(record: Record) -> Any:
    """Return which data a run saw as MLflow's entity."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    facts = record["facts"]
    dataset = Dataset(
        record["name"], record["digest"], "local", record["source"], profile=json.dumps(facts)
    )
    marks = [InputTag(f"forecast.{key}", value[:MARK]) for key, value in facts.items()]
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training"), *marks])
