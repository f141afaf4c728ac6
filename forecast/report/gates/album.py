"""All pictures of a training, in scales that are the same for every epoch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from forecast.gates.history import at_shares
from forecast.gates.shapes import Scales, gate_rows, rung, scales, tap_rows
from forecast.gates.snapshots import Snapshot, is_convolution, unpack
from forecast.gates.statistics import inputs
from forecast.report.canvas import to_image
from forecast.report.gates.maps import colour_limit, heat_map, influence_map
from forecast.report.gates.openness import measured, openness
from forecast.report.gates.shapes import distributions

SMALL = 16
"""Most units of a layer whose single weights are drawn: those of more cannot be told apart."""

Picture = tuple[str, int, np.ndarray]


def album(
    snapshots: Mapping[int, Snapshot],
    *,
    timesteps: int,
    feature_names: Sequence[str] | None = None,
    final: Snapshot | None = None,
    kept: int | None = None,
    pictures: int = 6,
) -> Iterator[Picture]:
    """Draw every layer at shares of the epochs, the same for runs of any length.

    Args:
        snapshots: `{epoch: snapshot}`, such as `GateSnapshots` hands to `draw`; only now are the
            scales of the whole run known.
        timesteps: Look-back of the windows.
        feature_names: Of the inputs, for the layers that read them.
        final: The weights that were kept.
        kept: The epoch that they are of, which the pictures mark.
        pictures: Number of shares; 6 are 0, 20, 40, 60, 80 and 100 %.

    Yields:
        Key, step and pixels (height, width, 3) uint8. The step is the share in per cent: the epoch
        nearest to it is drawn, and named. `gates/<layer>` how the weights of a recurrent layer are
        spread, `gates/taps` those of all convolutions; `activity/<layer>` how open the gates are,
        where a probe measured it; `inputs/<layer>` features against gates; `weights/<layer>` a heat
        map of layers of at most 16 units. Where the kept weights are known, `gates.final/<layer>`
        and `gates.final/taps` show them at step 0.
    """
    epochs = [epoch for epoch, weights in snapshots.items() if weights]
    drawn = {share: snapshots[epoch] for share, epoch in at_shares(epochs, pictures).items()}
    last = max(epochs, default=0)
    book = _Book(
        timesteps,
        feature_names,
        scales([*drawn.values(), final or {}]),
        colour_limit(drawn.values()),
        _strongest(drawn.values(), feature_names),
        snapshots.get(0) or {},
    )
    for share, epoch in at_shares(epochs, pictures).items():
        title = f"{share} % of training"
        ran = f"epoch {epoch} of {last}" if epoch else f"before epoch 1 of {last}"
        if kept is not None:
            ran += " · these are kept" if epoch == kept else f" · kept: {kept}"
        yield from book.page(snapshots[epoch], share, title, ran)
    if final:
        told = f"epoch {kept} of {last}" if kept is not None and last else ""
        for layer, figure in book.spread(final, "kept weights", told):
            yield f"gates.final/{layer}", 0, figure


@dataclass(frozen=True)
class _Book:
    """What all pictures of a run share: scales, names, and the weights before training."""

    timesteps: int
    names: Sequence[str] | None
    scales: Scales
    colours: float
    strongest: float
    start: Snapshot = field(repr=False)

    def page(self, weights: Snapshot, step: int, title: str, ran: str) -> Iterator[Picture]:
        """Draw everything of one epoch."""
        for layer, pixels in self.spread(weights, title, ran):
            yield f"gates/{layer}", step, pixels
        reading = inputs(weights, self.names) if self.names is not None else {}
        for layer, gates in _recurrent(weights).items():
            if measured(weights, layer):
                head = f"{layer} · how open · {step} %"
                figure = openness(weights, layer, self.timesteps, head, ran)
                yield f"activity/{layer}", step, to_image(figure)
            if layer in reading:
                figure = influence_map(reading[layer], layer, self.strongest, subtitle=ran)
                yield f"inputs/{layer}", step, to_image(figure)
            if _units(gates) <= SMALL:
                own = self.names if layer in reading else None
                head = f"{layer} · {ran}"
                figure = heat_map(gates, head, self.colours, feature_names=own)
                yield f"weights/{layer}", step, to_image(figure)

    def spread(self, weights: Snapshot, title: str, ran: str) -> Iterator[tuple[str, np.ndarray]]:
        """Draw how the weights of each recurrent layer, and of all convolutions, are spread."""
        for layer, gates in _recurrent(weights).items():
            rows = gate_rows(weights, layer, self.scales, self.start)
            told = f"{ran} · {_units(gates)} units".removeprefix(" · ")
            yield layer, to_image(distributions(rows, f"{layer} · {title}", told))
        if rows := tap_rows(weights, self.scales, self.start):
            yield "taps", to_image(distributions(rows, f"taps · {title}", ran))


def _recurrent(weights: Snapshot) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """List the recurrent layers of a snapshot."""
    return {name: gates for name, gates in unpack(weights).items() if not is_convolution(gates)}


def _units(gates: Mapping[str, Mapping[str, np.ndarray]]) -> int:
    """Count the units of a layer."""
    return int(next(iter(gates.values()))["kernel"].shape[-1])


def _strongest(snapshots: Iterable[Snapshot], feature_names: Sequence[str] | None) -> float:
    """Return the end of the scale of all pictures of features against gates."""
    sizes = [
        float(np.nan_to_num(table.to_numpy(), posinf=0.0).max())
        for weights in snapshots
        for table in (inputs(weights, feature_names) if feature_names is not None else {}).values()
    ]
    return rung(max(sizes, default=0.0))
