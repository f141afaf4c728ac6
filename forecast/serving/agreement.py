"""Whether the parts of a bundle are of one model; what was written by `save` is."""

from typing import TYPE_CHECKING

import numpy as np

from forecast.data import schema
from forecast.data.features import copies, layout_of
from forecast.evaluation.intervals.reach import METHODS

if TYPE_CHECKING:
    from forecast.serving.bundle import Bundle


def disagreement(found: "Bundle") -> str:
    """Say which parts of a bundle are not of one model.

    Args:
        found: Made of fields that have the right form.

    Returns:
        A few words; nothing where all fit.

    Raises:
        InputError: A part could be of no model.
    """
    from forecast.models.layers import reads_series_number as coded
    from forecast.training.losses import check_quantiles

    window, scaler, levels = found.window, found.scaler, found.quantiles
    window.check()
    check_quantiles(levels)
    if len(set(found.names)) < len(found.names):
        return "one of its series twice"
    parts = (scaler.input_mean, scaler.input_std, scaler.output_mean, scaler.output_std)
    limits = [] if scaler.input_limit is None else [scaler.input_limit]
    if not all(map(np.all, map(np.isfinite, parts))) or not (
        (scaler.input_std > 0).all()
        and (scaler.output_std > 0).all()
        and all((part >= 0).all() for part in limits)
    ):
        return "a scale that is none"
    columns, outputs = layout_of(found.schema), len(schema.target_names(found.schema)[0])
    ahead = copies(window) if columns.known else 0
    features = len(columns.features) + ahead * len(columns.known) + coded(found.model)
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
            {part.shape for part in (scaler.output_mean, scaler.output_std)},
            {(series, outputs)},
        ),
    }
    if found.reach is not None:
        shapes["intervals"] = (found.reach.values.shape, (series, horizon, outputs))
        if found.reach.method not in METHODS:
            return f"intervals by {found.reach.method!r}"
        if found.reach.between and not {*found.reach.between} <= {*levels}:
            return f"intervals around {found.reach.between} and quantiles {levels}"
    wrong = [
        f"the {name} of shape {has} for {asked}"
        for name, (has, asked) in shapes.items()
        if has != asked
    ]
    return wrong[0] if wrong else ""
