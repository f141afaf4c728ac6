"""Run the leak proof of a training: one line per check, one tag per run."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd

from forecast.data import columns, panel, windows
from forecast.data.schema import Schema
from forecast.data.table import Table, renumbered
from forecast.errors import InputError
from forecast.evaluation.leakage.checks import EPOCHS
from forecast.evaluation.leakage.perturb import Raw
from forecast.evaluation.leakage.proof import leak_proof
from forecast.evaluation.outcome import Outcome
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


def prove(tracked: Run, outcome: Outcome, data: Loaded, *, say: Say) -> None:
    """Prove the data path and the forecasts of a trained run, tag it, and say what was found.

    A run that leaks is kept: its model and its scores are there to be looked into, and its tag
    keeps it out of comparisons.
    """
    began = time.perf_counter()
    table, raw = drawn(data)
    found = leak_proof(outcome, table, raw=raw)
    seconds = time.perf_counter() - began
    tracked.tags({TAG: found.level[:LONGEST]})
    tracked.metrics({"time/leak_proof_seconds": seconds})
    if found.holds:
        some = ""
        if len(table) < len(data.table):
            count = len(np.unique(table.series))
            some = f" on {count:,} of {len(table.names):,} series, drawn at random"
        say("leakage", f"all {len(found.checks)} checks passed{some}, {seconds:.1f} s")
    else:
        say("warning", f"THIS RUN LEAKS, do not trust its scores: {found}")


def drawn(data: Loaded) -> tuple[Table, Raw]:
    """Return the rows that are put under proof: all, or those of some series of a large panel.

    Series are drawn by the shape of their values; their names decide nothing.
    """
    table, schema = data.table, data.schema
    kept = MOST * len(table.names) // max(1, len(table))
    if len(table) <= MOST or not 0 < kept < len(table.names):
        return table, Raw(data.frame, schema)
    chosen = np.flatnonzero(windows.series_order(table) < kept)
    names = np.asarray(table.names)[chosen]
    frame = data.frame[np.isin(columns.labels(data.frame, schema), names)]
    known = replace(schema, frequency=table.frequency)

    def build(rows: pd.DataFrame, schema: Schema) -> Table:
        return renumbered(panel.build(rows, schema), table.names)

    return table.take(np.isin(table.series, chosen)), Raw(frame, known, build)


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
