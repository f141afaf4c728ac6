"""The stages of a recorded training, each of which may fail alone."""

import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from forecast.data.fetch import conceal
from forecast.errors import Incomplete, InputError, cause
from forecast.evaluation.outcome import Outcome, Spec
from forecast.evaluation.preparation import Prepared
from forecast.tracking import record
from forecast.tracking.journal import AFTER, records, scored
from forecast.tracking.journalled import Journalled
from forecast.tracking.predictions import Predictions
from forecast.workflows.load import Loaded
from forecast.workflows.progress import Progress
from forecast.workflows.proof import Drawn, drawn
from forecast.workflows.settings import Config

BEHIND_SCORES = tuple(stage for stage in AFTER if stage != "model")
"""Stages that need what the evaluation finds."""

TRACEBACK = 4_000
"""Characters of a traceback's end that the tag of an error keeps."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Training:
    """A training to record.

    Attributes:
        settings: Its configuration.
        params: The same as dotted key to value, without secrets.
        data: What it sees.
        prepared: What is trained on which windows.
        name: What pages call it.
        again: The command that repeats it.
        go_on: The command that makes what is missing, to its run.
        progress: Who hears what is done.
        final: Name of the run once its scores are known; None leaves the one that it has.
        relatives: What another run is to this one, to its id.
    """

    settings: Config
    params: Mapping[str, Any]
    data: Loaded
    prepared: Prepared
    name: str
    again: str
    go_on: Callable[[Journalled], str]
    progress: Progress
    final: Callable[[Outcome], str] | None = None
    relatives: Mapping[str, str | None] | None = None

    @property
    def spec(self) -> Spec:
        """What is trained."""
        return self.prepared.spec

    @cached_property
    def drawn(self) -> Drawn:
        """Rows for the leak proof, and for an example of what the model reads."""
        return drawn(self.data, self.prepared)

    @cached_property
    def spans(self) -> dict[str, str]:
        """Describe its rows."""
        prepared = self.prepared
        return record.lineage(prepared.table, prepared.extent, prepared.cuts)


@dataclass
class Recorded:
    """What has become of a training.

    Attributes:
        training: What was to be recorded.
        run: Its run, closed as FAILED where something is missing.
        predictions: Forecasts of all test windows, in files.
        outcome: What its evaluation found; None where that failed.
        failures: Stages that failed, or were left out since another did, to the reason.
        errors: Each failure for the run's tag.
    """

    training: Training
    run: Journalled
    predictions: Predictions
    outcome: Outcome | None = None
    failures: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def attempt(
        self, stages: Sequence[str], doing: str, work: Callable[[], Found], *, again: bool = False
    ) -> Found | None:
        """Do the work of stages, which may fail without an end to the command."""
        due = [stage for stage in stages if stage in self.run.missing()]
        if not due and not again:
            return None
        try:
            made = work()
        except Exception as error:  # whatever it is, model and other stages are worth more
            if not self.run.missing():
                raise
            self._failed(due or stages, doing, error)
            return None
        if stages == due and len(due) == 1:
            self.run.done(due[0])
        return made

    def follow(self, stage: str, other: str) -> None:
        """Count a stage as missing where one that it builds on is."""
        if other in self.failures:
            self.failures[stage] = self.failures[other]

    def close(self) -> None:
        """Write what is missing to the run, which then has failed and may be resumed."""
        self.run.tag_missing()
        if self.failures:
            self.run.tags({"forecast.error": "\n\n".join(self.errors)})
            self.run.end("FAILED")

    def complete(self) -> Outcome:
        """Return what the evaluation found."""
        if self.outcome is not None and not self.failures:
            return self.outcome
        run_id, reasons = self.run.id, dict[str, list[str]]()
        for stage, why in self.failures.items():
            reasons.setdefault(why, []).append(stage)
        lacking = "; ".join(f"{_listed(stages)} ({why})" for why, stages in reasons.items())
        kept = f"run {run_id} is trained"
        if "model" not in self.failures:
            kept += f" and can predict (`forecast predict run={run_id}`)"
        raise Incomplete(
            f"{kept}, but these are missing: {lacking}: continue with "
            f"`{self.training.go_on(self.run)}`{self._cure()}"
        )

    def _failed(self, stages: Sequence[str], doing: str, error: Exception) -> None:
        """Remember a failure, and log where it comes from for `--verbose`."""
        found = "".join(traceback.format_exception(error))
        logging.getLogger(__name__).debug("%s", conceal(found))
        kind = (
            "" if isinstance(error, InputError) or not str(error) else type(error).__name__ + ": "
        )
        self.failures |= dict.fromkeys(stages, f"{doing} failed, {kind}{cause(error)}")
        head = f"{doing}: {type(error).__name__}: {error}"
        self.errors.append(f"{head}\n{found[-TRACEBACK:]}")

    def _cure(self) -> str:
        """Say what needs less memory, where that was the cause and may still be changed."""
        short = any("MemoryError" in self.failures.get(stage, "") for stage in BEHIND_SCORES)
        written = records(self.run.journal.folder)
        if self.outcome is None and short and self.training.spec.interval and not scored(written):
            return "; adding evaluation.interval=null needs less memory"
        return ""


def _listed(names: Sequence[str]) -> str:
    """Join names as a sentence does.

    >>> _listed(["scores", "gates", "report"])
    'scores, gates and report'
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
