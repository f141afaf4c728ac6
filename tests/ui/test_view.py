"""The pages whose addresses commands print: views, comparisons, descriptions."""

import json
import re

import pytest

pytestmark = pytest.mark.ui

ORDER = ["Gates", "What differs", "Losses", "Error by steps ahead"]


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
    page.locator("[role=columnheader][col-id='metrics.`test/mae`']").wait_for()
    metrics = page.locator("[role=columnheader][col-id^=metrics]").evaluate_all(
        "all => all.map(one => one.getAttribute('col-id')).filter(id => id.includes('`'))"
    )
    shown = {column: str(run.metrics[column.split("`")[1]])[:5] for column in metrics}
    assert any(column.startswith("metrics.`skill/") for column in shown)
    shown |= {"params.`model`": run.params["model"], "params.`model.units`": "[4]"}
    edges = []
    for column, value in shown.items():
        cell = page.locator(f"[role=gridcell][col-id={json.dumps(column)}]")
        cell.filter(has_text=value).first.wait_for()
        box = cell.first.bounding_box()
        assert box and box["x"] + 60 < page.viewport_size["width"], column
        edges.append((box["x"], column))
    order = [column for _, column in sorted(edges)]
    assert order[:2] == ["metrics.`validation/mae`", "metrics.`test/mae`"]
    assert order[-2:] == ["params.`model`", "params.`model.units`"]
    # which all runs have alike
    assert page.locator("[role=columnheader][col-id='params.`window.horizon`']").count() == 0


def test_charts_stand_in_their_order(visitor, place, site):
    page = visitor.go(printed(place, "all") + "&compareRunsMode=CHART")
    assert sections(page, 4) == ORDER
    page.set_viewport_size({"width": 1280, "height": 5200})  # only charts in sight are drawn
    page.get_by_text("model.units", exact=True).first.wait_for()  # what differs


def test_what_is_not_asked_for_is_shut(visitor, place, site):
    """It was 20,000 pixels of charts that MLflow draws of every metric."""
    page = visitor.go(printed(place, "all") + "&compareRunsMode=CHART")
    sections(page, 5)
    page.wait_for_timeout(2_000)
    heights = page.evaluate("[...document.querySelectorAll('*')].map(one => one.scrollHeight)")
    assert max(heights) < 6_000
    page.get_by_text(re.compile(r"^dm\b")).first.wait_for(state="attached")


def test_a_comparison_shows_two_runs_in_that_view(visitor, client, place, site):
    page = visitor.go(printed(place, "compare", 0))  # of two trainings; a winner brings its sweep
    assert sections(page, 4) == ORDER
    shown = page.locator("img[src*='gates.final~lstm_1']")
    shown.nth(1).wait_for()
    assert shown.count() == 2


def test_candidates_have_parallel_coordinates(visitor, place, site):
    page = visitor.go(printed(place, "candidates"))
    assert sections(page, 1) == ["Parallel coordinates"]
    page.get_by_text("2 matching runs").wait_for()
    page.locator(".parcoords, canvas").first.wait_for()


def test_a_view_has_its_name_in_the_menu(visitor, place, site):
    page = visitor.go(printed(place, "all"))
    page.get_by_role("button", name="Gates, what differs").click()
    page.get_by_role("menuitem", name=re.compile(r"^A lstm-4.* · B lstm-4")).first.wait_for()


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


def test_the_server_prints_one_address(place, site):
    said = (place.folder / "ui.log").read_text()
    assert re.findall(r"^open +(\S+)$", said, re.M) == [f"{site.address}/"]
    assert said.count("http://") == 1 and "press Ctrl-C to stop the server" in said


def test_runs_have_colours_of_their_own(client, site):
    runs = client.search_runs([site.experiment], "tags.`mlflow.runColor` LIKE '#%'")
    colours = {run.info.run_id: run.data.tags["mlflow.runColor"] for run in runs}
    assert colours[site.pair[0]] != colours[site.pair[1]] != colours[site.cnn]
    for run in runs:
        if run.data.tags["forecast.kind"] == "baseline":
            red, green, blue = (colours[run.info.run_id][at : at + 2] for at in (1, 3, 5))
            assert red == green == blue
    parent = f"tags.`mlflow.parentRunId` = '{site.sweep}' and tags.`forecast.kind` = 'candidate'"
    candidates = client.search_runs([site.experiment], parent)
    assert len({colours[run.info.run_id] for run in candidates}) == len(candidates) == 2
