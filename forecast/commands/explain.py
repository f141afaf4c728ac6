"""`forecast explain`: what a configured model is made of; trains nothing."""

from typing import Any

from forecast.commands import build
from forecast.commands.config import Request
from forecast.commands.console import say, table
from forecast.data import clock, panel, task
from forecast.data.schema import Schema
from forecast.models import explain
from forecast.models.sizes import Sizes
from forecast.training import choices, fitting


def run(request: Request) -> int:
    """Print every layer with its shapes and its parameter formula.

    Args:
        request: The configuration.

    Returns:
        Number of parameters.
    """
    settings = request.settings
    spec = build.spec(settings)
    spec.window.check()
    features, schema = names(settings)
    outputs = task.names(schema)
    about = schema.targets if len(schema.targets) == len(outputs) else schema.targets * len(outputs)
    sizes = Sizes(
        spec.window.timesteps,
        len(features),
        spec.window.horizon,
        len(outputs),
        tuple(features.index(name) if name in features else -1 for name in about),
        len(schema.inputs) if schema.missing == "mask" else 0,
        tuple(spec.training.quantiles),
        schema.task,
    )
    choices.loss(spec.training, schema.task)
    model = fitting.build(spec.model, sizes)
    rows = explain.layers(model)
    table(
        f"{spec.model.name}: (samples, {sizes.timesteps}, {sizes.features}) → "
        f"(samples, {sizes.horizon}, {sizes.outputs})",
        ("layer", "output", "parameters", "count"),
        [(row.name, row.shape, row.formula, f"{row.count:,}" if row.count else "") for row in rows],
    )
    total = sum(row.count for row in rows)
    say("features", ", ".join(features))
    say("parameters", f"{total:,}")
    field = explain.receptive_field(model)
    if field:
        seen = min(field, sizes.timesteps)
        say("sees", f"the newest {seen} of {sizes.timesteps} timesteps (receptive field)")
    return total


def names(settings: Any) -> tuple[list[str], Schema]:
    """List the model's input columns from the configuration alone.

    Args:
        settings: Plain configuration.

    Returns:
        Features in the table's order, and what the columns mean.
    """
    import numpy as np

    everything = settings.data.targets == [build.ALL]
    schema = build.schema(settings, build.rows(settings)[1].columns if everything else ())
    features: list[str] = []
    for name in schema.inputs:
        features += panel.columns_of(name, schema)
    _, calendar = clock.describe(np.zeros(0, "datetime64[ns]"), schema.calendar)
    said = [f"{name}{panel.SAYS}" for name in schema.inputs] if schema.missing == "mask" else []
    return [*features, *calendar, *said], schema
