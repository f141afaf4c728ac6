"""Watch and study the gates of one training, and report them."""

import json
from collections.abc import Mapping, Sequence

import numpy as np

from forecast.data import features
from forecast.errors import InputError
from forecast.evaluation.outcome import Outcome
from forecast.evaluation.preparation import Prepared
from forecast.gates import Alert, GateSnapshots, Limits, Memory, Probe, inputs, snapshot
from forecast.gates.snapshots import Snapshot
from forecast.gates.study import network_inputs, spread, study
from forecast.models import explain
from forecast.report.canvas import to_image
from forecast.report.gates import page as gate_page
from forecast.report.gates.album import album
from forecast.report.gates.page import encoded
from forecast.report.gates.subject import Subject
from forecast.report.gates.traces import trace_map
from forecast.tracking import record
from forecast.tracking.epochs import EpochMetrics
from forecast.tracking.run import Run
from forecast.training.course import watched
from forecast.training.forecaster import Forecaster
from forecast.workflows.progress import Say
from forecast.workflows.settings import Config, GatesConfig

ABOUT = "snapshots/about.json"
"""What a report needs beside the snapshots."""

OWN = "gates/"
"""Head of the names of what a checkpoint keeps for it."""

WHOLE = "whole"
"""Name of what says that the training is over."""

DRAWN = "drawn/"
"""Head of the names of the snapshots that will be drawn."""

FIELD = "forecast.receptive_field"
"""Tag of a run of convolutions: steps that reach the forecast."""


