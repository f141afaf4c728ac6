"""Save and load a bundle, and check that its parts are of one model."""

import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast import process
from forecast.data import schema
from forecast.data.features import copies, layout_of
from forecast.data.scale import Scaler
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.errors import InputError, cause
from forecast.evaluation.intervals.margin import Reach
from forecast.serving import arrays
from forecast.serving.model import Bundle
from forecast.serving.schema import (
    FACTS,
    FORMAT,
    INTERVALS,
    OWN,
    SEAL,
    SERIES,
    WEIGHTS,
    bytes_of,
    read,
    write,
)
from forecast.training import runtime
from forecast.training.forecaster import Forecaster
from forecast.training.parameters import Training
from forecast.vocabulary import CALIBRATIONS

MEMBERS = {"config.json", "metadata.json", "model.weights.h5"}
"""What Keras packs into a model without assets."""


def save(
    folder: Path,
    forecaster: Forecaster,
    schema: Schema,
    facts: Mapping[str, Any],
    *,
    reach: Reach | None = None,
) -> list[Path]:
    """Write a fitted forecaster as a bundle."""
    folder.mkdir(parents=True, exist_ok=True)
    window = forecaster.window or Window()
    packages = ("tensorflow", "keras", "numpy", "pandas")
    forecaster.model_.save(folder / WEIGHTS)
    names = pa.array(forecaster.names_, pa.string())
    scale = {name: part for name, part in vars(forecaster.scaler_).items() if part is not None}
    fields = {
        "schema": _served(schema, forecaster).to_dict(),
        "window": {name: int(value) for name, value in window.get_params().items()},
        "series": {
            "count": len(names),
            SEAL: arrays.write(folder / SERIES, scale, names),
        },
        "quantiles": list((forecaster.training or Training()).quantiles),
        "intervals": reach and _kept(folder, reach),
        "versions": {"python": python_version(), "forecast": version(process.DISTRIBUTION)}
        | {name: version(name) for name in packages},
        "facts": dict(facts),
    }
    files = [folder / SERIES] + [folder / INTERVALS] * (reach is not None)
    return [folder / WEIGHTS, *files, write(folder, fields)]


def _kept(folder: Path, reach: Reach) -> dict[str, Any]:
    """Write the half-widths of intervals, and return what the JSON says of them."""
    about = {name: plain for name, plain in reach.to_dict().items() if name != "reach"}
    return about | {SEAL: arrays.write(folder / INTERVALS, {"reach": reach.values})}


def add_intervals(folder: Path, reach: Reach) -> None:
    """Write what gives the forecasts of a saved bundle their intervals; the weights stay.

    Whoever reads the bundle meanwhile has it without or with them: the file that names the others
    is replaced last, and as a whole.
    """
    fields = read(folder)
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)  # what a kill has left
    shutil.copytree(folder, fresh)
    own = {name: fields[name] for name in fields if name not in OWN}
    if fields["format"] == FORMAT:
        own["intervals"] = _kept(fresh, reach)
        (fresh / INTERVALS).replace(folder / INTERVALS)
    else:  # a run that was begun by an older version
        own["intervals"] = reach.to_dict()
    write(fresh, own, fields["format"]).replace(folder / FACTS)
    shutil.rmtree(fresh)


def _served(schema: Schema, forecaster: Forecaster) -> Schema:
    """Fix frequency and zone, which a few new rows may not tell, and ask for columns in use."""
    used = {*schema.inputs, *schema.targets}
    return replace(
        schema,
        frequency=forecaster.frequency_,
        zoned=forecaster.context_.zoned,
        circular={name: period for name, period in schema.circular.items() if name in used},
        valid={name: bounds for name, bounds in schema.valid.items() if name in used},
        classes={name: parts for name, parts in schema.classes.items() if name in used},
    )


