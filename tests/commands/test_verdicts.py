"""Every verdict in words against its number, over a store of twenty runs."""

import math
import re
from dataclasses import dataclass, replace

import numpy as np
import pytest

from forecast.cli.console import console, result_line, score_table
from forecast.data import windows
from forecast.data.windows import Window
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.outcome import strongest
from forecast.evaluation.significance import promotion, wording
from forecast.evaluation.significance.pairs import Verdict
from forecast.metrics.headline import HEADLINES
from forecast.tracking import record
from forecast.tracking.mlflow import description
from forecast.tracking.mlflow.direct import DirectRun
from forecast.tracking.mlflow.store import Store
from forecast.tracking.run import ending

from ..conftest import Place
from ..evaluation import test_report
from ..evaluation.tables import panel, rescored

BASELINES = ("persistence", "seasonal_naive", "ridge")

P = r"p [=<] [\d.]+"
CELL = re.compile(
    rf"(?P<word>better|worse|mixed), (?P<p>{P})"
    rf"|(?P<same>no significant difference) \((?P<q>{P})\)"
    r"|(?P<few>too few origins to test)"
)
CLAUSE = re.compile(
    rf"(?P<share><?[\d.]+) % (?P<how>less|more) error than (?P<a>\w+)"
    rf"(?:, but (?P<other>less|more) with equal weights for all origins)?"
    rf" \((?P<p>{P}|too few origins to test)\)"
    rf"|no significant difference from (?P<b>\w+) \((?P<change>[+−]?<?[\d.]+) %, (?P<q>{P})\)"
    rf"|the same error as (?P<c>\w+) \((?P<r>too few origins to test)\)"
)
ANY = re.compile(r"better|worse|mixed|significan|distinguish|too few origins|% (less|more)")


@dataclass
class Written:
    """A run as the store has it, and what the terminal showed."""

    id: str
    metrics: dict[str, float]
    note: str
    report: str
    terminal: str


def outcome(number: int):
    """A run of known errors: some better, some worse, some equal, some too short to tell."""
    rng = np.random.default_rng(number)
    kinds = [(150, 150), (150,), (150, 130, 140), (116, 112)]  # the last has too few test origins
    alike = number >= 12  # on one table each: three of eight series, three of three, two of eight
    lengths = (150,) * (3 if 15 <= number < 18 else 8) if alike else kinds[number % 4]
    table = panel(
        lengths, targets=1 + (number % 3 == 2 and not alike), seed=99 if alike else number
    )
    found = test_report.outcome(table, Window(12, 4))
    starts = windows.starts(table, found.spec.window, within=table.tick >= 100)
    true = windows.outputs(table.outputs, starts, found.spec.window)

    def made(size: float) -> Forecasts:
        own = np.random.default_rng([number, round(1000 * size)])
        return Forecasts(table, found.spec.window, starts, true + own.normal(0, size, true.shape))

    ratios = rng.choice([0.4, 0.93, 1.0, 1.002, 1.07, 2.5], 3)
    test = made(2.0 if number in (13, 16) else 1.02 if number % 3 else 1.0)
    others = {name: made(r) for name, r in zip(BASELINES, ratios, strict=True)}
    if number % 5 == 0:  # the same forecasts
        others["ridge"] = replace(test)
    found = rescored(found, test, others)
    own, verdicts = found.scores, dict(found.verdicts)
    if number % 7 == 3:  # values and origins weighed differently have different signs
        against = 1 if own["skill/persistence"] > 0 else -1
        verdicts["persistence"] = Verdict(0.02 * against, 2.6 * against, 0.0127, 50)
    return replace(found, verdicts=verdicts)


def terminal(found) -> str:
    with console.capture() as said:
        score_table(found)
        result_line(found)
    return said.get()


@pytest.fixture(scope="module")
def store(place: Place) -> Store:
    return Store(place.uri, "verdicts")


@pytest.fixture(scope="module")
def runs(store: Store, tmp_path_factory) -> list[Written]:
    """Write twenty runs, and read them back."""
    ids, shown = [], []
    place = description.Place("synthetic", store.experiment_id)
    for number in range(20):
        found = outcome(number)
        with ending(DirectRun.create(store, f"run {number}", kind="train")) as run:
            run.params({"model": "lstm"})
            record.record_scores(run, found)
            note = description.of_outcome(found, f"run {number}", "forecast train", place)
            run.tags({description.NOTE: note})
            run.keep(test_report.written(found), "report.html")
            run.keep(found.test.frame(), "predictions.parquet")
        ids.append(run.id)
        shown.append(terminal(found))
    folder = tmp_path_factory.mktemp("runs")
    read = []
    for number, run_id in enumerate(ids):
        data = store.client.get_run(run_id).data
        (own := folder / str(number)).mkdir()
        page = store.client.download_artifacts(run_id, "report.html", str(own))
        with open(page, encoding="utf-8") as file:
            text = file.read()
        note = data.tags[description.NOTE].replace("&#60;", "<")
        read.append(Written(run_id, data.metrics, note, text, shown[number]))
    return read


