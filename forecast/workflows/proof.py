"""Run the leak proof of a training: one line per check, one tag per run."""

import time
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecast.data import panel, windows
from forecast.data.schema import Schema
from forecast.data.table import Table, renumbered
from forecast.errors import InputError
from forecast.evaluation.leakage.checks import EPOCHS
from forecast.evaluation.leakage.perturb import Raw
from forecast.evaluation.leakage.proof import leak_proof
from forecast.evaluation.outcome import Outcome
from forecast.evaluation.preparation import Prepared
from forecast.tracking.run import Run
from forecast.training import runtime
from forecast.workflows import load
from forecast.workflows.load import Loaded
from forecast.workflows.progress import Say
from forecast.workflows.settings import Config

TAG = "forecast.leak_proof"
"""Tag of a trained run: how far it was proved, or what leaks."""

MOST = 500_000
"""Rows of a panel beyond which some of its series are put under proof, and not all."""

LONGEST = 400
"""Characters of the tag."""


@dataclass(frozen=True)
class Drawn:
    """Rows that are put under proof, and what they were made of.

    Attributes:
        table: The rows.
        raw: The same as they were read.
        some: Which rows they are, where they are not all.
        recent: Whether they are the newest of one series, cut anew, since its spans are too long.
    """

    table: Table
    raw: Raw
    some: str = ""
    recent: bool = False


def prove(tracked: Run, outcome: Outcome, rows: Drawn, *, say: Say) -> None:
    """Prove the data path and the forecasts of a trained run, tag it, and say what was found.

    A run that leaks is kept: its model and its scores are there to be looked into, and its tag
    keeps it out of comparisons.
    """
    began = time.perf_counter()
    spans = {"validation": 0.1, "test": 0.2}
    subject = replace(outcome.spec, **spans) if rows.recent else outcome  # type: ignore[arg-type]
    found = leak_proof(subject, rows.table, raw=rows.raw)
    seconds = time.perf_counter() - began
    tracked.tags({TAG: found.level[:LONGEST]})
    tracked.metrics({"time/leak_proof_seconds": seconds})
    if found.holds:
        say("leakage", f"all {len(found.checks)} checks passed{rows.some}, {seconds:.1f} s")
    else:
        say("warning", f"THIS RUN LEAKS, do not trust its scores: {found}")


def drawn(data: Loaded, prepared: Prepared) -> Drawn:
    """Return the rows that are put under proof: all, or those of some series of a large panel.

    Series are drawn by the shape of their values; their names decide nothing. Of series that are
    read in stretches the newest rows of the longest one are taken.
    """
    table, schema, survey = prepared.table, data.schema, prepared.survey
    known = replace(schema, frequency=table.frequency)
    if survey is not None and survey.thinned:
        longest = int(np.bincount(table.series).argmax())
        name = table.names[longest]
        since = survey.blocks.stamps[-MOST:][0]
        frame = data.raw([name], since)
        text = f" on the newest {len(frame):,} rows of series {name}"
        return Drawn(panel.build(frame, known), Raw(frame, known), text, recent=True)
    present = np.unique(table.series)
    kept = MOST * len(present) // max(1, len(table))
    if survey is None and (len(table) <= MOST or not 0 < kept < len(present)):
        return Drawn(table, Raw(data.frame, schema))
    order = windows.series_order(table)[present]
    chosen = present[np.argsort(order, kind="stable")[: max(1, kept)]]
    frame = data.raw(np.asarray(table.names)[chosen])

    def build(rows: pd.DataFrame, schema: Schema) -> Table:
        return renumbered(panel.build(rows, schema), table.names)

    text = f" on {len(chosen):,} of {len(table.names):,} series, drawn at random"
    text = text if len(chosen) < len(table.names) else ""
    own = table.take(np.isin(table.series, chosen))
    return Drawn(own, Raw(frame, known, build), text)


def require(settings: Config, data: Loaded, *, say: Say) -> None:
    """Prove everything, two short trainings included, with one line a check."""
    runtime.start(settings.training.threads)
    spec = load.spec(settings)
    epochs = min(EPOCHS, spec.training.epochs)
    say("leakage", f"trains twice, {epochs} of training.epochs={spec.training.epochs} each")
    found = leak_proof(spec, data.table, raw=Raw(data.frame, data.schema), full=True)
    for check in found.checks:
        say("passed" if check.held else "LEAK", f"{check.name}: {check}")
    if not found.holds:
        failed = next(check for check in found.checks if not check.held)
        raise InputError(
            f"data and split must let nothing leak, got {failed.name}: {failed.offender}; remove "
            "the column, or fix what computes it"
        )
