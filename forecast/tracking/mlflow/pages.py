"""Names of runs, and addresses of MLflow's pages."""

import json
import re
from collections.abc import Iterable
from hashlib import sha256
from urllib.parse import quote

from forecast.data.fetch import without_secrets
from forecast.evaluation.outcome import Outcome, Spec
from forecast.tracking.mlflow.store import Store

KEY = "forecast"
"""Of the view in which an experiment opens; those of others begin with it."""

NOTE = "mlflow.note.content"
"""The tag that MLflow shows as the description of a run or of an experiment."""

WRITTEN = "forecast.note"
"""Tag of what somebody else may describe: what identifies the description that we have written."""

TRAINING = "workflowType=machine_learning"
"""Without it MLflow opens its pages for language models."""


def mark(note: str) -> str:
    """Identify a description."""
    return sha256(note.encode()).hexdigest()[:16]


def base(uri: str, port: int) -> str:
    """Return where the pages of a store are, without secrets.

    >>> base("sqlite:///mlflow.db", 5000), base("http://me:secret@host:5000/", 5001)
    ('http://127.0.0.1:5000', 'http://host:5000')
    """
    return without_secrets(uri).rstrip("/") if serves(uri) else f"http://127.0.0.1:{port}"


def serves(uri: str) -> bool:
    """Tell whether the store is a server that shows its pages itself."""
    return uri.startswith(("http://", "https://"))


def run_page(experiment: str, run_id: str) -> str:
    """Return the page of a run."""
    return f"#/experiments/{experiment}/runs/{run_id}?{TRAINING}"


def view(experiment: str, key: str = KEY, *, charts: bool = False) -> str:
    """Return the page of an experiment in a view that it keeps, as a table or as charts."""
    mode = "&compareRunsMode=CHART" if charts else ""
    return f"#/experiments/{experiment}/runs?{TRAINING}{mode}&viewStateShareKey={key}"


def runs(experiment: str, *, charts: bool = False) -> str:
    """Return the page of an experiment as whoever looks at it has left it."""
    mode = "&compareRunsMode=CHART" if charts else ""
    return f"#/experiments/{experiment}/runs?{TRAINING}{mode}"


def comparison(experiments: Iterable[str], run_ids: Iterable[str]) -> str:
    """Return the page that puts params and metrics of runs side by side.

    >>> comparison(["1"], ["a", "b"])
    '#/compare-runs?runs=%5B%22a%22,%22b%22%5D&experiments=%5B%221%22%5D&workflowType=machine_learning'
    """
    asked = [
        json.dumps(values, separators=(",", ":")) for values in (list(run_ids), list(experiments))
    ]
    runs, homes = (quote(text, safe=",") for text in asked)
    return f"#/compare-runs?runs={runs}&experiments={homes}&{TRAINING}"


def title(spec: Spec) -> str:
    """Name what is trained: model, its size, look-back and horizon, such as lstm-64 · 72→24."""
    size = spec.model.settings.get("units") or spec.model.settings.get("filters") or ""
    sizes = "-".join(map(str, size)) if isinstance(size, list) else str(size)
    name = f"{spec.model.name}-{sizes}" if sizes else spec.model.name
    return f"{name} · {spec.window.timesteps}→{spec.window.horizon}"


def scored(outcome: Outcome) -> str:
    """Write the headline error of what was trained, such as mae 2.31."""
    key = outcome.test.headline.key
    return f"{key} {outcome.scores[f'test/{key}']:.3g}"


def result(name: str, score: str) -> str:
    """Put a score into the name of a run, before its window, where a narrow column shows it.

    >>> result("lstm-64 · 72→24", "mae 2.31"), result("sweep · 4 points", "mae 2.31")
    ('lstm-64 · mae 2.31 · 72→24', 'sweep · 4 points · mae 2.31')
    """
    parts = name.split(" · ")
    at = next((n for n, part in enumerate(parts) if "→" in part), len(parts))
    return " · ".join([*parts[:at], score, *parts[at:]])


def artifact(experiment: str, run_id: str, path: str) -> str:
    """Return the page that shows an artifact of a run."""
    return f"#/experiments/{experiment}/runs/{run_id}/artifacts/{path}?{TRAINING}"


def own_page(run_id: str, path: str) -> str:
    """Return the page of ours that shows a page of a run, on a server that `forecast ui` starts."""
    return f"forecast/page/{run_id}/{path}"


def unique(store: Store | None, name: str, own: str = "") -> str:
    """Number a name that another run bears."""
    from mlflow.exceptions import MlflowException

    if store is None:
        return name

    def taken(number: int) -> bool:
        # MLflow's language has no way to write quotes, and databases differ in what else is special
        like = re.sub(r"['\"\\%\[\]^*?]", "_", called(number))
        found = store.find(f"attributes.run_name LIKE '{like}'")
        return any(run.info.run_name == called(number) and run.info.run_id != own for run in found)

    def called(number: int) -> str:
        return name if number == 1 else f"{name} · {number}"

    try:
        last, free = 0, 1  # numbers follow each other, so few questions find the first that is free
        while taken(free):
            last, free = free, 2 * free
        while free - last > 1:
            between = (last + free) // 2
            last, free = (between, free) if taken(between) else (last, between)
    except (MlflowException, OSError):
        return name
    return called(free)
