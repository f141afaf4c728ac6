"""A bundle becomes an MLflow model: served, registered and loaded like any other."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.serving import bundle
from forecast.serving.mixture import Predictor
from forecast.serving.schema import FACTS

ISO = "%Y-%m-%dT%H:%M:%S.%f%z"
"""How a time stamp of a Parquet file is sent to a server."""

REQUIREMENTS = ["mlflow"]
"""What an index has; the environment must have this package, as `pyfunc_model` says."""

NAME = "bundle"
"""Of the folder with a bundle, in an MLflow model and in a run as this machine keeps it."""

INSIDE = Path("artifacts") / NAME
"""Where an MLflow model keeps the bundle."""


def package(
    folder: Path,
    source: Path,
    example: pd.DataFrame,
    quantiles: Sequence[float] = (),
    *,
    interval: bool = False,
) -> Path:
    """Wrap a bundle as an MLflow pyfunc model from code."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec
    from mlflow.types.schema import Schema as Columns

    answer = Columns(
        [
            ColSpec("string", "series"),
            ColSpec("datetime", "origin"),
            ColSpec("datetime", "time"),
            ColSpec("long", "step"),
            ColSpec("string", "target"),
            ColSpec("double", "forecast"),
            *(ColSpec("double", name) for name in ("lower", "upper") if interval),
            *(ColSpec("double", f"q{level:g}") for level in quantiles),
        ]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own use of pandas
        mlflow.pyfunc.save_model(
            str(folder),
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            artifacts={"bundle": str(source)},
            signature=ModelSignature(inputs=_columns(example), outputs=answer),
            input_example=example,
            pip_requirements=REQUIREMENTS,  # inferring them would import everything once more
        )
    return folder


def example(frame: pd.DataFrame, schema: Schema, window: Window) -> pd.DataFrame:
    """Take raw rows that are enough for one forecast: the newest of one series."""
    read = list(dict.fromkeys((*schema.inputs, *schema.targets)))
    ordered = frame[[schema.time, *schema.series, *read]].sort_values(schema.time, kind="stable")
    if schema.series:
        first = ordered[list(schema.series)].iloc[-1]
        ordered = ordered[(ordered[list(schema.series)] == first).all(axis=1)]
    for name in schema.static:  # which any row of the series may say
        ordered[name] = ordered[name].ffill().bfill()
    future = window.lead + window.horizon if schema.known_columns else 0
    if schema.known_future:  # the file may hold a future of its own
        known = np.flatnonzero(ordered[list(schema.targets)].notna().any(axis=1))
        ordered = ordered.iloc[: max(known, default=len(ordered)) + 1]
    found = ordered.tail(window.timesteps + schema.hold + future).reset_index(drop=True)
    for name in read:  # as a server is sent them: numbers, and no kind of them that a file has
        if not schema.labelled(name):
            found[name] = pd.to_numeric(found[name]).astype(float)
    if found[schema.time].dtype.kind == "M":
        found[schema.time] = found[schema.time].dt.strftime(schema.time_format or ISO)
    past = [name for name in read if schema.role(name) in ("target", "feature")]
    found[past] = found[past].iloc[: len(found) - future].reindex(found.index)
    return found


def fetch(client: Any, run_id: str, folder: Path) -> Predictor:
    """Download the bundle of a run, and nothing else of its model, which may name code."""
    return bundle.load(client.download_artifacts(run_id, f"model/{INSIDE}", str(folder)))


def inside(folder: Path) -> Path | None:
    """Find the bundle in a folder."""
    for place in (".", NAME, str(INSIDE), f"model/{INSIDE}", f"files/*/{INSIDE}"):
        for found in sorted(folder.glob(f"{place}/{FACTS}")):
            return found.parent
    return None


def _columns(example: pd.DataFrame) -> Any:
    """Name the raw columns; what may stand in them is for the bundle to say.

    A type would make MLflow refuse what the bundle reads: time stamps that are no text, and whole
    numbers, since JSON may write 50.0 as 50.
    """
    from mlflow.types.schema import AnyType, ColSpec
    from mlflow.types.schema import Schema as Columns

    return Columns([ColSpec(AnyType(), str(name), required=False) for name in example.columns])
