"""Alerts of a training, with the numbers and what to try."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from forecast.gates.activity import OPEN, SHUT
from forecast.gates.memory import RECURRENCE, WITHIN, Memory
from forecast.gates.names import KEEPING
from forecast.gates.resampling import Change


@dataclass(frozen=True)
class Limits:
    """Beyond what a number is worth a word; `conf/gates/default.yaml` gives the sources.

    Attributes:
        saturated: Share of a forget gate's values that are shut, or open.
        dead: Share of a layer's units whose state is constant.
        radius: Spectral radius of a candidate's recurrent kernel.
        update_low: Change of a gate's weights in an epoch by their norm.
        update_high: The same, from above.
        memory: Share of the error by which a shorter memory may be worse and still suffice; what
            costs no more than that is not used.
    """

    saturated: float = 0.9
    dead: float = 0.05
    radius: float = 2.0
    update_low: float = 1e-5
    update_high: float = 1e-1
    memory: float = WITHIN


@dataclass(frozen=True)
class Alert:
    """One alert.

    Attributes:
        kind: Stable name, such as "forget_saturated".
        text: Where, the numbers, and what to try.
    """

    kind: str
    text: str


def alerts(
    metrics: Mapping[str, float],
    memory: Memory | None = None,
    limits: Limits | None = None,
) -> list[Alert]:
    """Find alerts in the numbers of one epoch and of the memory.

    Args:
        metrics: `gates.<layer>/<gate>_<statistic>` of the epoch whose weights were kept.
        memory: From `forecast.gates.memory`; None where it was not measured.
        limits: None means the defaults.

    Returns:
        Alerts, those of the layers first.

    >>> alerts({"gates.lstm_1/f_shut": 0.97})[0].kind
    'forget_saturated'
    """
    limits = limits or Limits()
    found: list[Alert] = []
    updates: dict[str, dict[str, float]] = {}
    for key, value in metrics.items():
        if key.startswith("gates."):
            layer, _, statistic = key.removeprefix("gates.").partition("/")
            gate, _, what = statistic.partition("_")
            found += _of_gate(layer, gate, what, value, limits)
            if what == "update":
                updates.setdefault(layer, {})[gate] = value
    for layer, changes in updates.items():
        found += _of_updates(layer, changes, limits)
    return [*found, *_of_memory(memory)]


def _of_gate(
    layer: str,
    gate: str,
    what: str,
    value: float,
    limits: Limits,
) -> Iterator[Alert]:
    """Yield what one number says."""
    if gate in KEEPING and what in ("shut", "open") and value >= limits.saturated:
        side, effect, cure = (
            (
                f"below {SHUT}",
                "forgets at every step",
                "an initial bias of 1 (unit_forget_bias)",
            )
            if what == "shut"
            else (f"above {OPEN}", "never forgets", "a shorter look-back or more weight decay")
        )
        yield Alert(
            "forget_saturated",
            f"{layer}: {value:.0%} of the values of gate {gate} are {side} "
            f"(limit {limits.saturated:.0%}): it {effect}; try {cure}",
        )
    if what == "dead" and value > limits.dead:
        yield Alert(
            "dead_units",
            f"{layer}: {value:.0%} of the units never change (limit {limits.dead:.0%}); try "
            "fewer units, a lower learning rate or less weight decay",
        )
    if what == "radius" and value > limits.radius:
        yield Alert(
            "exploding_recurrence",
            f"{layer}: the recurrent kernel of {gate} has spectral radius {value:.3g} (limit "
            f"{limits.radius:g}); try training.clipnorm=1, weight decay or a lower learning rate",
        )


def _of_updates(layer: str, changes: Mapping[str, float], limits: Limits) -> Iterator[Alert]:
    """Yield gates that learn too fast, and gates that have stopped."""
    bounds = f"limits {limits.update_low:g} to {limits.update_high:g} of its norm"
    for out, cure in (
        ({g: c for g, c in changes.items() if c > limits.update_high}, "lower"),
        ({g: c for g, c in changes.items() if c < limits.update_low}, "higher"),
    ):
        if out:
            parts = ", ".join(f"{gate} {change:.2g}" for gate, change in out.items())
            yield Alert(
                "update_ratio",
                f"{layer}: change of gates in an epoch {parts} ({bounds}); "
                f"try a {cure} learning rate",
            )


def _of_memory(memory: Memory | None) -> Iterator[Alert]:
    """Yield what the errors of the network without some of its parts say."""
    if memory is None:
        return
    longest = max(memory.curve)
    if memory.better is not None:
        yield Alert("older_steps_hurt", memory.advice())
    elif memory.used == 1 < longest:
        yield Alert("memory_unused", memory.advice())
    elif memory.used <= longest // 2:
        yield Alert("look_back_long", memory.advice())
    changes = memory.changes()
    recurrence = changes.pop(RECURRENCE, None)
    if recurrence is not None and recurrence.verdict != "used":
        yield _of_recurrence(memory, recurrence)
    yield from _of_gates(memory, changes)


def _of_gates(memory: Memory, changes: Mapping[str, Change]) -> Iterator[Alert]:
    """Yield which gates do nothing as gates, and which hurt; of many those with the least error."""
    for verdict, kind, effect, most in (
        ("unused", "gate_unused", "of no clear use", 4),
        ("hurts", "gate_hurts", "that hurt" if memory.intervals else "that seem to hurt", 2),
    ):
        found = [(part, change) for part, change in changes.items() if change.verdict == verdict]
        found.sort(key=lambda one: one[1].share)
        if found:
            more = f" and {len(found) - most} more" if len(found) > most else ""
            yield Alert(
                kind,
                f"gates {effect} ({memory.name} at their mean): {_listed(found[:most])}{more}",
            )


def _listed(found: Sequence[tuple[str, Change]]) -> str:
    """List gates, each behind its layer where that is another, with an interval where they hurt."""
    texts, before = [], ""
    for part, change in found:
        layer, gate = part.rsplit("/", 1)
        name = gate if layer == before else f"{layer} {gate}"
        shown = change if change.verdict == "hurts" else Change(change.share)
        texts.append(f"{name} {shown.signed}")
        before = layer
    return ", ".join(texts)


def _of_recurrence(memory: Memory, change: Change) -> Alert:
    """Say that a recurrence is not used, or that it hurts."""
    measured = f"{memory.name} {change.signed} without it"
    if change.verdict == "hurts":
        effect = "hurts" if change.sure else "seems to hurt"
        return Alert("recurrence_hurts", f"the recurrence {effect}: {measured}")
    return Alert("recurrence_unused", f"recurrence of no clear use: {measured}")
