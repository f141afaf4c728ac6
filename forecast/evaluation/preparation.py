"""What is known of an experiment before its first step: settings, spans, windows, scale."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from forecast.data import clock, samples, split, windows
from forecast.data.blocks import Blocks
from forecast.data.samples import TrainingBlocks, TrainingSet, training_set
from forecast.data.scale import Scaled, Scaler
from forecast.data.split import Holdout
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.errors import InputError
from forecast.evaluation import parts
from forecast.evaluation.baselines import by_name, regression
from forecast.evaluation.intervals import margin
from forecast.evaluation.outcome import Extent
from forecast.evaluation.survey import Survey, survey

if TYPE_CHECKING:
    import keras

    from forecast.evaluation.outcome import Spec


@dataclass(frozen=True)
class Span:
    """A part of the table in time.

    Attributes:
        name: "train", "validation" or "test".
        first: Its first time stamp; None where it has no rows.
        rows: How many rows it has.
        windows: How many windows predict inside it.
    """

    name: str
    first: np.datetime64 | None
    rows: int
    windows: int


@dataclass(eq=False)
class Prepared:
    """An experiment before its first step; each part of it is made once, when it is first needed.

    Attributes:
        spec: What to do.
        table: The data; of a table larger than memory the rows that were drawn.
        cuts: Where validation and test begin.
        epochs: None keeps the validation span for stopping; a number trains that many epochs on
            training and validation rows alike, as the winner of a sweep does.
        network: Untrained, with the weights that the seed draws; None once a fit has taken it.
        survey: What is known of a table larger than memory, whose windows are those of its drawn
            rows here; None where `table` holds all rows.
    """

    spec: "Spec"
    table: Table
    cuts: Holdout
    epochs: int | None = None
    network: "keras.Model | None" = field(default=None, repr=False)
    survey: Survey | None = field(default=None, repr=False)

    @property
    def refit(self) -> bool:
        """Whether validation rows are learned from, at once or when the epoch is chosen."""
        return self.epochs is not None or self.spec.training.refit

    @property
    def large(self) -> bool:
        """Whether its windows are scored in several parts."""
        if self.survey is not None:
            return True
        cells = self.spec.window.horizon * len(self.table.targets)
        return (len(self.validation) + len(self.test)) * cells > parts.VALUES

    @cached_property
    def known(self) -> np.ndarray:
        """Mask of the rows that scale, baselines and weights are learned from, (rows,).

        Rows that only decide when to stop are none of them.
        """
        own = self.cuts.learned_rows if self.refit else self.cuts.train_rows
        return own(self.table)

    @cached_property
    def train(self) -> np.ndarray:
        """Windows whose futures lie in `known`, (windows,)."""
        return windows.starts(self.table, self.spec.window, within=self.known)

    @cached_property
    def validation(self) -> np.ndarray:
        """Windows whose futures lie in the validation span, (windows,)."""
        rows = self.cuts.validation_rows(self.table)
        return windows.starts(self.table, self.spec.window, within=rows)

    @cached_property
    def test(self) -> np.ndarray:
        """Windows of the test span of whose future some value is known, (windows,)."""
        return self.cuts.scored(self.table, self.spec.window)

    @cached_property
    def learned(self) -> TrainingSet | TrainingBlocks:
        """What the network that is kept learns from."""
        if self.survey is not None:
            return self.survey.learned
        rows, tail = learnable(self.table, self.cuts)
        tail = 0 if self.refit else tail
        return training_set(self.table, self.spec.window, rows, tail, self.spec.scaling)

    @cached_property
    def first(self) -> TrainingSet | TrainingBlocks:
        """What the training learns from that chooses the epoch, the only one without a refit."""
        if self.epochs is not None or not self.refit:
            return self.learned
        if self.survey is not None:
            return self.survey.first
        rows, tail = learnable(self.table, self.cuts)
        return training_set(self.table, self.spec.window, rows, tail, self.spec.scaling)

    def scaled(self, scaler: Scaler) -> Scaled:
        """Return the rows standardised by the scaler of a forecaster: those of its fit, if kept."""
        if self.survey is not None:
            own = [vars(self).setdefault("_rows", Scaled(self.table, scaler))]
        else:
            own = [vars(self)[name].rows for name in ("learned", "first") if name in vars(self)]
        kept = (rows for rows in own if rows.scaler is scaler)
        return next(kept, None) or Scaled(self.table, scaler)

    @cached_property
    def extent(self) -> Extent:
        """How much the whole table holds."""
        return Extent.of(self.table, self.cuts) if self.survey is None else self.survey.extent

    def spans(self) -> list[Span]:
        """Count rows and windows of each span."""
        table, cuts = self.table, self.cuts
        if self.survey is not None:
            each, count = self.survey.extent.spans, self.survey.windows
            return [Span(own.name, own.first, own.rows, count[own.name]) for own in each]
        train = self.train
        if self.refit:
            train = windows.starts(table, self.spec.window, within=cuts.train_rows(table))
        return [
            Span(name, table.time[rows].min() if rows.any() else None, int(rows.sum()), len(found))
            for name, rows, found in (
                ("train", cuts.train_rows(table), train),
                ("validation", cuts.validation_rows(table), self.validation),
                ("test", cuts.test_rows(table), self.test),
            )
        ]


def without_window(table: Table, window: Window) -> list[str]:
    """Name the series from which nothing can be learned or scored: none of their windows is whole.

    They are shorter than one, or have no window without a hole that has a known target behind it.
    """
    some = table.series[windows.starts(table, window, truth="some")]
    count = np.bincount(some, minlength=len(table.names))
    return [name for name, own in zip(table.names, count, strict=True) if not own]


def prepare(
    spec: "Spec", data: Table | Blocks, *, epochs: int | None = None, memory: int | None = None
) -> Prepared:
    """Cut the table and make sure that an experiment can be run on it, but for its network."""
    spec.window.check()
    spec.training.check()
    by_name.check_names(spec.baselines)
    for name, settings in spec.regressors.items():
        regression.check_regressor(name, settings)
    blocks = Blocks.of(data) if isinstance(data, Table) else data
    facts, longest, rows = blocks.facts, blocks.longest, None
    if isinstance(data, Blocks):
        most = samples.machine_share() if memory is None else memory
        rows = samples.block_rows(data, spec.window, most)
    if spec.season is not None and not 1 <= spec.season < longest:
        raise InputError(
            f"evaluation.season must be a whole number from 1 to below the {longest} rows of the "
            f"longest series, got {spec.season!r}: try {clock.season(facts.frequency)}, "
            "or null"
        )
    margin.check_interval(spec.interval, spec.calibration, spec.training.quantiles, facts.task)
    cuts = split.holdout(facts, spec.validation, spec.test, stamps=blocks.stamps)
    if rows is None:
        made = Prepared(spec, next(blocks.tables()), cuts, epochs)
    else:
        chosen = spec.training.refit and epochs is None
        found = survey(spec, blocks, cuts, rows, refit=epochs is not None, chosen=chosen)
        made = Prepared(spec, found.drawn, cuts, epochs, survey=found)
    spans = made.spans()
    if min(span.windows for span in spans) == 0:
        counts = ", ".join(f"{span.name} {span.windows} in {span.rows} rows" for span in spans)
        absent = np.isnan(made.table.inputs).all(axis=1) & np.isnan(made.table.outputs).all(axis=1)
        sparse = "; most time stamps have no row: "
        sparse += f"data.frequency={clock.ROWS} takes the next row as the next step"
        raise InputError(
            f"window.timesteps={spec.window.timesteps} and window.horizon={spec.window.horizon} "
            f"must leave a window in every span, got windows: {counts}: take a smaller window, "
            "other spans (split.validation, split.test) or more rows"
            f"{sparse if absent.mean() > 0.5 else ''}"
        )
    learned = made.first
    if spec.training.stateful and isinstance(learned, TrainingSet):
        samples.check_stateful([learned.train], spec.window)
    return made


def learnable(table: Table, cuts: Holdout) -> tuple[np.ndarray, int]:
    """Tell what a fit may read.

    Returns (rows,).
    """
    return cuts.learned_rows(table), len(split.distinct(table.time[cuts.validation_rows(table)]))
