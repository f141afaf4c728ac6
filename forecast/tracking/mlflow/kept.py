"""What was read of the runs of an experiment, kept so that later only what is new is asked for."""

import gc
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from forecast.data.fetch import private_cache_folder, without_secrets

FORM = 1
"""Of the file; one of another form is not read."""

PAGE = 1000
"""Runs that are asked for at once."""

CHUNK = 1000
"""Ids that are named at once; MLflow parses a filter in a time that grows with it."""

ASKED = 4
"""Questions that a server is asked at the same time."""

GROUPS = ("model", "window", "training", "data", "split", "evaluation", "backtest")
"""Params that are kept."""

HEADS = (
    "test/",
    "val/",
    "validation/",
    "cv/",
    "skill/",
    "model/parameters",
    "train/best_epoch",
    "time/fit",
)
"""How metrics begin that are kept; a run has ten times as many."""

FOLLOWED = ("val/mae", "val/brier", "val/loss")
"""Metrics of each epoch, of which the last epoch is kept beside the value."""

_COLUMNS = "id, name, kind, parent, status, began, ended, digest, params, metrics, epochs"


@dataclass(frozen=True)
class KeptRun:
    """A run as the store had it.

    Attributes:
        id: Its id.
        name: What people read.
        kind: "train", "candidate", "baseline", …
        parent: Id of the run that it belongs to; empty for none.
        status: "FINISHED", …
        began: Milliseconds since 1970.
        ended: The same, 0 while it runs.
        digest: Of its data.
        params: Its params, of the configuration.
        metrics: Its final metrics, those of each epoch by their last.
        epochs: Metric of each epoch to the number of the last.
    """

    id: str
    name: str
    kind: str
    parent: str
    status: str
    began: int
    ended: int
    digest: str
    params: dict[str, str]
    metrics: dict[str, float]
    epochs: dict[str, int]


def place(uri: str, experiment: Any) -> Path:
    """Return the file for an experiment of a store, in the cache; its name holds no secret."""
    named = (without_secrets(uri), experiment.experiment_id, experiment.creation_time, FORM)
    return private_cache_folder("compare") / f"{_hash(named)}.sqlite"


class Kept:
    """The runs of an experiment, in a file.

    Args:
        client: Of MLflow.
        experiment: Id of the experiment.
        file: Where they are kept; None keeps them for this process alone.
        parallel: Whether the store answers several questions at once.
    """

    def __init__(self, client: Any, experiment: str, file: Path | None, *, parallel: bool = False):
        self.client, self.experiment = client, experiment
        self.asked = ASKED if parallel else 1
        self._base = _opened(file)

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def update(self, said: Callable[[int], object] = lambda _: None) -> None:
        """Read what is new or has changed, and forget what was deleted.

        Args:
            said: Hears how many runs were read so far.
        """
        count = 0
        with uncollected():
            # of an experiment that is not known sixteen parts, by the first digit of ids
            parts = [] if self._known() else [f"{digit:x}" for digit in range(16)]
            first = [f"attributes.run_id LIKE '{part}%'" for part in parts]
            for ask in (lambda: first, self._later):
                for runs in self._answers(ask()):
                    self._keep(runs)
                    count += len(runs)
                    said(count)
            self._forget()

    def runs(self) -> list[KeptRun]:
        """Return all runs, the oldest first."""
        rows = self._base.execute(f"select {_COLUMNS} from runs order by began, id")  # noqa: S608  # ours
        common, found = self.remember("common", dict), []  # of each run only the rest is kept
        for row in rows:
            values: dict[str, Any] = dict(zip(_COLUMNS.split(", "), row, strict=True))
            values["params"] = _whole(common, values["params"])
            values |= {key: json.loads(values[key]) for key in ("metrics", "epochs")}
            found.append(KeptRun(**values))
        return found

    def remember(self, key: Any, find: Callable[[], Any]) -> Any:
        """Return what was found before under a key, or find it and keep it.

        Args:
            key: What it depends on.
            find: Makes it, plain values.
        """
        name = _hash(key)
        for (text,) in self._base.execute("select text from found where key = ?", (name,)):
            return json.loads(text)
        made = find()
        with self._base:
            values = (name, json.dumps(made))
            self._base.execute("insert or replace into found values (?, ?)", values)
        return made

    def history(self, run: KeptRun, metric: str) -> dict[int, float]:
        """Return a metric of each epoch of a run."""

        def ask() -> dict[int, float]:
            return {one.step: one.value for one in self.client.get_metric_history(run.id, metric)}

        found = self.remember(("history", run.id, run.ended, metric), ask)
        return {int(step): float(value) for step, value in found.items()}

    def _known(self) -> list[tuple[str, int, int]]:
        """List id, begin and end of the runs that have ended, the oldest first."""
        found = self._base.execute("select id, began, ended from runs where ended > 0 order by 2")
        return found.fetchall()

    def _later(self) -> list[str]:
        """Return questions for the runs that are not known, and for those that ended anew."""
        known = self._known()
        anew = [f"attributes.end_time > {max(ended for *_, ended in known)}"] if known else []
        return [*_others(known), *anew]

    def _forget(self) -> None:
        """Drop the runs that were deleted."""
        known = self._base.execute("select id, began, 1 from gone order by 2").fetchall()
        for runs in self._answers(_others(known), deleted=True):
            gone = [(run.info.run_id, run.info.start_time or 0) for run in runs]
            with self._base:
                self._base.executemany("insert or replace into gone values (?, ?)", gone)
        with self._base:
            self._base.execute("delete from runs where id in (select id from gone)")

    def _answers(self, asked: Iterable[str], *, deleted: bool = False) -> Iterator[list[Any]]:
        """Ask questions, each page by page, several at the same time where that is of use."""
        view = 2 if deleted else 1  # ViewType

        def answer(question: str) -> list[Any]:
            found, token = [], None
            while True:
                page = self.client.search_runs(
                    [self.experiment],
                    question,
                    run_view_type=view,
                    max_results=PAGE,
                    order_by=["attributes.start_time ASC"],
                    page_token=token,
                )
                found += page
                token = page.token
                if not token:
                    return found

        if self.asked == 1:
            yield from map(answer, asked)
            return
        with ThreadPoolExecutor(self.asked) as pool:
            yield from pool.map(answer, asked)

    def _keep(self, runs: Sequence[Any]) -> None:
        """Write runs into the file."""
        if not runs:
            return
        common = self.remember("common", lambda: _params(runs[0]))
        marks = ", ".join("?" * len(_COLUMNS.split(", ")))
        with self._base:
            self._base.executemany(
                f"insert or replace into runs ({_COLUMNS}) values ({marks})",  # noqa: S608  # ours
                [_row(run, common) for run in runs],
            )
            back = [(run.info.run_id,) for run in runs]  # if it was deleted, it is restored
            self._base.executemany("delete from gone where id = ?", back)
        gc.collect()  # once a page


