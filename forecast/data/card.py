"""What a notebook shows of an object: a title, facts, a table; everything escaped."""

from collections.abc import Iterable, Mapping
from html import escape

import pandas as pd


def card(title: str, facts: Mapping[str, object], frame: pd.DataFrame | None = None) -> str:
    """Write HTML that reads on light and on dark pages, since it brings no colours.

    >>> card("a < b", {"rows": 3, "gap": ""})
    '<div><b>a &lt; b</b><table><tr><th style="text-align:left">rows</th><td
    style="text-align:left">3</td></tr></table></div>'
    """
    cell = ' style="text-align:left"'
    lines = [
        f"<tr><th{cell}>{escape(name)}</th><td{cell}>{escape(str(fact))}</td></tr>"
        for name, fact in facts.items()
        if str(fact)
    ]
    parts = [f"<b>{escape(title)}</b>"]
    parts += [f"<table>{''.join(lines)}</table>"] * bool(lines)
    if frame is not None:
        parts.append(frame.to_html(border=0, na_rep="", float_format="{:.4g}".format))
    return f"<div>{''.join(parts)}</div>"


def listed(names: Iterable[str], most: int = 8) -> str:
    """Write the first names, and how many there are in all.

    >>> listed(["a", "b", "c"], most=2)
    'a, b … (3)'
    """
    every = list(names)
    return ", ".join(every[:most]) + (f" … ({len(every)})" if len(every) > most else "")
