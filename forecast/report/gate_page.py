"""The page of the gates of one network or of two, and its section in a run's report."""

import io
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

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
from forecast.report.page import facts, frame


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


SIZES = (
    "Kernel, recurrent and bias are root mean squares per weight: unlike norms they do not grow "
    "with the number of units."
)

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
_STYLE = """
.row { display: flex; flex-wrap: wrap; gap: 1rem } .row > * { flex: 1 1 24rem; min-width: 0 }
img { width: 100%; max-width: 52rem; border-radius: 6px; background: #fff }
nav { position: sticky; top: 0; background: var(--ground); padding: .6rem 0 }
input { width: min(24rem, 60%); vertical-align: middle }
"""
_SCRIPT = """
const slider = document.querySelector('#epoch');
function show() {
  document.querySelector('#shown').textContent = Math.round(slider.value);
  for (const figure of document.querySelectorAll('figure[data-epochs]')) {
    const epochs = figure.dataset.epochs.split(' ').map(Number);
    const last = epochs.filter(epoch => epoch <= slider.value).length - 1;
    [...figure.children].forEach((image, n) => { image.hidden = n !== Math.max(0, last) });
  }
}
if (slider) { slider.addEventListener('input', show); show(); }
"""


def page(subjects: Sequence[Subject]) -> str:
    """Write the report of one network, or of two side by side.

    >>> text = page([Subject("a run")])
    >>> text.startswith("<!doctype html>"), "a run" in text, "http" in text
    (True, True, False)
    """
    title = " and ".join(subject.title for subject in subjects)
    return frame(f"{title} · gates", "".join(_body(subjects)), style=_STYLE, script=_SCRIPT)


def section(subject: Subject) -> tuple[str, str]:
    """Write the section of a run's report on gates: alerts and memory."""
    advice = subject.memory.advice() if subject.memory else ""
    first = f"<p>{escape(advice[0].upper() + advice[1:])}.</p>" if advice else ""
    alerts = [alert for alert in subject.alerts if alert.text != advice]
    nothing = "" if subject.last else f"<p>{NOTHING[0].upper()}{NOTHING[1:]}.</p>"
    more = (
        '<p>The gates over the epochs: <a href="gates.html">gates.html</a>, beside this page.</p>'
    )
    return "Gates and memory", f"{nothing}{first}{_alerts(alerts)}{more}"


def _body(subjects: Sequence[Subject]) -> Iterator[str]:
    yield f"<h1>Gates of {escape(' and '.join(subject.title for subject in subjects))}</h1>"
    yield _row(_head(subject) for subject in subjects)
    if len(subjects) == 2:
        yield from _comparison(*subjects)
    if any(subject.memory for subject in subjects):
        yield "<h2>Does memory matter?</h2>"
        yield _row(_memory(subject) for subject in subjects)
    yield "<h2>Numbers of the last epoch</h2>"
    yield _row(_numbers(subject) for subject in subjects)
    curves = [list(subject.curves()) for subject in subjects]
    if any(curves):
        yield "<h2>Over the epochs</h2>"
        yield _row("".join(map(_image, found)) for found in curves)
    yield from _albums([subject.pictures for subject in subjects])
    for heading in dict.fromkeys(name for subject in subjects for name in subject.figures):
        yield f"<h2>{escape(heading)}</h2>"
        yield _row(
            _image(subject.figures[heading]) if heading in subject.figures else ""
            for subject in subjects
        )


def _head(subject: Subject) -> str:
    return facts(subject.facts) + (_alerts(subject.alerts) or "<p>Nothing stands out.</p>")


def _alerts(alerts: Sequence[Alert]) -> str:
    return "".join(f'<p class="alert">{escape(alert.text)}</p>' for alert in alerts)


def _memory(subject: Subject) -> str:
    if subject.memory is None:
        return "<p>Not measured.</p>"
    picture = encoded(to_image(memory_curve(subject.memory)))
    advice = subject.memory.advice()
    return f"<p>{escape(advice[0].upper() + advice[1:])}.</p>{_image(picture)}"


def _numbers(subject: Subject) -> str:
    table = numbers(subject)
    if table.empty:
        nothing = "no recurrent layer" if subject.last else NOTHING
        return f"<p>{nothing[0].upper()}{nothing[1:]}.</p>"
    return f'<p class="note">{SIZES}</p>{_table(table.reset_index(names="gate"))}'


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


def _comparison(first: Subject, second: Subject) -> Iterator[str]:
    table, sentences = distances(first.last, second.last)
    yield "<h2>How far apart the weights are</h2>"
    yield "".join(f"<p>{escape(text)}.</p>" for text in sentences)
    if len(table):
        numeric = {name: table[name].map("{:.4f}".format) for name in ("first", "second")}
        shown = table.assign(distance=table.distance.map("{:.4f}".format), **numeric)
        yield (
            '<p class="note">RMS per weight in each run, and the Wasserstein distance between the '
            "weights of the two.</p>"
        )
        yield _table(shown)


def _albums(albums: Sequence[Mapping[str, Mapping[int, bytes]]]) -> Iterator[str]:
    epochs = sorted({epoch for own in albums for images in own.values() for epoch in images})
    if len(epochs) > 1:
        yield (
            f'<nav>Epoch <b id="shown">{epochs[-1]}</b> <input type="range" id="epoch" aria-label='
            f'"epoch" min="{epochs[0]}" max="{epochs[-1]}" value="{epochs[-1]}" step="1"></nav>'
        )
    for key in dict.fromkeys(key for own in albums for key in own):
        kind, _, layer = key.partition("/")
        taps = key == "gates/taps"
        heading = "Taps of the convolutions" if taps else f"{_HEADINGS[kind]}: {layer}"
        yield f"<h2>{escape(heading)}</h2>"
        if not taps:
            yield f'<p class="note">{_NOTES[kind]}</p>'
        yield _row(_slides(own.get(key, {})) for own in albums)


def _slides(images: Mapping[int, bytes]) -> str:
    if not images:
        return "<p>Nothing of this kind.</p>"
    shown = list(images)[-1]
    pictures = "".join(_image(data, hidden=epoch != shown) for epoch, data in images.items())
    return f'<figure data-epochs="{" ".join(map(str, images))}">{pictures}</figure>'


def _image(data: bytes, *, hidden: bool = False) -> str:
    kind = "webp" if data.startswith(b"RIFF") else "png"
    source = f"data:image/{kind};base64,{b64encode(data).decode()}"
    return f'<img alt="" src="{source}"{" hidden" if hidden else ""}>'


def _table(frame: pd.DataFrame) -> str:
    return f'<div class="scroll">{frame.to_html(index=False, border=0, escape=True)}</div>'


def _row(parts: Iterator[str]) -> str:
    return f'<div class="row">{"".join(f"<section>{part}</section>" for part in parts)}</div>'
