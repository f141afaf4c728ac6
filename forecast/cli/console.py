"""The terminal: sentences, tables, and a spinner for what takes a while."""

import os
import re
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable
from rich.text import Text

from forecast.cli import level
from forecast.data.table import listed
from forecast.evaluation import scores
from forecast.evaluation.baselines import by_name
from forecast.evaluation.intervals.calibration import Intervals
from forecast.evaluation.outcome import Outcome, headline
from forecast.evaluation.significance import wording
from forecast.metrics.catalogue import METRICS


class _Console(Console):
    """One whose closed pipe ends the command as every other does."""

    def on_broken_pipe(self) -> None:
        """Raise the error that is being handled; Rich would exit with 1."""
        raise


console = _Console(highlight=False)
INDENT = " " * 11
"""Indent of a sentence: the width of a stage's name."""


def live() -> bool:
    """Tell whether lines are to be drawn anew: on a terminal that moves its cursor."""
    return console.is_terminal and not console.is_dumb_terminal and not level.quiet()


@contextmanager
def busy(stage: str, text: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is being done, and leave no line; yields what shows another text."""
    if not live():
        yield lambda _: None
        return

    def shown(text: str) -> str:
        return f"[bold]{stage:<{len(INDENT) - 2}}[/bold]{text}"

    with console.status(shown(text)) as status:
        yield lambda text: status.update(shown(text))


_TOGETHER = re.compile(r"(?<=\d) (?=%)|(?<=\bp) (?=[=<] \d)|(?<=\bp [=<]) (?=\d)")
"""Spaces within "5 %" and "p = 0.03", at which no line ends."""

SHOWN = {metric.label: f"test/{metric.key}" for metric in METRICS if metric.terminal}
"""Columns of the closing table, of those metrics that a run has."""

FAR = 0.05
"""Distance between what quantiles promise and what they hold that is worth a line."""

ASIDE = (
    "data",
    "train",
    "evaluate",
    "track",
    "fold",
    "proof",
    "memory",
    "gates",
    "intervals",
    "next",
)
"""First words of the stages that `--quiet` leaves out: what is under way, advised or refined."""


def say(stage: str, text: str) -> None:
    """Write a sentence about a stage, its further lines below the first."""
    if level.quiet() and stage.split(" ")[0] in ASIDE:
        return
    room = max(20, console.width - len(INDENT))
    kept = _TOGETHER.sub("\N{NO-BREAK SPACE}", text)
    lines = textwrap.wrap(kept, room, break_long_words=False, break_on_hyphens=False)
    shown = plain(f"\n{INDENT}".join(lines).replace("\N{NO-BREAK SPACE}", " "))
    console.print(f"[bold]{stage:<{len(INDENT)}}[/bold]{shown}", soft_wrap=True)


def say_left_out(names: Sequence[str], rows: int) -> None:
    """Say which series have no window of so many rows, and so are neither learned nor scored."""
    if names:
        why = f"fewer than {rows} rows on end with values; they are neither learned nor scored"
        say("warning", f"no window in {listed(names, 3)}: {why}")


def say_open(address: str) -> None:
    """Write the one address that is to be opened."""
    console.print(f"[bold]{'open':<{len(INDENT)}}{plain(address)}[/bold]", soft_wrap=True)


def say_link(stage: str, text: str, address: str) -> None:
    """Write a link: on a terminal that knows them a short text, elsewhere the plain address."""
    if not hyperlinks():
        return say(stage, address)
    if level.quiet() and stage in ASIDE:
        return
    shown = Text.assemble((f"{stage:<{len(INDENT)}}", "bold"), (text, f"underline link {address}"))
    console.print(shown, soft_wrap=True)


def hyperlinks() -> bool:
    """Tell whether the terminal is one of those that make links of OSC 8."""
    kind, program = os.environ.get("TERM", ""), os.environ.get("TERM_PROGRAM", "")
    plain_one = kind in ("", "dumb", "linux") or kind.startswith("screen")
    return console.is_terminal and not plain_one and program != "Apple_Terminal"


def can_open_a_browser() -> bool:
    """Tell whether somebody sits at a terminal with a screen beside it."""
    screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    return console.is_terminal and screen and not os.environ.get("SSH_CONNECTION")


def plain(text: str) -> str:
    r"""Write a text that may come from the data so that a terminal shows it and does nothing else.

    >>> print(plain("a[bold]\x1b]0;b"))
    a\[bold]�]0;b
    """
    kept = (c if c == "\n" or unicodedata.category(c)[0] != "C" else "�" for c in text)
    return escape("".join(kept))


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], left: int = 1
) -> None:
    """Write a table; numbers stand right, and the first columns left."""
    shown = RichTable(
        title=plain(title), title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    for number, column in enumerate(columns):
        side: Any = "left" if number < left else "right"
        shown.add_column(plain(column), justify=side, overflow="fold")
    for row in rows:
        shown.add_row(*(value if isinstance(value, Text) else plain(_cell(value)) for value in row))
    needed = console.measure(shown, options=console.options.update_width(1000)).maximum
    shown.collapse_padding = needed > console.width
    console.print()
    console.print(shown)


def score_table(outcome: Outcome) -> None:
    """Write the closing table: model and baselines, best first, with skill and verdict."""
    own = outcome.scores
    models = {outcome.spec.model.name: own, **outcome.baseline_scores}
    order = sorted(models, key=lambda name: models[name][f"test/{outcome.test.headline.key}"])
    count, steps = outcome.windows, outcome.spec.window.horizon
    shown = {name: key for name, key in SHOWN.items() if key in own}
    if len(outcome.table.targets) > 1 and "test/mae_z" in own:  # one scale for all targets
        shown |= {"MAE, z": "test/mae_z", "MSE, z": "test/mse_z"}
    rows: list[list[Any]] = [
        [name, *(models[name].get(key, "") for key in shown.values()), _skill(own, name)]
        for name in order
    ]
    cells = [
        [wording.cell(own.get(f"skill/{name}", np.nan), outcome.verdicts.get(name))]
        for name in order
    ]
    title = f"Test span, {count:,} windows of {steps} steps{outcome.table.common_unit}"
    heads, verdict = ["", *shown, "skill"], ["verdict"]
    both = [row + words for row, words in zip(rows, cells, strict=True)]
    if _width([heads + verdict, *both]) <= console.width:
        heads, rows = heads + verdict, both
    for row in rows:
        row[0] = Text(row[0], "bold") if row[0] == outcome.spec.model.name else row[0]
    print_table(title, heads, rows)
    if verdict[0] not in heads:
        named = zip(order, cells, strict=True)
        print_table("Against each baseline", ["", *verdict], [[n, *w] for n, w in named if w[0]])


def show_outcome(outcome: Outcome) -> None:
    """Print what a training has found: scores, tables, the result and its intervals."""
    score_table(outcome)
    baseline_lines(outcome)
    if level.verbose():
        detail_tables(outcome)
    console.print()
    result_line(outcome)
    interval_line(outcome)


def result_line(outcome: Outcome) -> None:
    """Say how large the error is, and whether it is smaller than that of baselines."""
    say("result", headline(outcome))


def baseline_lines(outcome: Outcome) -> None:
    """Say what was chosen for baselines, and which of them could not be scored."""
    notes = {name: found.note for name, found in outcome.baselines.items() if found.note}
    notes |= by_name.left_out(outcome.spec, outcome.table)
    if notes:
        say("baselines", "; ".join(f"{name}: {note}" for name, note in notes.items()))


def interval_line(outcome: Outcome) -> None:
    """Say what the intervals covered of the test span, how wide they are, and what is far off."""
    found = outcome.intervals
    if found is not None:
        _calibrated_line(outcome, found)
    if outcome.followed:
        say("intervals", outcome.followed)
    levels = outcome.test.levels
    pairs = [(low, high) for low, high in zip(levels, levels[::-1], strict=True) if low < high]
    off = [
        (outcome.scores[f"test/coverage_{scores.percent(high - low)}_raw"], low, high)
        for low, high in pairs
        if abs(low + high - 1) < 1e-9
    ]
    if not off:
        return
    share, low, high = max(off, key=lambda pair: abs(pair[0] - (pair[2] - pair[1])))
    if abs(share - (high - low)) > FAR:
        say(
            "warning",
            f"{share:.1%} of actual values are between the model's own quantiles {low:g} and "
            f"{high:g}, not {high - low:.0%}: trust calibrated intervals, not the quantiles",
        )


def _calibrated_line(outcome: Outcome, found: Intervals) -> None:
    """Say what calibrated intervals covered of the test span, and how wide they are."""
    level, own = scores.percent(found.level), outcome.scores
    unit = outcome.table.common_unit.replace(",", "")  # as behind a number
    steps = outcome.measured[""].covered_by_step
    say(
        "intervals",
        f"{level}% intervals cover {own[f'test/coverage_{level}']:.1%} of actual values "
        f"({found.method}; {np.nanmin(steps):.1%} to {np.nanmax(steps):.1%} by step), mean width "
        f"{own[f'test/width_{level}']:.4g}{unit}",
    )


def detail_tables(outcome: Outcome) -> None:
    """Write the error at some steps of the horizon, and for each series, as the report does."""
    models = {name or outcome.spec.model.name: own for name, own in outcome.measured.items()}
    horizon = outcome.spec.window.horizon
    steps = sorted({1, *(max(1, round(horizon * part / 4)) for part in (1, 2, 3)), horizon})
    by_step = {name: found.by_step for name, found in models.items()}
    print_table(
        f"{outcome.test.headline.name} by steps ahead",
        ("", *(str(step) for step in steps)),
        [(name, *(values[step - 1] for step in steps)) for name, values in by_step.items()],
    )
    names = list(outcome.measured[""].by_series)
    if 1 < len(names) <= 8:
        each = {name: found.by_series for name, found in models.items()}
        print_table(
            f"{outcome.test.headline.name} by series",
            ("", *names),
            [(name, *(own.get(one, "") for one in names)) for name, own in each.items()],
        )


def _skill(own: Mapping[str, float], name: str) -> str:
    """Write the model's skill against a baseline, nothing for the model itself."""
    return f"{own[key]:+.1%}" if (key := f"skill/{name}") in own else ""


def _width(rows: Iterable[Sequence[Any]]) -> int:
    """Return how wide a table of these rows is, heads among them."""
    widest = [max(len(_cell(value)) for value in column) for column in zip(*rows, strict=True)]
    return sum(widest) + 2 * (len(widest) - 1)


def _cell(value: Any) -> str:
    """Write a number with four digits that mean something."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
