"""What a chart may hold, each mark drawn as SVG: lines, bands, bars, and rules to compare with."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT = 480, 240
LEFT, RIGHT, TOP, BOTTOM = 60, 466, 10, 196
"""The ground of a chart within its drawing."""

# no line is told by its colour alone: dashes and these shapes differ too
SHAPES = {
    "model": "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0",
    "d0": "m-3-3h6v6h-6z",
    "d1": "m0-4l4 7h-8z",
    "d2": "m0-4.5l4 4.5l-4 4.5l-4-4.5z",
    "d3": "m0 4l4-7h-8z",
    "d4": "m-4-1h3v-3h2v3h3v2h-3v3h-2v-3h-3z",
}
OTHERS = tuple(f"o{n % 5} d{(n + n // 5) % 5}" for n in range(25))
"""Looks of what stands beside the model: a colour, and a dash with its shape."""

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
        """Return nothing: a rule is told in words."""
        return {}

    def draw(self, across: Place, above: Place) -> str:
        """Return the markup."""
        if self.upright:
            return f'<path class="rule" d="M{across(self.at):.1f} {TOP}V{BOTTOM}"/>'
        return f'<path class="rule" d="M{LEFT} {above(self.at):.1f}H{RIGHT}"/>'


Mark = Line | Band | Bars | Rule
