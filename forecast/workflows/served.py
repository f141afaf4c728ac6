"""Find what `run=` names: a run, a registered model, or a folder with a bundle."""

import ast
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from forecast.errors import InputError
from forecast.serving import package
from forecast.serving.bundle import load
from forecast.serving.mixture import Predictor
from forecast.tracking import folders
from forecast.tracking.mlflow.store import client, no_retries, reason
from forecast.workflows.load import DIALECT
from forecast.workflows.settings import TrackingConfig

REGISTERED = "models:/"


@dataclass(frozen=True)
class Served:
    """A bundle, and where it comes from.

    Attributes:
        bundle: What predicts.
        name: What files that it makes are called after.
        recorded: Params of its run, which say what it was trained on; none where it has no run.
    """

    bundle: Predictor
    name: str
    recorded: dict[str, str]


def find(run: str, tracking: TrackingConfig) -> Served:
    """Read the bundle that `run=` names."""
    for place in (Path(run).expanduser(), Path(tracking.folder) / run):
        if (inside := package.inside(place)) is not None:
            return Served(load(inside), place.resolve().name, folders.params(place))
    if Path(run).expanduser().is_dir():
        raise InputError(
            f"run must be a folder with a bundle, got {run!r} without one: give the run's model/, "
            "its artifacts/bundle/, or the id of the run"
        )
    from mlflow.exceptions import MlflowException

    store = client(tracking.uri)
    try:
        with no_retries(), TemporaryDirectory() as folder:
            if run.startswith(REGISTERED):
                return _registered(store, run, Path(folder))
            found = folders.in_store(store, run)
            fetched = package.fetch(store, found.info.run_id, Path(folder))
            return Served(fetched, found.info.run_id[:8], found.data.params)
    except (MlflowException, OSError) as error:
        what = "a registered model" if run.startswith(REGISTERED) else "a finished training run"
        raise InputError(
            f"run must be the id of {what}, got {run!r} ({reason(error)}): see `forecast ui`, and "
            "set tracking.uri if it is in another store"
        ) from error


def _registered(store: Any, name: str, folder: Path) -> Served:
    """Download the bundle of a version in the model registry."""
    import mlflow.artifacts

    named = name.removeprefix(REGISTERED)
    if match := re.fullmatch(r"([^@]+)@([^@/]+)", named):
        found = store.get_model_version_by_alias(match[1], match[2])
    elif match := re.fullmatch(r"([^@]+)/(\d+)", named):
        found = store.get_model_version(match[1], match[2])
    else:
        raise InputError(
            f"run must be {REGISTERED}name@alias or {REGISTERED}name/version for a registered "
            f"model, got {name!r}: try {REGISTERED}nyc_temp@champion"
        )
    where = mlflow.artifacts.download_artifacts(
        artifact_uri=store.get_model_version_download_uri(found.name, found.version),
        dst_path=str(folder),
        tracking_uri=store.tracking_uri,
    )
    inside = package.inside(Path(where))
    if inside is None:
        raise InputError(
            f"run must be a model that forecast has written, got {name!r} without a bundle: "
            "register a trained run"
        )
    recorded = store.get_run(found.run_id).data.params if found.run_id else {}
    return Served(load(inside), f"{found.name}_{found.version}", recorded)


def recorded(key: str, params: Mapping[str, str]) -> Any:
    """Return a key of `data` as the params of a run state it: None, a text, a list, a variable.

    A variable counts only as the whole: a run of others may name an address to which it would send
    what the environment holds.
    """
    text = params.get(f"data.{key}", "None")
    if variable := re.fullmatch(r"\$\{oc\.env:(\w+)\}", text):
        if variable[1] not in os.environ:
            raise InputError(
                f"data.{key} must be what the run has read, got the variable {variable[1]}, which "
                f"is not set: set it, or add data.{key}=…"
            )
        return os.environ[variable[1]]
    if "${" in text:
        raise InputError(
            f"data.{key} must be given again where the run refers to variables in it, got "
            f"{text!r}: add data.{key}=…"
        )
    try:
        return ast.literal_eval(text) if text.startswith("[") else None if text == "None" else text
    except (SyntaxError, ValueError):  # a name that begins so, or a list that was cut off
        return text


def recorded_dialect(params: Mapping[str, str], typed: Sequence[str]) -> dict[str, Any]:
    """Return how the CSV file of a run is written, but for what was typed."""
    found = {
        key.removeprefix("data."): recorded(key.removeprefix("data."), params)
        for key in DIALECT
        if key in params and key not in typed
    }
    if "skip" in found:
        found["skip"] = int(found["skip"])
    return found
