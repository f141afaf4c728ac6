"""`forecast inspect run=ID [other=ID]`: what the gates of a trained network do."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import pandas as pd

from forecast import models
from forecast.cli import output
from forecast.cli.config.compose import Request
from forecast.cli.console import busy, console, print_table, say
from forecast.errors import InputError, cause
from forecast.gates import Memory, alerts, inputs, snapshot
from forecast.gates import load as load_snapshot
from forecast.gates.history import distances, history
from forecast.gates.memory import STEPPED
from forecast.gates.names import tap_offset
from forecast.gates.snapshots import is_convolution, unpack
from forecast.gates.statistics import rms
from forecast.report import gate_page
from forecast.report.gate_page import Subject, pictures
from forecast.tracking import folders
from forecast.tracking.mlflow.store import client, no_retries, reason
from forecast.workflows.gates import ABOUT, FIELD, facts, heading, limits, remarks
from forecast.workflows.settings import Config, GatesConfig

SHOWN = 12
"""Distances, and inputs, that the terminal shows, the largest first."""


def run_inspect(request: Request) -> Path:
    """Print the numbers of a network's gates and write the whole report as one page."""
    settings = request.settings
    if bool(settings.run) == bool(settings.file) or (settings.other and not settings.run):
        raise InputError(
            f"run or file must say what to inspect, got run={settings.run} file={settings.file} "
            f"other={settings.other}: give run=ID, run=ID other=ID or file=model.keras"
        )
    out = output.place(
        settings.output, f"gates_{_stem(settings.run or settings.file or '')}.html", (".html",)
    )
    with busy("inspect", "reading"):
        subjects = _subjects(settings)
    order = _inputs(subjects)
    for subject in subjects:
        _show(subject, order)
    if len(subjects) == 2:
        _compare(*subjects)
    with output.whole(out) as file:
        file.write_text(gate_page.page(subjects), encoding="utf-8")
    say("wrote", str(out))
    return out


def _subjects(settings: Config) -> list[Subject]:
    """Read what is to be inspected: a file, a run, or two."""
    if settings.file:
        return [_of_file(Path(settings.file), settings.gates)]
    store = client(settings.tracking.uri)
    ids = {"run": settings.run, "other": settings.other}
    return [_of_run(store, key, run_id, settings.gates) for key, run_id in ids.items() if run_id]


def _of_file(path: Path, gates: GatesConfig) -> Subject:
    """Read a model that Keras has saved, this project's or not."""
    models.register_layers()
    if not path.is_file():
        raise InputError(
            f"file must be an existing .keras file, got {str(path)!r}: give its path, or run=ID"
        )
    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:  # also of nesting or of layers larger than any machine
        raise InputError(
            f"file must be a model that Keras can load safely, got {str(path)!r} "
            f"({cause(error)}): register its custom layers, or save it again"
        ) from error
    weights = snapshot(model)
    if not weights:
        raise InputError(
            f"file must hold recurrent layers or convolutions over time, got {str(path)!r} "
            "without: `model.summary()` shows what it is made of"
        )
    steps = model.input_shape[1] if isinstance(model.input_shape, tuple) else None
    by_epoch = history({0: weights}, steps or 1)
    return Subject(
        path.name,
        weights,
        by_epoch,
        pictures({0: weights}, steps or 1, None, gates.pictures),
        facts={"file": str(path), "parameters": f"{model.count_params():,}"},
        alerts=alerts(by_epoch[0], None, limits(gates)),
    )


