"""The site of the documents in a browser."""

import functools
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ..docs.pages import build_site
from .browser import contrast

PAGES = (
    "index",
    "tutorial",
    "gates",
    "notebooks/reading_gates",
    "reference/configuration",
    "reference/python",
)
CODE = """all => all.filter(one => one.getClientRects().length
  && [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim())).map(one => {
  const grounds = [];
  for (let box = one; box; box = box.parentElement)
    grounds.push(getComputedStyle(box).backgroundColor);
  return [one.className, getComputedStyle(one).color, grounds] })"""
BROKEN = "all => all.filter(one => !one.naturalWidth).map(one => one.src)"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return build_site(tmp_path_factory.mktemp("site"))


@pytest.mark.ui
def test_it_is_read_and_searched_without_another_host(chromium, site):
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


@pytest.mark.ui
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_code_can_be_read(chromium, site, colours):
    page, faint, count = chromium.new_page(color_scheme=colours), {}, 0
    for path in site.rglob("*.html"):
        page.goto(path.as_uri())
        for name, ink, grounds in page.eval_on_selector_all("code, code *, pre, pre *", CODE):
            ground = (255, 255, 255)
            for colour in reversed(grounds):
                ground = over(colour, ground)
            found = contrast(f"rgb{over(ink, ground)}", f"rgb{ground}")
            count += 1
            if found < 4.5:
                faint[colours, path.stem, name] = found
    page.close()
    assert count > 10_000 and faint == {}


def over(colour, ground):
    """Lay "rgb(r, g, b)" or "rgba(r, g, b, a)" on a ground."""
    *parts, share = [*map(float, re.findall(r"[\d.]+", colour)), 1.0][:4]
    return tuple(round(share * p + (1 - share) * g) for p, g in zip(parts, ground, strict=True))


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
