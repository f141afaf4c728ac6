"""Our application on MLflow's server: one script more on `/`, and pages of runs."""

import asyncio
import json
from base64 import b64encode

import pytest

from forecast.tracking.mlflow import views
from forecast.tracking.mlflow.site import pages
from forecast.tracking.mlflow.site.app import StartPage

RUN = "0123456789abcdef" * 2
HTML = b"<!doctype html><html><head><title>MLflow</title></head></html>"


def inner(body, *, status=200, kind=b"text/html; charset=utf-8", more=(), pieces=1):
    """An application that answers everything alike, in pieces, and keeps what it was asked."""

    async def app(scope, receive, send):
        app.asked.append(scope)
        headers = [(b"Content-Type", kind), (b"ETag", b'"1"'), *more]
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        size = -(-len(body) // pieces)
        for at in range(0, len(body), size):
            piece = body[at : at + size]
            last = at + size >= len(body)
            await send({"type": "http.response.body", "body": piece, "more_body": not last})

    app.asked = []
    return app


def ask(app, path="/", method="GET", headers=()):
    """Status, headers and body of an answer."""
    told = []

    async def send(message):
        told.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
    asyncio.run(app(scope, None, send))
    body = b"".join(message.get("body", b"") for message in told[1:])
    return told[0]["status"], {k.lower(): v for k, v in told[0]["headers"]}, body


@pytest.mark.parametrize("pieces", [1, 7])
def test_the_start_page_gets_a_script_before_all_others(pieces):
    status, headers, body = ask(StartPage(inner(HTML, pieces=pieces), "/", b"<script>1</script>"))
    assert status == 200 and body == HTML.replace(b"<head>", b"<head><script>1</script>")
    assert headers[b"content-length"] == str(len(body)).encode()
    assert b"etag" not in headers  # else a browser would keep the page without the script


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<!doctype html><html><title>no head</title></html>", {}),
        (HTML, {"kind": b"text/plain"}),
        (HTML, {"status": 401}),
        (HTML, {"more": [(b"content-encoding", b"gzip")]}),
    ],
)
def test_a_page_that_it_does_not_understand_passes(body, told):
    status, headers, seen = ask(StartPage(inner(body, **told), "/", b"<script>1</script>"))
    assert (status, seen) == (told.get("status", 200), body) and headers[b"etag"] == b'"1"'


@pytest.mark.parametrize(("path", "method"), [("/api", "GET"), ("/", "POST"), ("/ml/", "GET")])
def test_every_other_request_is_handed_on(path, method):
    app = inner(HTML)
    assert ask(StartPage(app, "/", b"<script>"), path, method)[2] == HTML
    assert app.asked[0]["path"] == path


def test_it_is_never_answered_that_nothing_has_changed():
    app = inner(HTML)
    headers = [(b"If-None-Match", b'"1"'), (b"cookie", b"a"), (b"if-modified-since", b"x")]
    ask(StartPage(app, "/", b"1"), headers=headers)
    assert app.asked[0]["headers"] == [(b"cookie", b"a")]


class Mlflow:
    """A Flask application that answers like MLflow's API to whoever knows the password."""

    def __init__(self, secured):
        from flask import Flask, Response, request

        self.flask = Flask("mlflow")
        self.asked = asked = []
        state = views.runs("mae", "ridge", ["lstm_1"], {})
        view = views.packed("n", state, 1, 1)

        pages.add(self.flask, "")
        if secured:
            pages.answer_first(self.flask)

        @self.flask.before_request
        def _before():
            if request.authorization is None or request.authorization.password != "right":
                return Response("who?", 401, {"WWW-Authenticate": "Basic"})
            asked.append((request.method, request.full_path))
            if secured and request.path.startswith("/forecast/"):
                return Response("Permission denied", 403)  # as to all pages that it does not know
            return None

        @self.flask.route("/get-artifact")
        def _artifact():
            if request.args["run_uuid"] != RUN:
                return Response("no", 403)
            return Response("<p>page</p>", headers={"Content-Disposition": "attachment"})

        @self.flask.route("/ajax-api/2.0/mlflow/experiments/search", methods=["POST"])
        def _experiments():
            assert request.json["order_by"] == ["last_update_time DESC"]
            tags = [{"key": f"{views.TAG}forecast", "value": view}]
            return {
                "experiments": [
                    {"experiment_id": "3", "name": "of <others>"},
                    {"experiment_id": "2", "name": "load", "tags": tags},
                ]
            }

        @self.flask.route("/ajax-api/2.0/mlflow/runs/search", methods=["POST"])
        def _runs():
            if request.json["experiment_ids"] != ["2"]:
                return {}
            info = {"run_name": "<b>", "experiment_id": "2", "start_time": 0}
            kinds = {RUN: {"kind": "sweep"}, "1" * 32: {"kind": "train", "missing": "model, gates"}}
            return {
                "runs": [
                    {
                        "info": info | {"run_id": run},
                        "data": {
                            "tags": [
                                {"key": f"forecast.{key}", "value": value}
                                for key, value in tags.items()
                            ]
                        },
                    }
                    for run, tags in kinds.items()
                ]
            }

        @self.flask.route("/ajax-api/2.0/mlflow/artifacts/list")
        def _list():
            assert request.args["run_id"] == RUN  # of a training it is known
            return {"files": [{"path": "report.html"}]}

        self.state = state

    def get(self, path, password="right"):
        word = b64encode(f"me:{password}".encode()).decode()
        return self.flask.test_client().get(path, headers={"Authorization": f"Basic {word}"})


