"""Runs of a command: where they are written, and what is said when a server is away."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forecast.commands.console import say
from forecast.commands.schema import TrackingConfig
from forecast.data.address import place
from forecast.tracking.tracker import Tracker


@contextmanager
def tracking(settings: TrackingConfig, data: str) -> Iterator[Tracker]:
    """Open the place of a command's runs; say once if the server is away.

    Args:
        settings: Store, experiment, folder.
        data: Name of the data, which is the experiment's where none is set.

    Yields:
        The place; everything is sent when the block is left, or stays for `forecast sync`.
    """
    tracker = Tracker(settings.uri, settings.experiment or data, Path(settings.folder))
    said = tracker.trouble is not None
    where = place(settings.uri)
    if said:
        say(
            "warning",
            f"{where} does not answer ({tracker.trouble}): the run is kept in {settings.folder}/ "
            "and sent by the next command, or by `forecast sync`",
        )
    try:
        yield tracker
    finally:
        tracker.close()
        if tracker.waiting and not said:
            say(
                "warning",
                f"{where} has not taken everything ({tracker.trouble or 'it is slow'}): the rest "
                f"of {', '.join(tracker.waiting)} is kept in {settings.folder}/ and sent by the "
                "next command, or by `forecast sync`",
            )
