"""Does memory matter? What the errors of a network say whose parts were taken away, in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from forecast.gates.resampling import Change, Interval
from forecast.metrics.headline import HEADLINES

WITHIN = 0.01
"""Share of the whole window's error by which a shorter memory may be worse and still suffice."""

RECURRENCE = "recurrence"
"""The part of a network that all recurrent kernels are together."""

_NAMES = {headline.key: headline.name for headline in HEADLINES.values()}
_CHANGE = "memory/change"
_ENDS = ("low", "high")

STEPPED = (*(f"memory/{key}" for key in _NAMES), *(f"{_CHANGE}_{end}" for end in _ENDS))
"""Metrics of curves; their step is the newest steps kept."""


@dataclass(frozen=True)
class Memory:
    """Errors of a network that is allowed to remember less.

    Attributes:
        curve: Newest steps that are real to the error, for at least 1 and the whole look-back.
        without_recurrence: Error with all recurrent kernels zero; None without recurrent layers.
        frozen: `<layer>/<gate>` to the error with that gate held at its mean.
        within: Share by which an error may exceed the whole window's and still suffice.
        intervals: Of the relative change of the error, 0.01 for 1 % more: newest steps kept,
            "recurrence" or `<layer>/<gate>` to both ends; empty where none were measured.
        measure: Key of the error, such as "mae" or "brier".
    """

    curve: Mapping[int, float]
    without_recurrence: float | None
    frozen: Mapping[str, float]
    within: float = WITHIN
    intervals: Mapping[int | str, Interval] = field(default_factory=dict)
    measure: str = "mae"

    @property
    def whole(self) -> float:
        """Error of the network as it is."""
        return self.curve[max(self.curve)]

    @property
    def used(self) -> int:
        """Steps that suffice: the look-back that this network really uses.

        >>> Memory({1: 3.0, 2: 2.01, 4: 2.0}, None, {}).used
        2
        """
        return min(steps for steps, error in self.curve.items() if self.suffices(error))

    @property
    def name(self) -> str:
        """What the error is called, "MAE" or "Brier score"."""
        return _NAMES.get(self.measure, self.measure)

    def suffices(self, error: float) -> bool:
        """Say whether an error is as good as the whole window's."""
        return error <= self.whole * (1 + self.within)

    def changes(self) -> dict[str, Change]:
        """Return what each part that was taken away does: "recurrence", and `<layer>/<gate>`.

        >>> Memory({1: 3.0, 2: 2.0}, 2.5, {"lstm_1/f": 1.0}).changes()["lstm_1/f"].verdict
        'hurts'
        """
        without = self.without_recurrence
        errors = {**({} if without is None else {RECURRENCE: without}), **self.frozen}
        return {part: self._change(part, error) for part, error in errors.items()}

    def shorter(self, steps: int) -> Change:
        """Return what the error does when only so many newest steps are real."""
        return self._change(steps, self.curve[steps])

    @property
    def better(self) -> int | None:
        """Newest steps whose error is the lowest, if clearly lower than the whole window's.

        >>> Memory({1: 3.0, 2: 1.8, 4: 2.0}, None, {}).better
        2
        """
        steps = min(self.curve, key=lambda steps: (self.curve[steps], steps))
        change = self.shorter(steps)
        return steps if change.verdict == "hurts" and change.share < -self.within else None

    def series(self) -> dict[str, dict[int, float]]:
        """Return `{metric: {step: value}}`; the step of a curve is the newest steps kept."""
        head = f"memory/{self.measure}"
        found = {head: {steps: self.curve[steps] for steps in sorted(self.curve)}}
        single: dict[str, float] = {"memory/look_back_used": float(self.used)}
        if self.without_recurrence is not None:
            single[f"{head}_{_suffix(RECURRENCE)}"] = self.without_recurrence
        for gate, error in self.frozen.items():
            single[f"{head}_{_suffix(gate)}"] = error
        for part, interval in self.intervals.items():
            for end, value in zip(_ENDS, interval, strict=True):
                if isinstance(part, int):
                    found.setdefault(f"{_CHANGE}_{end}", {})[part] = value
                else:
                    single[f"{_CHANGE}_{_suffix(part)}_{end}"] = value
        return found | {key: {0: value} for key, value in single.items()}

    @classmethod
    def from_series(
        cls, series: Mapping[str, Mapping[int, float]], within: float = WITHIN
    ) -> "Memory | None":
        """Read back what `series` gave; None where it has no curve.

        >>> found = Memory({1: 3.0, 2: 2.0}, None, {"lstm_1/f": 2.5}, 0.01, {1: (0.4, 0.6)})
        >>> Memory.from_series(found.series()) == found
        True
        """
        measure = next((key for key in _NAMES if series.get(f"memory/{key}")), None)
        if measure is None:
            return None
        single = {key: next(iter(steps.values())) for key, steps in series.items() if steps}
        errors = _parts(single, f"memory/{measure}_")
        ends: list[dict[int | str, float]] = []
        for end in _ENDS:
            steps, parts = (
                series.get(f"{_CHANGE}_{end}", {}),
                _parts(single, f"{_CHANGE}_", f"_{end}"),
            )
            ends.append({part: value for each in (steps, parts) for part, value in each.items()})
        return cls(
            dict(series[f"memory/{measure}"]),
            errors.pop(RECURRENCE, None),
            errors,
            within,
            {part: (ends[0][part], ends[1][part]) for part in ends[0] if part in ends[1]},
            measure,
        )

    def advice(self) -> str:
        """Say in a sentence what was measured, and what to try.

        >>> print(Memory({1: 3.0, 2: 2.01, 8: 2.0}, None, {}).advice())
        the newest 2 steps are enough: validation MAE +0.5 %; window.timesteps=2 trains faster
        """
        longest, used, better = max(self.curve), self.used, self.better
        error = f"validation {self.name}"
        if better is not None:
            how = "better" if self.shorter(better).sure else "apparently better"
            return (
                f"{how} with {_newest(better)} alone: {error} {self.shorter(better)}; "
                f"try window.timesteps={max(2, better)}"
            )
        if longest == 1:
            return "the window is one step long, so there is no older one to use"
        if used == 1:
            return (
                f"the newest step alone is enough: {error} {self.shorter(1)}; "
                f"try window.timesteps={max(2, longest // 4)} or a simpler model"
            )
        if used <= longest // 2:
            return (
                f"{_newest(used)} are enough: {error} {self.shorter(used)}; "
                f"window.timesteps={used} trains faster"
            )
        fewer = max(steps for steps in self.curve if steps < used)
        return (
            f"no look-back below {used} steps comes within {100 * self.within:g} % of the {error}: "
            f"with {fewer} it is {self.shorter(fewer)}"
        )

    def _change(self, part: int | str, error: float) -> Change:
        share = error / self.whole - 1 if self.whole else float(np.sign(error)) * np.inf
        return Change(share if error != self.whole else 0.0, self.intervals.get(part), self.within)


def _newest(count: int) -> str:
    """Name the newest steps."""
    return f"the newest {count} steps" if count > 1 else "the newest step"


def _suffix(part: str) -> str:
    """Return the end of the key of a part's metric."""
    return "without_recurrence" if part == RECURRENCE else f"frozen_{part.replace('/', '.')}"


def _parts(values: Mapping[str, float], head: str, tail: str = "") -> dict[str, float]:
    """Return `{part: value}` of the metrics between a head and a tail."""
    found = {}
    for key, value in values.items():
        if not (key.startswith(head) and key.endswith(tail)):
            continue
        kind, _, name = key[len(head) : len(key) - len(tail)].partition("_")
        if kind == "without":
            found[RECURRENCE] = value
        elif kind == "frozen":
            layer, _, gate = name.rpartition(".")
            found[f"{layer}/{gate}"] = value
    return found
