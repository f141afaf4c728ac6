"""Parallel coordinates of a sweep as SVG: a line a candidate, through its settings to its error."""

from collections.abc import Sequence
from html import escape

from forecast.evaluation.significance.wording import number
from forecast.report.comparison import ABSENT, LABELS, Row, text_of, varied

WIDTH, HEIGHT = 1120, 300
LEFT, RIGHT, TOP, BOTTOM = 40, 1000, 14, 256
"""The ground of the picture within its drawing."""

MOST = 200
"""Most candidates that are drawn: the best."""


def coordinates(rows: Sequence[Row], error: str) -> str:
    """Draw candidates, the best first and bold, each fainter than the one before."""
    shown = rows[:MOST]
    settings = varied(shown)
    count = len(settings)
    across = [LEFT + n * (RIGHT - LEFT) / max(1, count) for n in range(count + 1)]
    low, high = shown[0].mean, max(row.mean for row in shown)
    parts = []
    for place, row in reversed(list(enumerate(shown))):
        heights = [
            _height(texts.index(text_of(row.point.get(name, ABSENT))) / (len(texts) - 1))
            for name, texts in settings.items()
        ]
        # the smaller the error, the higher
        share = (row.mean - low) / (high - low) if high > low else 0.0
        ends = zip(across, [*heights, _height(1 - share)], strict=True)
        path = "L".join(f"{x:.0f} {y:.0f}" for x, y in ends)
        look = "model" if place == 0 else "other"
        faint = "" if place == 0 else f' style="opacity:{0.85 - 0.6 * share:.2f}"'
        parts.append(f'<path class="line {look}" d="M{path}"{faint}/>')
    for x, (name, texts) in zip(across, settings.items(), strict=False):
        parts.append(f'<path class="rule" d="M{x:.0f} {TOP}V{BOTTOM}"/>')
        for text in texts[:: -(-len(texts) // LABELS)]:
            y = _height(texts.index(text) / (len(texts) - 1))
            parts.append(_text(x + 7, y + 4, text))
        parts.append(_text(x, BOTTOM + 24, name, "middle" if x > LEFT else "start"))
    parts.append(f'<path class="rule" d="M{RIGHT} {TOP}V{BOTTOM}"/>')
    for share in (0.0, 0.5, 1.0) if high > low else (1.0,):
        text = number(high - share * (high - low))
        parts.append(_text(RIGHT + 7, _height(share) + 4, text))
    parts.append(_text(RIGHT, BOTTOM + 24, f"mean {error}", "middle"))
    label = f"Settings of {len(shown)} candidates and their mean {error}; best: {shown[0].name}"
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
    return f"{head}{''.join(parts)}</svg>"


def _height(share: float) -> float:
    return BOTTOM - share * (BOTTOM - TOP)


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'