@pytest.fixture(scope="module", params=[False, True], ids=["open", "secured"])
def mlflow(request):
    return Mlflow(request.param)


def test_a_page_of_a_run_is_shown_and_may_ask_nobody(mlflow):
    answer = mlflow.get(f"/forecast/page/{RUN}/report.html")
    assert (answer.status_code, answer.text) == (200, "<p>page</p>")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Content-Disposition" not in answer.headers
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert policy[0] == "sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox"
    assert "default-src 'none'" in policy  # and no allow-same-origin: its origin is null
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "../secret.html",
        "..%2fsecret.html",
        "a/../../secret.html",
        "a/%2e%2e/secret.html",
        "%2fetc/passwd.html",
        "/etc/x.html",
        "a//b.html",
        ".hidden.html",
        "a\\..\\b.html",
        "a%5c..%5cb.html",
        "report.html%00",
        "report.html?x=",
        "model.pkl",
        "report.HTML",
        "figures/a.svg",
        "a.html/b",
        "report.html%0a",
        "http:%2f%2fhost%2fa.html",
    ],
)
def test_only_pages_of_the_run_itself_are_asked_for(mlflow, path):
    mlflow.asked.clear()
    answer = mlflow.get(f"/forecast/page/{RUN}/{path}")
    asked = [full for _, full in mlflow.asked if full.startswith("/get-artifact")]
    if path == "report.html?x=":  # a query is no part of the path
        assert answer.status_code == 200
    else:
        assert answer.status_code in (308, 403, 404) and asked == [], asked


@pytest.mark.parametrize("run", ["x", RUN[1:], RUN + "0", RUN.upper(), "..", "%2e%2e"])
def test_a_run_is_named_by_its_id(mlflow, run):
    mlflow.asked.clear()
    assert mlflow.get(f"/forecast/page/{run}/report.html").status_code == 404
    assert not [full for _, full in mlflow.asked if full.startswith("/get-artifact")]


def test_nobody_sees_more_than_mlflow_would_show_them(mlflow):
    for path in ("", "start.json", f"page/{RUN}/report.html"):
        answer = mlflow.get(f"/forecast/{path}", "wrong")
        assert (answer.status_code, answer.text) == (401, "who?")
        assert answer.headers["WWW-Authenticate"] == "Basic"  # so that a browser asks
    other = RUN.replace("0", "1")
    answer = mlflow.get(f"/forecast/page/{other}/report.html")
    assert (answer.status_code, answer.text) == (403, "no")


def test_the_start_page_learns_how_experiments_open(mlflow):
    told = json.loads(mlflow.get("/forecast/start.json").text)
    assert told == {"home": "2", "states": {"2": mlflow.state}}


def test_the_landing_page_leads_to_runs_and_reports(mlflow):
    text = mlflow.get("/forecast/").text
    pages_of = {run: f'href="/forecast/page/{run}/report.html"' in text for run in (RUN, "1" * 32)}
    assert all(pages_of.values()) and "gates.html" not in text
    assert "&lt;b&gt;" in text and "<b>" not in text
    assert "of &lt;others&gt;" not in text  # an experiment without runs of ours
