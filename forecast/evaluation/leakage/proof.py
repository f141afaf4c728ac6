"""Proof by experiment that nothing leaks: the future is changed, and nothing before it moves."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecast.data import split
from forecast.data.split import Holdout
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation.leakage import checks, predictions, rows
from forecast.evaluation.leakage.case import Case, Check
from forecast.evaluation.leakage.perturb import Raw
from forecast.evaluation.outcome import Outcome, Spec
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Model, Training

ORIGINS = 24
"""Origins from which forecasts are repeated with another future."""


@dataclass(frozen=True)
class LeakProof:
    """What was changed, what was compared, and whether it stayed.

    Attributes:
        checks: One entry a check.
        full: Whether networks were trained for it.
    """

    checks: tuple[Check, ...]
    full: bool = False

    @property
    def holds(self) -> bool:
        """Whether nothing leaks, as far as the checks see."""
        return all(check.held for check in self.checks)

    @property
    def level(self) -> str:
        """Return "data" or "full", or "FAILED: " and the first thing that leaks."""
        if self.holds:
            return "full" if self.full else "data"
        return f"FAILED: {self._failed[0].name}: {self._failed[0].offender}"

    def __str__(self) -> str:
        """Say it in one sentence."""
        names = ", ".join(check.name for check in self.checks)
        if self.holds:
            return f"nothing after a cut moves what lies before it: {names}"
        told = "; ".join(f"{check.name}: {check.offender}" for check in self._failed)
        return f"{len(self._failed)} of {len(self.checks)} checks found a leak: {told}"

    @property
    def _failed(self) -> list[Check]:
        return [check for check in self.checks if not check.held]


def leak_proof(
    forecaster: Forecaster | Spec | Outcome,
    table: Table,
    *,
    cuts: Holdout | None = None,
    scored: np.ndarray | None = None,
    raw: Raw | None = None,
    full: bool = False,
    origins: int = ORIGINS,
    seed: int = 0,
) -> LeakProof:
    """Change what lies after a cut, do everything before it again, and compare to the last bit.

    Three cuts: after training (scale, inputs, what baselines learn, the scale of MASE), after
    validation (stopping windows and their truth; weights where `full`), and after origins (the
    forecasts of the network and of every baseline; what is known ahead stays). Time stamps, names
    of series and static columns are never changed: what follows from them alone is no finding.

    Args:
        forecaster: What forecasts: an estimator, fitted or not, an experiment, or its outcome.
            Without trained weights some are drawn.
        table: The data, all spans.
        cuts: Where validation and test begin; None cuts as the experiment says. A fitted estimator
            must have learned its scale from the rows before `cuts.validation`.
        scored: First rows of the windows that scores are made of; None means all whose future lies
            in the test span, or those of the outcome.
        raw: What the table was built from; None leaves that part of the way unproved.
        full: Whether to train twice, for at most two epochs.
        origins: How many forecasts are repeated, about.
        seed: Of the values that are put in place of others.

    Returns:
        The proof.

    Raises:
        InputError: Spans leave no window, or `raw` is of another table.
    """
    spec, fitted = _spec(forecaster)
    if isinstance(forecaster, Outcome):
        began = forecaster.cuts
        cuts = cuts or (Holdout(began.test, began.test) if forecaster.refit else began)
        scored = forecaster.test.starts if scored is None else scored
    known = cuts is not None
    cuts = cuts or split.holdout(table, spec.validation, spec.test)
    if scored is None:
        scored = cuts.scored(table, spec.window)
    if not len(scored):
        raise InputError(
            "cuts must leave a window whose future lies in the test span, got none from "
            f"{cuts.test} on: take an earlier cut or a smaller window"
        )
    scaler = fitted.scaler_ if known and hasattr(fitted, "scaler_") else None
    case = Case(spec, table, cuts, fitted, scored, scaler, seed)
    return LeakProof(tuple(_checks(case, raw, full, origins)), full)


def _spec(forecaster: Any) -> tuple[Spec, Forecaster]:
    """Return the experiment, and what forecasts in it."""
    if isinstance(forecaster, Outcome):
        return forecaster.spec, forecaster.forecaster
    if isinstance(forecaster, Spec):
        own = forecaster
        return own, Forecaster(own.model, own.window, own.training, scaling=own.scaling)
    if not isinstance(forecaster, Forecaster):
        raise InputError(
            "forecaster must be a Forecaster, a Spec or an Outcome, got "
            f"{type(forecaster).__name__}: give one of them"
        )
    spec = Spec(
        forecaster.model if forecaster.model is not None else Model(),
        forecaster.window or Window(),
        forecaster.training or Training(),
        forecaster.scaling,
    )
    return spec, forecaster


def _checks(case: Case, raw: Raw | None, full: bool, origins: int) -> Iterator[Check]:
    """Prove one thing after the other."""
    if raw is not None:
        yield rows.rows(case, raw)
    yield checks.columns(case)
    yield checks.spans(case)
    yield from checks.learning(case)
    if len(case.learned.stop):
        yield checks.stopping(case)
    yield from predictions.predictions(case, origins)
    if full:
        yield checks.training(case)
