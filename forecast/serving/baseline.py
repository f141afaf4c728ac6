"""What a bundle keeps of a baseline, in a file of Arrow or in its JSON, and forecasts from it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import ipc
from sklearn.ensemble import HistGradientBoostingRegressor

from forecast.data import asked, clock, windows
from forecast.data.features import layout_of
from forecast.data.scale import Scaled, Scaler
from forecast.data.scaling.bounds import clipped
from forecast.data.schema import Schema
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation.baselines import by_name, rules
from forecast.evaluation.baselines.by_name import Kept, Reading
from forecast.evaluation.baselines.nodes import Nodes
from forecast.evaluation.baselines.rules import Past, Rule
from forecast.evaluation.baselines.trees import Grown, Trees
from forecast.serving import arrays
from forecast.serving.schema import SEAL, TREES

COLUMNS = pa.schema(
    {
        "target": pa.int32(),
        "tree": pa.int32(),
        "feature": pa.int32(),
        "threshold": pa.float64(),
        "left": pa.int32(),
        "right": pa.int32(),
        "leaf": pa.bool_(),
        "value": pa.float64(),
        "missing_left": pa.bool_(),
    }
)
"""Of the file of trees, which has a row for every node; `left` and `right` count those of a
target."""

OWN = COLUMNS.names[2:]
"""What is kept of a node."""

ORDER = "order"
"""Column of the file of series: the place of each by content, which trees read."""


def forecast(kept: Kept, reading: Reading, starts: np.ndarray) -> np.ndarray:
    """Forecast windows as the evaluation does, also where the table ends before what is predicted.

    Shapes: `starts` (windows,); returns (windows, horizon, targets).
    """
    table, window = reading.rows.table, reading.window
    if isinstance(kept, Trees):  # which read the clock at the predicted rows
        longer, moved = reaching(table, starts, window)
        if longer is not table:
            reading = Reading(replace(reading.rows, table=longer), window, reading.numbers)
        starts = moved
    values = by_name.reader(kept, reading)(starts)
    return clipped(values, table.bounds) if table.task == "regression" else values.clip(0, 1)


def reaching(table: Table, starts: np.ndarray, window: Window) -> tuple[Table, np.ndarray]:
    """Put rows of holes where a table lacks rows that windows predict.

    Shapes: `starts` (windows,).

    Returns:
        The table, and the windows' first rows in it, (windows,).
    """
    origin, far = starts + window.timesteps - 1, window.lead + window.horizon
    last = (origin + far).clip(max=len(table) - 1)
    there = table.series[last] == table.series[origin]
    there &= table.tick[last] - table.tick[origin] == far
    if there.all():
        return table, starts
    short = origin[~there]
    ticks = (table.tick[short][:, None] + np.arange(1, far + 1)).ravel()
    own = np.stack([np.repeat(table.series[short], far), ticks])
    (series, ticks), first = np.unique(own, axis=1, return_index=True)
    holes = replace(
        table,
        inputs=np.full((len(first), table.inputs.shape[1]), np.nan),
        outputs=np.full((len(first), table.outputs.shape[1]), np.nan),
        series=series.astype(table.series.dtype),
        tick=ticks,
        time=clock.following(table.time[short], str(table.frequency), far).ravel()[first],
    )
    longer = holes.then(table)  # whose own rows stay
    reach = int(np.ptp(longer.tick)) + 1
    places, before = (
        one.tick - longer.tick.min() + one.series.astype(np.int64) * reach
        for one in (longer, table)
    )
    return longer, np.searchsorted(places, before[starts])


def keep(folder: Path, kept: Kept) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Write what a baseline forecasts from.

    Returns:
        What the JSON says of it, and columns for the file of series, (series, 1).
    """
    if isinstance(kept, Rule):
        return {"kind": "rule", "rule": {"name": kept.name, "season": kept.season}}, {}
    told, parts = [], []
    for number, grown in enumerate(kept.grown):
        nodes = grown.model
        if isinstance(nodes, HistGradientBoostingRegressor):
            nodes = Nodes.of(nodes)
        told.append(
            {
                "baseline": nodes.baseline,
                "seasonal": grown.seasonal,
                "features": len(grown.usable),
                "usable": np.flatnonzero(grown.usable).tolist(),
            }
        )
        count = len(nodes.leaf)
        tree = np.searchsorted(nodes.first, np.arange(count), side="right") - 1
        columns = [np.full(count, number), tree, *(getattr(nodes, name) for name in OWN)]
        typed = [
            pa.array(part).cast(field.type) for part, field in zip(columns, COLUMNS, strict=True)
        ]
        parts.append(pa.table(typed, COLUMNS))
    about = {
        "seasons": [int(season) for season in kept.seasons],
        "years": kept.years,
        "targets": told,
        SEAL: arrays.put(folder / TREES, pa.concat_tables(parts)),
    }
    return {"kind": "trees", "trees": about}, {ORDER: kept.order[:, None]}


