"""The view in which an experiment opens in MLflow: columns that matter, charts in their order.

MLflow keeps a view that somebody has shared as a tag of the experiment, plain JSON under
`mlflow.sharedViewState.<key>`, and opens it where an address carries `viewStateShareKey=<key>`.
Views of other keys are other people's and are left alone.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from forecast.tracking.store import Store

KEY = "forecast"
TAG = f"mlflow.sharedViewState.{KEY}"

COLUMNS = ("params.`model`", "params.`window.timesteps`", "params.`window.horizon`")

MOST_LAYERS = 4
"""Layers that have charts; a tag holds 5,000 characters."""


def state(error: str, baselines: Iterable[str], layers: Iterable[str]) -> dict[str, Any]:
    """Describe the view.

    Args:
        error: Key of the headline error, such as "mae".
        baselines: Names that skill is measured against.
        layers: Names of recurrent layers, whose gates have pictures.

    Returns:
        What MLflow keeps of a view; what is absent is as MLflow sets it.
    """
    shown = list(layers)[:MOST_LAYERS]
    sections = {
        "Losses": [_line("train/loss"), _line("val/loss")],
        "Error by steps ahead": [_line(f"horizon/{error}")],
        "Gates": [
            chart
            for layer in shown
            for chart in (_image(f"gates/{layer}"), _line(f"gates.{layer}/f_mean"))
        ],
    }
    filled = {name: charts for name, charts in sections.items() if charts}
    skills = [f"metrics.`skill/{name}`" for name in baselines]
    return {
        "selectedColumns": [*COLUMNS, f"metrics.`test/{error}`", *skills],
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


def tag(
    known: Mapping[str, str], error: str, baselines: Iterable[str], layers: Iterable[str]
) -> str:
    """Write the view as the tag's value.

    Args:
        known: Tags of the experiment; layers of the view among them stay.
        error: As in `state`.
        baselines: As in `state`.
        layers: As in `state`.

    Returns:
        JSON, the same for the same view.
    """
    try:
        charts = json.loads(known.get(TAG, "{}")).get("compareRunCharts", [])
    except ValueError:
        charts = []
    keys = [key for chart in charts for key in chart.get("imageKeys", ())]
    earlier = [key.removeprefix("gates/") for key in keys]
    every = list(dict.fromkeys([*earlier, *layers]))
    return json.dumps(state(error, baselines, every), sort_keys=True)


def keep(store: Store, error: str, baselines: Iterable[str], layers: Iterable[str]) -> None:
    """Write the view into the experiment, if it is not there as it is.

    Args:
        store: Of the experiment.
        error: As in `state`.
        baselines: As in `state`.
        layers: As in `state`.
    """
    known = store.client.get_experiment(store.experiment_id).tags
    text = tag(known, error, baselines, layers)
    if known.get(TAG) != text:
        store.client.set_experiment_tag(store.experiment_id, TAG, text)


def _line(key: str) -> dict[str, Any]:
    """Describe a chart of a metric over its steps."""
    return {
        "type": "LINE",
        "metricKey": key,
        "xAxisKey": "step",
        "runsCountToCompare": 10,
        "deleted": False,
        "isGenerated": False,
        "displayName": key,
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "range": {},
        "yAxisKey": "metric",
        "yAxisExpressions": [],
    }


def _image(key: str) -> dict[str, Any]:
    """Describe a grid of pictures with a slider over their steps."""
    return {
        "type": "IMAGE",
        "imageKeys": [key],
        "step": 0,
        "runsCountToCompare": 10,
        "deleted": False,
        "isGenerated": False,
        "showRunParams": False,
    }
