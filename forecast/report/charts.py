"""SVG charts: lines, bands, bars and rules, with axes and a legend."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

from forecast.evaluation.significance.wording import number
from forecast.report.page import render

WIDTH, HEIGHT = 480, 240
LEFT, RIGHT, TOP, BOTTOM = 60, 466, 10, 196
"""The ground of a chart within its drawing."""

# lines differ by dashes and these shapes too, not by colour alone
SHAPES = {
    "model": "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0",
    "d0": "m-3-3h6v6h-6z",
    "d1": "m0-4l4 7h-8z",
    "d2": "m0-4.5l4 4.5l-4 4.5l-4-4.5z",
    "d3": "m0 4l4-7h-8z",
    "d4": "m-4-1h3v-3h2v3h3v2h-3v3h-2v-3h-3z",
}
OTHERS = tuple(f"o{n % 5} d{(n + n // 5) % 5}" for n in range(25))
"""Looks of baselines: a colour, and a dash with its shape."""

DOTS = 12

Values = Sequence[float] | np.ndarray
Place = Callable[[float], float]
"""A value to its place in the drawing."""


@dataclass(frozen=True)
class Line:
    """Values joined by a line that breaks where one is not finite.

    Attributes:
        name: In the chart's numbers.
        x: Along, (values,).
        y: Up, (values,).
        look: "true", "model" or one of `OTHERS`.
        dots: Whether values have shapes, at most about `DOTS` of them, evenly.
    """

    name: str
    x: Values
    y: Values
    look: str = "model"
    dots: bool = False

    def reach(self) -> tuple[Values, Values]:
        """Return the values that both axes must hold."""
        return self.x, self.y

    def columns(self) -> dict[str, Values]:
        """Return name to values, one for each place along."""
        return {self.name: self.y}

    def draw(self, across: Place, above: Place) -> str:
        """Return the markup."""
        path, dots, pen = "", "", "M"
        every = -(-len(self.x) // DOTS)
        for n, (x, y) in enumerate(zip(self.x, self.y, strict=True)):
            if not math.isfinite(y):
                pen = "M"
                continue
            here = f"{across(x):.1f} {above(y):.1f}"
            path += f"{pen}{here}" + ("h0" if pen == "M" else "")  # a value alone is a dot
            dots += (
                f"M{here}{SHAPES[self.look.split()[-1]]}" if self.dots and n % every == 0 else ""
            )
            pen = "L"
        shown = f'<path class="line {self.look}" d="{path}"/>'
        return shown + (f'<path class="dot {self.look}" d="{dots}"/>' if dots else "")


@dataclass(frozen=True)
class Band:
    """What lies between two lines, (values,) each."""

    name: str
    x: Values
    low: Values
    high: Values

    def reach(self) -> tuple[Values, Values]:
        """Return the values that both axes must hold."""
        return self.x, np.concatenate([self.low, self.high])

    def columns(self) -> dict[str, Values]:
        """Return name to values, one for each place along."""
        return {f"{self.name}, low": self.low, f"{self.name}, high": self.high}

    def draw(self, across: Place, above: Place) -> str:
        """Return the markup."""
        points = [
            (f"{across(x):.1f} {above(low):.1f}", f"{across(x):.1f} {above(high):.1f}")
            for x, low, high in zip(self.x, self.low, self.high, strict=True)
            if math.isfinite(low + high)
        ]
        way = "L".join([high for _, high in points] + [low for low, _ in points[::-1]])
        return f'<path class="band" d="M{way}z"/>' if way else ""


@dataclass(frozen=True)
class Bars:
    """Bars that stand on zero, (values,), each as wide as given."""

    name: str
    x: Values
    y: Values
    width: float

    def reach(self) -> tuple[Values, Values]:
        """Return the values that both axes must hold."""
        x, half = np.asarray(self.x, float), self.width / 2
        return np.concatenate([x - half, x + half]), np.append(self.y, 0.0)

    def columns(self) -> dict[str, Values]:
        """Return name to values, one for each place along."""
        return {self.name: self.y}

    def draw(self, across: Place, above: Place) -> str:
        """Return the markup."""
        half, zero = self.width / 2, f"{above(0):.1f}"
        path = "".join(
            f"M{across(x - half):.1f} {zero}V{above(y):.1f}H{across(x + half):.1f}V{zero}z"
            for x, y in zip(self.x, self.y, strict=True)
            if math.isfinite(y)
        )
        return f'<path class="bar" d="{path}"/>'


@dataclass(frozen=True)
class Rule:
    """A value to compare with: a dashed line across, or upright."""

    at: float
    upright: bool = False

    def reach(self) -> tuple[Values, Values]:
        """Return the values that both axes must hold."""
        return ([self.at], []) if self.upright else ([], [self.at])

    def columns(self) -> dict[str, Values]:
        """Return nothing: a rule is described in words."""
        return {}

    def draw(self, across: Place, above: Place) -> str:
        """Return the markup."""
        if self.upright:
            return f'<path class="rule" d="M{across(self.at):.1f} {TOP}V{BOTTOM}"/>'
        return f'<path class="rule" d="M{LEFT} {above(self.at):.1f}H{RIGHT}"/>'


@dataclass(frozen=True)
class Dots:
    """Values of their own, each with the shape of a look, (values,)."""

    name: str
    x: Values
    y: Values
    look: str

    def reach(self) -> tuple[Values, Values]:
        """Return the values that both axes must hold."""
        return self.x, self.y

    def columns(self) -> dict[str, Values]:
        """Return name to values, one for each place along."""
        return {self.name: self.y}

    def draw(self, across: Place, above: Place) -> str:
        """Return the markup."""
        shape = SHAPES[self.look.split()[-1]]
        spots = (
            f"M{across(x):.1f} {above(y):.1f}{shape}"
            for x, y in zip(self.x, self.y, strict=True)
            if math.isfinite(y)
        )
        return f'<path class="dot {self.look}" d="{"".join(spots)}"/>'


Mark = Line | Band | Bars | Rule | Dots


ROWS = 150
"""Most points of a line that a screen reader gets; more are thinned evenly."""


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        label: What it counts.
        low: Where it begins; None follows from the values.
        high: Where it ends.
        season: Its ticks go well with this whole number; 0 for values that are not whole.
        names: What to write at some values instead of numbers; then these alone are ticks.
    """

    label: str = ""
    low: float | None = None
    high: float | None = None
    season: int = 0
    names: Mapping[float, str] = field(default_factory=dict)

    def ends(self, reached: Iterable[Values]) -> tuple[float, float]:
        """Return where it begins and ends: low below high."""
        values = np.concatenate([np.asarray(part, float) for part in reached])
        values = values[np.isfinite(values)]
        low = self.low if self.low is not None else float(values.min(initial=math.inf))
        high = self.high if self.high is not None else float(values.max(initial=-math.inf))
        if not low <= high < math.inf:
            return 0.0, 1.0
        if low == high:  # a single value is drawn in the middle
            return low - (abs(low) / 10 or 1.0), high + (abs(high) / 10 or 1.0)
        return low, high

    def tell(self, value: float) -> str:
        """Return what is written at a value."""
        return self.names.get(value, number(value))


