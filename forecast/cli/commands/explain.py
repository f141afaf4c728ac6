"""`forecast explain`: what a configured model is made of; trains nothing."""

from typing import Any

import numpy as np

from forecast.cli.config.compose import Request
from forecast.cli.console import print_table, say
from forecast.data import columns, features
from forecast.data.asked import target_names
from forecast.data.features import layout_of
from forecast.data.table import Table
from forecast.models import explain
from forecast.models.layers import embedding_size
from forecast.training import fit, losses
from forecast.workflows import load


def run_explain(request: Request) -> int:
    """Print every layer with its shapes and its parameter formula."""
    settings = request.settings
    spec = load.spec(settings)
    spec.window.check()
    empty = without_rows(settings)
    losses.build_step_loss(spec.training, empty.task, spec.window.horizon)
    sizes = fit.sizes(empty, spec.window, spec.model, spec.training.quantiles)
    model = fit.build_network(spec.model, sizes)
    rows = explain.layers(model)
    print_table(
        f"{spec.model.name}: (samples, {sizes.timesteps}, {sizes.features}) → "
        f"(samples, {sizes.horizon}, {sizes.outputs})",
        ("layer", "output", "parameters", "count"),
        [(row.name, row.shape, row.formula, f"{row.count:,}" if row.count else "") for row in rows],
    )
    total = sum(row.count for row in rows)
    say("features", ", ".join(features.input_names(empty, spec.window, embedding_size(model))))
    say("parameters", f"{total:,}")
    field = explain.receptive_field(model)
    if field:
        seen = min(field, sizes.timesteps)
        say("sees", f"the newest {seen} of {sizes.timesteps} timesteps (receptive field)")
    return total


def without_rows(settings: Any) -> Table:
    """Make the table that a configuration describes, without its rows."""
    names = np.array(["series"])
    schema = load.schema(settings)
    embeds = settings.model.get("series_embedding") is not None
    if embeds or settings.data.targets == [load.ALL]:
        frame = load.rows(settings)[1]
        schema = load.schema(settings, frame.columns)
        if embeds:
            columns.check_columns(frame, schema)
            names = np.unique(columns.labels(frame, schema))
    places, nothing = layout_of(schema), np.zeros(0, int)
    outputs, about = target_names(schema)
    return Table(
        inputs=np.zeros((0, len(places.features))),
        outputs=np.zeros((0, len(outputs))),
        features=places.features,
        targets=outputs,
        series=nothing,
        tick=nothing,
        time=nothing,
        names=tuple(names.tolist()),
        frequency=settings.data.frequency,
        indicators=len(places.masked),
        known=places.known,
        static=places.static,
        task=schema.task,
        about=about,
    )
