"""From the bare address to what people come for, in a browser that has never been there."""

import re
from io import BytesIO
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from .browser import Visitor
from .test_view import printed, sections

pytestmark = pytest.mark.ui

FIRST = ["validation/mae", "test/mae"]
FACETS = "&searchFilter=&orderByKey=attributes.start_time&orderByAsc=false&startTime=ALL"
WIDE = (1440, 900)


@pytest.fixture
def newcomers(chromium, site):
    """Open browsers that know nothing, and see that none finds a fault or asks elsewhere."""
    opened = []

    def enter():
        found = Visitor(chromium, site.address, WIDE, fresh=True)
        opened.append(found)
        return found

    yield enter
    for found in opened:
        found.close()
        assert (found.faults, found.abroad) == ([], [])


@pytest.fixture
def page(newcomers, site):
    """The bare address."""
    found = newcomers().page
    found.goto(f"{site.address}/")
    return found


def columns(page):
    """Metrics of the table, from the left."""
    heads = page.locator("[role=columnheader][col-id^='metrics.`']")
    heads.first.wait_for()
    boxes = heads.evaluate_all(
        "all => all.map(one => [one.getBoundingClientRect().x, one.getAttribute('col-id')])"
    )
    return [name.split("`")[1] for _, name in sorted(boxes)]


def check_training(page):
    """The page is that of trained models, with no panel of a chat beside it."""
    page.get_by_role("link", name="Runs", exact=True).first.wait_for()
    assert page.evaluate("localStorage['mlflow.workflowType_v1']") == '"machine_learning"'
    assert page.get_by_text("Evaluation runs").count() == 0
    assert page.get_by_role("dialog").count() == 0
    assert page.get_by_text("collects usage data").count() == 0
    box = page.locator("main").bounding_box()
    assert box["x"] + box["width"] > 0.95 * WIDE[0]  # the chat would take a quarter


def gates(page):
    """Number of pictures of kept weights, side by side."""
    shown = page.locator("img[src*='gates.final~lstm_1']")
    shown.nth(1).wait_for()
    return shown.count()


def errors(page):
    """Validation errors of the rows, from the top."""
    cells = page.locator("[role=gridcell][col-id='metrics.`validation/mae`']")
    cells.first.wait_for()
    found = cells.evaluate_all(
        "all => all.map(one => [one.getBoundingClientRect().y, one.innerText])"
    )
    return [float(text) for _, text in sorted(found) if re.match(r"[\d.]+", text)]


def test_the_bare_address_opens_on_the_runs(page, site):
    assert columns(page)[:2] == FIRST
    check_training(page)
    assert urlsplit(page.url).fragment.startswith(f"/experiments/{site.experiment}/runs?")
    shown = errors(page)
    assert len(shown) > 3 and shown == sorted(shown)
    names = page.locator("[role=gridcell][col-id='attributes.`Run Name`']").all_inner_texts()
    called = [name.splitlines()[-1] for name in names]  # behind its colour
    assert called and not any(name.startswith(("baseline", "fold", "candidate")) for name in called)


def test_the_view_outlives_a_click_and_the_way_back(page):
    before = columns(page), errors(page)
    page.get_by_role("link", name=re.compile("^lstm-32 ")).first.click()
    page.get_by_role("tab", name="Artifacts").wait_for()
    check_training(page)
    page.go_back()
    assert (columns(page), errors(page)) == before
    check_training(page)
    page.reload()
    assert (columns(page), errors(page)) == before
    check_training(page)


def test_an_address_that_is_copied_opens_alike_elsewhere(page, newcomers):
    before = columns(page), errors(page)
    page.wait_for_url(re.compile("orderByKey"))  # which MLflow adds itself
    other = newcomers().page
    other.goto(page.url)
    assert (columns(other), errors(other)) == before
    check_training(other)


def test_a_printed_address_keeps_its_view(newcomers, place, site):
    """MLflow adds its facets to an address, and opens one that has them without its view."""
    for label in ("all", "compare"):
        shown = printed(place, label)
        for address in (shown, shown + FACETS):
            seen = newcomers().page
            seen.goto(f"{site.address}/#{address}")
            for _ in range(2):
                if label == "all":
                    assert columns(seen)[:2] == FIRST
                else:
                    assert sections(seen, 2) == ["Gates", "What differs"]
                    assert gates(seen) == 2
                check_training(seen)
                seen.reload()


