"""The site of the documents in a browser."""

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ..docs.pages import build_site

PAGES = (
    "index",
    "tutorial",
    "gates",
    "notebooks/reading_gates",
    "reference/configuration",
    "reference/python",
)
BROKEN = "all => all.filter(one => !one.naturalWidth).map(one => one.src)"


@pytest.mark.ui
def test_it_is_read_and_searched_without_another_host(chromium, tmp_path):
    site = build_site(tmp_path)
    handler = functools.partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        own = f"http://127.0.0.1:{server.server_port}/"
        context = chromium.new_context()
        page, faults = context.new_page(), []
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("requestfailed", lambda asked: faults.append(asked.url))
        page.route(lambda url: not url.startswith((own, "data:", "blob:")), refused(faults))
        for name in PAGES:
            page.goto(f"{own}{name}.html", wait_until="networkidle")
            faults += page.eval_on_selector_all("img:not([loading=lazy])", BROKEN)
            wide, inner = page.evaluate("[document.body.scrollWidth, window.innerWidth]")
            assert wide <= inner
        page.goto(f"{own}index.html")
        page.keyboard.press("/")
        page.keyboard.type("forget gate")
        page.locator(".md-search-result__item a").first.click()
        assert "forget" in page.locator("article").inner_text().lower()
        context.close()
        server.shutdown()
    assert faults == []


def refused(faults):
    """Let nothing out, and remember who wanted to."""

    def refuse(route):
        faults.append(route.request.url)
        route.abort()

    return refuse


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing of it."""

    def log_message(self, *told):
        del told
