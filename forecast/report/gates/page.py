"""The page of the gates of one network or of several, and its section in a run's report."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forecast.gates.history import match
from forecast.gates.names import NOTHING
from forecast.gates.shapes import Cell, Scales, gate_rows, tap_rows
from forecast.gates.snapshots import Snapshot, unpack
from forecast.report.canvas import to_image
from forecast.report.gates import lines as gate_lines
from forecast.report.gates import tables as gate_tables
from forecast.report.gates.album import SMALL
from forecast.report.gates.maps import colour_limit, heat_map
from forecast.report.gates.shapes import HEADINGS, figure_of, gate_name, tap_name
from forecast.report.gates.spread import TAPS, layers_of, scales_of, spread
from forecast.report.gates.subject import Subject
from forecast.report.gates.svg import gate_look, letter, number, percent, run_look
from forecast.report.page import render

MOST_SLIDES = 8
"""Layers of all runs together that are drawn over the training; of more the kept weights."""

MOST_IMAGES = 4
"""Runs whose single weights and real windows are shown, which take the most room."""

MOST_MATCHED = 6
"""Runs whose units are matched with those of the first, and whose memory is told in words."""

MOST_DRAWN = 30
"""Runs that are drawn at all; a table lists all of them."""


def encoded(picture: np.ndarray | bytes) -> bytes:
    """Write pixels (height, width, 3), or a PNG file, as a WebP file of at most 1000 pixels."""
    from PIL import Image

    if isinstance(picture, bytes):
        image = Image.open(io.BytesIO(picture)).convert("RGB")
    else:
        image = Image.fromarray(picture)
    image.thumbnail((1000, 1000))
    buffer = io.BytesIO()
    image.save(buffer, "webp", quality=80, method=4)
    return buffer.getvalue()


def page(subjects: Sequence[Subject]) -> str:
    """Write the page of one network, or of several that are compared.

    >>> text = page([Subject("a run")])
    >>> text.startswith("<!doctype html>"), "a run" in text, "http" in text
    (True, True, False)
    """
    everyone, subjects = subjects, subjects[:MOST_DRAWN]
    several = len(subjects) > 1
    names = " and ".join(subject.title for subject in subjects)
    layers, scale = layers_of(subjects), scales_of(subjects)
    moving = len(subjects) * max(1, len(layers)) <= MOST_SLIDES
    slides = _slides(subjects) if moving else {}
    return render(
        "gates",
        title=f"{names} · gates" if len(subjects) < 4 else f"{len(everyone)} runs · gates",
        heading=names if len(subjects) < 4 else f"{len(everyone)} runs",
        runs=[_run(n, subject) for n, subject in enumerate(everyone)],
        facts=gate_tables.runs_facts(everyone),
        nothing=[] if several else [] if layers else [NOTHING],
        findings=_findings(everyone) if several else [],
        slides=[told for told, _ in slides.values()],
        layers=[_layer(subjects, layer, scale, slides) for layer in layers],
        distances=_apart(subjects) if several else None,
        matches=_matches(subjects),
        memory=_memory(subjects),
        headings=list(dict.fromkeys(name for s in subjects[:MOST_IMAGES] for name in s.figures)),
        windows=[subject.figures for subject in subjects[:MOST_IMAGES]],
        left_out=_left_out(everyone, moving),
        starts=any(subject.start for subject in subjects),
    )


def section(subject: Subject) -> tuple[str, str]:
    """Write the section of a run's report on gates: two pictures with what they say, and alerts."""
    advice = subject.memory.advice() if subject.memory else ""
    layers, scale = layers_of([subject]), scales_of([subject])
    memory = gate_lines.memory_lines([subject]), gate_lines.dots([subject])
    text = render(
        "gates_section",
        nothing="" if subject.kept else NOTHING,
        layer=layers[0] if layers else "",
        changed=changed_most(subject, layers[0]) if layers else "",
        pictures=spread([subject], layers[0], scale) if layers else [],
        advice=advice,
        memory=[drawn for drawn in memory if drawn],
        alerts=[alert for alert in subject.alerts if alert.text != advice],
    )
    return "Gates and memory", text


def changed_most(subject: Subject, layer: str) -> str:
    """Say which gate's weights, or which tap's, have changed their size most since the start."""
    if not subject.start:
        return ""
    taps = layer == TAPS
    if taps:
        rows = tap_rows(subject.kept, Scales(), subject.start)
    else:
        rows = gate_rows(subject.kept, layer, Scales(), subject.start)
    found = []
    for row in rows:
        for cell in row.cells:
            before = 0.0 if cell.start is None else Cell(cell.name, cell.start).size
            if row.part == "bias" or not before:
                continue
            gate = f"the {gate_name(cell.name)} gate of {layer}, {HEADINGS.get(row.part)}"
            name = f"{row.part}, {tap_name(cell.name)}" if taps else gate
            found.append((abs(np.log(max(cell.size, 1e-12) / before)), name, before, cell.size))
    if not found:
        return ""
    _, name, before, size = max(found)
    return (
        f"the weights whose size changed most are those of {name}: RMS {figure_of(before)} before "
        f"training, {figure_of(size)} kept ({percent(size / before - 1)})"
    )


