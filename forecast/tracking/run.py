"""One run in MLflow: created, filled, ended with the status it deserves."""

import json
import math
import re
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import numpy as np

from forecast.tracking.store import Store

BATCH = 900
"""Metrics of one request; the server takes 1,000 things at once."""

MOST_TEXT = 5_900
"""Characters of a parameter or tag that are kept; MLflow refuses more than 6,000."""


class Run:
    """A run that is being written.

    Args:
        store: Where.
        run_id: Which.
    """

    def __init__(self, store: Store, run_id: str):
        self.store = store
        self.id = run_id

    @classmethod
    def create(
        cls,
        store: Store,
        name: str,
        *,
        kind: str,
        tags: Mapping[str, str] | None = None,
        parent: str | None = None,
    ) -> "Run":
        """Create a run.

        Args:
            store: Where.
            name: What people read in the list.
            kind: "train", "sweep", "candidate", "trial", "ledger", "baseline", "backtest" or
                "fold".
            tags: More tags.
            parent: Id of the run it belongs to.

        Returns:
            The run.
        """
        all_tags = {"forecast.kind": kind, **(tags or {})}
        if parent:
            all_tags["mlflow.parentRunId"] = parent
        made = store.client.create_run(
            store.experiment_id,
            run_name=name,
            tags={key: str(value)[:MOST_TEXT] for key, value in all_tags.items()},
        )
        return cls(store, made.info.run_id)

    def params(self, values: Mapping[str, Any]) -> None:
        """Write parameters, each once and for ever."""
        from mlflow.entities import Param

        everything = [Param(key, str(value)[:MOST_TEXT]) for key, value in values.items()]
        for begin in range(0, len(everything), 100):
            self.store.client.log_batch(self.id, params=everything[begin : begin + 100])

    def tags(self, values: Mapping[str, Any]) -> None:
        """Write tags; a later value replaces an earlier one."""
        from mlflow.entities import RunTag

        everything = [RunTag(key, str(value)[:MOST_TEXT]) for key, value in values.items()]
        self.store.client.log_batch(self.id, tags=everything)

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Write numbers of one step; those that are not finite are left out."""
        self.series({key: {step: value} for key, value in values.items()})

    def series(self, values: Mapping[str, Mapping[int, float]]) -> None:
        """Write numbers of many steps.

        Args:
            values: Key to (step to value).
        """
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        everything = [
            Metric(key, float(value), now, int(step))
            for key, steps in values.items()
            for step, value in steps.items()
            if math.isfinite(value)
        ]
        for begin in range(0, len(everything), BATCH):
            self.store.client.log_batch(self.id, metrics=everything[begin : begin + BATCH])

    def image(self, key: str, pixels: np.ndarray, step: int) -> None:
        """Write a picture of one step; MLflow shows a slider over the steps of a key."""
        self.store.client.log_image(self.id, pixels, key=key, step=step)

    def keep(self, thing: Any, path: str) -> None:
        """Write an artifact.

        Args:
            thing: Text, a matplotlib figure, a frame (written as Parquet or CSV, as the path
                says), a dict of arrays (written as .npz), or the `Path` of a file or folder.
            path: Where in the run's artifacts; for a `Path` the folder that it goes to.
        """
        client = self.store.client
        if isinstance(thing, str):
            client.log_text(self.id, thing, path)
        elif isinstance(thing, Path) and thing.is_dir():
            client.log_artifacts(self.id, str(thing), path)
        elif isinstance(thing, Path):
            client.log_artifact(self.id, str(thing), path)
        else:
            with TemporaryDirectory() as folder:
                file = Path(folder) / Path(path).name
                _write(thing, file)
                parent = str(Path(path).parent)
                client.log_artifact(self.id, str(file), None if parent == "." else parent)

    def data(self, name: str, digest: str, source: str, facts: Mapping[str, Any]) -> None:
        """Write which data the run saw.

        Args:
            name: Of the data set.
            digest: Of its bytes.
            source: Where it was read.
            facts: Spans and sizes, shown with the data set.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name[:500], digest, "local", json.dumps({"uri": source}), profile=json.dumps(facts)
        )
        marks = [InputTag(f"forecast.{key}", str(value)) for key, value in facts.items()]
        context = InputTag("mlflow.data.context", "training")
        self.store.client.log_inputs(self.id, [DatasetInput(dataset, [context, *marks])])

    def claim(self, key: str, owner: str) -> bool:
        """Write a parameter that nobody else has written: the one test-and-set MLflow has.

        Args:
            key: What is claimed.
            owner: By whom.

        Returns:
            Whether it is the owner's now; False where somebody else came first.
        """
        from mlflow.exceptions import MlflowException

        try:
            self.store.client.log_param(self.id, key, owner)
        except MlflowException:
            return False
        return True

    def end(self, status: str = "FINISHED") -> None:
        """Close the run as FINISHED, FAILED or KILLED."""
        self.store.client.set_terminated(self.id, status)


@contextmanager
def ending(run: Run) -> Iterator[Run]:
    """End a run with the status it deserves, whatever happens inside the block.

    SIGTERM counts as Ctrl-C: the block is left by KeyboardInterrupt and the run is KILLED.

    Args:
        run: The run.

    Yields:
        The run.
    """
    with _sigterm_interrupts():
        try:
            yield run
        except KeyboardInterrupt:
            run.end("KILLED")
            raise
        except BaseException as error:
            run.tags({"forecast.error": f"{type(error).__name__}: {error}"})
            run.end("FAILED")
            raise
        run.end()


def safe_key(name: str, taken: set[str] | None = None) -> str:
    """Write a column's name so that it may stand in a metric's key.

    Args:
        name: Such as "Temp (°F)".
        taken: Keys already given; a clash is numbered, and the new key is added.

    Returns:
        The name with everything outside A–Z, a–z, 0–9, "_", "." and "-" replaced by "_".

    >>> safe_key("Temp (°F)")
    'Temp___F_'
    >>> used = {"a_b"}
    >>> safe_key("a b", used)
    'a_b_2'
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    key, number = plain, 2
    while taken is not None and key in taken:
        key, number = f"{plain}_{number}", number + 1
    if taken is not None:
        taken.add(key)
    return key


def _write(thing: Any, file: Path) -> None:
    """Write a figure, a frame or arrays in the format that the file's name says."""
    if hasattr(thing, "savefig"):
        thing.savefig(file, dpi=120)
    elif isinstance(thing, dict):
        np.savez(file, **thing)
    elif file.suffix == ".parquet":
        thing.to_parquet(file)
    else:
        thing.to_csv(file, index=False)


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Turn SIGTERM into KeyboardInterrupt, where signals can be caught at all."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
