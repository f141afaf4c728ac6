"""An experiment on a table larger than memory: its blocks looked through, some rows drawn."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.data import clock, windows
from forecast.data.blocks import Blocks, Cut
from forecast.data.samples import TrainingBlocks
from forecast.data.scale import Scaled, Scaler
from forecast.data.split import Holdout
from forecast.data.table import Table, stacked
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation import parts
from forecast.evaluation.baselines import by_name, rules
from forecast.evaluation.baselines.classical import CLASSICAL
from forecast.evaluation.outcome import Extent, Stretch
from forecast.evaluation.parts import Asked, Part
from forecast.evaluation.scales import Scale, Steps

if TYPE_CHECKING:
    from forecast.evaluation.outcome import Spec

DRAWN = 4_000_000
"""Values of the rows that are drawn: of them baselines learn, and of them pictures are made."""

ROWS, MOST = 40_000, 40_000_000
"""Rows of a wide table that are drawn though they hold more, and the values that they may hold."""

SERIES = 8
"""Series that are drawn at least, before moments are left out instead."""

SPANS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of a table that is read block by block.

    Attributes:
        blocks: The whole table.
        learned: What a fit learns from.
        drawn: Rows of some series, or of some stretches in time, under the names of all series.
        extent: Rows of all.
        windows: How many windows each span has.
        asked: Windows that baselines will be asked for.
        steps: What the scales of errors are made of.
        shares: How often each event or class was there in the training rows of each series,
            (series, targets); None where values are predicted.
        thinned: Whether moments are missing in the drawn rows.
    """

    blocks: Blocks
    learned: TrainingBlocks
    drawn: Table
    extent: Extent
    windows: dict[str, int]
    asked: Asked
    steps: Steps
    shares: np.ndarray | None
    thinned: bool
    _cut: Cut
    _own: np.ndarray  # validation and test windows of each block, (2, blocks)
    _rules: tuple["Spec", Holdout]

    def scale(self, scaler: Scaler) -> Scale:
        """Return what errors are divided by."""
        return self.steps.scale(scaler.spread)

    def parts(self, scaler: Scaler, *, held: bool) -> Iterator[tuple[Scaled, Part]]:
        """Read the blocks that have windows to score, or held-out ones, each in parts.

        A series that is longer than a block has its parts in the order of time.
        """
        (spec, cuts), kinds = self._rules, slice(0 if held else 1, None)
        for number in np.flatnonzero(self._own[kinds].any(axis=0)).tolist():
            table = self._cut[number]
            first = table.first_series
            rows = Scaled(table, scaler.part(slice(first, first + len(table.names))))
            _, validation, test = _windows(table, spec.window, cuts, self._cut.shared[number])
            found = parts.cut(table, spec.window, validation[: None if held else 0], test)
            before, behind = self._goes_on(number, kinds)
            for place, part in enumerate(found):
                last = place + 1 == len(found)
                yield (
                    rows,
                    replace(
                        part,
                        goes_on=part.goes_on or (before and place == 0),
                        more=part.more or (behind and last),
                    ),
                )

    def _goes_on(self, number: int, kinds: slice) -> tuple[bool, bool]:
        """Tell whether the only series of a block has windows in blocks before, and behind."""
        series = self._cut.series
        alike = (series == series[number]).all(axis=1) & self._own[kinds].any(axis=0)
        places = np.flatnonzero(alike)
        return bool((places < number).any()), bool((places > number).any())


def survey(spec: "Spec", blocks: Blocks, cuts: Holdout, rows: int, *, refit: bool) -> Survey:
    """Learn the scale of a table that is read in blocks of so many rows, and look through it."""
    _check(spec, blocks)
    window = spec.window
    learned = TrainingBlocks(blocks, window, cuts.learned_rows, block_rows=rows)
    learned.learn(0, spec.scaling, begin=None if refit else cuts.validation)
    season = spec.season or clock.season(blocks.facts.frequency)
    context = window.span - 1 + by_name.look_back(blocks.facts, window, spec.season)
    cut = blocks.cut(max(rows, 4 * context), context)
    draw = _Draw(blocks, cuts, window, learned.scaler)
    names = tuple(blocks.names.to_pylist())
    steps = Steps(len(names), len(blocks.facts.targets), season)
    shares = rules.Shares(len(names), len(blocks.facts.targets))
    own, counts = np.zeros((2, len(cut)), int), dict.fromkeys(SPANS, 0)
    stamps = blocks.stamps
    origins, asked = np.zeros(len(stamps), bool), 0
    inside = dict.fromkeys(SPANS, 0)
    kept: list[Table] = []
    for number, table in enumerate(cut):
        shared = int(cut.shared[number])
        found = _windows(table, window, cuts, shared)
        own[:, number] = [len(starts) for starts in found[1:]]
        for name, starts in zip(SPANS, found, strict=True):
            counts[name] += len(starts)
        for starts in found[1:]:
            starts = starts[draw.series[table.series[starts] + table.first_series]]
            times = table.time[starts + window.timesteps - 1]
            origins[np.searchsorted(stamps, times)] = True
            asked += len(starts)
        masks = [cuts.train_rows(table), cuts.validation_rows(table), cuts.test_rows(table)]
        for name, mask in zip(SPANS, masks, strict=True):
            inside[name] += int(mask[shared:].sum())
        known = cuts.learned_rows(table) if refit else masks[0]
        if table.task == "regression":
            steps.add(table.take(masks[0]), int(masks[0][:shared].sum()))
        else:
            shares.add(table.take(known & (np.arange(len(table)) >= shared)))
        kept.append(draw.rows(table, shared))
    return Survey(
        blocks=blocks,
        learned=learned,
        drawn=stacked(kept, [table.series for table in kept], names),
        extent=Extent(
            len(blocks),
            stamps[0],
            stamps[-1],
            tuple(
                Stretch(name, own_stamps[0], own_stamps[-1], len(own_stamps), inside[name])
                for name, own_stamps in _spans(stamps, cuts)
                if len(own_stamps)
            ),
        ),
        windows=counts,
        asked=Asked(asked, stamps[origins], None if draw.series.all() else draw.series),
        steps=steps,
        shares=None if blocks.facts.task == "regression" else shares.found(),
        thinned=not draw.whole,
        _cut=cut,
        _own=own,
        _rules=(spec, cuts),
    )


