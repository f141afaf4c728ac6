"""`forecast sync`: send what the folder of runs holds to the tracking store."""

import functools
import math
from pathlib import Path

from forecast.commands.config import Request
from forecast.commands.console import say
from forecast.data.address import place
from forecast.errors import InputError
from forecast.tracking import local
from forecast.tracking.sender import Sender
from forecast.tracking.store import Store, impatient
from forecast.tracking.tracker import PATIENCE


def run(request: Request) -> int:
    """Send the rest of all runs that nobody writes; close those whose process is gone.

    Args:
        request: The configuration; `tracking.uri` is the store, `tracking.folder` holds the runs.

    Returns:
        Runs that were sent.

    Raises:
        InputError: The store does not answer, or does not take everything.
    """
    settings = request.settings.tracking
    folder = Path(settings.folder)
    journals = local.leftover(folder, settings.uri)
    if not journals:
        say("sync", f"no run in {folder}/ waits for {place(settings.uri)}")
        return 0
    reach = functools.cache(functools.partial(Store, settings.uri))
    reach(journals[0].head["experiment"])  # says so where it is away
    count = sum(local.waiting(journal.folder) for journal in journals)
    say("sync", f"{count:,} records of {len(journals)} runs to {place(settings.uri)}")
    with impatient():
        sender = Sender(reach)
        for journal in journals:
            sender.take(journal)
        sender.close(PATIENCE, math.inf)
    for journal in journals:
        if "refused" in journal.marks:
            say("refused", f"{journal.local_id}: {journal.marks['refused']}")
        journal.close()
    if left := sum(
        local.waiting(journal.folder) for journal in journals if "refused" not in journal.marks
    ):
        raise InputError(
            f"tracking.uri must take everything, got {place(settings.uri)!r}, which left "
            f"{left:,} records ({sender.trouble}): sync again"
        )
    return len(journals)
