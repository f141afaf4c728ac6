"""A client that asks again while its server is away, for what cannot be written later."""

import time
from collections.abc import Callable
from typing import Any

from forecast.data.address import place
from forecast.tracking.sender import FINAL, PAUSES
from forecast.tracking.store import Unreachable, reason

MOST = 60.0
"""Seconds that a server may be away in the middle of a sweep."""


class Patient:
    """MLflow's client, each of whose calls is repeated until it succeeds or was refused for good.

    Only downloads are as they were: whoever wants a file that may be lost can do without. Once a
    server has been away for too long, every call fails at its first try.

    Args:
        client: Of MLflow.
        uri: Of the store, for the error.
        sleep: Waits some seconds.

    Raises:
        Unreachable: By its calls, when the server has been away for `MOST` seconds.
    """

    def __init__(self, client: Any, uri: str, sleep: Callable[[float], None] = time.sleep):
        self._client, self._uri, self._sleep = client, uri, sleep
        self._left = MOST

    def __getattr__(self, name: str) -> Any:
        """Return a method that is patient."""
        from mlflow.exceptions import MlflowException

        method = getattr(self._client, name)
        if name == "download_artifacts":
            return method

        def call(*arguments: Any, **named: Any) -> Any:
            waits = iter(PAUSES)
            waited = 0.0
            while True:
                try:
                    return method(*arguments, **named)
                except (MlflowException, OSError) as error:
                    if getattr(error, "error_code", None) in FINAL:
                        raise
                    if waited >= self._left:
                        self._left = 0.0
                        raise _gone(self._uri, error) from error
                    pause = next(waits, PAUSES[-1])
                    self._sleep(pause)
                    waited += pause

        return call


def _gone(uri: str, error: Exception) -> Unreachable:
    """Say what to do when a server does not come back."""
    cause = reason(error)
    return Unreachable(
        f"tracking.uri must be a store that can be reached as long as a sweep runs, got "
        f"{place(uri)!r} ({cause}): start the server and give the command again, which goes on "
        "with what is finished",
        cause,
    )
