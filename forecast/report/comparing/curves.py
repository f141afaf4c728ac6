"""Validation error by epoch of the best of many runs, in one panel."""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from forecast.evaluation.significance.wording import number
from forecast.report.charts import ticks
from forecast.report.comparing.entries import Entry

MOST = 20
"""Runs that have a curve."""

LABELLED = 6
"""Most curves that bear a name."""

WIDTH, HEIGHT = 720, 300
LEFT, TOP, BOTTOM = 64, 12, 252


def curves(entries: Sequence[Entry], label: str) -> dict[str, Any] | None:
    """Draw the curves, the best in front, each with a dot at the epoch that was kept."""
    own = [entry for entry in entries if len(entry.curve) > 1][:MOST]
    if not own:
        return None
    right = 700 if len(own) > LABELLED else 560
    values = [value for entry in own for value in entry.curve.values() if math.isfinite(value)]
    last = max(epoch for entry in own for epoch in entry.curve)
    low, high = min(values), _end(own, max(values))
    up = ticks(low, high, 5) if high > low else [low]
    if len(up) > 1:
        low = min(low, up[0])

    def across(epoch: float) -> float:
        return LEFT + (epoch - 1) / max(1, last - 1) * (right - LEFT)

    def above(value: float) -> float:
        share = (min(value, high) - low) / ((high - low) or 1.0)
        return BOTTOM - share * (BOTTOM - TOP)

    parts = [
        f'<path class="grid" d="M{LEFT} {above(v):.1f}H{right}"/>'
        f'<text x="{LEFT - 8}" y="{above(v) + 4.5:.1f}" text-anchor="end">{number(v)}</text>'
        for v in up
    ]
    parts += [
        f'<text x="{across(v):.1f}" y="{BOTTOM + 20}" text-anchor="middle">{v:g}</text>'
        for v in ticks(1, last, 8, 1)
    ]
    parts.append(
        f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">epoch</text>'
    )
    names = _names(own, above) if len(own) <= LABELLED else {}
    for entry in reversed(own):
        kind = "best" if entry is own[0] else "other"
        points = [
            f"{across(epoch):.1f} {above(value):.1f}"
            for epoch, value in sorted(entry.curve.items())
            if math.isfinite(value)
        ]
        dot = ""
        if (kept := entry.curve.get(entry.kept)) is not None and math.isfinite(kept):
            dot = f'<circle cx="{across(entry.kept):.1f}" cy="{above(kept):.1f}" r="4"/>'
        if entry.id in names:
            end, up_there = across(max(entry.curve)), names[entry.id]
            short = escape(entry.name.split(" · ")[0])
            dot += f'<text x="{end + 8:.1f}" y="{up_there:.1f}">{short}</text>'
        title = f"<title>{escape(entry.name)}</title>"
        parts.append(f'<g class="{kind}">{title}<path d="M{"L".join(points)}"/>{dot}</g>')
    lowest = min(own, key=lambda entry: min(entry.curve.values()))
    return {
        "size": (WIDTH, HEIGHT),
        "drawing": "".join(parts),
        "label": label,
        "best": own[0].name,
        "count": len(own),
        "alt": (
            f"{label} by epoch of {len(own)} runs; the lowest point is that of {lowest.name}, "
            f"{number(min(lowest.curve.values()))}"
        ),
        "rows": [
            [
                entry.name,
                number(entry.curve.get(entry.kept, math.nan)),
                str(entry.kept or "–"),
                str(max(entry.curve)),
                number(entry.curve[max(entry.curve)]),
            ]
            for entry in own
        ],
    }


def _names(own: Sequence[Entry], above: Callable[[float], float]) -> dict[str, float]:
    """Place the name of each curve where it ends, none on another that ends beside it."""
    found: dict[str, float] = {}
    taken: dict[int, list[float]] = {}
    for entry in sorted(own, key=lambda entry: entry.curve[max(entry.curve)]):
        last = max(entry.curve)
        beside = [place for epoch in taken for place in taken[epoch]]
        place = above(entry.curve[last]) + 4.5
        while any(abs(place - other) < 16 for other in beside):
            place -= 1
        taken.setdefault(last, []).append(place)
        found[entry.id] = place
    return found


def _end(own: Sequence[Entry], highest: float) -> float:
    """End the axis where the second epochs end, since the first may be far above all others."""
    later = [value for one in own for epoch, value in one.curve.items() if epoch > 1]
    return max((value for value in later if math.isfinite(value)), default=highest)
