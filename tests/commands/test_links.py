"""Addresses are printed where they can be found out soon."""

import http.server
import threading

import pytest

from forecast.commands import links
from forecast.commands.schema import TrackingConfig


def test_a_server_out_of_order_is_not_asked_for_minutes(capsys: pytest.CaptureFixture[str]):
    """MLflow itself asks eight times, and waits twice as long before each."""
    asked = []

    class Broken(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(500)

        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        links.show(TrackingConfig(uri=f"http://127.0.0.1:{server.server_port}"), "0123")
        server.shutdown()
    assert 1 <= len(asked) <= 2 and "runs/get" in asked[0]
    assert capsys.readouterr().out == ""