def _run(place: int, subject: Subject) -> dict[str, Any]:
    named = "mae" in subject.title.lower() or not subject.error
    return {
        "letter": letter(place),
        "look": run_look(place),
        "title": subject.title,
        "error": "" if named else f"MAE {subject.error}",
        "alerts": subject.alerts,
    }


def _slides(subjects: Sequence[Subject]) -> dict[str, tuple[str, list[Snapshot | None]]]:
    """Return for each share of the training, and last for the kept weights, what is drawn."""
    several = len(subjects) > 1
    own = [subject.slides() for subject in subjects]
    shares = [share for share in dict.fromkeys(s for slides in own for s in slides)]
    if not any(len({*slides.values()}) > 1 for slides in own):
        return {}
    found: dict[str, tuple[str, list[Snapshot | None]]] = {}
    for share in sorted(shares):
        texts = [
            f"{letter(n) + ' ' if several else ''}epoch {slides[share]} of {max(slides.values())}"
            + (" (kept)" if slides[share] == subject.epoch else "")
            for n, (slides, subject) in enumerate(zip(own, subjects, strict=True))
            if share in slides
        ]
        shown = [
            subject.shown[slides[share]] if share in slides else None
            for slides, subject in zip(own, subjects, strict=True)
        ]
        found[str(share)] = f"{share} % of training: {', '.join(texts)}", shown
    texts = [f"{letter(n) + ' ' if several else ''}epoch {s.epoch}" for n, s in enumerate(subjects)]
    found["kept"] = f"kept weights: {', '.join(texts)}", [s.kept for s in subjects]
    return found


def _layer(
    subjects: Sequence[Subject],
    layer: str,
    scale: Scales,
    slides: Mapping[str, tuple[str, list[Snapshot | None]]],
) -> dict[str, Any]:
    """Draw and list everything of one layer."""
    taps = layer == TAPS
    few = len(subjects) <= gate_tables.COLUMNS
    table = (
        gate_tables.taps(subjects).reset_index() if taps else gate_tables.numbers(subjects, layer)
    )
    if taps:
        table = gate_tables.written(table)
    elif len(subjects) == 1:
        table = gate_tables.of_one(subjects[0], layer).reset_index(names="gate")
    elif not few:
        table = gate_tables.wide(subjects, layer)
    changed = changed_most(subjects[0], layer) if len(subjects) == 1 else ""
    return {
        "name": "Convolutions" if taps else layer,
        "taps": taps,
        "changed": changed,
        "pictures": [spread(subjects, layer, scale, shown) for _, shown in slides.values()]
        or [spread(subjects, layer, scale)],
        "wide": len(subjects) > gate_tables.COLUMNS - 2,
        "maps": [] if taps else _maps(subjects, layer),
        "looks": {} if taps else {gate_name(g): gate_look(g) for g in subjects[0].gates(layer)},
        "opened": [] if taps else gate_lines.opened(subjects, layer),
        "epochs": {} if taps else gate_lines.over_epochs(subjects, layer),
        "inputs": None if taps else _inputs(subjects, layer),
        "numbers": gate_tables.listed(table),
    }


def _inputs(subjects: Sequence[Subject], layer: str) -> dict[str, Any] | None:
    if not any(layer in subject.inputs for subject in subjects[: gate_tables.COLUMNS]):
        return None
    table = gate_tables.by_input(subjects[: gate_tables.COLUMNS], layer)
    left = len(table) - gate_tables.INPUTS
    table = table.head(gate_tables.INPUTS)
    end = float(np.nanmax(table.to_numpy())) or 1.0
    if len(subjects) == 1:
        table.columns = [gate_name(gate, alone=table.shape[1] == 1) for gate in table.columns]
    strongest = ", ".join(
        f"{name} {number(float(v))}" for name, v in table.max(axis=1).head(3).items()
    )
    return {
        **gate_tables.listed(gate_tables.written(table.reset_index(names="name"))),
        "shades": gate_tables.shades(table, end),
        "told": f"largest weights: {strongest}",
        "left": max(0, left),
        "count": max(0, left) + len(table),
    }


