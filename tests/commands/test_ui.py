"""`forecast ui`: one address, a browser where somebody sits, and links in a terminal."""

import io
import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
from rich.console import Console

from forecast.cli import console, links
from forecast.cli.commands import ui

from ..conftest import LSTM, TINY, Place, word
from ..servers import free_port

ADDRESS = "http://127.0.0.1:5000/#/experiments/1/runs/0123?workflowType=machine_learning"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch):
    """A terminal that knows links, and what was written on it."""
    file = io.StringIO()
    shown = Console(file=file, force_terminal=True, width=60, highlight=False)
    monkeypatch.setattr(console, "console", shown)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("TERM_PROGRAM", raising=False)
    return file


def test_a_terminal_shows_a_short_text_for_an_address(terminal):
    console.say_link("view", "run page", ADDRESS)
    text = terminal.getvalue()
    opened = re.findall(r"\x1b\]8;[^;]*;([^\x1b]*)\x1b\\", text)
    assert opened == [ADDRESS, ""]
    bare = re.sub(r"\x1b\]8;.*?\x1b\\|\x1b\[[\d;]*m", "", text)
    assert bare == "view       run page\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [("TERM", "dumb"), ("TERM", "screen"), ("TERM", "linux"), ("TERM_PROGRAM", "Apple_Terminal")],
)
def test_a_terminal_without_links_shows_the_address(terminal, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    console.say_link("view", "run page", ADDRESS)
    assert ADDRESS in terminal.getvalue().replace("\n", "") and "]8;" not in terminal.getvalue()


def test_elsewhere_an_address_is_one_line(capsys: pytest.CaptureFixture[str]):
    console.say_link("view", "run page", ADDRESS)
    assert capsys.readouterr().out == f"view       {ADDRESS}\n"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch):
    """What `forecast ui` becomes, and the pages that a browser would open."""
    found: dict[str, list] = {"server": [], "opened": []}

    def become(path, command, environment):
        del path, environment
        found["server"] = command

    class Opener:
        def __init__(self, command, **told):
            del told
            assert command[:2] == [sys.executable, "-c"]
            compile(command[2], "opener", "exec")
            found["opened"].append(command[3])

    monkeypatch.setattr(os, "execve", become)
    monkeypatch.setattr(subprocess, "Popen", Opener)
    known = [EntryPoint("forecast", "forecast.tracking.mlflow.site.app:create_app", "mlflow.app")]
    monkeypatch.setattr(ui, "entry_points", lambda group: known)
    return found


def serve(place: Place, *words: str) -> str:
    """Run the command until its server would begin; return what it printed."""
    place.run("ui", *words)
    return place.printed[-1]


def test_it_prints_one_address_and_opens_nothing_without_a_terminal(place, lstm_run, started):
    port = free_port()
    said = serve(place, f"tracking.port={port}")
    assert said == (
        f"open       http://127.0.0.1:{port}/\n           press Ctrl-C to stop the server\n"
    )
    assert started["opened"] == []
    server = started["server"]
    assert server[server.index("--app-name") + 1] == "forecast"


def test_it_opens_the_browser_where_it_is_told_to(place, lstm_run, started):
    port = free_port()
    serve(place, f"tracking.port={port}", "tracking.open=true")
    assert started["opened"] == [f"http://127.0.0.1:{port}/"]


def test_it_opens_the_report_of_a_run(place, lstm_run, started):
    port = free_port()
    said = serve(place, f"tracking.port={port}", f"run={lstm_run}")
    assert word(said, "open") == f"http://127.0.0.1:{port}/forecast/page/{lstm_run}/report.html"
    assert place.run("ui", f"tracking.port={port}", "run=" + "0" * 32) == 2
    assert "run must be the id of a run" in place.errors[-1]


def test_without_our_application_the_pages_are_those_of_mlflow(
    place, lstm_run, started, monkeypatch
):
    monkeypatch.setattr(ui, "entry_points", lambda group: [])
    port = free_port()
    said = serve(place, f"tracking.port={port}")
    assert word(said, "open").endswith("/#/experiments?workflowType=machine_learning")
    assert "--app-name" not in started["server"]
    said = serve(place, f"tracking.port={port}", f"run={lstm_run}")
    assert f"/runs/{lstm_run}/artifacts/report.html?" in word(said, "open")


def test_a_port_in_use_is_refused(place, started):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert place.run("ui", f"tracking.port={port}") == 2
    assert "tracking.port must be a free port" in place.errors[-1] and not started["server"]


@pytest.mark.slow
def test_a_comparison_is_offered_with_a_run_of_such_layers(place, client, lstm_run, cnn_run):
    """The newest run was that of a convolution, which has no gate in common with an LSTM."""
    assert place.run("train", *TINY, *LSTM, "training.learning_rate=2e-3") == 0, place.errors[-1]
    run = client.get_run(word(place.printed[-1], "run"))
    other = links.partner(client, run)
    assert other.data.params["model"] == "lstm" and other.info.run_id != run.info.run_id
    assert place.run("train", *TINY, "model=linear") == 0, place.errors[-1]
    linear = client.get_run(word(place.printed[-1], "run"))
    assert links.partner(client, linear) is None
    assert "compare " not in place.printed[-1]
