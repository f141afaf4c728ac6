"""Markdown that MLflow shows: text that stays text, tables, commands, links."""

import re
import shlex
import unicodedata
from collections.abc import Iterable, Sequence

from forecast.data.fetch import conceal

SPECIAL = re.compile(
    r"""[\\`*{}\[\]<>&|~#@"']|:(?!\s|$)|_(?![A-Za-z0-9])|(?<![A-Za-z0-9])_|(?<=www)\.""",
    re.IGNORECASE,
)
"""What begins markup, a mention, an emoji or a link. MLflow's reader knows no \\< and no \\&, so
each is written by its number; an underscore within a word begins nothing."""

MOST_TEXT = 5_900
"""Characters of a parameter or tag that are kept; MLflow refuses more than 6,000."""

LONG = 60
"""Most characters of a name that are shown."""

MOST_COMMAND = 3_000
"""Characters of a command that are shown; the rest of a description must fit beside it."""

WIDE = 72
"""Characters of a line of a command; a longer one makes MLflow's whole page wider."""


def plain(text: str, most: int | None = None) -> str:
    """Write a text that may come from the data so that MLflow shows it and does nothing else.

    >>> plain("a|b <img> wind_speed *")
    'a&#124;b &#60;img&#62; wind_speed &#42;'
    """
    words = " ".join(conceal(text).split())
    kept = "".join(c if unicodedata.category(c)[0] != "C" else "�" for c in words)
    if most is not None and len(kept) > most:
        kept = kept[: most - 1] + "…"
    return SPECIAL.sub(lambda found: f"&#{ord(found[0])};", kept)


def name(text: str) -> str:
    """Write a name of the data, cut where it is very long."""
    return plain(text, LONG)


def listed(texts: Sequence[str], most: int = 3) -> str:
    """Write the first names, and how many there are in all.

    >>> listed(["a_1", "b<", "c", "d"])
    'a_1, b&#60;, c … (4)'
    """
    shown = ", ".join(name(text) for text in texts[:most])
    return f"{shown} … ({len(texts):,})" if len(texts) > most else shown


def link(text: str, address: str | None) -> str:
    """Write a link; a text that leads nowhere stays a text."""
    return f"[{text}]({address})" if address else text


def number(value: float) -> str:
    """Write a number with four digits that mean something."""
    return f"{value:.4g}"


def command(text: str) -> str:
    r"""Write a command as a block that can be pasted into a shell.

    >>> print(command("forecast train 'data.path=a b.csv'"))
    Run it again:
    <BLANKLINE>
    ```bash
    forecast train 'data.path=a b.csv'
    ```
    """
    if len(text) > MOST_COMMAND:
        return "The command is too long to be shown here; `config.yaml` has all settings."
    try:
        words = [shlex.quote(word) for word in shlex.split(text)]
    except ValueError:  # a secret was left out with the quote that it held
        words = [text]
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) >= WIDE:
            lines.append(" ")
        lines[-1] += f" {word}" if lines[-1] else word
    shown = " \\\n".join(lines)
    longest = max(map(len, re.findall("`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"Run it again:\n\n{fence}bash\n{shown}\n{fence}"


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table, with room between columns, of which MLflow leaves none."""
    lines = [f"| {' | &ensp;'.join(line)} |" for line in (heads, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(heads)}", *lines[1:]])


def fitted(
    before: Sequence[str],
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    after: Sequence[str],
    most: int = MOST_TEXT,
) -> str:
    """Write paragraphs around a table of as many rows as fit."""
    kept = list(rows)
    while True:
        left = len(rows) - len(kept)
        more = f"{left:,} more rows are not shown." if left else ""
        parts = [*before, markdown_table(heads, kept) if kept else "", more, *after]
        text = "\n\n".join(part for part in parts if part)
        if len(text) <= most or not kept:
            return text
        kept.pop()
