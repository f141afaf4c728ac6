"""The frame and style of every page, facts and tables."""

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


def facts(known: Mapping[str, str]) -> Html:
    """Write facts by name, one per row."""
    rows = "".join(
        f"<tr><td>{_cell(name)}</td><td>{_cell(text)}</td></tr>" for name, text in known.items()
    )
    return Html(f'<table class="facts">{rows}</table>')


def html_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """Write a table that scrolls where it is too wide.

    >>> html_table(["a"], [["<b>"], [Html("<b>1</b>")]]).count("<b>")
    1
    """
    head = "".join(f"<th>{_cell(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(text)}</td>' for text in row)}</tr>" for row in rows)
    return Html(
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    return text if isinstance(text, Html) else escape(text)


# Okabe & Ito's palette as in `figures`, lightened where it would drown in the dark.
REPORT_STYLE = """
:root { --true: #222; --model: #0072b2; --o0: #e69f00; --o1: #009e73; --o2: #cc79a7; --o3: #56b4e9;
  --o4: #d55e00; --grid: #e6e9ed }
@media (prefers-color-scheme: dark) { :root { --true: #f2f2f2; --model: #56b4e9; --o3: #f0e442;
  --grid: #2b2f35 } }
.lead { font-size: 1.15rem; max-width: 48rem; margin: 0 0 1rem }
.contents { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: .5rem 0;
  border-block: 1px solid var(--line) }
pre { background: var(--shade); padding: .7rem .9rem; border-radius: 6px; overflow-x: auto;
  font-size: .88rem; white-space: pre-wrap }
summary { cursor: pointer } h3 + .note { margin-top: 0 }
select { font: inherit; margin-bottom: .8rem; max-width: 100% }
svg { display: block; width: 100%; height: auto; overflow: visible }
svg text { font: 12.5px system-ui, sans-serif; fill: var(--soft) }
.true { stroke: var(--true); fill: var(--true) } .model { stroke: var(--model); fill: var(--model) }
.o0 { stroke: var(--o0); fill: var(--o0) } .o1 { stroke: var(--o1); fill: var(--o1) }
.o2 { stroke: var(--o2); fill: var(--o2) } .o3 { stroke: var(--o3); fill: var(--o3) }
.o4 { stroke: var(--o4); fill: var(--o4) }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round }
.line.model { stroke-width: 2.8 } .line.d0 { stroke-dasharray: 7 4 }
.line.d1 { stroke-dasharray: 1 4.5; stroke-width: 2.4 } .line.d2 { stroke-dasharray: 9 4 1 4 }
.line.d3 { stroke-dasharray: 3 4 } .line.d4 { stroke-dasharray: 12 5 }
.dot { stroke: none } .grid { stroke: var(--grid); fill: none } .at { display: none }
.band { fill: var(--model); opacity: .22 } .bar { fill: var(--model); opacity: .7 }
.rule, .at { stroke: var(--soft); stroke-width: 1.2; fill: none } .rule { stroke-dasharray: 4 3 }
.chart { position: relative; min-width: 0 }
.chart details { color: var(--soft); font-size: .85rem } .chart .scroll { max-height: 16rem }
figcaption { margin-bottom: .3rem; line-height: 1.4 } figcaption b { font-weight: 600 }
figcaption span { display: block; color: var(--soft); font-size: .9rem }
.tip { position: absolute; pointer-events: none; background: var(--ground); font-size: .82rem;
  border: 1px solid var(--line); border-radius: 6px; padding: .25rem .5rem; white-space: nowrap;
  z-index: 1; font-variant-numeric: tabular-nums }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.3rem; margin: .4rem 0 .9rem }
.legend span { display: inline-flex; align-items: center; gap: .4rem }
.legend svg { width: 2.4rem; flex: none }
.charts { display: grid; gap: 2rem 2.4rem; grid-template-columns:
  repeat(auto-fill, minmax(min(27rem, 100%), 1fr)) }
.small { grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)) }
.small svg text { font-size: 16px }
td:has(.share) { text-align: left }
.share { display: inline-block; height: .7em; background: var(--model); opacity: .7;
  border-radius: 2px; vertical-align: baseline }
@media (max-width: 34rem) { svg text, .small svg text { font-size: 17px } }
"""

# A switch shows one of its parts, where without it they stand below each other; a pointer on a
# chart shows the nearest of its numbers, read from the table below it.
SCRIPT = """
for (const box of document.querySelectorAll('.switch')) {
  const parts = [...box.children], select = document.createElement('select');
  select.setAttribute('aria-label', box.dataset.label); select.autocomplete = 'off';
  parts.forEach((part, n) => {
    select.add(new Option(part.dataset.name, n));
    part.hidden = n > 0;
    part.querySelector('h3').hidden = true;
  });
  select.addEventListener('change', () =>
    parts.forEach((part, n) => { part.hidden = n !== Number(select.value) }));
  box.prepend(select);
}
for (const figure of document.querySelectorAll('.chart')) {
  const svg = figure.querySelector('svg'), at = figure.querySelector('.at');
  const rows = [...figure.querySelectorAll('tr[data-x]')];
  const heads = [...figure.querySelectorAll('th')].map(cell => cell.textContent);
  const tip = document.createElement('div');
  tip.className = 'tip'; tip.hidden = true; figure.append(tip);
  const hide = () => { tip.hidden = true; at.style.display = 'none' };
  const show = event => {
    const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
    const far = row => Math.abs(row.dataset.x - (event.clientX - box.left) * scale);
    const row = rows.reduce((best, other) => far(other) < far(best) ? other : best);
    tip.replaceChildren(...[...row.cells].flatMap((cell, n) => {
      const line = document.createElement('div');
      line.textContent = `${heads[n]}: ${cell.textContent}`;
      return cell.textContent ? [line] : [];
    }));
    at.setAttribute('x1', row.dataset.x); at.setAttribute('x2', row.dataset.x);
    at.style.display = 'inline'; tip.hidden = false;
    const left = row.dataset.x / scale, room = box.width - tip.offsetWidth;
    tip.style.left = `${Math.max(0, left + 12 > room ? left - 12 - tip.offsetWidth : left + 12)}px`;
    tip.style.top = `${box.top - figure.getBoundingClientRect().top}px`;
  };
  if (rows.length) {
    for (const kind of ['pointermove', 'pointerdown']) svg.addEventListener(kind, show);
    svg.addEventListener('pointerleave', hide);
  }
}
"""
