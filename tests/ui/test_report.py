"""The pages of a run as a browser shows them: on a phone and a desk, in light and dark."""

import io
import json
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from ..commands import test_hostile_names as hostile
from ..conftest import TINY, word
from .browser import SHAPES, barriers, boxes, contrast, watched

pytestmark = pytest.mark.ui

PAGES = ("report.html", "gates.html")
ALL = (*PAGES, "backtest.html", "sweep.html")


@pytest.fixture(scope="module")
def folder(place, client, site, lstm_run: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of a run beside each other, as they lie among its artifacts, and other reports."""
    where = tmp_path_factory.mktemp("pages")
    own = ["backtest", *TINY, "model=linear", "backtest.folds=3", "backtest.stride=3"]
    assert place.run(*own) == 0, place.errors
    others = {"backtest.html": word(place.printed[-1], "run"), "sweep.html": site.sweep}
    for name, run in others.items():
        client.download_artifacts(run, "report.html", str(where))
        (where / "report.html").rename(where / name)
    for name in PAGES:
        client.download_artifacts(lstm_run, name, str(where))
    return where


@pytest.fixture
def opened(chromium, folder):
    """Open a page, and complain in the end of what went wrong."""
    with watched(chromium, folder) as enter:
        yield enter


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
            assert contrast(ink, ground) >= 4.5
            heights = [height for _, height in boxes(page, ".chart svg text")]
            assert min(height for height in heights if height) >= 10


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


@pytest.mark.parametrize("size", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["backtest.html", "sweep.html"])
def test_backtests_and_sweeps_begin_with_the_forecast_too(opened, name, size):
    page = opened(name, size)
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    top = page.locator(".stage").bounding_box()["y"]
    assert top <= (400 if size[0] > 1000 else 800)
    assert page.locator(".stage .line.model").get_attribute("d").count("L") > 5
    folds = page.locator(".stage").get_by_text(re.compile(r"^fold \d"))
    assert folds.count() == (3 if name == "backtest.html" else 0)
    page.locator(".stage").hover()
    assert page.locator(".strip .tip").is_visible()


def test_the_links_of_the_report_lead_somewhere(opened):
    page = opened("report.html")
    for link in page.locator(".contents a").all():
        target = page.locator(link.get_attribute("href"))
        assert target.inner_text() == link.inner_text()
    page.get_by_role("link", name="gates.html").click()
    assert page.url.endswith("gates.html") and "Gates of" in page.locator("h1").inner_text()


def test_the_forecast_is_the_first_thing_seen(opened):
    """At 1,280 pixels it begins above 400, and a still one is there without script."""
    for script in (True, False):
        page = opened("report.html", script=script)
        box = page.locator("svg[role=img]").first.bounding_box()
        assert page.locator(".strip svg[role=img]").first.bounding_box() == box
        assert box["y"] <= 400 and box["width"] > 1000
        assert page.locator(".stage .line.true").bounding_box()["width"] > 900
        assert page.locator(".strip select").first.is_visible() == script
        label = page.locator(".strip svg[role=img]").get_attribute("aria-label")
        assert re.search(r"MAE [\d.]+", label)
    assert page.locator(".stage .line.model").get_attribute("d").count("L") > 20


def numbers(page):
    """Values that the page holds, decoded by hand: time to actual value, of the pick shown."""
    about = json.loads(page.locator(".strip").get_attribute("data-strip"))
    pick = about["picks"][int(page.locator(".pick select").input_value())]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    found, last = [], 0
    for sign, token in re.findall(r"([.~]?)([g-z0-9_-]*[A-Za-f])", pick["true"]):
        number = sum(letters.index(one) % 32 * 32**n for n, one in enumerate(token))
        if sign:
            found += [None if sign == "." else last] * number
            continue
        last += -(number + 1) // 2 if number % 2 else number // 2
        found.append(last)
    return [None if one is None else pick["low"] + one * pick["step"] for one in found]


def test_the_strip_is_read_with_the_keyboard(opened):
    page = opened("report.html")
    true = numbers(page)
    page.locator(".stage").focus()
    told = page.locator(".strip output")
    page.keyboard.press("Home")
    seen = []
    for _ in range(4):
        seen.append(float(re.search(r"actual (−?[\d.]+)", told.inner_text())[1].replace("−", "-")))
        page.keyboard.press("ArrowRight")
    digits = len(str(seen[0]).partition(".")[2])
    assert seen == pytest.approx(true[:4], abs=10**-digits)
    assert re.match(r"\d+ \w{3} \d{4}", told.inner_text())
    page.keyboard.press("End")
    assert page.locator(".strip .tip").is_visible()
    whole = page.locator(".stage .line.true").get_attribute("d").count("L")
    for _ in range(3):
        page.keyboard.press("+")
    assert page.locator(".stage .line.true").get_attribute("d").count("L") < whole / 4
    assert "whole test span" not in page.locator(".where").inner_text()
    page.keyboard.press("Escape")
    assert page.locator(".stage .line.true").get_attribute("d").count("L") == whole


def test_dragging_zooms_and_a_double_click_shows_all(opened):
    page = opened("report.html")
    truth = page.locator(".stage .line.true")
    whole = truth.get_attribute("d").count("L")
    box = page.locator(".stage").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 300, middle)
    assert page.locator(".strip .tip").is_visible()
    texts = page.locator(".strip .tip").inner_text().splitlines()
    assert len(texts) == 5 and "90 % interval" in texts[3] and "50 % interval" in texts[4]
    page.mouse.down()
    page.mouse.move(box["x"] + 400, middle, steps=3)
    page.mouse.up()
    part = truth.get_attribute("d").count("L")
    assert part == pytest.approx(whole * 100 / (box["width"] - 62), rel=0.2, abs=3)
    page.get_by_role("button", name="later").click()
    assert truth.get_attribute("d").count("L") == pytest.approx(part, abs=3)
    page.locator(".stage svg").dblclick()
    assert truth.get_attribute("d").count("L") == whole
    page.keyboard.press("Escape")


def test_series_lead_and_origin_are_picked(opened):
    page = opened("report.html")
    where, forecast = page.locator(".where"), page.locator(".stage .line.model")
    assert [one.inner_text() for one in page.locator(".pick option").all()] == ["north", "south"]
    seen = set()
    for series in ("north", "south"):
        page.locator(".pick select").select_option(label=series)
        for lead in page.locator(".lead option").all()[:-1]:
            page.locator("select.lead").select_option(label=lead.inner_text())
            assert where.inner_text().startswith(f"{series}: ")
            assert lead.inner_text() in where.inner_text()
            seen.add(forecast.get_attribute("d"))
    assert len(seen) == 2 * (page.locator(".lead option").count() - 1)
    page.locator("select.lead").select_option("origin")
    before = where.inner_text()
    assert re.search(r"\d+ steps after \d{4}-\d\d-\d\d", before)
    page.locator(".origin input").focus()
    page.keyboard.press("Home")
    assert where.inner_text() != before
    page.get_by_role("button", name="whole span").click()
    assert "whole test span" in where.inner_text()


def test_a_finger_reads_and_zooms(chromium, folder):
    context = chromium.new_context(viewport={"width": 360, "height": 740}, has_touch=True)
    page = context.new_page()
    page.goto((folder / "report.html").as_uri())
    box = page.locator(".stage").bounding_box()
    page.touchscreen.tap(box["x"] + 200, box["y"] + 60)
    assert page.locator(".strip .tip").is_visible()
    tip = page.locator(".strip .tip").bounding_box()
    assert 0 <= tip["x"] and tip["x"] + tip["width"] <= 360
    page.get_by_role("button", name="zoom in").tap()
    assert "whole test span" not in page.locator(".where").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    context.close()


@pytest.mark.parametrize("width", [360, 700, 1280, 1920])
def test_a_page_uses_its_width(opened, width):
    page = opened("report.html", (width, 900))
    assert page.evaluate("document.documentElement.scrollWidth") == width
    [[shown, _]] = boxes(page, ".stage")
    assert shown >= min(width - 130, 1500)


def squeezed(text):
    """Letters alone: a printed table breaks lines, and writes fi as one sign."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))


@pytest.mark.parametrize("name", ALL)
def test_paper_holds_every_cell(chromium, folder, name):
    """A4: the text of each cell is on it as often as on the page, and nothing lies beyond."""
    pypdf = pytest.importorskip("pypdf")
    page = chromium.new_page(viewport={"width": 703, "height": 1000}, color_scheme="dark")
    page.goto((folder / name).as_uri())
    cells = page.locator("td, th, h1, h2, h3").evaluate_all(
        "all => all.map(one => one.textContent)"
    )
    printed = pypdf.PdfReader(io.BytesIO(page.pdf(format="A4")))
    sheets = [squeezed(sheet.extract_text()) for sheet in printed.pages]
    whole = "".join(sheets)
    wanted = Counter(filter(None, map(squeezed, cells)))
    assert {text: whole.count(text) for text in wanted if whole.count(text) < wanted[text]} == {}
    assert "wholespan" not in whole and "Dragtozoom" not in whole
    headings = [squeezed(one) for one in page.locator("h2, h3").all_text_contents()]
    assert not [sheet[-40:] for sheet in sheets if any(sheet.endswith(one) for one in headings)]
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    right = page.locator("td, th, svg, img").evaluate_all(
        "all => Math.max(...all.map(one => one.getBoundingClientRect().right))"
    )
    assert right <= 704  # pixels between the margins of A4
    page.close()


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", SHAPES, ids=str)
@pytest.mark.parametrize("name", ALL)
def test_nothing_stands_in_the_way_of_anybody(opened, name, size, colours):
    page = opened(name, size, colours)
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
    assert barriers(page) == []
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("table:not(:has(caption))").count() == 0


def test_within_mlflow_no_link_replaces_the_report(chromium, folder):
    """Its viewer shows a page at a blob: address in a frame that may run scripts and no more."""
    page = chromium.new_page()
    page.goto("about:blank")
    text = (folder / "report.html").read_text("utf-8")
    page.evaluate(
        """text => {
          const frame = document.createElement('iframe');
          frame.sandbox = 'allow-scripts'; frame.style = 'width: 900px; height: 600px';
          frame.src = URL.createObjectURL(new Blob([text], {type: 'text/html'}));
          document.body.append(frame);
        }""",
        text,
    )
    page.locator("iframe").wait_for()
    frame = page.frame_locator("iframe")
    frame.locator(".contents a").first.wait_for()
    links = frame.locator("a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert links and all(link.startswith("#") for link in links)
    assert "gates.html" in frame.locator("main").inner_text()
    last = frame.locator(".contents a").last
    name = last.inner_text()
    last.click()
    heading = frame.get_by_role("heading", name=name)
    page.wait_for_timeout(200)
    top = heading.evaluate("one => one.getBoundingClientRect().top")
    assert 0 <= top < 600 and frame.locator(".stage .line.model").count() == 1
    page.close()


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
