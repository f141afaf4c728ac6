"""Addresses of MLflow's pages."""

import json
from collections.abc import Iterable
from urllib.parse import quote

from forecast.data.address import place
from forecast.tracking.view import KEY

LOCAL = "http://127.0.0.1:5000"
"""Where `make ui` shows a store that is a file."""

TRAINING = "workflowType=machine_learning"
"""Without it MLflow opens its pages for language models."""


def base(uri: str) -> str:
    """Return where the pages of a store are, without secrets.

    >>> base("sqlite:///mlflow.db"), base("http://me:secret@host:5000/")
    ('http://127.0.0.1:5000', 'http://host:5000')
    """
    return place(uri).rstrip("/") if uri.startswith(("http://", "https://")) else LOCAL


def run(uri: str, experiment: str, run_id: str, artifact: str = "") -> str:
    """Return the page of a run, or of one of its artifacts."""
    part = f"/artifacts/{artifact}" if artifact else ""
    return f"{base(uri)}/{inside_run(experiment, run_id + part)}"


def inside_run(experiment: str, run_id: str) -> str:
    """Return the address of a run as a page of MLflow links to it."""
    return f"#/experiments/{experiment}/runs/{run_id}?{TRAINING}"


def inside(experiment: str) -> str:
    """Return the address of an experiment's view as a page of MLflow links to it."""
    return f"#/experiments/{experiment}/runs?{TRAINING}&viewStateShareKey={KEY}"


def view(uri: str, experiment: str) -> str:
    """Return the page of an experiment, in the view that we keep of it."""
    return f"{base(uri)}/{inside(experiment)}"


def comparison(uri: str, experiments: Iterable[str], run_ids: Iterable[str]) -> str:
    """Return the page that puts runs side by side.

    >>> comparison("http://host:5000", ["1"], ["a", "b"])
    'http://host:5000/#/compare-runs?runs=%5B%22a%22,%22b%22%5D&experiments=%5B%221%22%5D'
    """
    asked = [
        json.dumps(values, separators=(",", ":")) for values in (list(run_ids), list(experiments))
    ]
    runs, homes = (quote(text, safe=",") for text in asked)
    return f"{base(uri)}/#/compare-runs?runs={runs}&experiments={homes}"
