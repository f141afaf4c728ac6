"""`forecast runs`: the runs of this machine and their state."""

from pathlib import Path

from forecast.cli.config.compose import Request
from forecast.cli.console import print_table, say
from forecast.tracking import folders
from forecast.tracking.folders import LocalRun

LETTERS = 8
"""Letters of an id that are shown, which tell runs apart."""

SHOWN = 30
"""Runs that are listed, the newest."""


def run_runs(request: Request) -> list[LocalRun]:
    """List the runs that this machine has begun, with what became of them."""
    folder = Path(request.settings.tracking.folder)
    damaged: list[Path] = []
    every = list(folders.runs(folder, damaged))
    for path in reversed(damaged):
        say("damaged", f"{path}: its journal cannot be read; delete it, or restore a copy")
    found = [one for one in every if one.kind != "baseline" or one.waiting]
    if not found:
        say("runs", f"none in {folder}/: run `forecast train`, or go to the folder where it ran")
        return found
    print_table(
        f"Runs in {folder}/",
        ("run", "name", "started (UTC)", "epochs", "state", "to send"),
        [
            (
                shown(one),
                one.name,
                _started(one),
                str(one.epochs or ""),
                "trained" if one.incomplete else one.state.lower(),
                "refused" if one.refused else f"{one.waiting or '–'}",
            )
            for one in found[:SHOWN]
        ],
        left=2,
    )
    if len(found) > SHOWN:
        say("", f"and {len(found) - SHOWN:,} older ones")
    for one in found[:SHOWN]:
        if one.incomplete:
            say("missing", f"{', '.join(one.missing or ())} of {shown(one)}")
    if left := next((one for one in found if one.resumable), None):
        say("next", f"forecast train resume={shown(left)}")
    if any(one.waiting and not one.refused for one in found):
        say("next", "forecast sync")
    return found


def shown(one: LocalRun) -> str:
    """Return the letters of a run's id that name it in other commands, of its local id if none."""
    return one.run_id[:LETTERS] if one.run_id else one.local_id


def _started(one: LocalRun) -> str:
    """Write when a run was begun, in UTC: its local id begins with that."""
    month, day, hour, minute = (one.local_id[n : n + 2] for n in (4, 6, 9, 11))
    return f"{month}-{day} {hour}:{minute}"
