"""The site of the documents in a browser."""

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ..docs.pages import build_site


@pytest.mark.ui
def test_it_is_searched_without_another_host(chromium, tmp_path):
    site = build_site(tmp_path)
    handler = functools.partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        own = f"http://127.0.0.1:{server.server_port}/"
        context = chromium.new_context()
        page, faults = context.new_page(), []
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda asked: faults.extend([asked.url] * (own not in asked.url)))
        page.goto(f"{own}index.html")
        page.keyboard.press("/")
        page.keyboard.type("forget gate")
        page.locator(".md-search-result__item a").first.click()
        assert "forget" in page.locator("article").inner_text().lower()
        context.close()
        server.shutdown()
    assert faults == []


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing of it."""

    def log_message(self, *told):
        del told
