"""The report of a sweep, from candidates that a test has made up."""

import re
from dataclasses import replace

import numpy as np
import pytest

from forecast.report import sweep_page
from forecast.report.comparison import Row

from .test_report import Page, outcome


def ranked(folds=3, **more):
    """Six candidates, the best first; one failed."""
    rng = np.random.default_rng(0)
    rows = []
    for units in (8, 16, 32):
        for rate in (0.001, 0.01):
            scores = units / 16 + rate * 20 + rng.normal(0, 0.01, folds)
            point = {"model.units": [units], "training.learning_rate": rate}
            rows.append(Row(f"{units} units, {rate:g}", point, scores, scores.mean(), "", False))
    rows.sort(key=lambda row: row.mean)
    rows[1] = replace(rows[1], tied=True)
    rows[-1] = replace(rows[-1], mean=float("inf"))
    cells = [[row.name, f"{row.mean:.4g}"] for row in rows]
    known = {"ridge": 0.7, "persistence": 2.0} | more
    return sweep_page.Ranked(rows, known, "MAE", ", °F", folds, 1234, ["", "MAE"], cells)


def test_the_page_says_who_won_and_shows_its_forecasts():
    found = ranked()
    text = sweep_page.page("a sweep", found, outcome(), {"data": "some"}, "forecast sweep")
    page = Page(text)
    assert page.headings == [
        "Leaderboard",
        "What mattered",
        "The winner on the test span",
        "Setup",
    ]
    best, whole = found.rows[0], " ".join(page.texts)
    spread = f"{best.mean:.4g} ± {best.scores.std(ddof=1):.2g} °F MAE by {best.name}"
    assert f"{spread}, the best of 6 candidates on 1,234 origins of 3 folds;" in whole
    gone = round(100 * (1 - best.mean / 0.7))
    assert f"{gone:.0f} % less error than ridge (not tested)" in whole
    assert f"Within fold noise of the best: {found.rows[1].name}." in whole
    assert "1 of 6 candidates failed" in whole and "say little" not in whole
    assert page.row(found.rows[2].name)[1] == f"{found.rows[2].mean:.4g}"
    assert len([tag for tag, named in page.tags if "data-strip" in named]) == 1
    assert "http" not in text and len(text) < 500_000


def test_two_folds_are_too_few_and_a_baseline_may_win():
    told = sweep_page._worth(ranked(2, naive=0.01))
    assert told[0].startswith("2 folds say little about the spread")
    assert told[-1] == "No candidate is better than naive: search other settings, or use naive."


def test_each_setting_shows_the_means_of_its_values():
    found = ranked()
    page = Page(sweep_page.mattered(found))
    finished = [row for row in found.rows if np.isfinite(row.mean)]
    for units in (8, 16, 32):
        own = [row.mean for row in finished if row.point["model.units"] == [units]]
        rows = [row for row in page.rows if row[0] == f"[{units}]"]
        assert float(rows[0][2]) == pytest.approx(np.mean(own), rel=1e-3)


def test_a_line_leads_through_settings_to_the_error():
    rows = [row for row in ranked().rows if np.isfinite(row.mean)]
    drawn = sweep_page.coordinates(rows, "MAE, °F")
    paths = re.findall(r'class="line (\w+)" d="M([^"]*)"', drawn)
    assert len(paths) == len(rows) and paths[-1][0] == "model"  # the best lies above the others
    means = np.array([row.mean for row in rows[::-1]])
    places = np.array([[part.split() for part in path.split("L")] for _, path in paths], float)
    assert places.shape == (len(rows), 3, 2)
    heights = places[:, 2, 1]  # errors, the lowest on top
    expected = np.interp(means, [means.min(), means.max()], [14, 256])
    np.testing.assert_allclose(heights, expected, atol=0.51)
    units = np.array([row.point["model.units"][0] for row in rows[::-1]])
    assert len(set(zip(units, places[:, 0, 1], strict=True))) == len(set(units)) == 3


def test_one_candidate_or_nothing_varied_has_no_such_section():
    found = ranked()
    assert sweep_page.mattered(replace(found, rows=found.rows[:1])) == ""
