"""Pages of ours on MLflow's server: what is there at a glance, and reports whose links work.

They know nothing of themselves: whatever they show they ask MLflow's API for, as the visitor. So
its log-in and its permissions hold, and what a person may not read there, they may not read here.
"""

import io
import json
import re
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from forecast.report.page import render
from forecast.tracking.mlflow import pages as addresses
from forecast.tracking.mlflow import views

POLICY = "; ".join(
    [
        "sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox",
        "default-src 'none'",
        "script-src 'unsafe-inline'",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)
"""A page of a run is a stranger to this server: it may run its own scripts and ask nobody."""

NAME = "forecast_"
"""Head of the names of our pages among those of MLflow's application."""

RUN = re.compile(r"[0-9a-f]{32}")
PAGE = re.compile(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*\.html", re.ASCII)
"""Artifacts that are pages; no part of a path begins with a dot."""

EXPERIMENTS, RUNS = 20, 12
"""Experiments, and runs of each, that are listed: the newest."""

SEEDED = 100
"""Experiments whose opening the start page knows: those that were written last."""


def add(flask: Any, prefix: str) -> None:
    """Add our pages to MLflow's Flask application."""
    for rule, page in (
        ("", landing),
        ("start.json", start),
        ("page/<run>/<path:path>", artifact),
    ):
        name = f"{NAME}{page.__name__}"
        if name not in flask.view_functions:
            flask.add_url_rule(
                f"{prefix}/forecast/{rule}", name, partial(page, flask, prefix), methods=["GET"]
            )


def answer_first(flask: Any) -> None:
    """Answer for our pages before a log-in that is added later is asked.

    MLflow's refuses all pages that it does not know to everyone but administrators. Ours ask it
    for each thing that they show.
    """

    @flask.before_request
    def ours() -> Any:
        from flask import request

        if not (request.endpoint or "").startswith(NAME):
            return None
        return flask.view_functions[str(request.endpoint)](**(request.view_args or {}))


def start(flask: Any, prefix: str) -> Any:
    """Say which experiment was written last, and how each opens."""
    answer = _experiments(flask, prefix, SEEDED)
    if answer.status_code != 200:
        return _passed_on(flask, answer)
    found = _read(answer).get("experiments", ())
    states = {one["experiment_id"]: views.opened(_tag(one, _OPENING))[1] for one in found}
    home = next((own for own, state in states.items() if state), None)
    body = json.dumps({"home": home, "states": {own: s for own, s in states.items() if s}})
    return flask.response_class(body, mimetype="application/json", headers=_PRIVATE)


def landing(flask: Any, prefix: str) -> Any:
    """List experiments and their newest runs, with what can be opened of each."""
    shown = []
    answer = _experiments(flask, prefix, EXPERIMENTS)
    if answer.status_code != 200:
        return _passed_on(flask, answer)
    for one in _read(answer).get("experiments", ()):
        own = one["experiment_id"]
        asked = {
            "experiment_ids": [own],
            "filter": "tags.`mlflow.parentRunId` IS NULL and tags.`forecast.kind` != 'baseline'",
            "order_by": ["attributes.start_time DESC"],
            "max_results": RUNS,
        }
        known = _read(_ask(flask, f"{prefix}/ajax-api/2.0/mlflow/runs/search", asked))
        runs = [_run(flask, prefix, run) for run in known.get("runs", ())]
        if not runs and not _tag(one, _OPENING):
            continue
        at = f"{prefix}/"
        shown.append(
            {
                "name": one["name"],
                "runs": runs,
                "table": at + addresses.runs(own),
                "charts": at + addresses.runs(own, charts=True),
                "comparisons": [
                    (name, at + addresses.view(own, key, charts=True))
                    for key, name in list(views.ours(_tags(one)).items())[:5]
                ],
            }
        )
    return flask.response_class(
        render("landing", title="Forecasts", experiments=shown),
        headers={**_PRIVATE, "Content-Security-Policy": POLICY.partition("; ")[2]},
    )


def artifact(flask: Any, prefix: str, run: str, path: str) -> Any:
    """Show a page that a run keeps, such as report.html, where its own links work."""
    if not RUN.fullmatch(run) or not PAGE.fullmatch(path):
        return _refused(flask, 404, "There is no such page: RUN/report.html names one of a run.")
    asked = urlencode({"path": path, "run_uuid": run})
    answer = _ask(flask, f"{prefix}/get-artifact?{asked}")
    if answer.status_code in (401, 403):
        return _passed_on(flask, answer)
    if answer.status_code != 200:
        return _refused(flask, 404, f"Run {run} has no {path}.")
    body = answer.get_data()
    headers = {**_PRIVATE, "Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
    return flask.response_class(body, content_type="text/html; charset=utf-8", headers=headers)


_OPENING = views.TAG + addresses.KEY

_PRIVATE = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}


def _ask(flask: Any, address: str, body: Any = None) -> Any:
    """Ask MLflow's own API in the name of whoever asks us."""
    from flask import request
    from werkzeug.wrappers import Response

    path, _, query = address.partition("?")
    sent = b"" if body is None else json.dumps(body).encode()
    return Response.from_app(
        flask.wsgi_app,
        {
            **request.environ,
            "REQUEST_METHOD": "GET" if body is None else "POST",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(sent)),
            "wsgi.input": io.BytesIO(sent),
        },
        buffered=True,
    )


def _refused(flask: Any, status: int, why: str) -> Any:
    """Say in one sentence why there is no page."""
    return flask.response_class(why, status, _PRIVATE, mimetype="text/plain")


def _read(answer: Any) -> dict[str, Any]:
    """Read an answer of the API; one that refuses holds nothing."""
    return dict(answer.get_json()) if answer.status_code == 200 else {}


def _passed_on(flask: Any, answer: Any) -> Any:
    """Hand on what MLflow says to somebody who may not read, its question for a password too."""
    asked = {k: v for k, v in answer.headers.items() if k.lower() == "www-authenticate"}
    told = answer.get_data()
    return flask.response_class(
        told, answer.status_code, {**_PRIVATE, **asked}, mimetype="text/plain"
    )


def _experiments(flask: Any, prefix: str, most: int) -> Any:
    """Ask for the experiments that were written last."""
    asked = {"max_results": most, "order_by": ["last_update_time DESC"]}
    return _ask(flask, f"{prefix}/ajax-api/2.0/mlflow/experiments/search", asked)


def _tags(found: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in found.get("tags", ())}


def _tag(found: dict[str, Any], key: str) -> str:
    return _tags(found).get(key, "")


def _run(flask: Any, prefix: str, run: dict[str, Any]) -> dict[str, Any]:
    """Say what a run is, and what of it can be opened."""
    info, data = run["info"], run.get("data", {})
    own, kind = info["run_id"], _tag(data, "forecast.kind")
    metrics = {one["key"]: one["value"] for one in data.get("metrics", ())}
    error = next((key for key in ("test/mae", "test/crps", "test/log_loss") if key in metrics), "")
    if kind in ("train", "reproduce"):  # a list for each would take a request to its store
        missing = _tag(data, "forecast.missing").split(", ")
        kept = {f"{page}.html" for page in ("report", "gates") if page not in missing}
    else:
        listed = _read(_ask(flask, f"{prefix}/ajax-api/2.0/mlflow/artifacts/list?run_id={own}"))
        kept = {one["path"] for one in listed.get("files", ())}
    began = datetime.fromtimestamp(int(info.get("start_time", 0)) / 1000, UTC)
    at = f"{prefix}/forecast/page/{own}"
    return {
        "name": info.get("run_name", own),
        "kind": kind,
        "began": f"{began:%Y-%m-%d %H:%M}",
        "error": f"{error.removeprefix('test/')} {metrics[error]:.4g}" if error else "",
        "page": f"{prefix}/{addresses.run_page(info['experiment_id'], own)}",
        "opened": [
            (name, f"{at}/{path}")
            for name, path in (("report", "report.html"), ("gates", "gates.html"))
            if path in kept
        ],
    }
