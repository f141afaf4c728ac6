"""The data path and the training of an experiment, each held against a changed future."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.base import clone

from forecast.data import features
from forecast.data.samples import TrainingSet
from forecast.data.table import Table
from forecast.data.windows import Window
from forecast.evaluation import experiment, scales, scores
from forecast.evaluation.forecasts import Forecasts
from forecast.evaluation.leakage import perturb
from forecast.evaluation.leakage.case import Case, Check
from forecast.evaluation.leakage.columns import canary
from forecast.evaluation.leakage.perturb import date, first, place
from forecast.training.forecaster import Forecaster

EPOCHS = 2
"""Most epochs of each training of a full proof."""

CELLS = 4_000_000
"""Index cells of the windows that are looked at together."""


def learning(case: Case) -> Iterator[Check]:
    """Change all rows after training, learn again, and look at all that is learned."""
    table, own = case.table, case.learned
    wild = perturb.perturb_table(table, table.time >= case.cuts.validation, case.rng(1))
    other = case.learn(wild)
    changed = f"rows from {date(case.cuts.validation)} on, after training"
    yield _scale(case, own, other, changed)
    yield _seen(case, wild, (own, other), changed, stop=False)
    # what they choose on is changed too, so here they choose on training windows
    before = case.baselines(table, own.scaler, case.newest, case.newest[:0])
    after = case.baselines(wild, other.scaler, case.newest, case.newest[:0])
    moved = ""
    for name in before:
        where = first(before[name], after[name], np.ones(len(case.newest), bool))
        if where and not moved:
            moved = f"{name} has learned from later rows: it forecasts a different value of " + (
                forecast(case, case.newest, where)
            )
    yield Check("baselines", changed, f"what {', '.join(before)} learned", not moved, moved)
    if table.task == "regression":
        found = [
            scores.measure(
                Forecasts(data, case.window, case.newest, before["persistence"]),
                scales.Scale.of(data.take(case.cuts.train_rows(data)), own.scaler, case.season),
            ).scores
            for data in (table, wild)
        ]
        moved = next((key for key in found[0] if repr(found[0][key]) != repr(found[1][key])), "")
        moved = f"{moved} of training windows, whose scale has seen later rows" if moved else ""
        yield Check("mase", changed, "the scale of MASE and RMSSE", not moved, moved)


def stopping(case: Case) -> Check:
    """Change all rows after validation and look at what trains and what stops training."""
    table = case.table
    wild = perturb.perturb_table(table, table.time >= case.cuts.test, case.rng(2))
    changed = f"rows from {date(case.cuts.test)} on, after validation"
    return _seen(case, wild, (case.learned, case.learn(wild)), changed, stop=True)


def spans(case: Case) -> Check:
    """Look at every row of every window: one series, one stretch, one span."""
    table, cuts, window = case.table, case.cuts, case.window
    own = case.learned
    train = table.time < cuts.validation
    test = table.time >= cuts.test
    parts = (
        ("training", own.train, train, 0),
        ("stopping", own.stop, ~train & ~test, window.timesteps + window.lead),
        ("scored", case.scored, test, window.timesteps + window.lead),
    )
    count = ", ".join(f"{len(starts):,} {kind}" for kind, starts, *_ in parts)
    compared = f"{count}, none astray"
    for kind, starts, inside, begin in parts:
        moved = _outside(table, window, starts, inside, begin)
        if moved:
            return Check("windows", "", compared, False, f"a {kind} window {moved}")
    return Check("windows", "", compared, True)


def columns(case: Case) -> Check:
    """Look for input columns that copy what a target will be."""
    found = canary(case.table, case.window)
    compared = f"{len(case.table.features)} inputs, none a copy of a later target"
    return Check("columns", "", compared, not found, "; ".join(map(str, found)))


def training(case: Case) -> Check:
    """Train twice, once with another test span, and compare weights, history and best epoch."""
    table, spec = case.table, case.spec
    wild = perturb.perturb_table(table, table.time >= case.cuts.test, case.rng(3))
    epochs = min(EPOCHS, spec.training.epochs)
    fits = []
    for data in (table, wild):
        own = clone(spec.training).set_params(epochs=epochs)
        forecaster = Forecaster(spec.model, spec.window, own, scaling=spec.scaling)
        learned, tail = experiment.learnable(data, case.cuts)
        fits.append(forecaster.fit(data, rows=learned, tail=tail))
    one, two = fits
    moved = ""
    if one.best_epoch_ != two.best_epoch_:
        moved = f"epoch {two.best_epoch_} is kept and not {one.best_epoch_}"
    for key, values in one.history_.items():
        if key not in ("epoch_seconds", "samples_per_second") and values != two.history_[key]:
            moved = f"{key} of the training"
            break
    pairs = zip(one.model_.weights, two.model_.get_weights(), strict=True)
    other = [weight.path for weight, new in pairs if weight.numpy().tobytes() != new.tobytes()]
    if other:
        moved = f"weight {other[0]} of the trained network"
    changed = f"rows from {date(case.cuts.test)} on, after validation"
    compared = f"weights, history, best epoch of 2 trainings of {epochs} epochs"
    return Check("training", changed, compared, not moved, moved)


def _scale(case: Case, own: TrainingSet, other: TrainingSet, changed: str) -> Check:
    """Compare scalers: learned before and after, and that of a fitted forecaster."""
    table = case.table
    compared = f"mean and deviation of {len(table.features)} inputs, {len(table.targets)} targets"
    every, kinds = np.ones(len(table.names), bool), list(vars(own.scaler))
    shared = np.zeros(len(table.features), bool)  # columns that have the scale of all series
    pairs = [(own.scaler, other.scaler)]
    if case.fitted_scaler is not None:
        pairs.append((other.scaler, case.fitted_scaler))
    for number, (one, two) in enumerate(pairs):
        if number and not np.isin(np.arange(len(every)), table.series).all():
            # of some series only means: what does not vary has the deviation of the others
            kinds, every = ["input_mean", "output_mean"], _known(case)
            shared[list(table.static)] = True
        endless = np.full_like(one.input_std, np.inf)  # what no limit at all means
        for name in kinds:
            both = getattr(one, name), getattr(two, name)
            before, after = (endless if part is None else part for part in both)
            if name == "input_mean":
                after = np.where(shared, before, after)
            where = first(before, after, every)
            if where:
                kind, what = name.split("_")
                column = (table.features if kind == "input" else table.targets)[where[1]]
                what = {"std": "deviation"}.get(what, what)
                moved = f"the scale, {what} of {kind} {column!r} in {table.names[where[0]]}"
                return Check("scale", changed, compared, False, moved)
    return Check("scale", changed, compared, True)


def _known(case: Case) -> np.ndarray:
    """Tell which series have a training value in every column, (series,)."""
    table = case.table.take(case.cuts.train_rows(case.table))
    values = np.concatenate([table.inputs, table.outputs], axis=1)
    count = pd.DataFrame(values).groupby(table.series).count().min(axis=1)
    return count.reindex(range(len(table.names)), fill_value=0).to_numpy() > 0


def _seen(
    case: Case, wild: Table, sets: tuple[TrainingSet, TrainingSet], changed: str, *, stop: bool
) -> Check:
    """Compare windows, the standardised rows that they read, and their truth."""
    table, window = case.table, case.window
    name = "stopping" if stop else "inputs"
    starts, others = (np.concatenate([s.train, s.stop]) if stop else s.train for s in sets)
    kinds = "training and stopping" if stop else "training"
    compared = f"inputs and truth of {len(starts):,} {kinds} windows"
    if not np.array_equal(starts, others):
        gone = np.setxor1d(starts, others)
        which = f", first {place(table, gone[0])}" if len(gone) else ""
        return Check(name, changed, compared, False, f"other windows train or stop{which}")
    seen, truth = (
        [
            features.append_known_future(s.scaler.inputs(data), data, window, coded=True)
            for data, s in zip((table, wild), sets, strict=True)
        ],
        [s.scaler.outputs(data) for data, s in zip((table, wild), sets, strict=True)],
    )
    names = (*features.input_names(table, window), "number of the series")
    past = _covered(table, starts, 0, window.timesteps)
    future = _covered(table, starts, window.timesteps + window.lead, window.horizon)
    if where := first(seen[0], seen[1], past):
        moved = f"input {names[where[1]]!r} of {place(table, where[0])}"
    elif where := first(truth[0], truth[1], future):
        moved = f"target {table.targets[where[1]]!r} of {place(table, where[0])}"
    return Check(name, changed, compared, where is None, moved if where else "")


def _covered(table: Table, starts: np.ndarray, begin: int, length: int) -> np.ndarray:
    """Mark the rows (rows,) that lie in a stretch behind any of some starts."""
    count = np.zeros(len(table) + 1, int)
    np.add.at(count, starts + begin, 1)
    np.add.at(count, starts + begin + length, -1)
    return np.cumsum(count)[:-1] > 0


def _outside(
    table: Table, window: Window, starts: np.ndarray, inside: np.ndarray, begin: int
) -> str:
    """Say which window leaves its series, its stretch or, from its row `begin` on, its span."""
    if len(starts) and starts.max() + window.span > len(table):
        return f"ends beyond the table, at row {int(starts.max()) + window.span}"
    for part in np.array_split(starts, 1 + len(starts) * window.span // CELLS):
        every = part[:, None].astype(np.int64) + np.arange(window.span)  # (windows, rows of each)
        faults = {
            "crosses into another series": table.series[every] != table.series[part][:, None],
            "crosses absent rows": np.diff(table.tick[every], axis=1, prepend=np.nan) > 1,
            "reaches into another span": ~inside[every],
        }
        faults["reaches into another span"][:, :begin] = False
        for words, found in faults.items():
            if found.any():
                row, step = (int(i) for i in np.unravel_index(found.argmax(), found.shape))
                last = place(table, int(every[row, step]))
                return f"of {place(table, int(part[row]))} {words}: {last}"
    return ""


def forecast(case: Case, starts: np.ndarray, where: tuple[int, ...]) -> str:
    """Name a forecast value: target, step, origin."""
    window, step, target = where[:3]
    origin = starts[window] + case.window.timesteps - 1
    name = case.table.targets[target]
    return f"{name!r}, step {step + 1}, from {place(case.table, origin)}"
