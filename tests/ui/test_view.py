"""The pages whose addresses commands print: views, comparisons, descriptions."""

import json
import re

import pytest

pytestmark = pytest.mark.ui

NAMES = ("model", "window.timesteps", "window.horizon")


def printed(place, label, which=-1):
    """What stands behind the # of an address printed under a label, of the last unless said."""
    said = "\n".join(place.printed)
    return re.findall(rf"^{label} +http://127.0.0.1:\d+/#(\S+)$", said, re.M)[which]


def sections(page, count):
    """Names of the first sections of charts, from the top."""
    heads = page.get_by_test_id("experiment-view-compare-runs-section-header")
    heads.nth(count - 1).wait_for()
    return [
        re.sub(r"\s*\(\d+\).*", "", text, flags=re.S) for text in heads.all_inner_texts()[:count]
    ]


def test_the_table_shows_what_matters_without_digging(visitor, client, place, site):
    page = visitor.go(printed(place, "all"))
    run = client.get_run(site.lstm[0]).data
    skill = next(key for key in run.metrics if key.startswith("skill/"))
    columns = [f"params.`{name}`" for name in NAMES]
    shown = {column: run.params[name] for column, name in zip(columns, NAMES, strict=True)}
    page.locator("[role=columnheader][col-id='metrics.`test/mae`']").wait_for()
    ids = page.locator("[role=columnheader][col-id^=metrics]").evaluate_all(
        "all => all.map(one => one.getAttribute('col-id')).filter(id => id.includes('`'))"
    )
    assert sorted(ids)[0].startswith("metrics.`skill/") and skill
    shown |= {column: str(run.metrics[column.split("`")[1]])[:5] for column in ids}
    edges = []
    for column, value in shown.items():
        cell = page.locator(f"[role=gridcell][col-id={json.dumps(column)}]")
        cell.filter(has_text=value).first.wait_for()
        box = cell.first.bounding_box()
        assert box and box["x"] + 60 < page.viewport_size["width"], column
        edges.append((box["x"], column))
    order = [column for _, column in sorted(edges)]
    assert order[:4] == [*columns, "metrics.`test/mae`"]


def test_charts_stand_in_their_order(visitor, place, site):
    page = visitor.go(printed(place, "all") + "&compareRunsMode=CHART")
    assert sections(page, 3) == ["Losses", "Error by steps ahead", "Gates"]


def test_a_comparison_shows_two_runs_in_that_view(visitor, client, place, site):
    page = visitor.go(printed(place, "compare", 0))  # of two trainings; a winner brings its sweep
    assert sections(page, 3) == ["Losses", "Error by steps ahead", "Gates"]
    page.get_by_text("2 matching runs").wait_for()


def test_candidates_have_parallel_coordinates(visitor, place, site):
    page = visitor.go(printed(place, "candidates"))
    assert sections(page, 1) == ["Parallel coordinates"]
    page.get_by_text("2 matching runs").wait_for()
    page.locator(".parcoords, canvas").first.wait_for()


def test_a_view_has_its_name_in_the_menu(visitor, place, site):
    page = visitor.go(printed(place, "all"))
    page.get_by_role("button", name="Losses, error by").click()
    page.get_by_role("menuitem", name=re.compile(r"vs\.")).first.wait_for()


def test_descriptions_are_rendered(visitor, client, place, site):
    for run in (*site.lstm, site.sweep):
        page = visitor.go(
            f"/experiments/{site.experiment}/runs/{run}?workflowType=machine_learning"
        )
        page.get_by_text("Show more").first.click()
        page.get_by_role("link", name="all runs on these data").wait_for()
        page.get_by_text("Run it again:").wait_for()
        assert page.get_by_text("|---|").count() == 0  # a table, and no text of one
    page = visitor.go(printed(place, "all"))
    page.get_by_role("link", name="Open the view of its runs").wait_for()


def test_the_server_prints_the_same_pages(place, site):
    said = (place.folder / "ui.log").read_text()
    for label in ("all", "compare", "candidates"):
        page = printed(place, label).replace("127.0.0.1:5000", "")
        assert f"{site.address}/#{page}" in said, label
