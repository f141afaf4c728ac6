"""Turn `resume=ID` into the request that an interrupted run was started with."""

import copy
import shlex
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from forecast.cli.config import recorded
from forecast.cli.config.compose import Request
from forecast.cli.console import say
from forecast.errors import InputError
from forecast.tracking import folders, journal
from forecast.tracking.journalled import Journalled
from forecast.tracking.run import Record
from forecast.workflows import environment
from forecast.workflows.load import Loaded

TAKEN = ("resume=", "tracking.folder=", "tracking.uri=")
"""Overrides that say where the run and its store are; the address may have held a password."""


LATER = ("evaluation.", "gates.memory=", "gates.alerts.")
"""Overrides that concern nothing but what follows the training."""


def original(request: Request) -> Request:
    """Return the request that an interrupted run was started with."""
    settings = request.settings
    run_id = str(settings.resume)
    changes = {"resume": run_id, "tracking.folder": settings.tracking.folder}
    later = [text for text in request.overrides if _key(text).startswith(LATER)]
    for text in request.overrides:
        if text not in later and not text.startswith(TAKEN):
            raise InputError(
                "resume must be given alone, or with settings of evaluation, gates.memory or "
                f"gates.alerts once the training is finished, got {text!r}: leave it out, the run "
                "continues with its own configuration"
            )
        if text.startswith("tracking.uri="):
            changes["tracking.uri"] = settings.tracking.uri
    folder = folders.interrupted(Path(settings.tracking.folder), run_id)
    if run_id == folders.LAST:
        run_id = changes["resume"] = folder.name
        say("last", f"{run_id}, the newest interrupted training")
    file, records = journal.kept(folder, recorded.CONFIG), journal.records(folder)
    if file is None:
        raise InputError(
            f"resume must be a run that had begun to train, got {run_id!r}, which had not yet: "
            "start a new training"
        )
    for text in later:
        _refuse_late(text, records)
        key = _key(text).partition("=")[0]
        changes[key] = OmegaConf.select(request.composed, key)
    words = (*recorded.overrides(_command(records)), *later)
    return recorded.request(file.read_text("utf-8"), changes, overrides=words)


def _key(text: str) -> str:
    """Return an override without the signs that let Hydra add its key."""
    return text.lstrip("+")


def _refuse_late(text: str, records: Sequence[Record]) -> None:
    """Refuse a setting of what follows the training where it comes too soon or too late."""
    if journal.missing(records) is None:
        raise InputError(
            f"resume must be given alone until the training is finished, got {text!r} for a run "
            "that is not: resume it without that"
        )
    if text.startswith(journal.EVALUATION) and journal.scored(records):
        raise InputError(
            f"resume must leave the evaluation as it is once scores are written, got {text!r}: "
            "resume it without that, or start a new training"
        )


def _command(records: Sequence[Record]) -> str:
    """Return the command of a run, with what was changed when it was resumed."""
    tags = [record["values"] for record in records if record["do"] == "tags"]
    every = [records[0]["tags"], *tags]
    return str([values[recorded.COMMAND] for values in every if recorded.COMMAND in values][-1])


def keep_changes(tracked: Journalled, request: Request) -> None:
    """Write what a resumed run does otherwise than it began, so that it can be reproduced."""
    before = _command(journal.records(tracked.journal.folder))
    later = request.overrides[len(recorded.overrides(before)) :]
    if not later:
        return
    composed = copy.deepcopy(request.composed)
    OmegaConf.update(composed, "resume", None)
    tracked.keep(Request(composed, ()).yaml, recorded.CONFIG)
    tracked.tags({recorded.COMMAND: f"{before} {shlex.join(later)}"})


def check_same_data(run_id: str, folder: Path, data: Loaded) -> None:
    """Refuse to go on with other data, and say which versions are others."""
    tags = journal.records(folders.find(folder, run_id))[0]["tags"]
    for other in environment.others(tags):
        say("warning", f"changed since the run, so numbers may differ in their last bits: {other}")
    digest = tags["forecast.data_digest"]
    if digest != data.digest:
        raise InputError(
            f"data must be what the run has seen (sha256 {digest}…), got {data.place} with sha256 "
            f"{data.digest}…: restore the file, or start a new training"
        )