class Observer:
    """Watch the gates of one training, then say what the network does with its memory.

    Attributes:
        callback: To be called before `epochs`.
    """

    def __init__(
        self,
        tracked: Run,
        epochs: EpochMetrics,
        settings: Config,
        prepared: Prepared,
        *,
        say: Say,
    ):
        self._say = say
        spec, table = prepared.spec, prepared.table
        self._run = tracked
        self._prepared = prepared
        self._settings = settings
        self._unwatched: list[str] = []
        self._drawn: dict[int, Snapshot] = {}
        asked = spec.model.get_params()
        embedding = asked.get("series_embedding")
        self._timesteps = spec.window.timesteps
        self._names = features.input_names(table, spec.window, embedding or 0)
        self._coded, self._cycle = embedding is not None, asked.get("cycle") or 0
        self.callback = GateSnapshots(
            log=epochs.add,
            draw=self._drawn.update,
            save=lambda name, weights: tracked.keep(weights, name),
            every=settings.tracking.snapshots,
            pictures=settings.gates.pictures,
            probe=self._probe if settings.gates.probe else None,
        )
        self.callback.warn = self._unwatched.append
        about = {"timesteps": spec.window.timesteps, "features": list(self._names)}
        tracked.keep(json.dumps(about), ABOUT)

    def state(self) -> dict[str, np.ndarray]:
        """Return what it has seen so far, as named arrays that `resume` takes."""
        return {f"{OWN}{name}": array for name, array in self.callback.state().items()}

    def whole(self) -> dict[str, np.ndarray]:
        """Return what it has seen of a training that is over, which `resume` takes as well."""
        return {
            f"{OWN}{WHOLE}": np.array(json.dumps({"history": self.callback.history})),
            **{
                f"{OWN}{DRAWN}{epoch}/{name}": array
                for epoch, weights in self._drawn.items()
                for name, array in weights.items()
            },
        }

    def resume(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from what a training has seen that was interrupted, or is over."""
        own = {k.removeprefix(OWN): array for k, array in arrays.items() if k.startswith(OWN)}
        if WHOLE not in own:
            self.callback.resume(own)
            return
        seen = json.loads(str(own[WHOLE]))
        self.callback.history = {int(step): found for step, found in seen["history"].items()}
        for name, array in own.items():
            if name.startswith(DRAWN):
                epoch, _, rest = name.removeprefix(DRAWN).partition("/")
                self._drawn.setdefault(int(epoch), {})[rest] = array

    def finish(self, outcome: Outcome, title: str) -> tuple[str, str]:
        """Study the kept weights, draw the gates, write their page, and print alerts."""
        gates = self._settings.gates
        fitted, timesteps = watched(outcome.forecaster), outcome.spec.window.timesteps
        found = study(self._prepared, fitted, self.callback.history, limits(gates), gates.memory)
        traces = {
            layer: trace_map(own.gates, own.inputs, layer, names=own.names, titles=own.titles)
            for layer, own in found.traces.items()
        }
        record.record_study(self._run, found, outcome.table.common_unit, traces)
        field = explain.receptive_field(fitted.model_)
        if field:
            self._run.tags({FIELD: field})
        kept = self._kept(fitted)
        self._draw(kept, fitted.best_epoch_)
        mae = outcome.scores.get("test/mae")
        subject = Subject(
            title,
            kept,
            fitted.best_epoch_,
            self._drawn,
            self.callback.history,
            facts(self._run.id, fitted.best_epoch_, mae, field, timesteps) | which(outcome),
            found.memory,
            found.alerts,
            {
                heading(f"gates_{layer}.png"): encoded(to_image(figure))
                for layer, figure in traces.items()
            },
            inputs(kept, self._names),
            gates.pictures,
        )
        self._run.keep(gate_page.page([subject]), "gates.html")
        for layer, norms in subject.inputs.items():
            self._run.keep(norms.reset_index(names="input"), f"inputs_{layer}.csv")
        for text in self._unwatched:
            self._say("gates", text)
        for stage, text in remarks(found.memory, found.alerts):
            self._say(stage, text)
        return gate_page.section(subject)

    def _kept(self, fitted: Forecaster) -> Snapshot:
        """Return the kept weights, and what the gates do with them."""
        weights = snapshot(fitted.model_)
        if not (weights and self._settings.gates.probe):
            return weights
        return weights | Probe(fitted.model_, self._probe()).measure()

    def _probe(self) -> np.ndarray:
        """Cut the windows on which each epoch measures how open the gates are."""
        prepared, gates = self._prepared, self._settings.gates
        starts = spread(prepared.validation, gates.probe)
        rows, window = prepared.scaled(prepared.first.scaler), prepared.spec.window
        return network_inputs(rows, window, starts, coded=self._coded, cycle=self._cycle)

    def _draw(self, kept: Snapshot, epoch: int) -> None:
        """Draw the gates at shares of the epochs, and those that were kept."""
        pictures = album(
            self._drawn,
            timesteps=self._timesteps,
            feature_names=self._names,
            final=kept,
            kept=epoch,
            pictures=self._settings.gates.pictures,
        )
        for key, step, pixels in pictures:
            self._run.image(key, pixels, step)


def facts(
    run_id: str, epoch: int, mae: float | None, field: int | str | None, timesteps: int
) -> dict[str, str]:
    """Return the head of a run's report; what is not known is left out."""
    found = {"run": run_id, "epoch kept": str(epoch)}
    if mae is not None:
        found["test MAE"] = f"{mae:.4g}"
    if field:
        found["receptive field"] = f"{field} of {timesteps} steps"
    return found


def which(outcome: Outcome) -> dict[str, str]:
    """Say which network was watched, where several were trained or one was learned anew."""
    fitted, count = outcome.forecaster, len(outcome.forecaster.best_epochs_)
    found = {} if count == 1 else {"network": f"the first of {count}, whose mean is the forecast"}
    if fitted.first_ is not None:
        found["training"] = "the first; the forecasts are of one with the validation rows"
    return found


def remarks(memory: Memory | None, found: Sequence[Alert]) -> list[tuple[str, str]]:
    """Return what to say of the memory and of other alerts, each behind its stage."""
    advice = memory.advice() if memory else None
    own = [("memory", advice)] if advice else []
    return own + [("gates", alert.text) for alert in found if alert.text != advice]


def check_gates(settings: Config) -> None:
    """Refuse counts and thresholds that cannot be meant, before anything is trained."""
    gates, alerts = vars(settings.gates), vars(settings.gates.alerts)
    counts = {f"gates.{name}": (gates[name], 0) for name in ("probe", "memory")}
    counts["gates.pictures"] = gates["pictures"], 1
    counts["tracking.snapshots"] = settings.tracking.snapshots, 1
    for name, (value, least) in counts.items():
        if value < least:
            raise InputError(
                f"{name} must be a whole number of {least} or more, got {value}: try "
                f"{least}, or leave it out"
            )
    for name, value in alerts.items():
        if not 0 <= value < float("inf"):
            raise InputError(
                f"gates.alerts.{name} must be a number of 0 or more, got {value}: see "
                "conf/gates/default.yaml"
            )


def limits(gates: GatesConfig) -> Limits:
    """Return the thresholds of a configuration."""
    return Limits(**vars(gates.alerts))


def heading(path: str) -> str:
    """Return what a report calls a picture of gates on real windows.

    >>> heading("figures/gates_lstm_1.png")
    'Gates on real windows: lstm_1'
    """
    layer = path.rpartition("/")[2].removeprefix("gates_").removesuffix(".png")
    return f"Gates on real windows: {layer}"
