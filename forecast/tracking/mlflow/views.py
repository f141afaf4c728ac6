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

FIRST = {"attributes.`Run Name`": 250, "runDateAndNestInfo": 140}
"""Columns that always stand first, and their pixels; the rest is read in a window of 1,280 too."""

LEAST, LETTER, ROOM = 95, 7, 28
"""Pixels of a column, of a letter of its head, and around it."""

MOST_LAYERS, MOST_SKILLS, MOST_PARAMS = 6, 2, 5
"""Layers that have charts; baselines and parameters that have a column."""

PARAMS = (
    "model",
    "model.units",
    "model.filters",
    "training.learning_rate",
    "window.timesteps",
    "window.horizon",
    "training.epochs",
    "model.dropout",
    "training.loss",
)
"""Parameters whose differences are read first, in this order."""

ASIDE = (
    "data.",
    "threads_used",
    "evaluation.",
    "training.threads",
    "backtest.",
    "gates.",
    "sweep.",
)
"""Heads of parameters that have no column, though they differ."""

COMMANDS = "tags.`mlflow.parentRunId` IS NULL and tags.`forecast.kind` != 'baseline'"
"""One row a command: its folds, trials and candidates are on its page, baselines in its scores."""

PREFIXES = (
    "activity",
    "dm",
    "inputs",
    "memory",
    "skill",
    "test",
    "time",
    "train",
    "val",
    "validation",
    "horizon",
    "gates",
    "gates.final",
)
"""Heads that a trained run has in any store; MLflow makes an open section of each."""

MOST_SHUT = 40
"""Sections that are there and shut."""


def runs(
    error: str,
    baseline: str | None,
    gates: Iterable[str],
    known: State,
    varied: Sequence[str] = ("model",),
    prefixes: Iterable[str] = (),
) -> State:
    """Describe how an experiment opens.

    Args:
        error: Name of the error, such as mae.
        baseline: The strongest one.
        gates: Layers that have pictures of gates.
        known: How it has opened until now; the errors, baselines and layers of earlier runs stay.
        varied: Parameters in which its runs differ.
        prefixes: Heads of the metrics that its runs have.
    """
    columns = known.get("selectedColumns", [])
    earlier = [column.split("`")[1] for column in columns if column.startswith("metrics.")]
    errors = _first([key.removeprefix("test/") for key in earlier if key[:5] == "test/"], [error])
    skills = _first(
        [key for key in earlier if key[:6] == "skill/"], [f"skill/{baseline}"] * bool(baseline)
    )
    layers = _first(_layers(known), gates)[:MOST_LAYERS]
    pictures = [_pictures(f"gates.final/{layer}", 0) for layer in layers]
    pictures += [_pictures(f"gates/{layer}", 100) for layer in layers]
    sections = {
        "Gates": pictures,
        "What differs": [_differences()],
        "Losses": [_line("train/loss"), _line("val/loss")],
        "Error by steps ahead": [_line(f"horizon/{key}") for key in errors],
    }
    both = [f"{span}/{key}" for key in errors for span in ("validation", "test")]
    shown = [f"metrics.`{key}`" for key in [*both, *skills[:MOST_SKILLS]]]
    shut = _first(PREFIXES, _shut(known), prefixes)
    return (
        _columns([*shown, *(f"params.`{key}`" for key in varied)])
        | _charts(sections, shut)
        | {
            "searchFilter": COMMANDS,
            "orderByKey": f"metrics.`validation/{errors[0]}`",
            "orderByAsc": True,
            "runsHiddenMode": "FIRST_20_RUNS",
        }
    )


def varied(runs: Iterable[Mapping[str, str]]) -> list[str]:
    """List the parameters in which runs of a model differ, those that are read first in front.

    >>> varied([{"model": "lstm", "model.units": "[8]"}, {"model": "lstm", "model.units": "[9]"}])
    ['model.units']
    >>> varied([{"model": "lstm"}])
    ['model']
    """
    values: dict[str, dict[str, set[str]]] = {}
    for params in runs:
        for key, value in params.items():
            # what each model has its own of is told by the model
            of = "" if key == "model" else params.get("model", "")
            values.setdefault(key, {}).setdefault(of, set()).add(value)
    differ = [
        key
        for key, found in values.items()
        if max(map(len, found.values())) > 1 and not key.startswith(ASIDE)
    ]
    order = {key: place for place, key in enumerate(PARAMS)}
    differ.sort(key=lambda key: (order.get(key, len(order)), key))
    return differ[:MOST_PARAMS] or ["model"]


