"""The pages of a run as a browser shows them: on a phone and a desk, in light and dark."""

from pathlib import Path

import pytest

from ..commands import test_hostile_names as hostile

pytestmark = pytest.mark.ui

PAGES = ("report.html", "gates.html")
SHAPES = [(360, 740), (1280, 900)]


@pytest.fixture(scope="module")
def folder(client, lstm_run: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages beside each other, as they lie among the run's artifacts."""
    place = tmp_path_factory.mktemp("pages")
    for name in PAGES:
        client.download_artifacts(lstm_run, name, str(place))
    return place


@pytest.fixture
def opened(chromium, folder):
    """Open a page, and collect what goes wrong until the test ends."""
    faults, contexts = [], []

    def enter(name, size=SHAPES[1], colours="light", script=True):
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=colours,
            java_script_enabled=script,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("requestfailed", lambda request: faults.append(request.url))
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((folder / name).as_uri())
        assert [url for url in asked if not url.startswith("data:")] == [page.url]
        return page

    yield enter
    for context in contexts:
        context.close()
    assert faults == []


def boxes(page, selector):
    """Width and height of what a selector finds and nobody hides."""
    return page.eval_on_selector_all(
        selector,
        "all => all.filter(one => !one.closest('[hidden]'))"
        ".map(one => one.getBoundingClientRect()).map(box => [box.width, box.height])",
    )


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", SHAPES, ids=str)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_shows_its_pictures(opened, name, size, colours):
    page = opened(name, size, colours)
    wide, inner = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= inner == size[0]
    found = boxes(page, ".chart > svg" if name == "report.html" else "svg.gate[role=img]")
    assert len(found) > 5
    assert all(100 < width <= size[0] and height > 50 for width, height in found)


def test_the_scoreboard_is_seen_without_scrolling(opened):
    board = opened("report.html").locator(".scroll:has(.board)")
    shown, whole = board.evaluate("one => [one.clientWidth, one.scrollWidth]")
    assert 0 < whole <= shown


def test_text_of_pictures_is_readable_in_both(opened):
    """WCAG 2.2 asks for a contrast of 4.5, and a phone for letters of 10 pixels."""
    for size in SHAPES:
        for colours in ("light", "dark"):
            page = opened("report.html", size, colours)
            ink, ground = page.evaluate(
                "[getComputedStyle(document.querySelector('.chart svg text')).fill,"
                " getComputedStyle(document.body).backgroundColor]"
            )
            bright = sorted(luminance(colour) for colour in (ink, ground))
            assert (bright[1] + 0.05) / (bright[0] + 0.05) >= 4.5
            heights = [height for _, height in boxes(page, ".chart svg text")]
            assert min(height for height in heights if height) >= 10


def luminance(colour):
    """Relative luminance of "rgb(r, g, b)" (WCAG 2.2)."""
    parts = [int(part) / 255 for part in colour.partition("(")[2].rstrip(")").split(",")]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_a_pointer_on_a_chart_shows_the_numbers_below_it(opened):
    page = opened("report.html")
    chart = page.locator(".chart").first
    chart.locator("svg").hover()
    told = chart.locator(".tip").inner_text().splitlines()
    cells = chart.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    assert [line.split(": ")[-1] for line in told] in cells
    page.mouse.move(0, 0)
    assert chart.locator(".tip").is_hidden()


def test_a_switch_shows_one_series_and_without_script_all_are_there(opened):
    page = opened("report.html")
    switch = page.locator(".switch").first
    before = len(boxes(page, ".chart > svg"))
    switch.locator("select").select_option(label="series south")
    shown = switch.locator("> div:visible")
    assert shown.count() == 1 and shown.get_attribute("data-name") == "series south"
    assert len(boxes(page, ".chart > svg")) == before
    plain = opened("report.html", script=False)
    parts = plain.locator(".switch").first.locator("> div")
    assert parts.count() == 3 and all(part.is_visible() for part in parts.all())


def test_the_links_of_the_report_lead_somewhere(opened):
    page = opened("report.html")
    for link in page.locator(".contents a").all():
        target = page.locator(link.get_attribute("href"))
        assert target.inner_text() == link.inner_text()
    page.get_by_role("link", name="gates.html").click()
    assert page.url.endswith("gates.html") and "Gates of" in page.locator("h1").inner_text()


def test_names_of_the_data_run_nothing_in_a_browser(chromium, tmp_path):
    """Names that are markup and script; only a browser knows all the ways to run them."""
    place, _ = hostile.train(tmp_path)
    pages = {path.name: path for path in place.folder.rglob("*.html")}
    assert set(pages) == set(PAGES)
    for path in pages.values():
        context = chromium.new_context()
        page, faults = context.new_page(), []
        page.on("dialog", lambda dialog, told=faults: (told.append("dialog"), dialog.dismiss()))
        page.on("console", lambda message, told=faults: told.append(message.text))
        page.on("pageerror", lambda error, told=faults: told.append(str(error)))
        page.goto(path.as_uri())
        for select in page.locator("select").all():
            for n in range(select.locator("option").count()):
                select.select_option(index=n)
        for chart in page.locator(".chart svg:visible").all()[:5]:
            chart.hover()
        assert page.locator("script").count() == 1
        assert page.locator("[onerror], [onload], [onclick]").count() == 0
        context.close()
        assert faults == []
