"""Saved views: how an experiment, a comparison and a sweep open in MLflow.

MLflow 3.17 lists a saved view in its menu *Views*, and opens it where an address carries its key
as `viewStateShareKey`. Ours have keys that begin with `forecast`; those of other people stay as
they are.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from forecast.tracking.mlflow.pages import KEY

TAG = "mlflow.sharedViewState."
"""Head of the tags that are views."""

PACKED = "deflate;"
"""Head of a state that is packed."""

LONG = 200
"""Most characters of the name of a view."""

MOST = 20
"""Comparisons and sweeps whose views an experiment keeps; every page of MLflow loads them all."""


def key(kind: str, *run_ids: str) -> str:
    """Return the key of a view of some runs, the same for the same runs.

    >>> key("sweep", "1039c4dcf04b454890dfb92997f216e6")
    'forecast-sweep-1039c4dc'
    """
    return "-".join([KEY, kind, *(run_id[:8] for run_id in run_ids)])


def packed(name: str, state: Mapping[str, Any], made: int, now: int) -> str:
    """Write a view as the value of its tag."""
    text = json.dumps(state, sort_keys=True, ensure_ascii=False)
    dense = PACKED + base64.b64encode(zlib.compress(text.encode())).decode()
    return json.dumps({"name": name, "createdAt": made, "updatedAt": now, "state": dense})


def opened(text: str | None) -> tuple[str, dict[str, Any], int]:
    """Read the value of a tag.

    >>> opened(packed("a", {"b": 1}, 5, 6)), opened("nonsense")
    (('a', {'b': 1}, 5), ('', {}, 0))
    """
    try:
        found = json.loads(text or "")
        dense = found["state"].removeprefix(PACKED)
        state = json.loads(zlib.decompress(base64.b64decode(dense, validate=True)))
        return str(found["name"]), dict(state), int(found["createdAt"])
    except (ValueError, KeyError, TypeError, AttributeError, zlib.error):
        return "", {}, 0


def keep(
    store: Any, experiment: Any, key: str, name: str, state: Mapping[str, Any], now: int
) -> None:
    """Write a view into an experiment, if it is not there as it is; drop the oldest of many."""
    name = name[:LONG]
    before, shown, made = opened(experiment.tags.get(TAG + key))
    if (before, shown) != (name, dict(state)):
        text = packed(name, state, made or now, now)
        store.set_experiment_tag(experiment.experiment_id, TAG + key, text)
    if made or key == KEY:
        return  # it is not one more
    others = [other for other in ours(experiment.tags) if other != key]
    for old in others[MOST - 1 :]:
        store.delete_experiment_tag(experiment.experiment_id, TAG + old)


def ours(tags: Mapping[str, str]) -> dict[str, str]:
    """List the views of comparisons and sweeps."""
    heads = {tag.removeprefix(TAG): text for tag, text in tags.items() if tag.startswith(TAG + KEY)}
    found = {key: opened(text) for key, text in heads.items() if key != KEY}
    return {
        key: found[key][0] for key in sorted(found, key=lambda key: -found[key][2]) if found[key][2]
    }


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
    """Describe how an experiment opens."""
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
    """Describe the comparison of some runs: the same, of them alone."""
    listed = ", ".join(f"'{run_id}'" for run_id in run_ids)
    return overview | {"searchFilter": f"attributes.run_id IN ({listed})"}


def candidates(parent: str, varied: Sequence[str], error: str) -> State:
    """Describe a view of a sweep's candidates, best first, with parallel coordinates."""
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
