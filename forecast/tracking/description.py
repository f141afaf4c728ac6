"""What a run says of itself at the top of its page, in Markdown."""

import re
from collections.abc import Iterable, Sequence

from forecast.evaluation.experiment import Outcome
from forecast.evaluation.report import scoreboard
from forecast.tracking.run import MOST_TEXT

NOTE = "mlflow.note.content"
"""The tag that MLflow shows as the description of a run or of an experiment."""

SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~<>&-])")


def of_outcome(outcome: Outcome, data: str, command: str, view: str | None = None) -> str:
    """Describe a trained run or a backtest.

    Args:
        outcome: What it found.
        data: Name of the data.
        command: That repeats it.
        view: Address of all runs side by side, if it is known.

    Returns:
        What was trained on what, its score beside the baselines with verdicts, the command.
    """
    spec, table, key = outcome.spec, outcome.table, f"test/{outcome.test.headline.key}"
    targets = ", ".join(plain(name) for name in table.targets[:3])
    more = f" and {len(table.targets) - 3} more targets" if len(table.targets) > 3 else ""
    window = spec.window
    first = (
        f"**{plain(spec.model.name)}** on **{plain(data)}**: {targets}{more} of "
        f"{len(table.names):,} series, the next {window.horizon} steps from the last "
        f"{window.timesteps}."
    )
    names = sorted(outcome.baseline_scores, key=lambda name: outcome.baseline_scores[name][key])
    rows = [[f"**{plain(spec.model.name)}**", _number(outcome.scores[key]), "", ""]]
    rows += [
        [
            plain(name),
            _number(outcome.baseline_scores[name][key]),
            f"{outcome.scores[f'skill/{name}']:+.1%}",
            plain(str(outcome.verdicts.get(name, ""))),
        ]
        for name in names
    ]
    heads = ["", plain(outcome.test.headline.name + table.common_unit), "skill", "the model is"]
    parts = [first, plain(scoreboard.headline(outcome)), grid(heads, rows)]
    parts += [f"```\n{command.replace('`', ' ')}\n```"]
    parts += [f"[All runs on these data]({view})"] * bool(view)
    return "\n\n".join(parts)


def of_sweep(
    heads: Sequence[str], rows: Iterable[Sequence[str]], command: str, links: Iterable[str]
) -> str:
    """Describe a sweep by its leaderboard.

    Args:
        heads: Of the leaderboard.
        rows: Best first; as many stay as a tag holds.
        command: That goes on with it, or repeats it.
        links: In Markdown, below.

    Returns:
        The leaderboard, the command, and where to look further.
    """
    every = [[plain(cell) for cell in row] for row in rows]
    rest = "\n\n".join([f"```\n{command.replace('`', ' ')}\n```", *links])
    while len(text := f"{grid(heads, every)}\n\n{rest}") > MOST_TEXT and every:
        every.pop()
    return text


def grid(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table in Markdown; cells are written as they stand."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain(text: str) -> str:
    r"""Write a text that may come from the data so that Markdown shows it and does nothing else.

    >>> print(plain("a|b <img> wind_speed"))
    a\|b \<img\> wind\_speed
    """
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _number(value: float) -> str:
    """Write a number with four digits that mean something."""
    return f"{value:.4g}"
