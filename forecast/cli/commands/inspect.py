"""`forecast inspect run=ID` or `runs=[A,B,…]`: what the gates of trained networks do."""

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
from forecast.gates.history import history, match
from forecast.gates.memory import STEPPED
from forecast.gates.names import tap_offset
from forecast.gates.snapshots import is_convolution, unpack
from forecast.gates.statistics import rms
from forecast.report.gates import lines as gate_lines
from forecast.report.gates import page as gate_page
from forecast.report.gates import tables as gate_tables
from forecast.report.gates.subject import Subject
from forecast.serving import package
from forecast.serving.schema import FACTS, NETWORK, kind_of
from forecast.tracking import folders
from forecast.tracking.mlflow.store import client, no_retries, reason
from forecast.workflows.gates import ABOUT, FIELD, facts, heading, limits, remarks
from forecast.workflows.settings import Config, GatesConfig

SHOWN = 16
"""Distances, and inputs, that the terminal shows, the largest first."""


def run_inspect(request: Request) -> Path:
    """Print the numbers of the gates of one network or of several, and write them as one page."""
    settings = request.settings
    named = _named(settings)
    out = output.place(
        settings.output, f"gates_{_file_name(named, settings.file)}.html", (".html",)
    )
    with busy("inspect", "reading"):
        subjects = _subjects(named, settings)
    if len(subjects) == 1:
        _show(subjects[0])
    else:
        _compare(subjects)
    with output.whole(out) as file:
        file.write_text(gate_page.page(subjects), encoding="utf-8")
    say("wrote", str(out))
    return out


def _named(settings: Config) -> list[tuple[str, str]]:
    """Return the runs to inspect, each with the key that names it."""
    if settings.runs:
        if settings.run or settings.other or settings.file:
            raise InputError(
                f"runs must be given alone, got run={settings.run} other={settings.other} "
                f"file={settings.file} beside it: give runs=[ID,ID] only"
            )
        twice = {one for one in settings.runs if settings.runs.count(one) > 1}
        if twice:
            raise InputError(f"runs must name each run once, got {min(twice)} twice: remove one")
        return [("runs", run_id) for run_id in settings.runs]
    if bool(settings.run) == bool(settings.file) or (settings.other and not settings.run):
        raise InputError(
            f"run or file must say what to inspect, got run={settings.run} file={settings.file} "
            f"other={settings.other}: give run=ID, runs=[ID,ID] or file=model.keras"
        )
    named = {"run": settings.run, "other": settings.other}
    return [(key, run_id) for key, run_id in named.items() if run_id]


def _subjects(named: Sequence[tuple[str, str]], settings: Config) -> list[Subject]:
    """Read what is to be inspected: a file, or runs."""
    if settings.file:
        return [_of_file(Path(settings.file), settings.gates)]
    for key, run in named:
        for place in (Path(run).expanduser(), Path(settings.tracking.folder) / run):
            _refuse_other(package.inside(place), key, run)
    store = client(settings.tracking.uri)
    return [_of_run(store, key, run_id, settings.gates) for key, run_id in named]