def load(folder: str | Path) -> Bundle:
    """Read a bundle; no code in it is run."""
    folder = Path(folder)
    fields = read(folder)
    runtime.start()
    import keras

    from forecast import models

    models.register_layers()
    try:
        _check_members(folder / WEIGHTS)
        model = keras.saving.load_model(folder / WEIGHTS, compile=False, safe_mode=True)
    except Exception as error:  # Keras has as many for a file that is no model as there are faults
        raise InputError(
            f"bundle must hold a {WEIGHTS} of known layers, got {str(folder / WEIGHTS)!r} "
            f"({cause(error)}): download the run's model/ again"
        ) from error
    raw = {}
    if fields["format"] == FORMAT:
        raw[SERIES] = bytes_of(folder, SERIES, fields["series"])
        if fields["intervals"] is not None:
            raw[INTERVALS] = bytes_of(folder, INTERVALS, fields["intervals"])
    try:
        found = _made(model, fields, raw)
        fault = disagreement(found)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OSError) as error:
        fault = cause(error)
    if fault:
        raise InputError(
            f"bundle must hold files of one model, got {fault}: download the run's model/ again"
        )
    return found


def _made(model: Any, fields: Mapping[str, Any], raw: Mapping[str, bytes]) -> Bundle:
    """Turn the fields of the file, and the bytes of those beside it, into objects."""
    plain = fields["intervals"]
    if raw:
        found, names = arrays.read(raw[SERIES], named=True)
        if len(names) != fields["series"]["count"]:
            raise ValueError(f"{len(names)} series for {fields['series']['count']}")
        scaler = Scaler(**found)
        if plain is not None:
            plain = plain | arrays.read(raw[INTERVALS], named=False)[0]
    else:
        names, scaler = pa.array(fields["series"], pa.string()), Scaler.from_dict(fields["scaler"])
    return Bundle(
        model,
        Schema.from_dict(fields["schema"]),
        Window(**fields["window"]),
        scaler,
        names,
        fields["versions"] | fields["facts"],
        tuple(fields["quantiles"]),
        plain and Reach.from_dict(plain),
        fields[SEAL],
    )


def _check_members(weights: Path) -> None:
    """Refuse an archive that would be unpacked into more than it is, or beside what it is."""
    with zipfile.ZipFile(weights) as archive:
        for member in archive.infolist():
            if member.filename not in MEMBERS or member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{member.filename[:100]!r} is not a member that Keras writes")


def disagreement(found: Bundle) -> str:
    """Say which parts of a bundle are not of one model."""
    from forecast.models.layers import cycle_of, reads_series_number
    from forecast.training.losses import check_quantiles

    window, scaler, levels = found.window, found.scaler, found.quantiles
    window.check()
    check_quantiles(levels)
    if pc.count_distinct(found.names).as_py() < len(found.names):
        return "one of its series twice"
    parts = (scaler.input_mean, scaler.input_std, scaler.output_mean, scaler.output_std)
    limits = [] if scaler.input_limit is None else [scaler.input_limit]
    kinds = [scaler.output_power, scaler.output_shift, scaler.output_spread]
    moved = [part for part in kinds if part is not None]
    if not all(map(np.all, map(np.isfinite, (*parts, *moved)))) or not (
        (scaler.input_std > 0).all()
        and (scaler.output_std > 0).all()
        and all((part >= 0).all() for part in (*limits, *moved))
    ):
        return "an invalid scale"
    if len(moved) not in (0, len(kinds)) or bool(moved) != bool(found.schema.transform):
        return "a transform of targets in one of its files alone"
    columns, outputs = layout_of(found.schema), len(schema.target_names(found.schema)[0])
    ahead = copies(window) if columns.known else 0
    features = len(columns.features) + ahead * len(columns.known)
    features += reads_series_number(found.model) + bool(cycle_of(found.model))
    series, horizon = len(found.names), window.horizon
    shapes = {
        "model's input": (found.model.input_shape, (None, window.timesteps, features)),
        "model's output": (
            found.model.output_shape,
            (None, horizon, outputs * max(1, len(levels))),
        ),
        "scaler": (
            {part.shape for part in (scaler.input_mean, scaler.input_std, *limits)},
            {(series, len(columns.features))},
        ),
        "scaler of targets": (
            {part.shape for part in (scaler.output_mean, scaler.output_std, *moved)},
            {(series, outputs)},
        ),
    }
    if found.reach is not None:
        shapes["intervals"] = (found.reach.values.shape, (series, horizon, outputs))
        if found.reach.method not in CALIBRATIONS:
            return f"intervals by {found.reach.method!r}"
        if found.reach.between and not {*found.reach.between} <= {*levels}:
            return f"intervals around {found.reach.between} and quantiles {levels}"
    wrong = [
        f"the {name} of shape {has} for {asked}"
        for name, (has, asked) in shapes.items()
        if has != asked
    ]
    return wrong[0] if wrong else ""
