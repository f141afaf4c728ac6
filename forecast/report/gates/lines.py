"""What gates do over the epochs, how open they are, and what memory is worth: charts of a page."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from forecast.gates.history import Match
from forecast.gates.resampling import Change
from forecast.report.gates.shapes import gate_name
from forecast.report.gates.subject import Subject
from forecast.report.gates.svg import (
    Frame,
    Panel,
    gate_look,
    letter,
    mark,
    number,
    path,
    range_of,
    run_look,
    svg,
    text,
)

STATISTICS = {
    "kernel_rms": "from inputs, RMS per weight",
    "recurrent_rms": "from own state, RMS per weight",
    "mean": "mean openness",
    "update": "change in an epoch",
    "scale_50": "median time scale, steps",
    "radius": "spectral radius",
}
SHARES = ("mean",)
LOGARITHMIC = ("update", "scale_50")

MOST_POINTS = 60
"""Epochs of a line; of more some are left out, evenly."""


def over_epochs(subjects: Sequence[Subject], layer: str) -> dict[str, list[str]]:
    """Draw a layer's statistics against the epoch: all runs of a statistic on one axis.

    Returns:
        Statistic to pictures: one where there is one run, its lines the gates; else one for each
        gate, its lines the runs. Those of a single gate, which are on the state, come together.
    """
    found: dict[str, list[str]] = {}
    last = max(max(subject.history, default=0) for subject in subjects)
    for statistic, title in STATISTICS.items():
        curves = {
            gate: [_curve(subject, layer, gate, statistic) for subject in subjects]
            for gate in dict.fromkeys(g for subject in subjects for g in subject.gates(layer))
        }
        curves = {gate: own for gate, own in curves.items() if any(len(c) > 1 for c in own)}
        if not curves:
            continue
        logarithmic = statistic in LOGARITHMIC
        values = [v for own in curves.values() for points in own for _, v in points]
        ends = range_of(v for v in values if v > 0 or not logarithmic)
        ends = (0.0, 1.0) if statistic in SHARES else ends
        width = 280 if len(subjects) > 1 else 380
        frame = Frame(width, 170, (1, last), ends, logarithmic=logarithmic)
        if len(subjects) == 1:
            lines = {gate_look(gate): own[0] for gate, own in curves.items()}
            told = _change_told(title, {gate_name(g): own[0] for g, own in curves.items()})
            marked = {look: subjects[0].epoch for look in lines}
            found[title] = [_epochs(title, frame, lines, f"{layer}, {told}", marked)]
            continue
        for gate, own in curves.items():
            told = _change_told(title, {letter(n): points for n, points in enumerate(own)})
            lines = {run_look(n): points for n, points in enumerate(own) if points}
            marked = {run_look(n): subject.epoch for n, subject in enumerate(subjects)}
            alone = len(curves) == 1
            head = f"{gate_name(gate)}: {title}" if alone else gate_name(gate)
            drawn = _epochs(head, frame, lines, f"{layer}, {gate_name(gate)}, {told}", marked)
            found.setdefault("how long the state lasts" if alone else title, []).append(drawn)
    return found


def _epochs(
    title: str,
    frame: Frame,
    lines: Mapping[str, Sequence[tuple[float, float]]],
    told: str,
    marked: Mapping[str, int],
) -> str:
    """Draw lines over the epochs; a dot is the epoch whose weights were kept."""
    last = frame.x[1]
    along, up = {1.0: "1", last: f"epoch {last:g}"}, {end: number(end) for end in frame.y}
    dots = [
        (look, point)
        for look, points in lines.items()
        for point in points
        if point[0] == marked[look]
    ]
    return Panel(title, frame, lines, told, along, up, dots=dots).draw()


def _curve(subject: Subject, layer: str, gate: str, statistic: str) -> list[tuple[float, float]]:
    key = f"gates.{layer}/{gate}_{statistic}"
    points = [
        (float(epoch), metrics[key])
        for epoch, metrics in sorted(subject.history.items())
        if epoch and math.isfinite(metrics.get(key, math.nan))
    ]
    places = np.linspace(0, len(points) - 1, min(len(points), MOST_POINTS)).round().astype(int)
    return [points[place] for place in places]


def _change_told(title: str, curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Say where lines begin and end."""
    texts = [
        f"{name} {number(points[0][1])} to {number(points[-1][1])}"
        for name, points in list(curves.items())[:6]
        if points
    ]
    return f"{title} from the first epoch to the last: {', '.join(texts)}."


