"""What all pages of a run share: a frame with its style in it, that loads nothing, and tables."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #5b6570; --ground: #fff; --line: #d5dae0;
  --shade: #f4f6f8; --alert: #fff3e0; --link: #0059a8 }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --soft: #9ba5b0; --ground: #16181c;
  --line: #3a3f46; --shade: #1f2227; --alert: #3a2c12; --link: #7cc4f0 } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--ground);
  max-width: 72rem; margin: 2rem auto 4rem; padding: 0 1rem; overflow-wrap: anywhere }
h1 { font-size: 1.6rem; line-height: 1.25; margin-bottom: .4rem }
h2 { font-size: 1.25rem; margin: 3rem 0 .6rem } h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem }
a { color: var(--link) } figure { margin: 0 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .7rem; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; overflow-wrap: normal }
th { font-weight: 600; color: var(--soft) }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
.facts td { text-align: left; overflow-wrap: anywhere }
.facts td:first-child { color: var(--soft); white-space: nowrap }
.scroll { overflow-x: auto; width: fit-content; max-width: 100%; margin: .6rem 0 1rem; background:
  linear-gradient(to left, var(--ground) 40%, transparent) right / 1.5rem 100% local no-repeat,
  linear-gradient(to left, var(--line), transparent) right / .5rem 100% no-repeat }
.scroll th, .scroll td { white-space: nowrap }
.alert { background: var(--alert); padding: .5rem .8rem; border-radius: 6px; margin: .4rem 0 }
.note { color: var(--soft); max-width: 48rem; margin: .3rem 0 1rem }
"""


class Html(str):
    """Text that is markup already; any other text is escaped where it enters a page."""

    __slots__ = ()


def frame(title: str, body: str, *, style: str = "", script: str = "") -> str:
    """Write a whole page.

    Args:
        title: Of the window.
        body: Markup.
        style: Rules beside those that all pages share.
        script: Run when the page is there; the page must be whole without it.

    Returns:
        HTML that needs nothing but itself.

    >>> text = frame("a < b", "<p>so</p>")
    >>> text.startswith("<!doctype html>"), "<title>a &lt; b</title>" in text, "http" in text
    (True, True, False)
    """
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        '</title><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}{style}</style></head><body>{body}"
        f"{f'<script>{script}</script>' if script else ''}</body></html>\n"
    )


def facts(told: Mapping[str, str]) -> Html:
    """Write names and what is said of them, one a row."""
    rows = "".join(
        f"<tr><td>{_cell(name)}</td><td>{_cell(text)}</td></tr>" for name, text in told.items()
    )
    return Html(f'<table class="facts">{rows}</table>')


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """Write a table that scrolls where it is too wide.

    Args:
        heads: Of the columns.
        rows: Cells.

    Returns:
        Markup.

    >>> table(["a"], [["<b>"], [Html("<b>1</b>")]]).count("<b>")
    1
    """
    head = "".join(f"<th>{_cell(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(text)}</td>' for text in row)}</tr>" for row in rows)
    return Html(
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def number(value: float, digits: int = 4) -> str:
    """Write a number with the digits that mean something.

    Args:
        value: Any; what is not finite becomes a dash.
        digits: How many of them.

    Returns:
        Text.

    >>> number(3.75123), number(-0.5), number(123456.7), number(float("nan"))
    ('3.751', '−0.5', '123,457', '–')
    """
    if not math.isfinite(value):
        return "–"
    text = f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"
    return text.replace("-", "−", 1) if text.startswith("-") else text


def measured(value: float, unit: str, digits: int = 4) -> str:
    """Write a number with its unit.

    Args:
        value: Any.
        unit: As a caption ends, such as ", °F", or nothing.
        digits: That mean something.

    Returns:
        Text.

    >>> measured(3.75123, ", °F", 3), measured(0.5, "")
    ('3.75 °F', '0.5')
    """
    return f"{number(value, digits)} {unit.removeprefix(', ')}".rstrip()


def _cell(text: str) -> str:
    return text if isinstance(text, Html) else escape(text)
