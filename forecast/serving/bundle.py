"""Save and load a bundle, and check that its parts are of one model."""

import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.data import asked
from forecast.data.features import copies, layout_of
from forecast.data.scale import Scaled, Scaler
from forecast.data.schema import Schema
from forecast.data.windows import Window
from forecast.errors import InputError, cause
from forecast.evaluation.baselines.by_name import Kept, Learned
from forecast.evaluation.intervals.margin import Reach
from forecast.serving import arrays, baseline, mixture
from forecast.serving.mixture import Predictor
from forecast.serving.model import Bundle
from forecast.serving.schema import (
    FACTS,
    FORMAT,
    INTERVALS,
    MIXTURE,
    OTHERS,
    OWN,
    SEAL,
    SERIES,
    TREES,
    WEIGHTS,
    read,
    versions,
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
    forecaster.model_.save(folder / WEIGHTS)
    frequency, zoned = forecaster.frequency_, forecaster.context_.zoned
    names = pa.array(forecaster.names_, pa.string())
    fields = {
        "schema": _served(schema, frequency, zoned).to_dict(),
        "window": _shape(forecaster.window or Window()),
        "series": arrays.keep_series(folder, forecaster.scaler_, names),
        "quantiles": list((forecaster.training or Training()).quantiles),
        "intervals": reach and arrays.keep_reach(folder, reach),
        "versions": versions("tensorflow", "keras", "numpy", "pandas"),
        "facts": dict(facts),
    }
    files = [folder / SERIES] + [folder / INTERVALS] * (reach is not None)
    return [folder / WEIGHTS, *files, write(folder, fields)]


def save_baseline(
    folder: Path,
    learned: Learned,
    schema: Schema,
    window: Window,
    rows: Scaled,
    facts: Mapping[str, Any],
    *,
    reach: Reach | None = None,
) -> list[Path]:
    """Write a baseline that has learned as a bundle.

    Args:
        folder: Where it is written.
        learned: One of which something can be kept: a rule or boosted trees.
        schema: How the rows were read.
        window: Shape of a sample.
        rows: That it has learned from, all series in their order, with what standardises them.
        facts: For people.
        reach: Of the intervals around its forecasts; None where it has none.

    Returns:
        The files.

    Raises:
        InputError: Nothing can be kept of the baseline.
    """
    if learned.kept is None:
        raise InputError(
            "learned must be a baseline that a bundle can keep, which rules and boosted_trees are, "
            "got a regressor, a classical model or shares: leave it out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    table = rows.table
    told, more = baseline.keep(folder, learned.kept)
    fields = {
        "kind": told.pop("kind"),
        "schema": _served(schema, table.frequency, table.zoned).to_dict(),
        "window": _shape(window),
        "series": arrays.keep_series(folder, rows.scaler, pa.array(table.names, pa.string()), more),
        **told,
        "intervals": reach and arrays.keep_reach(folder, reach),
        "versions": versions("numpy", "pandas", "scikit-learn"),
        "facts": dict(facts),
    }
    files = [folder / TREES] * bool(more) + [folder / SERIES]
    return [*files, *[folder / INTERVALS] * (reach is not None), write(folder, fields)]


def _shape(window: Window) -> dict[str, int]:
    """Return the sizes of a window as plain numbers."""
    return {name: int(value) for name, value in window.get_params().items()}


def add_intervals(folder: Path, reach: Reach) -> None:
    """Write what gives the forecasts of a saved bundle their intervals; the rest stays.

    Whoever reads the bundle meanwhile has it without or with them: the file that names the others
    is replaced last, and as a whole.
    """
    fields = read(folder)
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)  # what a kill has left
    fresh.mkdir()
    if fields["format"] != OTHERS:
        shutil.copy2(folder / WEIGHTS, fresh)  # whose hash is taken anew
    own = {name: fields[name] for name in fields if name not in OWN}
    if fields["format"] in (FORMAT, OTHERS):
        own["intervals"] = arrays.keep_reach(fresh, reach)
        (fresh / INTERVALS).replace(folder / INTERVALS)
    else:  # a run that was begun by an older version
        own["intervals"] = reach.to_dict()
    write(fresh, own, fields["format"]).replace(folder / FACTS)
    shutil.rmtree(fresh)


def _served(schema: Schema, frequency: str | None, zoned: bool | None) -> Schema:
    """Fix frequency and zone, which a few new rows may not tell, and ask for columns in use."""
    used = {*schema.inputs, *schema.targets}
    return replace(
        schema,
        frequency=frequency,
        zoned=zoned,
        circular={name: period for name, period in schema.circular.items() if name in used},
        valid={name: bounds for name, bounds in schema.valid.items() if name in used},
        classes={name: parts for name, parts in schema.classes.items() if name in used},
        others=tuple(name for name in schema.others if name in used),
    )


def load(folder: str | Path) -> Predictor:
    """Read a bundle; no code in it is run."""
    folder = Path(folder)
    fields = read(folder)
    if fields.get("kind") != MIXTURE:
        return _alone(folder, fields)
    return mixture.read(folder, fields, _alone)


def _alone(folder: Path, fields: Mapping[str, Any]) -> Bundle:
    """Read a bundle of one model."""
    model = _network(folder) if fields["format"] != OTHERS else None
    raw = arrays.beside(folder, fields)
    try:
        found = _made(raw, fields, model)
        fault = disagreement(found)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OSError) as error:
        fault = cause(error)
    if fault:
        raise InputError(
            f"bundle must hold files of one model, got {fault}: download the run's model/ again"
        )
    return found


def _network(folder: Path) -> Any:
    """Read the network of a bundle."""
    runtime.start()
    import keras

    from forecast import models

    models.register_layers()
    from forecast.models import repairs

    try:
        _check_members(folder / WEIGHTS)
        model = keras.saving.load_model(folder / WEIGHTS, compile=False, safe_mode=True)
        return repairs.mended(model)
    except Exception as error:  # Keras has as many for a file that is no model as there are faults
        raise InputError(
            f"bundle must hold a {WEIGHTS} of known layers, got {str(folder / WEIGHTS)!r} "
            f"({cause(error)}): download the run's model/ again"
        ) from error


def _made(raw: Mapping[str, bytes], fields: Mapping[str, Any], model: Any) -> Bundle:
    """Turn the fields of the file, and the bytes of those beside it, into objects."""
    names, found = arrays.series_of(raw, fields)
    if model is None:
        model = baseline.read(raw, fields, found)
    return Bundle(
        model,
        Schema.from_dict(fields["schema"]),
        Window(**fields["window"]),
        Scaler(**found),
        names,
        fields["versions"] | fields["facts"],
        tuple(fields.get("quantiles", ())),
        arrays.reach_of(raw, fields),
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
    columns, outputs = layout_of(found.schema), len(asked.target_names(found.schema)[0])
    series, horizon = len(found.names), window.horizon
    shapes: dict[str, tuple[Any, Any]] = {}
    if isinstance(found.model, Kept):
        if fault := baseline.fault(found.model, found.schema, window, series):
            return fault
    else:
        ahead = copies(window) if columns.known else 0
        features = len(columns.features) + ahead * len(columns.known)
        features += reads_series_number(found.model) + bool(cycle_of(found.model))
        steps = (None, horizon, outputs * max(1, len(levels)))
        shapes["model's input"] = (found.model.input_shape, (None, window.timesteps, features))
        shapes["model's output"] = (found.model.output_shape, steps)
    shapes |= {
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
        f"the {name} of shape {has} for {needed}"
        for name, (has, needed) in shapes.items()
        if has != needed
    ]
    return wrong[0] if wrong else ""
