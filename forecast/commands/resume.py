"""`forecast train resume=ID`: the configuration of the run, and the rows it saw."""

from pathlib import Path

from forecast.commands import recorded
from forecast.commands.build import Loaded
from forecast.commands.config import Request
from forecast.errors import InputError
from forecast.tracking import journal, local


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
    more = [
        text for text in request.overrides if not text.startswith(("resume", "tracking.folder"))
    ]
    if more:
        raise InputError(
            f"resume must stand alone, got {more[0]!r} beside it: the run goes on with the "
            "configuration that it began with"
        )
    folder = local.interrupted(Path(settings.tracking.folder), run_id)
    file = journal.kept(folder, recorded.CONFIG)
    if file is None:
        raise InputError(
            f"resume must be a run that had begun to train, got {run_id!r}, which had not: train "
            "anew"
        )
    command = journal.records(folder)[0]["tags"][recorded.COMMAND]
    return recorded.request(
        file.read_text("utf-8"), {"resume": run_id}, overrides=recorded.overrides(command)
    )


def check(run_id: str, folder: Path, data: Loaded) -> None:
    """Refuse to go on with other data.

    Raises:
        InputError: The digest differs.
    """
    digest = journal.records(local.find(folder, run_id))[0]["tags"]["forecast.data_digest"]
    if digest != data.digest:
        raise InputError(
            f"data must be what the run has seen (sha256 {digest}…), got {data.path} with sha256 "
            f"{data.digest}…: bring the file back, or train anew"
        )
