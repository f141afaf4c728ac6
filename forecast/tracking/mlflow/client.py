"""A client that asks again while its server is away, for what cannot be written later."""

import time
from collections.abc import Callable, Mapping
from secrets import token_hex
from typing import Any

from forecast.data.fetch import without_secrets
from forecast.tracking.mlflow.store import Unreachable, cure, reason
from forecast.tracking.sender import FINAL, PAUSES

MOST = 60.0
"""Seconds that a server may be away in the middle of a sweep."""

CLASH = "BAD_REQUEST"
"""Error code of the slower of two simultaneous equal writes; it need only retry."""

CLASHES = 3
"""Such answers to one call after which it is wrong in itself."""

CREATION = "forecast.creation"
"""Tag by which a run is looked up before its creation is tried again."""


class RetryingClient:
    """MLflow's client, each of whose calls is repeated until it succeeds or was refused for good.

    Only downloads are as they were: whoever wants a file that may be lost can do without. Once a
    server has been away for too long, every call fails at its first try.
    """

    def __init__(self, client: Any, uri: str, sleep: Callable[[float], None] = time.sleep):
        self._client, self._uri, self._sleep = client, uri, sleep
        self._left = MOST

    def __getattr__(self, name: str) -> Any:
        """Return a method that is patient."""
        method = getattr(self._client, name)
        if name == "download_artifacts":
            return method
        return lambda *arguments, **named: self._ask(lambda: method(*arguments, **named))

    def create_run(self, experiment_id: str, *, run_name: str, tags: Mapping[str, str]) -> Any:
        """Create a run, and only one, should the answer of a server be lost."""
        mark = token_hex(8)
        asked = False

        def create() -> Any:
            nonlocal asked
            if asked:
                where = f"tags.`{CREATION}` = '{mark}'"
                if found := self._client.search_runs([experiment_id], where, max_results=1):
                    return found[0]
            asked = True
            marked = {**tags, CREATION: mark}
            return self._client.create_run(experiment_id, run_name=run_name, tags=marked)

        return self._ask(create)

    def _ask(self, request: Callable[[], Any]) -> Any:
        """Repeat a request until it is answered."""
        from mlflow.exceptions import MlflowException

        waits = iter(PAUSES)
        waited, clashes = 0.0, 0
        while True:
            try:
                return request()
            except (MlflowException, OSError) as error:
                code = getattr(error, "error_code", None)
                clashes += code == CLASH
                if code == CLASH and clashes < CLASHES:
                    continue
                if code in FINAL:
                    raise
                if waited >= self._left:
                    self._left = 0.0
                    raise _gone(self._uri, error) from error
                pause = next(waits, PAUSES[-1])
                self._sleep(pause)
                waited += pause


def _gone(uri: str, error: Exception) -> Unreachable:
    """Say what to do when a server does not come back."""
    cause, todo = reason(error), cure(error)
    return Unreachable(
        f"tracking.uri must be a store that can be reached as long as a sweep runs, got "
        f"{without_secrets(uri)!r} ({cause}): {todo} and give the command again, which "
        "resumes the sweep",
        cause,
    )
