"""MLflow's pages as a person meets them: the table, the charts, the pictures, a sweep."""

import re

import pytest

pytestmark = pytest.mark.ui

CARD = "experiment-view-compare-runs-card"
TALL = {"width": 1280, "height": 5200}
"""Charts are drawn once they are in sight."""


@pytest.fixture
def compared(visitor, site):
    """The charts of two runs beside each other."""
    first, second = site.lstm
    page = visitor.go(
        f"/experiments/{site.experiment}/runs?workflowType=machine_learning&compareRunsMode=CHART"
        f"&searchFilter=attributes.run_id IN ('{first}', '{second}')"
    )
    page.set_viewport_size(TALL)
    return page


def chart(page, name):
    """The card with a title, which may leave out the name of its section."""
    title = re.compile(rf"^({re.escape(name)}|{re.escape(name.rpartition('/')[2])})$")
    return page.get_by_test_id(CARD).filter(has=page.get_by_text(title)).first


def test_comparing_two_runs_draws_a_line_for_each(compared, client, site):
    for name in ("train/loss", "val/loss", "horizon/mae", "gates.lstm_1/f_mean"):
        compared.get_by_placeholder("Search metric charts").fill(f"^{name}$")
        if name.startswith("gates."):  # in a section that is shut
            heads = compared.get_by_test_id("experiment-view-compare-runs-section-header")
            heads.filter(has_text=re.compile(r"^gates\.lstm_1\b")).first.click()
        card = chart(compared, name)
        card.scroll_into_view_if_needed()
        lines = card.locator(".js-line")  # each is drawn twice: itself, and a seam around it
        lines.nth(3).wait_for(state="attached")
        shapes = set(lines.evaluate_all("all => all.map(one => one.getAttribute('d'))"))
        steps = max(len(client.get_metric_history(run, name)) for run in site.lstm)
        assert len(shapes) == 2, name
        assert all(shape.count(",") >= steps for shape in shapes), name


def test_pictures_of_gates_have_a_slider_and_load(compared, client, site):
    card = chart(compared, "gates/lstm_1")
    card.scroll_into_view_if_needed()
    slider = card.get_by_role("slider")
    slider.wait_for()
    last = int(slider.get_attribute("aria-valuemax"))
    kept = [file.path for file in client.list_artifacts(site.lstm[0], "images")]
    steps = {
        int(found[1]) for path in kept if (found := re.search(r"gates~lstm_1\+step\+(\d+)", path))
    }
    assert last == max(steps) > 0
    seen = set()
    slider.focus()
    for _ in steps:
        step = int(slider.get_attribute("aria-valuenow"))
        shown = f"img[src*='step%2B{step}%2B']"
        card.locator(shown).nth(1).wait_for(state="attached")
        compared.wait_for_function(
            "all => [...document.querySelectorAll(all)].every(one => one.naturalWidth > 0)",
            arg=shown,
        )
        assert card.locator("img").count() == card.locator(shown).count() == 2
        seen.add(step)
        if step != min(steps):  # beyond the ends MLflow counts to infinity
            compared.keyboard.press("ArrowLeft")  # the chart opens at the end
    assert seen == steps


def test_a_sweep_leads_to_its_children_and_its_leaderboard(visitor, client, site):
    page = visitor.go(f"/experiments/{site.experiment}/runs/{site.sweep}")
    name = client.get_run(site.sweep).data.tags["forecast.best_candidate"]
    best = client.get_run(client.get_run(site.sweep).data.tags["forecast.best_candidate_id"])
    assert re.fullmatch(r"lr 0.00[12] → [\d.]+", best.info.run_name) and "learning_rate" in name
    page.get_by_role("link", name=best.info.run_name).first.click()
    page.get_by_text(best.info.run_id, exact=True).first.wait_for()
    page.get_by_text("Parent run", exact=True).wait_for()
    page = visitor.go(f"/experiments/{site.experiment}/runs/{site.sweep}")
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("leaderboard.csv").first.click()
    for candidate in ("learning_rate=0.001", "learning_rate=0.002"):
        page.get_by_role("cell", name=candidate).or_(page.get_by_text(candidate)).first.wait_for()


def test_the_report_of_a_run_is_among_its_artifacts(visitor, client, site):
    page = visitor.go(f"/experiments/{site.experiment}/runs/{site.cnn}/artifacts/report.html")
    report = page.frame_locator("iframe")
    report.get_by_role("heading", name="Scores and baselines").wait_for()
    assert report.locator(".chart > svg").count() > 5
