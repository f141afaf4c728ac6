"""`forecast train resume=ID`: the configuration of the run, and the rows it saw."""

from pathlib import Path

from forecast.commands import recorded, versions
from forecast.commands.build import Loaded
from forecast.commands.config import Request
from forecast.commands.console import say
from forecast.errors import InputError
from forecast.tracking import journal, local

TAKEN = ("resume=", "tracking.folder=", "tracking.uri=")
"""Overrides that say where the run and its store are; the address may have held a password."""


def original(request: Request) -> Request:
    """Return the request that an interrupted run was started with.

    Args:
        request: Of this command; `resume` names the run.

    Returns:
        That of the run, with `resume` set.

    Raises:
        InputError: The run is not there, or the command says more than which.
    """
    settings = request.settings
    run_id = str(settings.resume)
    changes = {"resume": run_id, "tracking.folder": settings.tracking.folder}
    for text in request.overrides:
        if not text.startswith(TAKEN):
            raise InputError(
                f"resume must stand alone, got {text!r} beside it: the run goes on with the "
                "configuration that it began with"
            )
        if text.startswith("tracking.uri="):
            changes["tracking.uri"] = settings.tracking.uri
    folder = local.interrupted(Path(settings.tracking.folder), run_id)
    file = journal.kept(folder, recorded.CONFIG)
    if file is None:
        raise InputError(
            f"resume must be a run that had begun to train, got {run_id!r}, which had not: train "
            "anew"
        )
    command = journal.records(folder)[0]["tags"][recorded.COMMAND]
    return recorded.request(file.read_text("utf-8"), changes, overrides=recorded.overrides(command))


def check(run_id: str, folder: Path, data: Loaded) -> None:
    """Refuse to go on with other data, and say which versions are others.

    Args:
        run_id: Local, or in MLflow.
        folder: Where journals lie.
        data: As it is now.

    Raises:
        InputError: The digest differs.
    """
    tags = journal.records(local.find(folder, run_id))[0]["tags"]
    for other in versions.others(tags):
        say("warning", f"not as it was, so weights may differ in their last bits: {other}")
    digest = tags["forecast.data_digest"]
    if digest != data.digest:
        raise InputError(
            f"data must be what the run has seen (sha256 {digest}…), got {data.path} with sha256 "
            f"{data.digest}…: bring the file back, or train anew"
        )