def _params(run: Any) -> dict[str, str]:
    """Return the params of a run that are kept."""
    return {key: value for key, value in run.data.params.items() if key.split(".")[0] in GROUPS}


def _whole(common: Mapping[str, str], text: str) -> dict[str, str]:
    """Return all params of a run from what differs; what it has not is null there."""
    found = {**common, **json.loads(text)}
    return (
        {key: value for key, value in found.items() if value is not None}
        if "null" in text
        else found
    )


def _row(run: Any, common: Mapping[str, str]) -> tuple[Any, ...]:
    """Write what is kept of a run."""
    info, tags, own = run.info, run.data.tags, _params(run)
    params = {key: own.get(key) for key in {**common, **own} if own.get(key) != common.get(key)}
    metrics = {key: value for key, value in run.data.metrics.items() if key.startswith(HEADS)}
    # the client's dict of metrics knows no steps
    points = getattr(run.data, "_metric_objs", ())
    epochs = {point.key: point.step for point in points if point.key in FOLLOWED}
    return (
        info.run_id,
        info.run_name or "",
        tags.get("forecast.kind", ""),
        tags.get("mlflow.parentRunId", ""),
        info.status,
        info.start_time or 0,
        info.end_time or 0,
        tags.get("forecast.data_digest", ""),
        *map(json.dumps, (params, metrics, epochs)),
    )


def _opened(file: Path | None) -> sqlite3.Connection:
    """Open a file, a new one where it cannot be read; in memory where none can be written."""
    for name in (file, file, None):
        try:
            base = sqlite3.connect(name or ":memory:")
            base.execute("create table if not exists gone (id text primary key, began int)")
            base.execute("create table if not exists found (key text primary key, text text)")
            base.execute(f"create table if not exists runs ({_COLUMNS}, primary key (id))")
            base.execute("select count(*) from runs").fetchone()
            return base
        except sqlite3.OperationalError:  # a folder that may not be written
            file = None
        except sqlite3.DatabaseError:
            Path(name or "").unlink(missing_ok=True)
    raise sqlite3.DatabaseError("no database in memory")


def _others(known: Sequence[tuple[str, int, int]]) -> list[str]:
    """Return questions for all runs but some, which are the oldest first.

    Each names a thousand that began one after the other; those that began together stay together.
    """
    chunks: list[list[tuple[str, int, int]]] = []
    for one in known:
        if not chunks or (len(chunks[-1]) >= CHUNK and chunks[-1][-1][1] < one[1]):
            chunks.append([])
        chunks[-1].append(one)
    found = [] if chunks else [""]
    for number, chunk in enumerate(chunks):
        ids = ", ".join(f"'{run_id}'" for run_id, *_ in chunk)
        parts = [f"attributes.run_id NOT IN ({ids})"]
        if number:
            parts.append(f"attributes.start_time >= {chunk[0][1]}")
        if number + 1 < len(chunks):
            parts.append(f"attributes.start_time < {chunks[number + 1][0][1]}")
        found.append(" and ".join(parts))
    return found


def _hash(parts: Any) -> str:
    return sha256(json.dumps(parts).encode()).hexdigest()[:32]


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave circular garbage alone: looking for it among a million objects takes most time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if before:
            gc.enable()