def _of_run(store: Any, key: str, run_id: str, gates: GatesConfig) -> Subject:
    """Read the run that a key names: its snapshots alone tell all but the memory."""
    from mlflow.exceptions import MlflowException

    with TemporaryDirectory() as folder, no_retries():
        try:
            found = folders.in_store(store, run_id)
            own = found.info.run_id
            place = Path(store.download_artifacts(own, "snapshots", folder))
        except (MlflowException, OSError) as error:
            raise InputError(
                f"{key} must be the id of a training run with snapshots, got {run_id!r} "
                f"({reason(error)}): see `forecast ui`, and set tracking.uri if it is "
                "in another store"
            ) from error
        snapshots = {
            int(file.stem.removeprefix("epoch_")): load_snapshot(file)
            for file in sorted(place.glob("epoch_*.npz"))
        }
        about_file = place / Path(ABOUT).name
        if not about_file.is_file():
            raise InputError(f"{key} must hold {ABOUT}, got {run_id!r} without: train it again")
        about = json.loads(about_file.read_text(encoding="utf-8"))
        figures = {
            heading(item.path): Path(store.download_artifacts(own, item.path, folder)).read_bytes()
            for item in store.list_artifacts(own, "figures")
            if "/gates_" in item.path
        }
    if not any(snapshots.values()):
        raise InputError(
            f"{key} must be of a network with recurrent layers or convolutions, got {run_id!r} "
            "without: inspect another run"
        )
    metrics: Mapping[str, float] = found.data.metrics
    series = {name: {0: value} for name, value in metrics.items() if name.startswith("memory/")}
    for name in STEPPED:
        if name in series:
            series[name] = {p.step: p.value for p in store.get_metric_history(own, name)}
    memory = Memory.from_series(series, gates.alerts.memory)
    by_epoch = history(snapshots, about["timesteps"])
    best = int(metrics.get("train/best_epoch", max(by_epoch)))
    field = found.data.tags.get(FIELD)
    return Subject(
        found.info.run_name,
        snapshots[max(snapshots)],
        by_epoch,
        pictures(snapshots, about["timesteps"], about["features"], gates.pictures),
        facts(own, best, metrics.get("test/mae"), field, about["timesteps"]),
        memory,
        alerts(by_epoch.get(best, {}), memory, limits(gates)),
        figures,
        inputs(snapshots[max(snapshots)], about["features"]),
    )


def _inputs(subjects: Sequence[Subject]) -> dict[str, list[str]]:
    """List the inputs of each layer, those with the largest weights in any network first."""
    tables: dict[str, list[pd.DataFrame]] = {}
    for subject in subjects:
        for layer, sizes in subject.inputs.items():
            tables.setdefault(layer, []).append(sizes)
    largest = {
        layer: pd.concat([sizes.mean(axis=1) for sizes in found]).groupby(level=0).max()
        for layer, found in tables.items()
    }
    return {layer: list(sizes.nlargest(len(sizes)).index) for layer, sizes in largest.items()}


def _show(subject: Subject, order: Mapping[str, Sequence[str]]) -> None:
    """Print a network's numbers; `order` is that of the inputs of each layer."""
    shown = gate_page.numbers(subject)
    last = max(subject.history)
    if len(shown):
        print_table(
            f"{subject.title}{f', epoch {last}' if last else ''} (RMS per weight)",
            ("", *shown.columns),
            [(name, *row) for name, row in zip(shown.index, shown.to_numpy(), strict=True)],
        )
    for layer, sizes in subject.inputs.items():
        names = [name for name in order[layer][:SHOWN] if name in sizes.index]
        left = f"; {SHOWN} of {len(order[layer])}" if len(order[layer]) > SHOWN else ""
        print_table(
            f"{layer}: weight of each input (RMS{left})",
            ("", *sizes.columns),
            [(name, *map("{:.3f}".format, sizes.loc[name])) for name in names],
        )
    convolutions = _taps(subject)
    if convolutions:
        print_table(
            "Weight of each tap (RMS)",
            ("", "lag: weight, oldest step first", "update"),
            convolutions,
        )
    console.print()
    if "receptive field" in subject.facts:
        say("sees", f"{subject.facts['receptive field']} (receptive field)")
    for stage, text in remarks(subject.memory, subject.alerts):
        say(stage, text)


def _taps(subject: Subject) -> list[tuple[str, str, str]]:
    """Return a row for each convolution; steps ahead of the output's own have a minus as lag."""
    rows = []
    for layer, taps in unpack(subject.last).items():
        if not is_convolution(taps):
            continue
        lags = {-(tap_offset(tap) or 0): rms([parts["kernel"]]) for tap, parts in taps.items()}
        by_epoch = "  ".join(f"{lag}: {lags[lag]:.3f}" for lag in sorted(lags, reverse=True))
        update = subject.history[max(subject.history)].get(f"taps.{layer}/update")
        rows.append((layer, by_epoch, "" if update is None else f"{update:.1e}"))
    return rows


def _compare(first: Subject, second: Subject) -> None:
    """Print where the weights of two networks lie furthest apart."""
    found, sentences = distances(first.last, second.last)
    if len(found):
        furthest = found.nlargest(SHOWN, "distance")
        print_table(
            "Most different (RMS per weight, Wasserstein distance)",
            ("", "first", "second", "distance"),
            [
                (f"{row.layer} {row.gate} {row.part}", row.first, row.second, row.distance)
                for row in furthest.itertuples()
            ],
        )
        console.print()
    for sentence in sentences:
        say("other", sentence)


def _stem(name: str) -> str:
    """Return what the report's file is called after."""
    if name.endswith(".keras"):
        return Path(name).stem
    return name if folders.NAMED.fullmatch(name) else name[:8]  # whose first 8 are a date