def read(raw: Mapping[str, bytes], fields: Mapping[str, Any], found: dict[str, np.ndarray]) -> Kept:
    """Read a baseline back, and take its column out of those of the file of series.

    Raises:
        ValueError: The files hold none.
        KeyError: They lack a part of it.
    """
    if fields["kind"] == "rule":
        return Rule(**fields["rule"])
    told = fields["trees"]
    table = ipc.open_file(pa.py_buffer(raw[TREES])).read_all()
    table.validate(full=True)  # before any value is looked at
    if table.schema != COLUMNS or any(column.null_count for column in table.columns):
        raise ValueError(f"other columns in {TREES}, or missing values")
    columns = {
        name: table[name].combine_chunks().to_numpy(zero_copy_only=False) for name in COLUMNS.names
    }
    number, target = len(told["targets"]), columns["target"]
    if (np.diff(target) < 0).any() or {*target.tolist()} != {*range(number)}:
        raise ValueError(f"trees of other targets in {TREES}")
    order = found.pop(ORDER)
    grown = []
    for code, about in enumerate(told["targets"]):
        rows = slice(*np.searchsorted(target, [code, code + 1]))
        tree = columns["tree"][rows]
        first = np.flatnonzero(np.diff(tree, prepend=-1))
        usable = np.isin(np.arange(min(about["features"], MOST)), about["usable"])
        if tree[first].tolist() != [*range(len(first))]:
            raise ValueError(f"trees out of order in {TREES}")
        if np.flatnonzero(usable).tolist() != about["usable"]:
            raise ValueError("trees on features that there are not")
        own = {name: columns[name][rows] for name in OWN}
        nodes = Nodes(**own, first=first, baseline=about["baseline"])
        nodes.check(len(about["usable"]))
        grown.append(Grown(nodes, usable, about["seasonal"]))
    if order.shape[1:] != (1,):
        raise ValueError(f"an order of shape {order.shape}")
    window = Window(**fields["window"])
    return Trees(window, tuple(told["seasons"]), told["years"], order[:, 0], grown)


MOST = 100_000
"""Features of trees, more than any table gives them."""


def fault(kept: Kept, meaning: Schema, window: Window, series: int) -> str:
    """Say what a baseline does not have in common with the rest of its bundle, "" if all fits."""
    seasons = [kept.season] if isinstance(kept, Rule) else kept.seasons
    if not seasons or min(seasons) < 1 or max(seasons) > windows.MOST_ROWS:
        return f"a season of {[*seasons]} rows"
    if isinstance(kept, Rule):
        return "" if kept.name in rules.RULES else f"the rule {kept.name!r}"
    targets = len(asked.target_names(meaning)[0])
    if meaning.task != "regression" or len(kept.grown) != targets:
        return f"trees of {len(kept.grown)} targets for {targets} of {meaning.task}"
    if kept.order.shape != (series,) or np.isinf(kept.order).any():
        return f"an order of {len(kept.order)} series for {series}"
    count = _features(kept, meaning, window)
    wrong = [len(grown.usable) for grown in kept.grown if len(grown.usable) != count]
    return f"trees on {wrong[0]} features for {count}" if wrong else ""


def _features(kept: Trees, meaning: Schema, window: Window) -> int:
    """Count the features that trees read of a table, on one that holds nothing."""
    layout, rows = layout_of(meaning), 1 + window.lead + window.horizon
    targets, about = asked.target_names(meaning)
    first = np.array(["2000-01-03"], "datetime64[ns]")
    later = clock.following(first, str(meaning.frequency), rows - 1).ravel()
    none, one = np.zeros(rows, int), np.ones((1, len(layout.features)))
    table = Table(
        inputs=np.full((rows, len(layout.features)), np.nan),
        outputs=np.full((rows, len(targets)), np.nan),
        features=layout.features,
        targets=targets,
        series=none,
        tick=np.arange(rows),
        time=np.append(first, later),
        frequency=meaning.frequency,
        indicators=len(layout.masked),
        known=layout.known,
        static=layout.static,
        about=about,
    )
    scale = np.ones((1, len(targets)))
    rows_read = Scaled(table, Scaler(one, one, scale, scale))
    lagged = kept.lagged(Past(table), rows_read.scaler, np.zeros(1, int))[0]
    origin = np.zeros(1, int)
    return lagged.known(origin).shape[1] + lagged.ahead(origin, origin).shape[1]
