"""`forecast runs`: the runs of this machine and their state."""

from pathlib import Path

from forecast.cli.config.compose import Request
from forecast.cli.console import print_table, say
from forecast.tracking import folders
from forecast.tracking.folders import LocalRun

SHOWN = 30
"""Runs that are listed, the newest."""


def run_runs(request: Request) -> list[LocalRun]:
    """List the runs that this machine has begun, with what became of them."""
    folder = Path(request.settings.tracking.folder)
    for path in folders.damaged(folder):
        say("damaged", f"{path}: its journal cannot be read; delete it, or restore a copy")
    every = list(folders.runs(folder))
    found = [one for one in every if one.kind != "baseline" or one.waiting]
    if not found:
        say("runs", f"none in {folder}/")
        return found
    print_table(
        f"Runs in {folder}/",
        ("run", "name", "epochs", "state", "to send"),
        [
            (
                one.local_id,
                one.name,
                str(one.epochs or ""),
                "trained" if one.incomplete else one.state.lower(),
                "refused" if one.refused else f"{one.waiting or '–'}",
            )
            for one in found[:SHOWN]
        ],
    )
    if len(found) > SHOWN:
        say("", f"and {len(found) - SHOWN:,} older ones")
    for one in found[:SHOWN]:
        if one.incomplete:
            say("missing", f"{', '.join(one.missing or ())} of {one.local_id}")
    if left := next((one for one in found if one.resumable), None):
        say("next", f"forecast train resume={left.local_id}")
    if any(one.waiting and not one.refused for one in found):
        say("next", "forecast sync")
    return found
