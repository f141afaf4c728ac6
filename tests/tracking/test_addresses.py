"""Stores behind a proxy or a password, and an experiment that was deleted."""

import http.server
import itertools
import json
import re
import shlex
import threading
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from forecast.errors import InputError
from forecast.tracking.mlflow.store import Store, Unreachable, check_server

INSIDE = "http://mlflow.invalid:5000/tools"
"""An address that only a proxy can know."""

KNOWN = {"experiment_id": "7", "name": "load", "lifecycle_stage": "active"}


class Proxy(http.server.ThreadingHTTPServer):
    """Answers for every server: that it knows the experiment, or nobody."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.body = json.dumps({"experiment": KNOWN})
        self.status, self.asked, self.secrets = 200, list[str](), list[str | None]()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(http.server.BaseHTTPRequestHandler):
    server: Proxy

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.server.secrets.append(self.headers["Authorization"])
        text = self.server.body.encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy(monkeypatch) -> Iterator[Proxy]:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("NO_PROXY", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Proxy() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_proxy_of_the_environment_is_used_and_passed_by(proxy, monkeypatch):
    monkeypatch.setenv("http_proxy", proxy.address)
    assert Store(INSIDE, "load").experiment_id == "7"
    assert proxy.asked[0] == f"HEAD {INSIDE}"
    assert all(INSIDE in one for one in proxy.asked)
    count = len(proxy.asked)
    monkeypatch.setenv("no_proxy", "mlflow.invalid")
    with pytest.raises(Unreachable, match="start the server"):
        Store(INSIDE, "load")
    assert len(proxy.asked) == count


def test_a_server_that_knows_nobody_names_what_to_set(proxy, monkeypatch):
    known = proxy.body
    refusals = ("You are not authenticated.", "{}", '{"message": "Unauthorized"}')
    for proxy.status, proxy.body in itertools.product((401, 403), refusals):
        with pytest.raises(InputError) as caught:
            Store(proxy.address, "load")
        assert type(caught.value) is InputError
        told = str(caught.value)
        assert "start the server" not in told
        for name in ("USERNAME", "PASSWORD", "TOKEN"):
            assert f"MLFLOW_TRACKING_{name}" in told
    proxy.status, proxy.body, proxy.secrets = 200, known, []
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    assert Store(proxy.address, "load").experiment_id == "7"
    first, second = proxy.secrets
    assert first is None and second.startswith("Basic ")  # whether it is there is asked by nobody


def test_a_server_that_is_not_there_is_found_out(proxy):
    gone = proxy.address.replace(str(proxy.server_port), "9")
    for uri in (gone, "postgresql://127.0.0.1:9/x"):
        with pytest.raises(OSError, match="refused"):
            check_server(uri)


def test_a_deleted_experiment_comes_back_by_what_is_said(tmp_path, monkeypatch):
    import mlflow.cli

    uri = f"sqlite:///{tmp_path / 'a b.db'}"
    store = Store(uri, "load")
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(InputError) as caught:
        Store(uri, "load")
    told = re.search(r"restore it: (.*)", str(caught.value))[1]
    assert store.experiment_id in told
    setting, program, *words = shlex.split(told)
    assert program == "mlflow"
    monkeypatch.setenv(*setting.split("=", 1))
    done = CliRunner().invoke(mlflow.cli.cli, words)
    assert done.exit_code == 0, done.output
    assert Store(uri, "load").experiment_id == store.experiment_id
