"""The page that compares runs, of ten thousand made ones, as a browser shows it."""

import functools
import time

import numpy as np
import pytest

from forecast.evaluation.significance.pairs import Verdict
from forecast.report.comparing import page as comparing
from forecast.report.comparing.entries import Compared, Entry, Pair

from .browser import SHAPES, barriers, boxes, contrast, watched

pytestmark = pytest.mark.ui

RUNS = 10_000


@pytest.fixture(scope="module")
def runs():
    """Settings and errors; units decide most, and the order of the test errors is another."""
    rng = np.random.default_rng(0)
    units = rng.choice([8, 16, 32, 64], RUNS)
    rate = 10 ** rng.uniform(-4, -2, RUNS)
    validation = 2 + 8 / units + rng.gamma(2, 0.05, RUNS)
    test = validation + rng.normal(1, 0.05, RUNS)
    order = np.argsort(validation)
    return units[order], rate[order], validation[order], test[order]


@pytest.fixture(scope="module")
def file(runs, tmp_path_factory):
    entries = [
        Entry(
            f"{n:032x}",
            f"run-{n}",
            validation,
            test,
            {"model": "lstm", "model.units": f"[{units}]", "training.learning_rate": f"{rate:.6f}"},
            curve={1: validation + 1, 2: validation, 3: validation + 0.1} if n < 20 else {},
            kept=2,
        )
        for n, (units, rate, validation, test) in enumerate(zip(*runs, strict=True))
    ]
    pairs = [
        Pair("run-1", entries[1].id, 3.1, 3.0, Verdict(0.1, 1.0, 0.3, 500)),
        Pair("ridge", "r", 3.9, 3.0, Verdict(0.9, 9.0, 1e-9, 500), baseline=True),
    ]
    found = Compared("many", "MAE", ", MW", "validation MAE", entries, pairs=pairs)
    path = tmp_path_factory.mktemp("compare") / "compare.html"
    path.write_text(comparing.page(found), "utf-8")
    return path


@pytest.fixture
def opened(chromium, file):
    """Open the page, and complain in the end of what went wrong."""
    with watched(chromium, file.parent) as enter:
        yield functools.partial(enter, file.name)


def shown(page):
    """Names of the runs in the table."""
    return page.locator("#runs tbody tr:not(.room) td:nth-child(2)").all_inner_texts()


def ink(page):
    """How many points of the coordinates are not empty, and how many are blue."""
    return page.evaluate(
        """() => { const {width, height} = document.querySelector('#lines canvas');
        const copy = new OffscreenCanvas(width, height).getContext('2d');
        copy.drawImage(document.querySelector('#lines canvas'), 0, 0);
        const {data} = copy.getImageData(0, 0, width, height);
        let all = 0, blue = 0;
        for (let n = 0; n < data.length; n += 4) if (data[n + 3]) {
          all++; if (data[n + 2] > data[n] + 60) blue++;
        }
        return [all, blue] }"""
    )


def test_ten_thousand_runs_are_small_and_quick(opened, file):
    assert file.stat().st_size < 3_000_000
    page = opened()
    assert len(shown(page)) == 50 and page.locator("#found").inner_text().endswith("10,000 runs")
    began = time.perf_counter()
    page.get_by_role("button", name="show all").click()
    assert len(shown(page)) < 200  # of which those in sight are rows
    page.locator("#runs").evaluate("one => one.scrollTo(0, one.scrollHeight)")
    page.wait_for_function(
        "document.querySelector('#runs tbody tr:last-child').cells[1]?.textContent === 'run-9999'"
    )
    assert time.perf_counter() - began < 5


def test_a_click_on_a_head_sorts(opened, runs):
    page, test = opened(), runs[3]
    head = page.get_by_role("button", name="test MAE")
    head.click()
    assert shown(page)[:9] == [f"run-{n}" for n in np.argsort(test)[:9]]
    assert page.locator("#runs th[aria-sort=ascending]").inner_text() == "test MAE"
    head.press("Enter")  # as a keyboard does
    assert shown(page)[:9] == [f"run-{n}" for n in np.argsort(-test)[:9]]


def test_words_filter_rows_and_lines(opened, runs):
    page, units = opened(), runs[0]
    page.get_by_role("searchbox").fill("units=[8] run-9")
    expected = [n for n in range(RUNS) if units[n] == 8 and f"run-{n}".startswith("run-9")]
    assert shown(page)[:50] == [f"run-{n}" for n in expected[:50]]
    assert f"{len(expected):,} of 10,000 runs" in page.locator("#found").inner_text()


def test_a_list_of_an_axis_selects_without_a_mouse(opened, runs):
    page, units = opened(), runs[0]
    before = ink(page)
    page.get_by_label("model.units", exact=True).select_option("[8]")
    expected = np.flatnonzero(units == 8)
    assert shown(page)[:20] == [f"run-{n}" for n in expected[:20]]
    assert ink(page)[1] != before[1] > 0
    page.get_by_label("validation MAE", exact=True).select_option("best 10 %")
    kept = (expected < RUNS / 10 + 1).sum()
    assert f"{kept:,} of 10,000 runs" in page.locator("#found").inner_text()
    page.get_by_role("button", name="release all").click()
    assert page.locator("#found").inner_text() == "the first 50 of 10,000 runs"


def test_a_drag_along_an_axis_selects_and_a_click_releases(opened, runs):
    page, units = opened(), runs[0]
    canvas = page.locator("#lines canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    place = page.evaluate("axes.findIndex(axis => axis.name === 'units')")
    x = box["x"] + page.evaluate(
        f"across({place}, document.querySelector('#lines canvas').getBoundingClientRect().width)"
    )
    top, bottom = box["y"] + 44, box["y"] + 300
    page.mouse.move(x, top - 8)
    page.mouse.down()
    page.mouse.move(x, top + (bottom - top) / 6, steps=4)
    page.mouse.up()
    count = (units == 64).sum()  # of four values the highest
    assert f"{count:,} of 10,000 runs" in page.locator("#found").inner_text()
    page.mouse.click(x, bottom - 40)
    assert page.locator("#found").inner_text() == "the first 50 of 10,000 runs"


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", [(360, 740), (1280, 900), (1920, 1080)], ids=str)
def test_it_fits_and_can_be_read(opened, size, colours):
    page = opened(size, colours)
    wide, inner = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= inner == size[0]
    assert all(height >= 10 for _, height in boxes(page, ".curves svg text"))
    for selector, key in ((".note", "color"), (".curves svg text", "fill"), ("#runs td", "color")):
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        colour = page.locator(selector).first.evaluate(f"one => getComputedStyle(one).{key}")
        assert contrast(colour, ground) >= 4.5, selector


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", SHAPES, ids=str)
def test_nothing_stands_in_the_way_of_anybody(opened, size, colours):
    page = opened(size, colours)
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
    assert barriers(page) == []


def test_without_script_the_best_and_all_findings_are_there(opened):
    page = opened(script=False)
    assert len(shown(page)) == 50 and shown(page)[0] == "run-0"
    text = page.locator("body").inner_text()
    assert "Best by validation MAE: run-0" in text and "model.units explains" in text
    assert page.locator("#filter").is_hidden()


def test_every_table_has_a_caption_and_every_picture_says_what_it_shows(opened):
    page = opened()
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("th:not([scope])").count() == 0
    pictures = page.locator("canvas, svg:not([aria-hidden])")
    named = [one.get_attribute("aria-label") for one in pictures.all()]
    assert len(named) == 2 and all(len(name) > 30 for name in named)
    assert "model.units explains most" in named[0] and "[64]" in named[0]