def _maps(subjects: Sequence[Subject], layer: str) -> list[dict[str, Any]]:
    """Draw the single weights of a small layer, of all runs in one scale."""
    some = subjects[:MOST_IMAGES]
    limit = colour_limit([subject.kept for subject in some])
    found = []
    for n, subject in enumerate(some):
        gates = unpack(subject.kept).get(layer, {})
        units = next((parts["kernel"].shape[-1] for parts in gates.values()), SMALL + 1)
        if units > SMALL:
            continue
        table = subject.inputs.get(layer)
        names = list(table.index) if table is not None else None
        head = f"{letter(n)} · {layer}" if len(subjects) > 1 else layer
        sizes = ", ".join(
            f"{gate_name(g)} {number(float(np.abs(p['kernel']).max()))}" for g, p in gates.items()
        )
        found.append(
            {
                "data": encoded(to_image(heat_map(gates, head, limit, feature_names=names))),
                "told": f"{head}: every weight of {units} units, colours end at ±{limit:g}; "
                f"largest from inputs: {sizes}.",
            }
        )
    return found


def _apart(subjects: Sequence[Subject]) -> dict[str, Any] | None:
    table, notes = gate_tables.apart(subjects)
    if len(subjects) > gate_tables.COLUMNS and len(table):
        table = table[
            [c for c in ("layer", "gate", "part", "A", "distance", "furthest from A") if c in table]
        ]
    if not len(table) and not notes:
        return None
    furthest = ""
    if len(table):
        row = table.iloc[0]
        furthest = (
            f"furthest apart: {row.layer} {row.gate}, {row.part.replace('_', ' ')}, distance "
            f"{number(float(row.distance))}"
        )
    return {
        **gate_tables.listed(gate_tables.written(table, "{:.4f}")),
        "notes": notes,
        "furthest": furthest,
    }


def _matches(subjects: Sequence[Subject]) -> list[dict[str, str]]:
    """Match the units of the first networks with those of the first one."""
    found = []
    for n, subject in enumerate(subjects[1:MOST_MATCHED], start=1):
        for pair in match(subjects[0].kept, subject.kept):
            names = letter(0), letter(n)
            drawn, told = gate_lines.matched(pair, names), gate_lines.matched_told(pair, names)
            found.append({"drawn": drawn, "told": told.rstrip(".")})
    return found


def _memory(subjects: Sequence[Subject]) -> dict[str, Any] | None:
    if all(subject.memory is None for subject in subjects):
        return None
    return {
        "curve": gate_lines.memory_lines(subjects),
        "dots": gate_lines.dots(subjects),
        "advice": [
            (
                letter(n) if len(subjects) > 1 else "",
                s.memory.advice() if s.memory else "not measured",
            )
            for n, s in enumerate(subjects[:MOST_MATCHED])
        ],
    }


def _findings(subjects: Sequence[Subject]) -> list[str]:
    """Say in sentences what differs between runs."""
    found = []
    errors = {letter(n): float(s.error) for n, s in enumerate(subjects) if s.error}
    if len(errors) > 1:
        best = min(errors, key=errors.__getitem__)
        others = [f"{name} {error:.4g}" for name, error in errors.items() if name != best][:6]
        more = f" and {len(errors) - 7} more" if len(errors) > 7 else ""
        found.append(
            f"{best} has the lowest test MAE: {errors[best]:.4g}, against {', '.join(others)}{more}"
        )
    if len(subjects) == 2:
        for layer in subjects[0].recurrent():
            found += _sizes(subjects, layer)
    return found


def _sizes(subjects: Sequence[Subject], layer: str) -> list[str]:
    """Say how much larger the weights of a layer are in the second run."""
    if layer not in subjects[1].recurrent():
        return []
    texts = []
    for statistic, what in (("kernel_rms", "from inputs"), ("recurrent_rms", "from its own state")):
        ratios = []
        for gate in subjects[0].gates(layer):
            values = [s.numbers.get(f"gates.{layer}/{gate}_{statistic}") for s in subjects]
            if values[0] and values[1]:
                ratios.append(values[1] / values[0])
        if ratios:
            mean = float(np.exp(np.mean(np.log(ratios)))) - 1
            texts.append(f"{what} are {gate_lines.sized(mean)} in B than in A")
    return [f"on average, weights of {layer} {', those '.join(texts)} (RMS)"] if texts else []


def _left_out(subjects: Sequence[Subject], moving: bool) -> list[str]:
    """Say what a page of many runs does not show."""
    count, found = len(subjects), []
    if count > MOST_IMAGES:
        found.append(f"single weights and real windows of the first {MOST_IMAGES} of {count} runs")
    if count > MOST_MATCHED:
        words = "matched units, and memory in words"
        found.append(f"{words}, of the first {MOST_MATCHED} of {count} runs")
    if count > gate_tables.COLUMNS:
        found.append(f"inputs of the first {gate_tables.COLUMNS} of {count} runs")
    if count > MOST_DRAWN:
        found.append(f"all else of the first {MOST_DRAWN} of {count} runs")
    if not moving and count > 1:
        found.append("kept weights only, and not those during the training")
    return found
