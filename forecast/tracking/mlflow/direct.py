"""A run that is written straight into MLflow, since others read it meanwhile: the ledger's."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from forecast.tracking.mlflow.store import Store
from forecast.tracking.run import Record, Run, texts
from forecast.tracking.sender import deliver


class DirectRun(Run):
    """A run whose records are sent at once."""

    def __init__(self, store: Store, run_id: str):
        super().__init__()
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
    ) -> "DirectRun":
        """Create a run."""
        all_tags = {"forecast.kind": kind, **(tags or {})}
        if parent:
            all_tags["mlflow.parentRunId"] = parent
        made = store.client.create_run(store.experiment_id, run_name=name, tags=texts(all_tags))
        return cls(store, made.info.run_id)

    def write(self, record: Record) -> None:
        """Send a record."""
        deliver(self.store.client, self.id, [record])

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Lend a folder that is gone once its record was sent."""
        with TemporaryDirectory() as folder:
            yield Path(folder)

    def claim(self, key: str, owner: str) -> bool:
        """Write a parameter that nobody else has written: the one test-and-set MLflow has."""
        from mlflow.exceptions import MlflowException

        try:
            self.store.client.log_param(self.id, key, owner)
        except MlflowException:
            return False
        return True