def test_a_deep_link_opens_as_asked(newcomers, site):
    seen = newcomers().page
    seen.goto(
        f"{site.address}/#/experiments/{site.experiment}/runs/{site.cnn}/artifacts/report.html"
    )
    seen.frame_locator("iframe").get_by_role("heading").first.wait_for()
    check_training(seen)


def test_gates_of_two_runs_are_a_click_away(page):
    assert columns(page)[:2] == FIRST
    modes = page.locator("[role=radiogroup][data-component-id*=runscontrolsfilters] label")
    modes.nth(1).click()  # table, charts, artifacts
    shown = page.locator("img[src*='gates.final~lstm_1']")
    shown.nth(1).wait_for()
    assert shown.first.bounding_box()["y"] < WIDE[1]


@pytest.mark.parametrize("width", [1280, 1440, 1920])
def test_two_networks_of_other_sizes_stand_side_by_side(newcomers, place, site, width):
    """32 units and 15 epochs beside 64 units and 5: one scale, at the size of the grid."""
    assert place.run("compare", f"runs=[{','.join(site.pair)}]") == 0, place.errors[-1]
    seen = newcomers().page
    seen.set_viewport_size({"width": width, "height": WIDE[1]})
    seen.goto(f"{site.address}/#{printed(place, 'view')}")
    shown = seen.locator("img[src*='gates.final~lstm_1']")
    shown.nth(1).wait_for()
    seen.wait_for_function(
        "[...document.querySelectorAll(\"img[src*='gates.final~lstm_1']\")]"
        ".every(one => one.complete && one.naturalWidth > 0)"
    )
    assert shown.count() == 2
    first, second = (shown.nth(n).bounding_box() for n in range(2))
    assert first["y"] == second["y"] and abs(first["x"] - second["x"]) >= first["width"]
    for box in (first, second):
        assert min(box["width"], box["height"]) >= 384
        assert box["x"] + box["width"] <= width and box["y"] + box["height"] <= WIDE[1]
    pictures = [np.asarray(Image.open(BytesIO(shown.nth(n).screenshot()))) for n in range(2)]
    for picture in pictures:  # in sight, and not one colour
        assert picture.std() > 20 and len(np.unique(picture.reshape(-1, 4), axis=0)) > 50
    assert np.abs(pictures[0].astype(int) - pictures[1]).mean() > 1
    runs = {
        found[1]
        for n in range(2)
        if (found := re.search(r"run_uuid=(\w{32})", shown.nth(n).get_attribute("src")))
    }
    assert runs == set(site.pair)


def test_the_forecast_is_two_clicks_away(page, site):
    page.get_by_role("link", name=re.compile("^lstm-32 ")).first.click()
    with page.expect_popup() as opening:
        page.get_by_role("link", name="forecast", exact=True).first.click()
    shown = opening.value.locator("img[src*='forecast.png'], img[src^='blob:']").first
    shown.wait_for()
    assert shown.evaluate("one => one.decode().then(() => one.naturalWidth)") > 300


def test_the_best_run_of_a_sweep_is_two_clicks_away(page, client, site):
    page.get_by_role("link", name=re.compile("^sweep ")).first.click()
    with page.expect_popup() as opening:
        page.get_by_role("link", name="winner", exact=True).first.click()
    best = client.get_run(site.sweep).data.tags["forecast.best_run_id"]
    opening.value.get_by_text(best, exact=True).first.wait_for()


def test_the_report_leads_to_the_gates_and_asks_nobody(newcomers, client, site):
    visitor = newcomers()
    seen = visitor.page
    seen.goto(f"{site.address}/forecast/page/{site.lstm[0]}/report.html")
    assert seen.evaluate("self.origin") == "null"
    told = seen.evaluate("fetch('/api/2.0/mlflow/experiments/search').then(() => 1, () => 2)")
    assert told == 2
    visitor.faults.clear()  # which the browser wrote down, as it should
    seen.get_by_role("link", name=re.compile("gates.html")).first.click()
    seen.wait_for_url("**/gates.html")
    seen.get_by_role("heading").first.wait_for()


def test_the_landing_page_lists_what_can_be_opened(newcomers, site):
    seen = newcomers().page
    seen.goto(f"{site.address}/forecast/")
    seen.get_by_role("link", name="report").first.click()
    assert re.search(r"/forecast/page/\w{32}/report.html$", seen.url)
    seen.go_back()
    seen.get_by_role("link", name="gates and charts").first.click()
    assert sections(seen, 1) == ["Gates"]
