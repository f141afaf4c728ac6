"""The leaderboard of a sweep as cells, and on its page in MLflow."""

from collections.abc import Mapping

from forecast.evaluation.outcome import Outcome
from forecast.report import comparison, markdown, sweep_page
from forecast.search import leaderboard
from forecast.search.leaderboard import Standing
from forecast.search.ledger import Ledger
from forecast.search.sweep import Finished
from forecast.tracking.mlflow import colours, description, pages, views
from forecast.tracking.mlflow.description import Place
from forecast.tracking.run import milliseconds, safe_key

SHOWN = 20
"""Candidates that are shown."""


def describe(
    ledger: Ledger, finished: Finished, winner: str, data: str, again: str, result: str
) -> None:
    """Write the leaderboard of a sweep onto its run, and how its candidates are seen."""
    store, parent, best = ledger.store, ledger.parent, finished.standings[0]
    where = Place(data, store.experiment_id, relatives={"its winner": winner})
    for number, standing in enumerate(finished.standings):
        called = standing.candidate.short
        if not standing.errors:
            called += f" → {standing.mean:.3g}"
        colour = {colours.TAG: colours.ranked(number)}
        ledger.candidate(standing.candidate.number).tags({"mlflow.runName": called} | colour)
    ids = [ledger.candidate(standing.candidate.number).id for standing in finished.standings]
    heads, rows = board(finished)
    cells = [
        [
            markdown.link(markdown.plain(row[0]), where.run(run_id)),
            *(markdown.plain(cell, 120) for cell in row[1:]),
        ]
        for row, run_id in zip(rows, ids, strict=False)
    ]
    named = markdown.link(markdown.plain(best.candidate.name), where.run(ids[0]))
    candidates = pages.view(store.experiment_id, views.key("sweep", parent.id), charts=True)
    report = pages.artifact(store.experiment_id, parent.id, "report.html")
    leads = {"winner": where.run(winner), "report": report, "all candidates": candidates}
    links = " · ".join(markdown.link(text, address) for text, address in leads.items())

    lead = (
        f"**{leaderboard.LABELS[best.headline]} {best.mean:.4g} ± {best.std:.2g}** · {links}\n\n"
        f"By {named}, the best of {len(ids):,} candidates on {finished.origins:,} origins of "
        f"**{markdown.name(data)}**. `=` is a tie with it within fold noise, `*` the simplest of "
        "the tied; skill is against the best baseline, on these origins, without a test.\n\n"
        f"Retrained and scored once on the test span: {markdown.plain(result, 300)}"
    )
    parent.tags({description.NOTE: description.of_sweep(lead, heads, cells, again, where)})
    varied = comparison.varied(leaderboard.rows(finished.standings))
    shown = views.candidates(
        parent.id,
        [safe_key(setting) for setting in varied],
        best.headline,
    )
    found = store.client.get_experiment(store.experiment_id)
    key, now = views.key("sweep", parent.id), milliseconds(parent.clock)
    name = store.client.get_run(parent.id).info.run_name
    views.keep(store.client, found, key, name, shown, now)


def report(
    name: str, finished: Finished, folds: int, winner: Outcome, facts: Mapping[str, str], again: str
) -> str:
    """Write the report of a sweep."""
    heads, cells = board(finished)
    best = finished.standings[0]
    found = sweep_page.Ranked(
        leaderboard.rows(finished.standings),
        finished.baselines,
        leaderboard.LABELS[best.headline],
        winner.table.common_unit,
        folds,
        finished.origins,
        heads,
        cells,
    )
    return sweep_page.page(name, found, winner, facts, again)


def winning(best: Standing, outcome: Outcome) -> dict[str, float]:
    """Return the numbers of a winner by which its sweep stands beside trained runs.

    Rows that were not learned from chose it, so its mean over the folds is a validation error.
    """
    key = outcome.test.headline.key
    shown = {name: value for name, value in outcome.scores.items() if name.startswith("skill/")}
    return {
        f"validation/{best.headline}": best.mean,
        f"test/{key}": outcome.scores[f"test/{key}"],
    } | shown


def board(finished: Finished) -> tuple[list[str], list[list[str]]]:
    """Write the leaderboard as cells: its heads and its rows, best first."""
    best, simplest = finished.standings[0], leaderboard.recommended(finished.standings)
    halved = any(str(standing.rung) for standing in finished.standings)
    rows = []
    for place, standing in enumerate(finished.standings[:SHOWN], start=1):
        mark = " =" if leaderboard.tied(best, standing) and standing is not best else ""
        mark += " *" if standing is simplest else ""
        failed = f"failed: {standing.errors[0]}" if standing.errors else ""
        skill = 1 - standing.mean / min(finished.baselines.values())
        row = [
            f"{place}. {standing.candidate.name}",
            failed or f"{standing.mean:.4g} ± {standing.std:.2g}{mark}",
            "" if failed else f"{skill:+.1%}",
            f"{standing.parameters:,}",
            f"{standing.seconds:.0f}",
        ]
        rows.append([*row, str(standing.rung).split(" ")[0]] if halved else row)
    heads = ["", f"{leaderboard.LABELS[best.headline]} ± sd", "skill", "parameters", "seconds"]
    return [*heads, "dropped after"] if halved else heads, rows
