"""What a person sees in the terminal: stages, progress, tables."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from forecast.evaluation import scores
from forecast.evaluation.experiment import Outcome

console = Console(highlight=False)
INDENT = " " * 11
SHOWN = {
    "MAE": "test/mae",
    "RMSE": "test/rmse",
    "MASE": "test/mase",
    "CRPS": "test/crps",
    "Brier": "test/brier",
    "log loss": "test/log_loss",
    "AUC": "test/auc",
    "accuracy": "test/accuracy",
}
"""Columns of the closing table, of those metrics that a run has."""


def say(stage: str, text: str) -> None:
    """Write a sentence about a stage, its further lines below the first."""
    room = max(20, console.width - len(INDENT))
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    shown = escape(f"\n{INDENT}".join(lines))
    console.print(f"[bold]{stage:<{len(INDENT)}}[/bold]{shown}", soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table; numbers stand right, and the first column left."""
    shown = RichTable(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    for number, column in enumerate(columns):
        shown.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        shown.add_row(*(_cell(value) for value in row))
    console.print()
    console.print(shown)


def score_table(outcome: Outcome) -> None:
    """Write the closing table: model and baselines, best first, with the model's skill."""
    own = outcome.scores
    rows: list[tuple[str, dict[str, float], float | None]] = [(outcome.spec.model.name, own, None)]
    rows += [(name, found, own[f"skill/{name}"]) for name, found in outcome.baseline_scores.items()]
    rows.sort(key=lambda row: row[1][f"test/{outcome.test.headline.key}"])
    count, steps = len(outcome.test.values), outcome.spec.window.horizon
    shown = {name: key for name, key in SHOWN.items() if key in own}
    if len(outcome.table.targets) > 1 and "test/mae_z" in own:  # one scale for all targets
        shown |= {"MAE, z": "test/mae_z", "MSE, z": "test/mse_z"}
    table(
        f"Test span, {count:,} windows of {steps} steps{outcome.table.common_unit}",
        ("", *shown, "skill of the model"),
        [
            (
                f"[bold]{name}[/bold]" if skill is None else name,
                *(found.get(key, "") for key in shown.values()),
                "" if skill is None else f"{skill:+.1%}",
            )
            for name, found, skill in rows
        ],
    )


def detail_tables(outcome: Outcome) -> None:
    """Write the error at some steps of the horizon, and for each series."""
    models = {outcome.spec.model.name: outcome.test, **outcome.baselines}
    horizon = outcome.spec.window.horizon
    steps = sorted({1, *(max(1, round(horizon * part / 4)) for part in (1, 2, 3)), horizon})
    by_step = {name: scores.by_step(found) for name, found in models.items()}
    table(
        f"{outcome.test.headline.name} by steps ahead",
        ("", *(str(step) for step in steps)),
        [(name, *(values[step - 1] for step in steps)) for name, values in by_step.items()],
    )
    names = list(scores.by_series(outcome.test))
    if 1 < len(names) <= 8:
        table(
            f"{outcome.test.headline.name} by series",
            ("", *names),
            [(name, *scores.by_series(found).values()) for name, found in models.items()],
        )


def _cell(value: Any) -> str:
    """Write a number with four digits that mean something."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