def expected(metrics: dict[str, float], name: str) -> str:
    """The only word that the numbers of a run allow."""
    p = metrics.get(f"dm/{name}_p", math.nan)
    if math.isnan(p):
        return "too few origins to test"
    skill, statistic = metrics[f"skill/{name}"], metrics[f"dm/{name}_statistic"]
    if p >= 0.05:
        return "no significant difference"
    if skill > 0 and statistic < 0:
        return "better"
    return "worse" if skill < 0 and statistic > 0 else "mixed"


def p_fits(text: str, p: float) -> None:
    _, sign, number = text.split(" ")
    if sign == "<":
        assert p < float(number) and (number == "0.001" or p > 0.049)
    else:
        assert float(number) == pytest.approx(p, rel=0.051) and p >= 0.0005
        assert (float(number) < 0.05) == (p < 0.05)


def check_cell(text: str, metrics: dict[str, float], name: str) -> str:
    found = CELL.fullmatch(text)
    assert found, text
    word = found["word"] or found["same"] or found["few"]
    assert word == expected(metrics, name)
    if p := found["p"] or found["q"]:
        p_fits(p, metrics[f"dm/{name}_p"])
    return word


def check_sentence(text: str, metrics: dict[str, float]) -> list[str]:
    """Check each clause; return the baselines that are named."""
    _, *clauses = text.rstrip(".").split("; ")
    names = []
    for clause in clauses:
        found = CLAUSE.fullmatch(clause)
        assert found, clause
        name = found["a"] or found["b"] or found["c"]
        names.append(name)
        skill, word = metrics[f"skill/{name}"], expected(metrics, name)
        if found["b"]:
            assert word == "no significant difference"
            assert float(found["change"].replace("−", "-").replace("<", "")) == pytest.approx(
                -100 * skill, abs=max(0.51, 0), rel=0.02
            )
            p_fits(found["q"], metrics[f"dm/{name}_p"])
        elif found["c"]:
            assert word == "too few origins to test" and skill == 0
        else:
            assert (found["how"] == "less") == (skill > 0)
            share = float(found["share"].replace("<", ""))
            assert share == pytest.approx(100 * abs(skill), abs=0.1 if share < 10 else 0.51)
            if found["p"] == "too few origins to test":
                assert word == found["p"]
            else:
                assert word == ("mixed" if found["other"] else "better" if skill > 0 else "worse")
                assert found["other"] != found["how"]
                p_fits(found["p"], metrics[f"dm/{name}_p"])
    return names


def test_the_store_holds_every_kind(runs):
    words = [expected(run.metrics, name) for run in runs for name in BASELINES]
    assert set(words) == {
        "better",
        "worse",
        "mixed",
        "no significant difference",
        "too few origins to test",
    }
    assert any(run.metrics[f"skill/{name}"] == 0 for run in runs for name in BASELINES)
    small = [run.metrics.get(f"dm/{name}_p", 1.0) for run in runs for name in BASELINES]
    assert min(small) < 0.001


def test_descriptions(runs):
    for run in runs:
        lead, *rest = run.note.split("\n\n")
        names = check_sentence(lead.strip("*").replace("\\_", "_"), run.metrics)
        assert names[0] == min(BASELINES, key=lambda name: run.metrics[f"skill/{name}"])
        rows = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in rest[0].splitlines()
            if line.startswith("| ")
        ]
        bare = {re.sub(r"\[(.*?)\]\(.*?\)|[*\\]|&ensp;", r"\1", row[0]): row for row in rows}
        for name in BASELINES:
            check_cell(bare[name][-1].removeprefix("&ensp;"), run.metrics, name)
        assert not ANY.search("\n".join(rest[1:]))


def test_reports(runs):
    for run in runs:
        page = test_report.Page(run.report)
        lead = next(text for text in page.texts if " over 4 steps" in text)
        check_sentence(lead, run.metrics)
        board = next(n for n, row in enumerate(page.rows) if "verdict" in row)
        rows = {row[0]: row for row in page.rows[board + 1 : board + 5]}
        place = page.rows[board].index("verdict")
        for name in BASELINES:
            check_cell(rows[name][place], run.metrics, name)