def opened(subjects: Sequence[Subject], layer: str) -> list[str]:
    """Draw for each gate which share of the units is less open than a value, a line a run."""
    gates = dict.fromkeys(
        name.split("/")[2]
        for subject in subjects
        for name in subject.kept
        if name.startswith(f"{layer}/mean/")
    )
    drawn = []
    for gate in gates:
        lines, texts = {}, []
        for n, subject in enumerate(subjects):
            values = subject.kept.get(f"{layer}/mean/{gate}")
            values = np.sort(values[np.isfinite(values)]) if values is not None else np.zeros(0)
            if not values.size:
                continue
            look = run_look(n) if len(subjects) > 1 else gate_look(gate)
            lines[look] = _steps(values)
            head = f"{letter(n)} " if len(subjects) > 1 else ""
            texts.append(
                f"{head}mean {values.mean():.2f}, units {values[0]:.2f} to {values[-1]:.2f}"
            )
        told = f"{layer}, {gate_name(gate)} gate: {'; '.join(texts[:6])}."
        frame = Frame(380, 210, (0, 1), (0, 1))
        along, up = {0.0: "0 shut", 0.5: "½", 1.0: "open 1"}, {0.0: "0", 0.5: "½", 1.0: "1"}
        title = f"{gate_name(gate)}: {texts[0]}" if len(subjects) == 1 else gate_name(gate)
        drawn.append(Panel(title, frame, lines, told, along, up, "mean openness of a unit").draw())
    return drawn


def _steps(values: np.ndarray) -> list[tuple[float, float]]:
    """Return the corners of a cumulative distribution, of at most a hundred units evenly."""
    places = np.linspace(0, len(values) - 1, min(len(values), 100)).round().astype(int)
    points, below = [(0.0, 0.0)], 0.0
    for place in places:
        x = float(np.clip(values[place], 0, 1))
        points += [(x, below), (x, (place + 1) / len(values))]
        below = (place + 1) / len(values)
    return [*points, (1.0, 1.0)]


def memory_lines(subjects: Sequence[Subject]) -> str:
    """Draw how much the error changes when only the newest steps are real, a line a run."""
    known = [(n, s.memory) for n, s in enumerate(subjects) if s.memory is not None]
    if not known:
        return ""
    curves = {
        n: [(float(k), 100 * found.shorter(k).share) for k in sorted(found.curve)]
        for n, found in known
    }
    longest = max(max(found.curve) for _, found in known)
    reached = [
        100 * end
        for _, found in known
        for k, interval in found.intervals.items()
        if isinstance(k, int)
        for end in interval
    ]
    low, high = range_of([0.0, *reached, *(v for points in curves.values() for _, v in points)])
    frame = Frame(440, 270, (1, longest), (min(low, 0.0), high), left=58, doubling=True)
    steps = [2**p for p in range(longest.bit_length()) if 2**p * 1.3 < longest] + [longest]
    up = {end: _per_cent(end) for end in dict.fromkeys((min(low, 0.0), 0.0, high))}
    if min(low, 0.0) < 0 and (0 - low) / (high - low) < 0.12:
        up.pop(min(low, 0.0))
    label = "newest steps kept, older ones of another window"
    parts = frame.axes({float(k): str(k) for k in steps}, up, label)
    for n, points in curves.items():
        look = run_look(n)
        placed = [(frame.across(x), frame.above(y)) for x, y in points]
        found = dict(known)[n]
        for k, (low_end, high_end) in found.intervals.items():
            if isinstance(k, int):
                x = frame.across(k)
                ends = [(x, frame.above(100 * v)) for v in (low_end, high_end)]
                parts.append(path(ends, f"whisker {look.split()[0]}"))
        parts.append(path(placed, f"line {look}"))
        parts += [mark(x, y, n) for x, y in placed]
    return svg(frame.width, frame.height, parts, memory_told(subjects))


def memory_told(subjects: Sequence[Subject]) -> str:
    """Say in words what the memory of each run is worth."""
    texts = []
    for n, subject in enumerate(subjects):
        if subject.memory is not None:
            head = f"{letter(n)}: " if len(subjects) > 1 else ""
            texts.append(f"{head}{subject.memory.advice()}")
    return "; ".join(texts[:6]) + "."


def dots(subjects: Sequence[Subject]) -> str:
    """Draw how much the error changes without each part: a row a part, a dot a run."""
    changes = [s.memory.changes() if s.memory is not None else {} for s in subjects]
    parts = list(dict.fromkeys(part for own in changes for part in own))
    if not parts:
        return ""
    ends = [0.0]
    for own in changes:
        for change in own.values():
            ends += [100 * v for v in (change.interval or (change.share,))] + [100 * change.share]
    high = max(20.0, 12.0 * min(len(subjects), 30) + 8)
    frame = Frame(440, 30 + high * len(parts) + 44, range_of(ends), (0, 1), left=172, foot=44)
    ticks = dict.fromkeys((frame.x[0], 0.0, frame.x[1]))
    drawn = frame.axes({v: _per_cent(v) for v in ticks if _apart(v, frame.x)}, {}, _error(subjects))
    zero = frame.across(0)
    drawn.append(path([(zero, 12), (zero, frame.height - 44)], "rule"))
    for row, part in enumerate(parts):
        top = 22 + high * row
        drawn.append(text(frame.left - 10, top + high / 2 + 4, part_name(part), "end"))
        for n, own in enumerate(changes):
            if part not in own:
                continue
            y = top + (high * (n + 0.5) / len(subjects) if len(subjects) > 1 else high / 2)
            drawn.append(_dot(frame, own[part], n, y))
    return svg(frame.width, frame.height, drawn, parts_told(subjects))


