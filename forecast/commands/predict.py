"""`forecast predict run=ID`: what follows the newest rows, as a table and a picture."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from forecast.commands import build, output
from forecast.commands.config import Request
from forecast.commands.console import say, table
from forecast.data import source
from forecast.errors import InputError
from forecast.evaluation import figures
from forecast.serving import package
from forecast.serving.bundle import Bundle
from forecast.tracking.store import client, impatient, reason

HISTORY = 3
"""Look-backs of history that the picture shows."""


def run(request: Request) -> pd.DataFrame:
    """Forecast the next horizon from the newest rows, by default of the file that was trained on.

    Args:
        request: The configuration; `run` names the trained run, `data.path` the newest rows.

    Returns:
        One row for each series, step and target.
    """
    settings = request.settings
    if not settings.run:
        raise InputError("run must be the id of a trained run, got nothing: see it in `make ui`")
    out = output.place(settings.output, f"forecast_{settings.run[:8]}.csv", (".csv", ".parquet"))
    store = client(settings.tracking.uri)
    with TemporaryDirectory() as folder:
        bundle = _fetch(store, settings.run, Path(folder))
    frame = _rows(request, store)
    found = bundle.predict(frame)
    picture = out.with_suffix(".png")
    drawn = figures.prediction(_history(bundle, frame, found), found, bundle.schema.units)
    with output.whole(picture) as image, output.whole(out) as file:
        if out.suffix == ".parquet":
            found.to_parquet(file, index=False)
        else:
            found.to_csv(file, index=False)
        drawn.savefig(image, dpi=120)
    _show(found)
    say("wrote", f"{out} and {picture}")
    return found


def _rows(request: Request, store: Any) -> pd.DataFrame:
    """Read the rows that the command names, or the file that the run was trained on."""
    data = request.settings.data
    if any(text.lstrip("+").startswith("data") for text in request.overrides):
        return source.read(build.where(data.path, data.sha256), data.format)
    trained = store.get_run(request.settings.run).data.params
    kind, known = (
        None if (told := trained.get(f"data.{key}", "None")) == "None" else told
        for key in ("format", "sha256")
    )
    return source.read(build.where(trained["data.path"], known), kind)


def _fetch(store: Any, run_id: str, folder: Path) -> Bundle:
    """Download a run's bundle, or say that there is none."""
    from mlflow.exceptions import MlflowException

    try:
        with impatient():
            return package.fetch(store, run_id, folder)
    except (MlflowException, OSError) as error:
        raise InputError(
            f"run must be the id of a finished training run, got {run_id!r} ({reason(error)}): see "
            "`make ui`, and set tracking.uri where the run is elsewhere"
        ) from error


def _history(bundle: Bundle, frame: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Return the newest targets up to each origin, in the picture's form."""
    table = bundle.table(frame)
    origins = found.groupby("series").origin.first().reindex(list(table.names))
    past = table.time <= origins.to_numpy("datetime64[ns]")[table.series]
    newest = table.take(past).newest(HISTORY * bundle.window.timesteps)
    parts = [
        pd.DataFrame(
            {
                "series": np.asarray(newest.names, object)[newest.series],
                "time": newest.time,
                "target": target,
                "value": newest.outputs[:, column],
            }
        )
        for column, target in enumerate(newest.targets)
    ]
    return pd.concat(parts, ignore_index=True)


def _show(found: pd.DataFrame) -> None:
    """Print a few steps of every series."""
    last = int(found.step.max())
    steps = sorted({1, *(max(1, round(last * part / 4)) for part in (1, 2, 3)), last})
    groups = list(found.groupby(["series", "target"], sort=False))[:12]
    times = groups[0][1].set_index("step").time
    table(
        f"Forecast from {found.origin.iloc[0]:%Y-%m-%d %H:%M}",
        ("", *(f"+{step}\n{times[step]:%d %b}\n{times[step]:%H:%M}" for step in steps)),
        [
            (f"{series} {target}", *_cells(part.set_index("step").loc[steps]))
            for (series, target), part in groups
        ],
    )


def _cells(part: pd.DataFrame) -> list[Any]:
    """Write the forecast of each step, its interval below it."""
    if "lower" not in part:
        return list(part.forecast)
    return [f"{row.forecast:.4g}\n{row.lower:.4g}…{row.upper:.4g}" for row in part.itertuples()]
