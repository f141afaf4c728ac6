"""Watch and study the gates of one training, and report them."""

import json
from collections.abc import Mapping, Sequence

import numpy as np

from forecast.data import features
from forecast.errors import InputError
from forecast.evaluation.outcome import Outcome
from forecast.evaluation.preparation import Prepared
from forecast.gates import Alert, GateSnapshots, Limits, Memory, inputs
from forecast.gates.snapshots import Snapshot
from forecast.gates.study import network_inputs, spread, study
from forecast.models import explain
from forecast.report import gate_page
from forecast.report.canvas import to_image
from forecast.report.gate_album import album
from forecast.report.gate_page import Subject, encoded
from forecast.report.gate_traces import trace_map
from forecast.tracking import record
from forecast.tracking.epochs import EpochMetrics
from forecast.tracking.run import Run
from forecast.workflows.progress import Say
from forecast.workflows.settings import Config, GatesConfig

ABOUT = "snapshots/about.json"
"""What a report needs beside the snapshots."""

OWN = "gates/"
"""Head of the names of what a checkpoint keeps for it."""

WHOLE = "whole"
"""Name of what says that the training is over."""

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
        self._last: Snapshot = {}
        self._unwatched: list[str] = []
        self._pictures: dict[str, dict[int, bytes]] = {}
        embedding = spec.model.get_params().get("series_embedding")
        self._timesteps = spec.window.timesteps
        self._names = features.input_names(table, spec.window, embedding or 0)

        def probe() -> np.ndarray:
            starts = spread(prepared.validation, settings.gates.probe)
            coded = embedding is not None
            return network_inputs(prepared.learned.rows, spec.window, starts, coded=coded)

        self.callback = GateSnapshots(
            log=epochs.add,
            draw=self._draw,
            save=self._save,
            every=settings.tracking.snapshots,
            pictures=settings.gates.pictures,
            probe=probe if settings.gates.probe else None,
        )
        self.callback.warn = self._unwatched.append
        about = {"timesteps": spec.window.timesteps, "features": list(self._names)}
        tracked.keep(json.dumps(about), ABOUT)

    def state(self) -> dict[str, np.ndarray]:
        """Return what it has seen so far, as named arrays that `resume` takes."""
        return {f"{OWN}{name}": array for name, array in self.callback.state().items()}

    def whole(self) -> dict[str, np.ndarray]:
        """Return what it has seen of a training that is over, which `resume` takes as well."""
        pictures = [(key, step) for key, steps in self._pictures.items() for step in steps]
        seen = {"history": self.callback.history, "pictures": pictures}
        return {
            f"{OWN}{WHOLE}": np.array(json.dumps(seen)),
            **{f"{OWN}last/{name}": array for name, array in self._last.items()},
            **{
                f"{OWN}picture/{number}": np.frombuffer(self._pictures[key][step], np.uint8)
                for number, (key, step) in enumerate(pictures)
            },
        }

    def resume(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from what a training has seen that was interrupted, or is over."""
        own = {k.removeprefix(OWN): array for k, array in arrays.items() if k.startswith(OWN)}
        if WHOLE not in own:
            self._last = self.callback.resume(own)
            return
        seen = json.loads(str(own[WHOLE]))
        self.callback.history = {int(step): found for step, found in seen["history"].items()}
        self._last = {k.removeprefix("last/"): a for k, a in own.items() if k.startswith("last/")}
        for number, (key, step) in enumerate(seen["pictures"]):
            self._pictures.setdefault(key, {})[step] = own[f"picture/{number}"].tobytes()

    def finish(self, outcome: Outcome, title: str) -> tuple[str, str]:
        """Study the kept weights, write the page of the gates, and print alerts."""
        gates = self._settings.gates
        fitted, timesteps = outcome.forecaster, outcome.spec.window.timesteps
        history = self.callback.history
        found = study(self._prepared, fitted, history, limits(gates), gates.memory)
        traces = {
            layer: trace_map(own.gates, own.inputs, layer, names=own.names, titles=own.titles)
            for layer, own in found.traces.items()
        }
        record.record_study(self._run, found, outcome.table.common_unit, traces)
        field = explain.receptive_field(fitted.model_)
        if field:
            self._run.tags({FIELD: field})
        subject = Subject(
            title,
            self._last,
            self.callback.history,
            self._pictures,
            facts(
                self._run.id, fitted.best_epoch_, outcome.scores.get("test/mae"), field, timesteps
            ),
            found.memory,
            found.alerts,
            {
                heading(f"gates_{layer}.png"): encoded(to_image(figure))
                for layer, figure in traces.items()
            },
        )
        self._run.keep(gate_page.page([subject]), "gates.html")
        for layer, norms in inputs(self._last, self._names).items():
            self._run.keep(norms.reset_index(names="input"), f"inputs_{layer}.csv")
        for text in self._unwatched:
            self._say("gates", text)
        for stage, text in remarks(found.memory, found.alerts):
            self._say(stage, text)
        return gate_page.section(subject)

    def _save(self, name: str, weights: Snapshot) -> None:
        self._last = weights
        self._run.keep(weights, name)

    def _draw(self, snapshots: Mapping[int, Snapshot]) -> None:
        drawn = album(snapshots, timesteps=self._timesteps, feature_names=self._names)
        for key, step, pixels in drawn:
            self._pictures.setdefault(key, {})[step] = encoded(pixels)
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
