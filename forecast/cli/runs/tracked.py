"""Where a command writes its runs, and what it prints when a server is away."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from forecast.cli.config.schema import TrackingConfig
from forecast.cli.console import say
from forecast.data.fetch import without_secrets
from forecast.errors import InputError, cause
from forecast.tracking import folders
from forecast.tracking.tracker import Tracker


@contextmanager
def tracking(settings: TrackingConfig, data: str) -> Iterator[Tracker]:
    """Open the place of a command's runs; say once if the server is away."""
    folder = _made(Path(settings.folder))
    try:
        tracker = Tracker(settings.uri, settings.experiment or data, folder)
    except InputError:
        with suppress(OSError):
            folder.rmdir()  # which removes what is empty
        raise
    warned = tracker.trouble is not None
    where = without_secrets(settings.uri)
    if warned:
        say(
            "warning",
            f"{where} does not answer ({tracker.trouble}): the run is kept in {settings.folder}/ "
            "and sent by the next command, or by `forecast sync`",
        )
    try:
        yield tracker
    except KeyboardInterrupt:
        left = next(folders.runs(folder), None)
        if left and left.resumable:
            say("resume", f"forecast train resume={left.local_id}")
        raise
    finally:
        tracker.close()
        for name, why in tracker.refused.items():
            kept = f"what it has not taken stays in {settings.folder}/{name}"
            say("warning", f"{where} refuses run {name} for good ({why}): {kept}")
        if tracker.waiting and not warned:
            say(
                "warning",
                f"{where} has not taken everything ({tracker.trouble or 'it is slow'}): the rest "
                f"of {', '.join(tracker.waiting)} is kept in {settings.folder}/ and sent by the "
                "next command, or by `forecast sync`",
            )


def _made(folder: Path) -> Path:
    """Make the folder of runs, before a store is asked for anything."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError("it may not be written")
    except OSError as error:
        raise InputError(
            f"tracking.folder must be a folder that can be written, got {str(folder)!r} "
            f"({cause(error.strerror or error)}): name another"
        ) from error
    return folder
