"""`forecast sync`: send what the folder of runs holds to the tracking store."""

import functools
import math
from contextlib import ExitStack
from pathlib import Path

from forecast.cli.config.compose import Request
from forecast.cli.console import say
from forecast.data.fetch import without_secrets
from forecast.errors import InputError
from forecast.tracking import folders
from forecast.tracking.journal import Journal
from forecast.tracking.mlflow.store import Store, no_retries
from forecast.tracking.sender import Sender
from forecast.tracking.tracker import PATIENCE


def run_sync(request: Request) -> int:
    """Send the rest of all runs that nobody writes; close those whose process is gone."""
    settings = request.settings.tracking
    folder = Path(settings.folder)
    with ExitStack() as until_the_end:
        journals = folders.leftover(folder, settings.uri)
        for journal in journals:
            until_the_end.callback(journal.close)
        return _send(journals, settings.uri, folder)


def _send(journals: list[Journal], uri: str, folder: Path) -> int:
    """Send journals that are open."""
    if not journals:
        say("sync", f"no run in {folder}/ is waiting for {without_secrets(uri)}")
        return 0
    reach = functools.cache(functools.partial(Store, uri))
    reach(journals[0].head["experiment"])  # says so where it is away
    count = sum(folders.waiting(journal.folder, journal.marks) for journal in journals)
    say("sync", f"{count:,} records of {len(journals)} runs to {without_secrets(uri)}")
    with no_retries():
        sender = Sender(reach)
        for journal in journals:
            sender.take(journal)
        sender.close(PATIENCE, math.inf)
    refused = [journal for journal in journals if "refused" in journal.marks]
    for journal in refused:
        say("refused", f"{journal.local_id}: {journal.marks['refused']}")
    if left := sum(
        folders.waiting(one.folder, one.marks) for one in journals if one not in refused
    ):
        raise InputError(
            f"tracking.uri must accept every record, got {without_secrets(uri)!r}, which left "
            f"{left:,} records "
            f"({sender.trouble}): sync again"
        )
    return len(journals)