def _check(spec: "Spec", blocks: Blocks) -> None:
    """Refuse what needs all rows of a series at once."""
    if slow := [name for name in spec.baselines if name in CLASSICAL]:
        raise InputError(
            f"evaluation.baselines must do without {slow[0]} where the table is read in blocks, "
            f"got it for {blocks.series:,} series of {len(blocks):,} rows: leave it out, or set "
            "data.memory to more than the table takes"
        )


def _spans(stamps: np.ndarray, cuts: Holdout) -> list[tuple[str, np.ndarray]]:
    """Deal time stamps to the spans."""
    edges = np.searchsorted(stamps, [cuts.validation, cuts.test])
    return list(zip(SPANS, np.split(stamps, edges), strict=True))


def _windows(
    table: Table, window: Window, cuts: Holdout, shared: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List the windows of training, validation and test that no block before holds whole."""
    every = (
        windows.starts(table, window, within=cuts.train_rows(table)),
        windows.starts(table, window, within=cuts.validation_rows(table)),
        cuts.scored(table, window),
    )
    train, validation, test = (starts[starts + window.span > shared] for starts in every)
    return train, validation, test


class _Draw:
    """Which rows are drawn: all of some series, or where these are too long some moments of them.

    Series are drawn evenly from their order by level in deviations; neither name nor unit decides.
    """

    def __init__(self, blocks: Blocks, cuts: Holdout, window: Window, scaler: Scaler):
        facts = blocks.facts
        width = len(facts.features) + len(facts.targets) + 4
        most = max(1, DRAWN // width, min(ROWS, MOST // width))
        mean = len(blocks) / blocks.series
        count = min(blocks.series, max(SERIES, int(most / mean)))
        # events and classes are not scaled, and their series differ by what is read
        inputs = scaler.input_mean[:, :1] / scaler.input_std[:, :1]
        # a unit moves transformed means by one distance, others with their deviations
        std = 1.0 if scaler.kinds.move else scaler.output_std[:, 0]
        level = scaler.output_mean[:, 0] / std
        order = np.lexsort((*inputs.T, level))
        self.series = np.zeros(blocks.series, bool)
        self.series[order[np.linspace(0, blocks.series - 1, count).astype(int)]] = True
        self._stamps, self._span = blocks.stamps, window.span
        self._edges = np.searchsorted(blocks.stamps, [cuts.validation, cuts.test])
        self._past = window.timesteps + window.lead
        each = most // count  # rows of one series
        self.whole, self._each = count * mean <= most >= blocks.longest, each
        late = len(blocks.stamps) - int(self._edges[1])
        apart = -(-late * window.span // max(1, each // 4))
        season = clock.season(facts.frequency)
        while np.gcd(apart, season) > 1:
            apart += 1
        self._apart = apart if 4 * late > each else 1

    def rows(self, table: Table, shared: int) -> Table:
        """Take the drawn rows of a block, but for those of the block before."""
        number = table.series + table.first_series
        mask = self.series[number]
        mask[:shared] = False
        if not self.whole:
            mask &= self._moments(table.time)
        own = table.take(mask)
        return replace(own, series=number[mask], first_series=0, first_row=0)

    def _moments(self, time: np.ndarray) -> np.ndarray:
        """Tell which moments are drawn of a series, (rows,): the newest of the first two spans.

        Of the test span windows are drawn that lie evenly apart.
        """
        place = np.searchsorted(self._stamps, time)
        first, last = self._edges
        train = (place >= first - self._each // 2) & (place < first)
        validation = (place >= max(first, last - self._each // 4)) & (place < last)
        behind = place - (last - self._past)
        return train | validation | ((behind >= 0) & (behind % self._apart < self._span))
