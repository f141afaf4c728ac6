"""What a view of an experiment shows: columns that matter, charts in their order.

A state holds what MLflow keeps of a view; what it leaves out is as MLflow sets it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

State = dict[str, Any]

PARAMS = ("model", "window.timesteps", "window.horizon")

FIRST = {"attributes.`Run Name`": 250, "runDateAndNestInfo": 140}
"""Columns that always stand first, and their pixels; the rest is read in a window of 1,280 too."""

LEAST, LETTER, ROOM = 95, 7, 28
"""Pixels of a column, of a letter of its head, and around it."""

MOST_LAYERS, MOST_SKILLS = 6, 3
"""Layers that have charts, and baselines that have a column."""

GATES = {"f": "f_mean", "z": "z_mean"}
"""The gate that keeps the old state, and the metric that says how open it is."""


def runs(error: str, baseline: str | None, gates: Mapping[str, str], known: State) -> State:
    """Describe how an experiment opens.

    Args:
        error: Key of the headline error, such as "mae".
        baseline: The strongest, whose skill is shown.
        gates: Recurrent layer to the gate that keeps its old state, "" where it has none.
        known: What the view was; columns and layers of earlier runs stay.

    Returns:
        Model, window, error and skill as columns; losses, error by steps ahead and gates as charts.
    """
    columns = known.get("selectedColumns", [])
    earlier = [column.split("`")[1] for column in columns if column.startswith("metrics.")]
    errors = _first([key.removeprefix("test/") for key in earlier if key[:5] == "test/"], [error])
    skills = _first(
        [key for key in earlier if key[:6] == "skill/"], [f"skill/{baseline}"] * bool(baseline)
    )
    layers = (_layers(known) | dict(gates)).items()
    sections = {
        "Losses": [_line("train/loss"), _line("val/loss")],
        "Error by steps ahead": [_line(f"horizon/{key}") for key in errors],
        "Gates": [chart for layer in list(layers)[:MOST_LAYERS] for chart in _gates(*layer)],
    }
    shown = [f"metrics.`{key}`" for key in [*(f"test/{e}" for e in errors), *skills[:MOST_SKILLS]]]
    opened = _columns([*(f"params.`{key}`" for key in PARAMS), *shown]) | _charts(sections)
    return opened | {"runsHiddenMode": "FIRST_20_RUNS"}  # of ten, half are baselines


def beside(overview: State, run_ids: Sequence[str]) -> State:
    """Describe the comparison of some runs: the same, of them alone.

    Args:
        overview: How their experiment opens.
        run_ids: Which.
    """
    listed = ", ".join(f"'{run_id}'" for run_id in run_ids)
    return overview | {"searchFilter": f"attributes.run_id IN ({listed})"}


def candidates(parent: str, varied: Sequence[str], error: str) -> State:
    """Describe the candidates of a sweep, best first, and a line for each through what was varied.

    Args:
        parent: Id of the sweep.
        varied: Params that differ between candidates.
        error: Key of the headline error.
    """
    mean = f"cv/{error}_mean"
    chart = {
        "type": "PARALLEL",
        "selectedParams": list(varied),
        "selectedMetrics": [mean],
        "showAllRuns": True,
        **_COMMON,
    }
    shown = [
        *(f"params.`{key}`" for key in varied),
        f"metrics.`{mean}`",
        f"metrics.`cv/{error}_std`",
    ]
    return (
        _columns(shown)
        | _charts({"Parallel coordinates": [chart]})
        | {
            "searchFilter": f"tags.mlflow.parentRunId = '{parent}' "
            "and tags.`forecast.kind` = 'candidate'",
            "orderByKey": f"metrics.`{mean}`",
            "orderByAsc": True,
            "runsHiddenMode": "SHOW_ALL",
        }
    )


_COMMON = {"runsCountToCompare": 10, "deleted": False, "isGenerated": False}


def _first(*lists: Iterable[str]) -> list[str]:
    """Join lists, each entry once."""
    return list(dict.fromkeys(entry for entries in lists for entry in entries))


def _layers(known: State) -> dict[str, str]:
    """Return the layers of a view with the gates that it shows of them."""
    found: dict[str, str] = {}
    for chart in known.get("compareRunCharts", []):
        for key in chart.get("imageKeys", ()):
            found[key.removeprefix("gates/")] = ""
        head, _, gate = chart.get("metricKey", "").rpartition("/")
        if head.startswith("gates."):
            found[head.removeprefix("gates.")] = gate.removesuffix("_mean")
    return found


def _columns(shown: list[str]) -> State:
    """Select columns in an order, wide enough for their heads."""
    heads = {column: column.split("`")[1] for column in shown}
    widths = FIRST | {
        column: max(LEAST, LETTER * len(head) + ROOM) for column, head in heads.items()
    }
    return {"selectedColumns": shown, "columnOrder": list(widths), "columnWidths": widths}


def _charts(sections: Mapping[str, Sequence[State]]) -> State:
    """Put charts into sections that keep their order."""
    filled = {name: charts for name, charts in sections.items() if charts}
    return {
        "compareRunSections": [
            {"uuid": name, "name": name, "display": True, "isReordered": True} for name in filled
        ],
        "compareRunCharts": [
            chart | {"uuid": f"{name} {number}", "metricSectionId": name}
            for name, charts in filled.items()
            for number, chart in enumerate(charts)
        ],
        "isAccordionReordered": True,
    }


def _gates(layer: str, gate: str) -> list[State]:
    """Return the charts of a recurrent layer: its pictures, and how open its keeping gate is."""
    pictures = {"type": "IMAGE", "imageKeys": [f"gates/{layer}"], "step": 0, "showRunParams": False}
    lines = [_line(f"gates.{layer}/{GATES[gate]}")] if gate in GATES else []
    return [pictures | _COMMON, *lines]


def _line(key: str) -> State:
    """Return a chart of a metric over its steps."""
    return {
        "type": "LINE",
        "metricKey": key,
        "xAxisKey": "step",
        "displayName": key,
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "range": {},
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        **_COMMON,
    }
