"""Pieces of the pictures of gates that take the colours of their page."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

Place = Callable[[float], float]
"""A value to its place in the drawing."""

LOOKS = 8
"""Colours of runs; a ninth run has the first again, with another dash."""

SHAPES = (
    "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0",
    "m-3-3h6v6h-6z",
    "m0-4.2l4.2 4.2-4.2 4.2-4.2-4.2z",
    "m0-4l4 7h-8z",
    "m0 4l4-7h-8z",
)
"""Marks of runs, so that they differ by more than their colour."""


def letter(number: int) -> str:
    """Name a run by its place.

    >>> letter(0), letter(25), letter(26)
    ('A', 'Z', 'AA')
    """
    head = letter(number // 26 - 1) if number >= 26 else ""
    return head + chr(ord("A") + number % 26)


def run_look(number: int) -> str:
    """Return the classes of a run's lines.

    >>> run_look(1), run_look(9)
    ('r1 d1', 'r1 d2')
    """
    return f"r{number % LOOKS} d{(number + number // LOOKS * 3) % 5 if number else 0}"


def gate_look(gate: str) -> str:
    """Return the class of a gate's lines."""
    short = gate.rsplit(".", 1)[-1]
    return f"g{short}" if short in ("i", "f", "c", "o", "z", "r", "h") else "gt"


def text(x: float, y: float, words: str, anchor: str = "middle", kind: str = "") -> str:
    """Write words.

    >>> text(1, 2, "a < b", "end")
    '<text x="1" y="2" text-anchor="end">a &lt; b</text>'
    """
    look = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.4g}" y="{y:.4g}" text-anchor="{anchor}"{look}>{escape(words)}</text>'


def path(points: Iterable[tuple[float, float]], kind: str, *, closed: bool = False) -> str:
    """Draw a line through points; it breaks where one is not finite.

    >>> path([(0, 0), (1, 2)], "line r0")
    '<path class="line r0" d="M0 0L1 2"/>'
    """
    way, pen = "", "M"
    for x, y in points:
        if not math.isfinite(x + y):
            pen = "M"
            continue
        way += f"{pen}{_short(x)} {_short(y)}"
        pen = "L"
    return f'<path class="{kind}" d="{way}{"z" if closed else ""}"/>' if way else ""


def mark(x: float, y: float, number: int, kind: str = "") -> str:
    """Draw the mark of a run."""
    shape = SHAPES[number % len(SHAPES)]
    return f'<path class="mark {kind or run_look(number)}" d="M{_short(x)} {_short(y)}{shape}"/>'


def svg(width: float, height: float, parts: Iterable[str], told: str) -> str:
    """Make a picture that says in words what it shows.

    >>> svg(10, 5, [], "a < b")
    '<svg class="gate" viewBox="0 0 10 5" role="img" aria-label="a &lt; b"></svg>'
    """
    label = escape(told, quote=True)
    size = f"{width:g} {height:g}"
    drawn = "".join(parts)
    return f'<svg class="gate" viewBox="0 0 {size}" role="img" aria-label="{label}">{drawn}</svg>'


@dataclass(frozen=True)
class Frame:
    """The ground of a chart: where values lie, and its axes.

    Attributes:
        width: Of the drawing.
        height: Of the drawing.
        x: Both ends.
        y: Both ends.
        left: Room for the numbers of the upright axis.
        logarithmic: Whether the upright axis is.
        doubling: Whether each step along is twice the one before.
    """

    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]
    left: float = 46
    logarithmic: bool = False
    doubling: bool = False
    head: float = 12
    foot: float = 36

    def across(self, value: float) -> float:
        """Return the place of a value along."""
        low, high = (math.log2(max(v, 1e-9)) if self.doubling else v for v in self.x)
        value = math.log2(max(value, 1e-9)) if self.doubling else value
        return self.left + (value - low) / ((high - low) or 1) * (self.width - self.left - 12)

    def above(self, value: float) -> float:
        """Return the place of a value upwards."""
        low, high = (math.log10(max(v, 1e-12)) if self.logarithmic else v for v in self.y)
        value = math.log10(max(value, 1e-12)) if self.logarithmic else value
        share = (value - low) / ((high - low) or 1)
        return self.height - self.foot - share * (self.height - self.head - self.foot)

    def axes(
        self, along: Mapping[float, str], up: Mapping[float, str], label: str = ""
    ) -> list[str]:
        """Draw ticks and their lines."""
        right, floor = self.width - 12, self.height - self.foot
        parts = [
            path([(self.left, self.above(v)), (right, self.above(v))], "grid")
            + text(self.left - 7, self.above(v) + 4.5, words, "end")
            for v, words in up.items()
        ]
        for n, (v, words) in enumerate(along.items()):
            last = n == len(along) - 1 and n > 0
            x = self.across(v)
            parts.append(text(x, floor + 17, words, "end" if last and x > right - 14 else "middle"))
        if label:
            parts.append(text((self.left + right) / 2, self.height - 4, label))
        return parts


@dataclass(frozen=True)
class Panel:
    """A small chart of lines, one for each run or gate.

    Attributes:
        title: Above it.
        frame: Its ground.
        lines: Look to points, (x, y) each.
        told: What it shows, in words.
        along: Ticks along.
        up: Ticks upwards.
        label: Of the axis along.
        dots: Look and place of values that are marked.
    """

    title: str
    frame: Frame
    lines: Mapping[str, Sequence[tuple[float, float]]]
    told: str
    along: Mapping[float, str] = field(default_factory=dict)
    up: Mapping[float, str] = field(default_factory=dict)
    label: str = ""
    dots: Sequence[tuple[str, tuple[float, float]]] = ()

    def draw(self) -> str:
        """Return the picture below its title."""
        frame = self.frame
        parts = frame.axes(self.along, self.up, self.label)
        for look, points in self.lines.items():
            placed = [(frame.across(x), frame.above(y)) for x, y in points]
            parts.append(path(placed, f"line {look}"))
        for look, (x, y) in self.dots:
            place = f'cx="{frame.across(x):.1f}" cy="{frame.above(y):.1f}"'
            parts.append(f'<circle class="mark {look}" {place} r="3.5"/>')
        drawn = svg(frame.width, frame.height, parts, self.told)
        return f"<figure><figcaption>{escape(self.title)}</figcaption>{drawn}</figure>"


def number(value: float) -> str:
    """Write a number in few letters.

    >>> number(0.1234), number(1234.5), number(-0.5), number(2e-5)
    ('0.12', '1234', '−0.5', '2e−05')
    """
    form = f"{value:.0f}" if abs(value) >= 100 else f"{value:.2g}"
    return form.replace("-", "−")


def percent(share: float) -> str:
    """Write a share with its sign.

    >>> percent(0.034), percent(-0.0312), percent(0.0)
    ('+3.4 %', '−3.1 %', '0 %')
    """
    words = f"{100 * share:+.1f}" if abs(share) < 0.995 else f"{100 * share:+.0f}"
    return "0 %" if float(words) == 0 else words.replace("-", "−") + " %"


def range_of(values: Iterable[float]) -> tuple[float, float]:
    """Return both ends of some numbers, apart from each other."""
    known = np.array([v for v in values if math.isfinite(v)])
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    return (
        (low, high)
        if low < high
        else (low - (abs(low) / 10 or 0.1), high + (abs(high) / 10 or 0.1))
    )


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
