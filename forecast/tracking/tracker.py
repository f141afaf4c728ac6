"""Where a command writes its runs: first to a folder of this machine, from there to MLflow."""

import functools
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from forecast.data.fetch import without_secrets
from forecast.errors import InputError
from forecast.tracking import folders
from forecast.tracking.journal import Held, Journal
from forecast.tracking.journalled import Journalled
from forecast.tracking.mlflow.store import Store, Unreachable, no_retries, server
from forecast.tracking.run import Run, milliseconds, texts
from forecast.tracking.sender import LOCAL_ID, ONCE, Sender

START = 10.0
"""Seconds that a server has to give a new run its id; then the run goes by its local one."""

LINKED = 2.0
"""Seconds in which a run that has ended should have its id, if others are to link to it."""

PATIENCE, MOST = 15.0, 60.0
"""Seconds without progress, and in all, after which the rest of a finished command is left."""


class Tracker:
    """The runs of one command, and those that earlier ones could not send.

    Attributes:
        store: Of the experiment; None while its server is away.
        trouble: Why it is.
        begun: Local ids of this command's runs.
    """

    def __init__(
        self, uri: str, experiment: str, folder: Path, clock: Callable[[], float] = time.time
    ):
        self.uri, self.experiment, self.folder, self.clock = uri, experiment, folder, clock
        self.store: Store | None = None
        self.trouble: str | None = None
        self.begun: set[str] = set()
        self._reach = functools.cache(functools.partial(Store, uri))  # a failure is not kept
        self._own: list[Journal] = []
        self._earlier: list[Journal] | None = None
        self._until_the_end = ExitStack()
        self._until_the_end.enter_context(no_retries())  # we ask again ourselves
        try:
            self.store = self._reach(experiment)
        except Unreachable as error:
            self.trouble = error.cause
        except InputError:
            self._until_the_end.close()
            raise
        self._sender = Sender(self._reach)

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def begin(
        self,
        name: str,
        *,
        kind: str,
        tags: Mapping[str, str] | None = None,
        parent: Run | None = None,
    ) -> Journalled:
        """Begin a run."""
        stamp = datetime.fromtimestamp(self.clock(), UTC)
        journal = Journal(self.folder / f"{stamp:%Y%m%d-%H%M%S}-{token_hex(3)}")
        run = Journalled(journal, self.clock)
        own = {LOCAL_ID: journal.local_id, "forecast.kind": kind}
        run.write(
            {
                "do": "create",
                "name": name,
                "tags": texts(own | dict(tags or {})),
                "parent": parent and parent.local_id,
                "time": milliseconds(self.clock),
                "store": without_secrets(self.uri),
                "experiment": self.experiment,
            }
        )
        return self._carry(run)

    def again(self, run_id: str) -> Journalled:
        """Go on with a run of this machine that ended before its time."""
        return self.reopen(folders.interrupted(self.folder, run_id), run_id)

    def reopen(self, folder: Path, run_id: str) -> Journalled:
        """Go on with the run of a folder."""
        try:
            journal = Journal(folder)
        except Held:
            raise InputError(
                f"resume must be a run that nobody is training, got {run_id!r}, which another "
                "process has: wait for it, or stop it first"
            ) from None
        run = Journalled(journal, self.clock)
        run.write({"do": "begin"})
        return self._carry(run)

    def known(self, key: str) -> str | None:
        """Return the finished run that has answered a baseline's question, if it can be asked."""
        from mlflow.exceptions import MlflowException

        if self.store is None:
            return None
        asked = f"tags.`{ONCE}` = '{key}' and attributes.status = 'FINISHED'"
        try:
            found = self.store.find(asked, most=1)
        except MlflowException:
            return None  # the sender looks again
        return found[0].info.run_id if found else None

    def shown(self, run: Run) -> str | None:
        """Return the id of a run in MLflow's pages; None if it has none."""
        if self.store is None or not isinstance(run, Journalled):
            return None if self.store is None else run.id
        self._sender.identify(run.journal, LINKED)
        return run.journal.run_id

    def close(self) -> None:
        """Send what is left, as far as that is possible; the rest stays in the folder."""
        self._sender.close(PATIENCE, MOST)
        self.trouble = self._sender.trouble
        for journal in (*self._own, *(self._earlier or ())):
            journal.close()
        self._until_the_end.close()

    @property
    def waiting(self) -> list[str]:
        """Return the local ids of this command's runs of which MLflow may have more later."""
        return [one.local_id for one in self._own if not (one.arrived or "refused" in one.marks)]

    @property
    def refused(self) -> dict[str, str]:
        """Return why MLflow will never have the rest of a run: its local id to the reason."""
        refused = ((one.local_id, one.marks.get("refused")) for one in self._own)
        return {local_id: why for local_id, why in refused if why}

    def _carry(self, run: Journalled) -> Journalled:
        """Hand a journal to the sender, then what earlier commands have left."""
        self._own.append(run.journal)
        self.begun.add(run.journal.local_id)
        self._sender.take(run.journal)
        if self.store and ONCE not in run.journal.head["tags"]:
            seconds = START if server(self.uri) else MOST  # a file is only ever busy
            self._sender.identify(run.journal, seconds)
        if self._earlier is None:
            self._earlier = folders.leftover(self.folder, self.uri)
            for journal in self._earlier:
                self._sender.take(journal)
        return run
