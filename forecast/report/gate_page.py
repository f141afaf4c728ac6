"""The page of the gates of one network or of two, and its section in a run's report."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from forecast.gates.alerts import Alert
from forecast.gates.history import distances, evenly
from forecast.gates.memory import Memory
from forecast.gates.names import NOTHING
from forecast.gates.snapshots import Snapshot, is_convolution, unpack
from forecast.report.canvas import to_image
from forecast.report.gate_album import album
from forecast.report.gate_curves import history_lines, memory_curve
from forecast.report.page import render


@dataclass(frozen=True)
class Subject:
    """One network.

    Attributes:
        title: What it is called.
        last: Snapshot of the last epoch.
        history: `{epoch: metrics}` as `GateSnapshots` logs them.
        pictures: `{key: {epoch: WebP}}` of the album.
        facts: Name to text, for the head of the report.
        memory: What was measured after training.
        alerts: Unusual numbers.
        figures: Heading to a picture (WebP or PNG) that belongs to no epoch.
        inputs: Layer to (features, gates), what `forecast.gates.inputs` found in the last epoch.
    """

    title: str
    last: Snapshot = field(default_factory=dict)
    history: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    pictures: Mapping[str, Mapping[int, bytes]] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    memory: Memory | None = None
    alerts: Sequence[Alert] = ()
    figures: Mapping[str, bytes] = field(default_factory=dict)
    inputs: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def curves(self) -> Iterator[bytes]:
        """Draw the statistics over the epochs, layer by layer."""
        if len(self.history) > 1:
            for layer, gates in unpack(self.last).items():
                if not is_convolution(gates):
                    yield encoded(to_image(history_lines(self.history, layer)))


def pictures(
    snapshots: Mapping[int, Snapshot],
    timesteps: int,
    feature_names: Sequence[str] | None,
    most: int,
) -> dict[str, dict[int, bytes]]:
    """Draw some of the snapshots."""
    found: dict[str, dict[int, bytes]] = {}
    epochs = list(snapshots)
    chosen = {epochs[n]: snapshots[epochs[n]] for n in evenly(len(epochs), most + 1)}
    for key, epoch, pixels in album(chosen, timesteps=timesteps, feature_names=feature_names):
        found.setdefault(key, {})[epoch] = encoded(pixels)
    return found


def encoded(pixels: np.ndarray) -> bytes:
    """Write pixels (height, width, 3) as a lossless WebP file, half as large as a PNG."""
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    effort = {"lossless": True, "method": 2, "quality": 50}
    imsave(buffer, pixels, format="webp", pil_kwargs=effort)
    return buffer.getvalue()


_HEADINGS = {
    "gates": "Weights",
    "activity": "How open the gates are",
    "inputs": "Which input drives which gate",
}
_NOTES = {
    "gates": "Gates side by side, parts one below the other; one colour scale for all epochs.",
    "activity": (
        "A dot is a unit. At the lower right it is nearly always closed, at the upper left nearly "
        "always open. The time scale −1/ln(mean f) is valid only while the input gate is small."
    ),
    "inputs": "Weight of each input in each gate (RMS of its row in the kernel); inputs are "
    "standardised.",
}
# Few statistics, as in a table that one reads: heading and how the number is written.
_STATISTICS = {
    "kernel_rms": ("kernel", "{:.3f}"),
    "recurrent_rms": ("recurrent", "{:.3f}"),
    "bias_rms": ("bias", "{:.3f}"),
    "radius": ("radius", "{:.2f}"),
    "update": ("update", "{:.1e}"),
    "mean": ("mean", "{:.2f}"),
    "shut": ("shut", "{:.0%}"),
    "open": ("open", "{:.0%}"),
    "scale_50": ("steps to 1/e", "{:.3g}"),
}


def page(subjects: Sequence[Subject]) -> str:
    """Write the report of one network, or of two side by side.

    >>> text = page([Subject("a run")])
    >>> text.startswith("<!doctype html>"), "a run" in text, "http" in text
    (True, True, False)
    """
    names = " and ".join(subject.title for subject in subjects)
    pictures = [subject.pictures for subject in subjects]
    return render(
        "gates",
        title=f"{names} · gates",
        names=names,
        subjects=subjects,
        distances=_distances(*subjects) if len(subjects) == 2 else None,
        memories=[_memory(subject.memory) for subject in subjects],
        numbers=[_numbers(subject) for subject in subjects],
        curves=[list(subject.curves()) for subject in subjects],
        epochs=sorted({epoch for own in pictures for some in own.values() for epoch in some}),
        albums=_albums(pictures),
        headings=list(dict.fromkeys(name for subject in subjects for name in subject.figures)),
    )


def section(subject: Subject) -> tuple[str, str]:
    """Write the section of a run's report on gates: alerts and memory."""
    advice = subject.memory.advice() if subject.memory else ""
    alerts = [alert for alert in subject.alerts if alert.text != advice]
    nothing = "" if subject.last else NOTHING
    text = render("gates_section", nothing=nothing, advice=advice, alerts=alerts)
    return "Gates and memory", text


def _memory(memory: Memory | None) -> dict[str, Any] | None:
    if memory is None:
        return None
    return {"advice": memory.advice(), "picture": encoded(to_image(memory_curve(memory)))}


def _numbers(subject: Subject) -> dict[str, Any]:
    nothing = "no recurrent layer" if subject.last else NOTHING
    return _listed(numbers(subject).reset_index(names="gate")) | {"nothing": nothing}


def numbers(subject: Subject) -> pd.DataFrame:
    """Return the statistics of the last epoch as text: (layer and gate, statistics)."""
    by_epoch = subject.history
    rows: dict[str, dict[str, str]] = {}
    for key, value in by_epoch[max(by_epoch)].items() if by_epoch else ():
        place, _, rest = key.partition("/")
        gate, _, statistic = rest.partition("_")
        if place.startswith("gates.") and statistic in _STATISTICS:
            heading, form = _STATISTICS[statistic]
            row = rows.setdefault(f"{place.removeprefix('gates.')} {gate}", {})
            row[heading] = form.format(value)
    order = [heading for heading, _ in _STATISTICS.values()]
    found = pd.DataFrame.from_dict(rows, orient="index", dtype=str)
    return found.reindex(columns=[heading for heading in order if heading in found]).fillna("")


def _distances(first: Subject, second: Subject) -> dict[str, Any]:
    table, sentences = distances(first.last, second.last)
    sizes = {name: table[name].map("{:.4f}".format) for name in ("first", "second", "distance")}
    return _listed(table.assign(**sizes)) | {"notes": sentences}


def _albums(albums: Sequence[Mapping[str, Mapping[int, bytes]]]) -> list[dict[str, Any]]:
    """List heading, note and the pictures of each network, of all that there are pictures of."""
    found = []
    for key in dict.fromkeys(key for own in albums for key in own):
        kind, _, layer = key.partition("/")
        taps = key == "gates/taps"
        heading = "Taps of the convolutions" if taps else f"{_HEADINGS[kind]}: {layer}"
        slides = [own.get(key, {}) for own in albums]
        found.append({"heading": heading, "note": "" if taps else _NOTES[kind], "slides": slides})
    return found


def _listed(table: pd.DataFrame) -> dict[str, Any]:
    return {"heads": list(table.columns), "rows": table.to_numpy().tolist()}