def beside(overview: State, run_ids: Sequence[str]) -> State:
    """Describe the comparison of some runs: the same, of them alone.

    The list of runs is shut, so that two pictures stand beside each other in a narrow window too.
    """
    listed = ", ".join(f"'{run_id}'" for run_id in run_ids)
    return overview | {"searchFilter": f"attributes.run_id IN ({listed})", "runListHidden": True}


def lettered(names: Sequence[str]) -> str:
    """Name a comparison by what its runs are called, as short as they differ.

    >>> lettered(["lstm-32 · mae 3.71 · 72→24", "lstm-64 · mae 3.89 · 72→24"])
    'A lstm-32 · B lstm-64'
    >>> lettered(["lstm-32 · mae 3.71 · 72→24", "lstm-32 · mae 3.89 · 72→24"])
    'A lstm-32, mae 3.71 · B lstm-32, mae 3.89'
    """
    parts = [name.split(" · ") for name in names]
    length = next(
        (
            length
            for length in range(1, max(map(len, parts)) + 1)
            if len({tuple(part[:length]) for part in parts}) == len(parts)
        ),
        1,
    )
    short = [", ".join(part[:length]) for part in parts]
    letters = (chr(ord("A") + n) if n < 26 else f"{n + 1}" for n in range(len(short)))
    return " · ".join(f"{letter} {name}" for letter, name in zip(letters, short, strict=True))


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
        f"metrics.`{mean}`",
        f"metrics.`cv/{error}_std`",
        *(f"params.`{key}`" for key in varied),
    ]
    return (
        _columns(shown)
        | _charts({"Parallel coordinates": [chart]}, ["cv"])
        | {
            "searchFilter": f"tags.mlflow.parentRunId = '{parent}' "
            "and tags.`forecast.kind` = 'candidate'",
            "orderByKey": f"metrics.`{mean}`",
            "orderByAsc": True,
            "runsHiddenMode": "SHOW_ALL",
        }
    )


_COMMON = {"runsCountToCompare": 10, "deleted": False, "isGenerated": False}

LAYOUT = {
    "Gates": {"columns": 1, "cardHeight": 560},
    "What differs": {"columns": 1, "cardHeight": 360},
    "Parallel coordinates": {"columns": 1, "cardHeight": 500},
}
"""Sections that are laid out otherwise than in MLflow's three columns."""


def _first(*lists: Iterable[str]) -> list[str]:
    """Join lists, each entry once."""
    return list(dict.fromkeys(entry for entries in lists for entry in entries))


def _layers(known: State) -> list[str]:
    """Return the layers whose gates a view shows."""
    charts = known.get("compareRunCharts", [])
    keys = [key for chart in charts for key in chart.get("imageKeys", ())]
    return _first(key.partition("/")[2] for key in keys)


def _shut(known: State) -> list[str]:
    """Return the sections that a view keeps shut."""
    sections = known.get("compareRunSections", [])
    return [section["name"] for section in sections if not section["display"]]


def _columns(shown: list[str]) -> State:
    """Select columns in an order, wide enough for their heads."""
    heads = {column: column.split("`")[1] for column in shown}
    widths = FIRST | {
        column: max(LEAST, LETTER * len(head) + ROOM) for column, head in heads.items()
    }
    return {"selectedColumns": shown, "columnOrder": list(widths), "columnWidths": widths}


def _charts(sections: Mapping[str, Sequence[State]], shut: Iterable[str]) -> State:
    """Put charts into sections that keep their order; what MLflow adds goes into shut ones."""
    filled = {name: charts for name, charts in sections.items() if charts}
    opened = [
        {"uuid": name, "name": name, "display": True, "isReordered": True, **LAYOUT.get(name, {})}
        for name in filled
    ]
    closed = [
        {"uuid": name, "name": name, "display": False, "isReordered": True}
        for name in list(shut)[:MOST_SHUT]
    ]
    return {
        "compareRunSections": opened + closed,
        "compareRunCharts": [
            chart | {"uuid": f"{name} {number}", "metricSectionId": name}
            for name, charts in filled.items()
            for number, chart in enumerate(charts)
        ],
        "isAccordionReordered": True,
    }


def _pictures(key: str, step: int) -> State:
    """Return the chart that puts a picture of each run beside those of others."""
    return {"type": "IMAGE", "imageKeys": [key], "step": step, "showRunParams": False, **_COMMON}


def _differences() -> State:
    """Return the table of those parameters in which the runs differ."""
    return {
        "type": "DIFFERENCE",
        "chartName": "What differs",
        "compareGroups": ["Parameters"],
        "showChangeFromBaseline": False,
        "showDifferencesOnly": True,
        "baselineColumnUuid": "",
        **_COMMON,
    }


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