def _dot(frame: Frame, change: Change, run: int, y: float) -> str:
    look = run_look(run).split()[0]
    low, high = change.interval or (change.share, change.share)
    ends = [(frame.across(100 * v), y) for v in (low, high)]
    return path(ends, f"whisker {look}") + mark(frame.across(100 * change.share), y, run)


def part_name(part: str) -> str:
    """Say what was taken away.

    >>> part_name("recurrence"), part_name("lstm_1/f")
    ('no recurrence', 'lstm_1: forget frozen')
    """
    layer, _, gate = part.rpartition("/")
    return f"{layer}: {gate_name(gate)} frozen" if layer else f"no {part}"


def parts_told(subjects: Sequence[Subject]) -> str:
    """Say in words what each part is worth to each run."""
    texts = []
    for n, subject in enumerate(subjects[:6]):
        if subject.memory is None:
            continue
        own = [
            f"{part_name(part)} {change.signed} {_verdict(change)}".rstrip()
            for part, change in subject.memory.changes().items()
        ]
        head = f"{letter(n)}: " if len(subjects) > 1 else ""
        texts.append(head + ", ".join(own))
    return f"{_error(subjects)}: {'; '.join(texts)}."


def _verdict(change: Change) -> str:
    return {"used": "", "unused": "(not used)", "hurts": "(hurts)"}[change.verdict]


def _error(subjects: Sequence[Subject]) -> str:
    names = [subject.memory.name for subject in subjects if subject.memory is not None]
    return f"change in validation {names[0] if names else 'error'}"


def _apart(value: float, ends: tuple[float, float]) -> bool:
    """Say whether a tick is far enough from zero to be read beside it."""
    return value == 0 or abs(value) > 0.12 * (ends[1] - ends[0])


def _per_cent(value: float) -> str:
    text = f"{value:+.0f}" if abs(value) >= 9.95 else f"{value:+.1f}"
    return "0 %" if float(text) == 0 else text.replace("-", "−") + " %"


def matched(found: Match, names: tuple[str, str]) -> str:
    """Draw how far two layers are apart, gate by gate: units as they stand, and matched."""
    held = found.parts[found.parts["size"] > 0]
    names_of = [(str(name[0]), str(name[1])) for name in held.index.to_list()]
    shares = [100 * held[column] / held["size"] for column in ("before", "after")]
    rows = [(*name, *pair) for name, *pair in zip(names_of, *shares, strict=True)]
    end = max(150.0, *(value for row in rows for value in row[2:])) if rows else 150.0
    frame = Frame(440, 30 + 24 * len(rows) + 44, (0, end), (0, 1), left=172, foot=44)
    along = {0.0: "0 %", 50.0: "50 %", 100.0: "100 %", 141.4: "141 %"}
    drawn = frame.axes(along, {}, f"size of {names[0]} − {names[1]}, 0 % is equal")
    for value in along:
        x = frame.across(value)
        drawn.append(path([(x, 14), (x, frame.height - 44)], "grid"))
    for n, (gate, part, before, after) in enumerate(rows):
        y = 28 + 24 * n
        name = {"kernel": "inputs", "recurrent_kernel": "own state"}.get(
            part, part.replace("_", " ")
        )
        drawn.append(text(frame.left - 10, y + 4.5, f"{gate_name(gate)}, {name}", "end"))
        x, left = frame.across(before), frame.across(after)
        drawn.append(path([(x, y), (left, y)], "rule"))
        drawn.append(f'<circle class="hollow" cx="{x:.1f}" cy="{y}" r="4.5"/>')
        drawn.append(f'<circle class="mark r0" cx="{left:.1f}" cy="{y}" r="4.5"/>')
    return svg(frame.width, frame.height, drawn, matched_told(found, names))


def matched_told(found: Match, names: tuple[str, str]) -> str:
    """Say in words how far two layers are apart."""
    return (
        f"{found.layer}: with the units of {names[1]} matched to those of {names[0]} the weights "
        f"differ by {100 * found.after:.0f} % of their size, against {100 * found.before:.0f} % "
        "before matching (0 % is the same network, 141 % weights that have nothing in common)."
    )


def sized(share: float) -> str:
    """Write a relative change.

    >>> sized(-0.24)
    '24 % smaller'
    """
    return f"{100 * abs(share):.0f} % {'larger' if share > 0 else 'smaller'}"