def test_the_terminal(runs):
    for run in runs:
        table, _, result = run.terminal.partition("\nresult ")
        check_sentence(" ".join(result.split()), run.metrics)
        found = {}
        for line in table.splitlines():
            if (word := CELL.search(line)) and line.split()[0] in BASELINES:
                found[line.split()[0]] = word[0]
        assert found.keys() == set(BASELINES)
        for name, cell in found.items():
            check_cell(cell, run.metrics, name)


@pytest.mark.parametrize(
    "chosen",
    [(12, 13, 14), (15, 16, 17), (18, 19)],
    ids=["three on eight series", "three on three", "two on eight"],
)
def test_compare(place: Place, runs, chosen):
    """Runs on one table; each table of skill and verdict agrees with itself and with its text."""
    ids = [runs[n].id for n in chosen]
    assert place.run("compare", f"runs=[{','.join(ids)}]") == 0, place.errors[-1]
    text = place.printed[-1]
    for letter in "ABC"[1 : len(chosen)]:
        row = next(line for line in text.splitlines() if line.startswith(f"{letter} lstm"))
        cell, skill = CELL.search(row), float(re.search(r"([+-][\d.]+)%", row)[1])
        if cell["same"]:
            assert float(cell["q"][4:]) >= 0.05
        else:
            assert cell["word"] == ("better" if skill > 0 else "worse")
            assert cell["p"].startswith("p <") or float(cell["p"][4:]) < 0.05
    # below the table nothing is called better, worse or equal once more
    assert not ANY.search(text.rpartition(row)[2])
    text = " ".join(text.split())
    assert ("3 are too few for a rank test" in text) == (chosen == (15, 16, 17))
    assert ("ranks too close to tell apart: " in text) == (chosen == (12, 13, 14))
    assert not re.search(r"p = 0\b(?!\.)", text)


@pytest.mark.parametrize("noise", [0.5, 0.97, 1.0, 1.03, 2.0])
def test_promotions(noise):
    base = outcome(16).test
    own = np.random.default_rng(5).normal(0, noise, base.true.shape)
    champion, challenger = base.frame(), replace(base, values=base.true + own).frame()
    found = promotion.decide(champion, challenger, HEADLINES["regression"])
    how = re.search(r"its MAE is ([\d.]+)% (lower|higher) on .* origins: (.*)", found.why)
    cell = CELL.fullmatch(how[3])
    assert found.promoted == (how[2] == "lower" and cell["word"] == "better")
    assert cell["word"] in (None, "better" if how[2] == "lower" else "worse")
    before, now = found.shared.error
    assert float(how[1]) == pytest.approx(100 * abs(now - before) / before, abs=0.06)
    p_fits(cell["p"] or cell["q"], found.shared.verdict(1, 0).p)


@pytest.mark.parametrize(
    ("skill", "verdict", "text"),
    [
        (0.0591, Verdict(-1, -3, 0.0025, 99), "5.9 % less error than ridge (p = 0.0025)"),
        (-0.12, Verdict(1, 9, 1e-12, 99), "12 % more error than ridge (p < 0.001)"),
        (0.03, Verdict(-1, -1, 0.15, 9), "no significant difference from ridge (−3 %, p = 0.15)"),
        (-0.07, Verdict(1, 1, 0.32, 9), "no significant difference from ridge (+7 %, p = 0.32)"),
        (0.0, Verdict(0, 0, 1.0, 9), "no significant difference from ridge (0 %, p = 1)"),
        (1e-5, Verdict(-1, -1, 0.9, 9), "no significant difference from ridge (−<0.1 %, p = 0.9)"),
        (
            0.2,
            Verdict(-1, np.nan, np.nan, 9),
            "20 % less error than ridge (too few origins to test)",
        ),
        (0.05, None, "5 % less error than ridge (not tested)"),
        (-np.inf, Verdict(1, 9, 0.001, 9), "more error than ridge, which has none (p = 0.001)"),
        (np.nan, Verdict(0, 0, 1.0, 9), "no significant difference from ridge (p = 1)"),
        (
            -0.01,
            Verdict(-1, -3, 0.013, 9),
            "1 % more error than ridge, but less with equal weights for all origins (p = 0.013)",
        ),
    ],
)
def test_clauses(skill, verdict, text):
    assert wording.against("ridge", skill, verdict) == text


def test_the_best_baseline_has_the_least_error():
    for number in range(20):
        found = outcome(number)
        best = min(found.baseline_scores, key=lambda n: found.baseline_scores[n]["test/mae"])
        assert strongest(found) == best
    assert strongest(replace(found, baseline_scores={})) is None
