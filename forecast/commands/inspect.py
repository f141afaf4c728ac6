"""`forecast inspect run=ID [other=ID]`: what the gates of a trained network do."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras

from forecast.commands import output
from forecast.commands.config import Request
from forecast.commands.console import say, table
from forecast.commands.observe import ABOUT, FIELD, facts, heading, limits, tell
from forecast.commands.schema import Config, GatesConfig
from forecast.commands.terminal import busy, console
from forecast.errors import InputError, cause
from forecast.gates import Memory, alerts, inputs, report, snapshot
from forecast.gates import load as load_snapshot
from forecast.gates.comparison import distances
from forecast.gates.history import history
from forecast.gates.memory import CURVE
from forecast.gates.subject import Subject, pictures
from forecast.tracking import local
from forecast.tracking.store import client, impatient, reason

SHOWN = 12
"""Distances, and inputs, that the terminal shows, the largest first."""


def run(request: Request) -> Path:
    """Print the numbers of a network's gates and write the whole report as one page.

    Args:
        request: The configuration; `run`, and `other` for two side by side, or `file`.

    Returns:
        The page.
    """
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
    for subject in subjects:
        _show(subject)
    if len(subjects) == 2:
        _compare(*subjects)
    with output.whole(out) as file:
        file.write_text(report.page(subjects), encoding="utf-8")
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
    import forecast.models  # noqa: F401  lets Keras find our layers

    if not path.is_file():
        raise InputError(
            f"file must be an existing .keras file, got {str(path)!r}: give its path, or run=ID"
        )
    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:  # also of nesting or of layers larger than any machine
        raise InputError(
            f"file must be a model that Keras can load safely, got {str(path)!r} "
            f"({cause(error)}): register its own layers, or save it anew"
        ) from error
    weights = snapshot(model)
    if not weights:
        raise InputError(
            f"file must hold recurrent layers or convolutions over time, got {str(path)!r} "
            "without: `model.summary()` shows what it is made of"
        )
    steps = model.input_shape[1] if isinstance(model.input_shape, tuple) else None
    told = history({0: weights}, steps or 1)
    return Subject(
        path.name,
        weights,
        told,
        pictures({0: weights}, steps or 1, None, gates.pictures),
        facts={"file": str(path), "parameters": f"{model.count_params():,}"},
        alerts=alerts(told[0], None, limits(gates)),
    )


def _of_run(store: Any, key: str, run_id: str, gates: GatesConfig) -> Subject:
    """Read the run that a key names: its snapshots alone tell all but the memory."""
    from mlflow.exceptions import MlflowException

    with TemporaryDirectory() as folder, impatient():
        try:
            found = local.in_store(store, run_id)
            own = found.info.run_id
            place = Path(store.download_artifacts(own, "snapshots", folder))
        except (MlflowException, OSError) as error:
            raise InputError(
                f"{key} must be the id of a training run with snapshots, got {run_id!r} "
                f"({reason(error)}): see `make ui`, and set tracking.uri where it is elsewhere"
            ) from error
        snapshots = {
            int(file.stem.removeprefix("epoch_")): load_snapshot(file)
            for file in sorted(place.glob("epoch_*.npz"))
        }
        told_about = place / Path(ABOUT).name
        if not told_about.is_file():
            raise InputError(f"{key} must hold {ABOUT}, got {run_id!r} without: train it again")
        about = json.loads(told_about.read_text(encoding="utf-8"))
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
    if CURVE in series:
        series[CURVE] = {p.step: p.value for p in store.get_metric_history(own, CURVE)}
    memory = Memory.from_series(series, gates.alerts.memory)
    told = history(snapshots, about["timesteps"])
    best = int(metrics.get("train/best_epoch", max(told)))
    field = found.data.tags.get(FIELD)
    return Subject(
        found.info.run_name,
        snapshots[max(snapshots)],
        told,
        pictures(snapshots, about["timesteps"], about["features"], gates.pictures),
        facts(own, best, metrics.get("test/mae"), field, about["timesteps"]),
        memory,
        alerts(told.get(best, {}), memory, limits(gates)),
        figures,
        inputs(snapshots[max(snapshots)], about["features"]),
    )


def _show(subject: Subject) -> None:
    """Print a network's numbers."""
    shown = report.numbers(subject)
    last = max(subject.history)
    if len(shown):
        table(
            f"{subject.title}, epoch {last}" if last else subject.title,
            ("", *shown.columns),
            [(name, *row) for name, row in zip(shown.index, shown.to_numpy(), strict=True)],
        )
    for layer, norms in subject.inputs.items():
        strongest = norms.loc[norms.sum(axis=1).nlargest(SHOWN).index]
        table(
            f"{layer}: norm of each input",
            ("", *strongest.columns),
            [
                (name, *map(float, row))
                for name, row in zip(strongest.index, strongest.to_numpy(), strict=True)
            ],
        )
    convolutions = _taps(subject.history[last])
    if convolutions:
        table(
            "Norm of each tap",
            ("", "lag: norm, oldest step first", "update"),
            convolutions,
        )
    console.print()
    if "receptive field" in subject.facts:
        say("sees", f"{subject.facts['receptive field']} (receptive field)")
    tell(subject.memory, subject.alerts)


def _taps(metrics: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """Return a row for each convolution."""
    norms: dict[str, list[str]] = {}
    updates: dict[str, str] = {}
    for key, value in metrics.items():
        layer, _, name = key.removeprefix("taps.").partition("/")
        if key.startswith("taps.") and name.startswith("lag_"):
            norms.setdefault(layer, []).append(f"{int(name.removeprefix('lag_'))}: {value:.2f}")
        elif key.startswith("taps."):
            updates[layer] = f"{value:.1e}"
    return [(layer, "  ".join(told), updates.get(layer, "")) for layer, told in norms.items()]


def _compare(first: Subject, second: Subject) -> None:
    """Print where the weights of two networks lie furthest apart."""
    found, sentences = distances(first.last, second.last)
    if len(found):
        furthest = found.nlargest(SHOWN, "distance")
        table(
            "Furthest apart (mean absolute weight, Wasserstein distance)",
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
    return name if local.NAMED.fullmatch(name) else name[:8]  # whose first 8 are a date