def chart(
    title: str, marks: Sequence[Mark], *, x: Axis = Axis(), y: Axis = Axis(), note: str = ""
) -> str:
    """Draw a chart, its numbers folded below it."""
    reached = [mark.reach() for mark in marks]
    low, high = x.ends(along for along, _ in reached)
    bottom, top = y.ends(up for _, up in reached)
    low_tick, high_tick = outward(bottom, top, season=y.season)
    bottom = low_tick if y.low is None else bottom
    top = high_tick if y.high is None else top
    up = ticks(bottom, top, 6, y.season)

    def across(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (RIGHT - LEFT)

    def above(value: float) -> float:
        return BOTTOM - (value - bottom) / (top - bottom) * (BOTTOM - TOP)

    parts = [
        f'<path class="grid" d="M{LEFT} {above(v):.1f}H{RIGHT}"/>'
        + _text(LEFT - 8, above(v) + 4.5, y.tell(v), "end")
        for v in up
    ]
    parts += [
        _text(across(v), BOTTOM + 19, x.tell(v))
        for v in list(x.names) or ticks(low, high, 5, x.season)
    ]
    parts.append(_text((LEFT + RIGHT) / 2, HEIGHT - 5, x.label))
    parts += [mark.draw(across, above) for mark in marks]
    columns = _columns(marks)
    places = sorted({place for column in columns.values() for place in column})
    return render(
        "chart",
        title=title,
        note=note,
        size=(WIDTH, HEIGHT),
        ends=(TOP, BOTTOM),
        drawing="".join(parts),
        heads=(x.label, *columns),
        rows=[
            (f"{across(v):.1f}", [x.tell(v), *(_value(of.get(v)) for of in columns.values())])
            for v in places[:: max(1, -(-len(places) // ROWS))]
        ],
    )


def outward(low: float, high: float, most: int = 4, season: int = 0) -> tuple[float, float]:
    """Round two ends outward to ticks.

    >>> outward(3, 17.5)
    (0.0, 20.0)
    """
    found = ticks(low, high, most, season)
    if len(found) < 2:
        return low, high
    step = found[1] - found[0]
    return step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9)


def ticks(low: float, high: float, most: int = 5, season: int = 0) -> list[float]:
    """Choose round values between two.

    >>> ticks(0, 3.1, 4), ticks(1, 24, season=24), ticks(-72, 24, season=24)
    ([0.0, 1.0, 2.0, 3.0], [6, 12, 18, 24], [-72, -48, -24, 0, 24])
    """
    least = (high - low) / most
    if season:
        parts = (n for n in range(1, season + 1) if season % n == 0)
        more = (season * n * 10**power for power in range(12) for n in (1, 2, 5))
        step: float = next(n for n in itertools.chain(parts, more) if n >= least)
    else:
        power = 10.0 ** math.floor(math.log10(least))
        step = power * next(n for n in (1, 2, 5, 10) if n * power >= least * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def samples(looks: Mapping[str, str]) -> dict[str, str]:
    """Draw what each look is, for a legend."""
    return {name: _sample(look) for name, look in looks.items()}


def _sample(look: str) -> str:
    """Draw a short piece of a line with its shape."""
    if look.startswith("band"):
        inner = '<rect class="band" x="2" y="1" width="34" height="10"/>' * (look != "band")
        return inner + '<rect class="band" x="2" y="1" width="34" height="10"/>'
    kind = look.split()[-1]
    shape = f'<path class="dot {look}" d="M19 6{SHAPES[kind]}"/>' if kind in SHAPES else ""
    return f'<path class="line {look}" d="M2 6H36"/>{shape}'


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _columns(marks: Sequence[Mark]) -> dict[str, dict[float, float]]:
    """Return the values of a chart: name to place along it to value."""
    return {
        name: dict(zip(mark.x, values, strict=True))
        for mark in marks
        if not isinstance(mark, Rule)
        for name, values in mark.columns().items()
    }


def _value(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else number(value)