def _refuse_other(folder: Path | None, key: str, run: str) -> None:
    """Refuse a folder with a bundle of something that has no gates."""
    kind = NETWORK if folder is None else kind_of(folder)
    if kind != NETWORK:
        raise InputError(
            f"{key} must be of one network, whose gates can be looked at, got {run!r}, a bundle "
            f"of kind {kind} without gates: give a run of forecast train"
        )


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
            "without: `model.summary()` lists its layers"
        )
    steps = model.input_shape[1] if isinstance(model.input_shape, tuple) else None
    by_epoch = history({0: weights}, steps or 1)
    return Subject(
        path.name,
        weights,
        shown={0: weights},
        history=by_epoch,
        facts={"file": str(path), "parameters": f"{model.count_params():,}"},
        alerts=alerts(by_epoch[0], None, limits(gates)),
        pictures=gates.pictures,
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
            _refuse_other(_bundle(store, run_id, folder), key, run_id)
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
            heading(item.path): gate_page.encoded(
                Path(store.download_artifacts(own, item.path, folder)).read_bytes()
            )
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
    epoch = min(snapshots, key=lambda known: (abs(known - best), known))
    told = facts(own, best, metrics.get("test/mae"), field, about["timesteps"])
    if epoch != best:
        told["weights shown"] = f"epoch {epoch}, the nearest snapshot"
    return Subject(
        found.info.run_name,
        snapshots[epoch],
        epoch,
        snapshots,
        by_epoch,
        told,
        memory,
        alerts(by_epoch.get(best, {}), memory, limits(gates)),
        figures,
        inputs(snapshots[epoch], about["features"]),
        gates.pictures,
    )


def _bundle(store: Any, run_id: str, folder: str) -> Path | None:
    """Download the facts of a run's bundle, and return where they lie; None where it has none."""
    from mlflow.exceptions import MlflowException

    try:
        own = folders.in_store(store, run_id).info.run_id
        return Path(store.download_artifacts(own, f"model/{package.INSIDE}/{FACTS}", folder)).parent
    except (MlflowException, OSError, InputError):
        return None


def _show(subject: Subject) -> None:
    """Print a network's numbers."""
    told = f", epoch {subject.epoch}" if subject.epoch else ""
    tables = [
        table.set_axis([f"{layer} {gate}" for gate in table.index])
        for layer in subject.recurrent()
        if len(table := gate_tables.of_one(subject, layer))
    ]
    if tables:
        shown = pd.concat(tables).fillna("")
        _print(f"{subject.title}{told} (RMS per weight)", shown)
    for layer in subject.inputs:
        table = gate_tables.by_input([subject], layer)
        _print(f"{layer}: weight of each input (RMS{_left(table)})", _first(table))
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


def _compare(subjects: Sequence[Subject]) -> None:
    """Print the numbers of several networks, a column for each and one order of rows for all."""
    letters = gate_tables.letters(subjects)
    for name, subject in zip(letters, subjects, strict=True):
        error = f", test MAE {subject.error}" if subject.error else ""
        say(f"run {name}", f"{subject.title}, epoch {subject.epoch}{error}")
    for layer in dict.fromkeys(name for subject in subjects for name in subject.recurrent()):
        if len(subjects) > gate_tables.COLUMNS:
            _print(f"{layer} (RMS per weight)", gate_tables.wide(subjects, layer).set_index("run"))
        else:
            table = gate_tables.numbers(subjects, layer)
            table.index = pd.Index(table.gate + " " + table.statistic)
            _print(f"{layer} (RMS per weight)", table.drop(columns=["gate", "statistic"]))
        if any(layer in subject.inputs for subject in subjects):
            table = gate_tables.by_input(subjects, layer)
            _print(f"{layer}: weight of each input (RMS{_left(table)})", _first(table))
    taps = gate_tables.taps(subjects)
    if len(taps):
        taps.index = pd.Index([f"{layer} {tap}" for layer, tap in taps.index])
        _print("Weight of each tap (RMS)", gate_tables.written(taps))
    found, sentences = gate_tables.apart(subjects)
    if len(found):
        first = found.head(SHOWN)
        first.index = pd.Index(
            [" ".join(row) for row in first[["layer", "gate", "part"]].to_numpy()]
        )
        shown = gate_tables.written(first.drop(columns=["layer", "gate", "part"]), "{:.4f}")
        left = f", {SHOWN} of {len(found)}" if len(found) > SHOWN else ""
        _print(f"Most different (RMS per weight, Wasserstein distance{left})", shown)
    console.print()
    for sentence in sentences:
        say("apart", sentence)
    for name, subject in zip(letters[1:], subjects[1:], strict=True):
        for pair in match(subjects[0].kept, subject.kept):
            say("matched", gate_lines.matched_told(pair, (letters[0], name)).rstrip("."))
    for name, subject in zip(letters, subjects, strict=True):
        if "receptive field" in subject.facts:
            say("sees", f"{name}: {subject.facts['receptive field']} (receptive field)")
        for stage, text in remarks(subject.memory, subject.alerts):
            say(stage, f"{name}: {text}")


def _print(title: str, table: pd.DataFrame) -> None:
    """Print a table with its index as the first column."""
    shown = gate_tables.written(table)
    rows = [(str(name), *row) for name, row in zip(shown.index, shown.to_numpy(), strict=True)]
    print_table(title, ("", *map(str, shown.columns)), rows)


def _left(table: pd.DataFrame) -> str:
    """Say how many rows of a table are shown, where some are not."""
    return f"; {SHOWN} of {len(table)}" if len(table) > SHOWN else ""


def _first(table: pd.DataFrame) -> pd.DataFrame:
    return table.head(SHOWN)


def _taps(subject: Subject) -> list[tuple[str, str, str]]:
    """Return a row for each convolution; steps ahead of the output's own have a minus as lag."""
    rows = []
    for layer, taps in unpack(subject.kept).items():
        if not is_convolution(taps):
            continue
        lags = {-(tap_offset(tap) or 0): rms([parts["kernel"]]) for tap, parts in taps.items()}
        by_epoch = "  ".join(f"{lag}: {lags[lag]:.3f}" for lag in sorted(lags, reverse=True))
        update = subject.numbers.get(f"taps.{layer}/update")
        rows.append((layer, by_epoch, "" if update is None else f"{update:.1e}"))
    return rows


def _file_name(named: Sequence[tuple[str, str]], file: str | None) -> str:
    """Return what the report's file is called after."""
    if file:
        return Path(file).stem
    name = named[0][1]
    first = name if folders.NAMED.fullmatch(name) else name[:8]  # whose first 8 are a date
    return first if len(named) < 3 else f"{first}_and_{len(named) - 1}"
