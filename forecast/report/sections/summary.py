"""What was trained on what, in words."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.data.split import distinct
from forecast.data.table import Table
from forecast.report.page import Html, facts, html_table

if TYPE_CHECKING:
    from forecast.evaluation.outcome import Outcome

MOST = 16
"""Most names that are listed; of more only their number is."""


def section(outcome: "Outcome", given: Mapping[str, str], command: str) -> Html:
    """Tell data, spans, window, model, training and the command."""
    known = facts(dict(given) | dict(_data(outcome)))
    how = facts(dict(_training(outcome)))
    again = f"<h3>The same again</h3><pre>{escape(command)}</pre>" if command else ""
    return Html(
        f"{known}{_spans(outcome)}<details><summary>All settings</summary>{how}</details>{again}"
    )


def window(outcome: "Outcome") -> str:
    """Say the shape of a sample in words, such as "72 rows of 1 h seen, 24 rows predicted"."""
    shape = outcome.spec.window
    frequency = outcome.table.frequency
    each = f" of {_distance(frequency)}" if frequency else ""
    skipped = f", {_count(shape.lead, 'row')} skipped" if shape.lead else ""
    seen, predicted = _count(shape.timesteps, "row"), _count(shape.horizon, "row")
    return f"{seen}{each} seen{skipped}, {predicted} predicted"


def _data(outcome: "Outcome") -> Iterator[tuple[str, str]]:
    """Tell what was read, what was asked, and of whom."""
    table, fitted = outcome.table, outcome.forecaster
    yield "rows", f"{len(table):,} of {_count(len(table.names), 'series', 'series')}"
    if len(table.names) > 1:
        yield "series", _listed(table.names)
    if table.frequency:
        yield "frequency", f"{_distance(table.frequency)}, a season is {outcome.season} rows"
    yield "predicted", _listed([_named(table, n) for n in range(len(table.targets))])
    yield "inputs", _listed(table.features)
    yield "window", window(outcome)
    yield "model", f"{outcome.spec.model.name}, {fitted.model_.count_params():,} weights"
    trained = f"{len(fitted.history_['loss'])} epochs"
    if outcome.refit:
        yield "trained", f"{trained} on training and validation rows, without early stopping"
    else:
        kept = f"the weights of epoch {fitted.best_epoch_} were kept"
        yield "trained", f"{trained} of {outcome.spec.training.epochs} allowed; {kept}"
    if outcome.seconds:
        yield "seconds", ", ".join(f"{k} {v:.1f}" for k, v in outcome.seconds.items())


def _training(outcome: "Outcome") -> Iterator[tuple[str, str]]:
    """Tell every setting, defaults included."""
    spec, training = outcome.spec, outcome.spec.training
    yield "model", _settings(spec.model.get_params(), leave=("name",))
    yield "training", _settings(training.get_params(), leave=("seed", "threads", "tail"))
    yield "scaling", spec.scaling
    yield "seed", str(training.seed)
    yield "threads", str(outcome.forecaster.threads_)
    yield "baselines", _settings(spec.regressors)


def _spans(outcome: "Outcome") -> Html:
    rows, cuts = outcome.table, outcome.cuts
    masks = {
        "train": cuts.train_rows(rows),
        "validation": cuts.validation_rows(rows),
        "test": cuts.test_rows(rows),
    }
    count = {"test": f"{len(outcome.test.starts):,} windows scored"}
    return html_table(
        ("", "first", "last", "time stamps", "rows", ""),
        [
            (name, *_ends(rows, mask), f"{mask.sum():,}", count.get(name, ""))
            for name, mask in masks.items()
        ],
    )


def _ends(rows: Table, mask: np.ndarray) -> tuple[str, str, str]:
    stamps = distinct(rows.time[mask])
    return stamp(stamps[0]), stamp(stamps[-1]), f"{len(stamps):,}"


def stamp(time: Any) -> str:
    """Write a time stamp to the minute, or a row's number.

    >>> stamp(np.datetime64("2024-03-01T06:00:00", "ns")), stamp(np.int64(7))
    ('2024-03-01 06:00', '7')
    """
    return str(time)[:16].replace("T", " ")


def _named(table: Table, target: int) -> str:
    """Write a target with its unit."""
    unit = table.unit(target).removeprefix(", ")
    return f"{table.targets[target]} ({unit})" if unit else table.targets[target]


def _distance(frequency: str) -> str:
    """Write a frequency with its number."""
    return frequency if frequency[0].isdigit() else f"1 {frequency}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _listed(names: Any) -> str:
    shown = ", ".join(map(str, names[:MOST]))
    return shown + (f" and {len(names) - MOST:,} more" if len(names) > MOST else "")


def _settings(params: Mapping[str, Any], leave: tuple[str, ...] = ()) -> str:
    """List settings; an object has its kind alone, since its address would change every page."""
    plain = (bool, int, float, str, list, tuple, dict, type(None))
    return ", ".join(
        f"{name} {value if isinstance(value, plain) else type(value).__name__}"
        for name, value in params.items()
        if name not in leave and value not in (None, [], ())
    )
