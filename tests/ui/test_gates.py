"""The page of the gates in a browser of one run and of two: on a phone, in the dark, on paper."""

import io

import numpy as np
import pytest
from PIL import Image

from .browser import SHAPES, contrast
from .test_report import folder, opened

pytestmark = pytest.mark.ui

__all__ = ["folder", "opened"]

NAMES = ("gates.html", "both.html")
A4 = 718
"""Pixels of a sheet between its margins of a centimetre."""


@pytest.fixture(scope="module", autouse=True)
def both(place, folder, site):
    """Two runs on one page, beside the others."""
    ids, out = ",".join(site.lstm), folder / "both.html"
    assert place.run("inspect", f"runs=[{ids}]", f"output={out}") == 0, place.errors


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_it_fits_and_its_letters_are_readable(opened, name, size, colours):
    page = opened(name, size, colours)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    texts = page.eval_on_selector_all(
        "svg.gate[role=img] text",
        """all => all.filter(one => !one.closest('[hidden]') && !one.closest('details:not([open])'))
        .map(one => [getComputedStyle(one).fill, parseFloat(getComputedStyle(one).fontSize)
          * one.ownerSVGElement.getBoundingClientRect().width
          / one.ownerSVGElement.viewBox.baseVal.width, one.textContent])""",
    )
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert len(texts) > 50
    for ink, height, text in texts:
        assert contrast(ink, ground) >= 4.5, (text, ink)
        assert height >= 10, text


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_a_white_slab_in_the_dark(opened, name):
    page = opened(name, colours="dark")
    pixels = np.asarray(Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("L"))
    assert (pixels > 230).mean() < 0.03


@pytest.mark.parametrize("name", NAMES)
def test_a_slider_goes_through_shares_of_the_training(opened, name):
    page = opened(name)
    slider, shown = page.get_by_role("slider"), page.locator("#shown")
    assert shown.inner_text().startswith("kept weights: ")
    kept = page.locator(".slide:visible svg").first.get_attribute("aria-label")
    slider.focus()
    page.keyboard.press("Home")
    assert shown.inner_text().startswith("0 % of training")
    assert slider.get_attribute("aria-valuetext") == shown.inner_text()
    start = page.locator(".slide:visible svg").first.get_attribute("aria-label")
    assert start != kept
    assert page.locator(".slide:visible").count() == 1
    plain = opened(name, script=False)
    assert plain.locator(".slide:visible svg").first.get_attribute("aria-label") == kept


def test_names_of_the_runs_stay_in_sight(opened):
    page = opened("both.html")
    page.evaluate("scrollTo(0, 2000)")
    heads = page.locator(".runs li")
    assert heads.count() == 2
    for head in heads.all():
        box = head.bounding_box()
        assert 0 <= box["y"] < 60 and len(head.inner_text()) > 6


@pytest.mark.parametrize("name", NAMES)
def test_a_sheet_of_paper_cuts_nothing(opened, name):
    page = opened(name, (A4, 1050))
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= A4
    cut = page.eval_on_selector_all(
        ".scroll, figure, svg.gate",
        "all => all.filter(one => !one.closest('[hidden]'))"
        ".filter(one => one.getBoundingClientRect().right > document.body.clientWidth + 40"
        " || one.scrollWidth > one.clientWidth + 1 && one.className === 'scroll')"
        ".map(one => one.textContent)",
    )
    assert cut == []
