"""The report of a trained run: one page that loads nothing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.data.table import Table
from forecast.evaluation.outcome import headline
from forecast.report.charts import OTHERS, Axis, Line, Mark, Rule, chart, samples
from forecast.report.page import render
from forecast.report.sections import errors, examples, intervals, scores, strip
from forecast.report.sections.examples import stamp
from forecast.report.sections.findings import findings

if TYPE_CHECKING:
    from forecast.evaluation.outcome import Outcome


Section = tuple[str, str]
"""A title as text, and the content below it as markup."""

MOST = 16
"""Most names that are listed; of more only their number is."""


@dataclass(frozen=True)
class Head:
    """What a report begins with.

    Attributes:
        lead: The result in one or two sentences.
        findings: What else is worth knowing, a sentence each.
        strip: Forecasts over the truth, as markup.
    """

    lead: str = ""
    findings: Sequence[str] = ()
    strip: str = ""


def page(title: str, sections: Iterable[Section], head: Head = Head()) -> str:
    """Write a report from its head and its sections; later rooms add their own.

    >>> text = page("run", [("Scores", "<p>good</p>")], Head("3 < 4"))
    >>> "<p>good</p>" in text, "3 &lt; 4" in text, "http" in text
    (True, True, False)
    """
    return render("report", title=title, head=head, sections=list(sections))


def head(outcome: "Outcome") -> Head:
    """Say what came out of a training, and show its forecasts."""
    return Head(headline(outcome), findings(outcome), strip.section(outcome))


def sections(
    outcome: "Outcome",
    *,
    facts: Mapping[str, str] = {},
    command: str = "",
    more: Iterable[Section] = (),
) -> list[Section]:
    """Make the sections of an outcome; what makes no sense for its task is left out.

    Those of later rooms, such as that of the gates, stand before the single windows.
    """
    found = [
        ("Scores and baselines", scores.section(outcome)),
        ("Where the errors occur", errors.section(outcome)),
        ("Uncertainty", intervals.section(outcome)),
        *more,
        ("Best and worst windows", examples.section(outcome)),
        ("Learning curve", learning(outcome)),
        ("Setup", summary(outcome, facts, command)),
    ]
    return [(title, content) for title, content in found if content]


def summary(outcome: "Outcome", given: Mapping[str, str], command: str) -> str:
    """Tell data, spans, window, model, training and the command."""
    return render(
        "summary",
        known=dict(given) | dict(_data(outcome)),
        spans=spans(outcome),
        settings=dict(_training(outcome)),
        command=command,
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
    yield "rows", f"{outcome.extent.rows:,} of {_count(len(table.names), 'series', 'series')}"
    if len(table.names) > 1:
        yield "series", _listed(table.names)
    if table.frequency:
        yield "frequency", f"{_distance(table.frequency)}, a season is {outcome.season} rows"
    yield "predicted", _listed([_named(table, n) for n in range(len(table.targets))])
    yield "inputs", _listed(table.features)
    yield "window", window(outcome)
    yield "model", f"{outcome.spec.model.name}, {fitted.model_.count_params():,} weights"
    yield from _trained(outcome)
    if outcome.seconds:
        yield "seconds", ", ".join(f"{k} {v:.1f}" for k, v in outcome.seconds.items())


def _trained(outcome: "Outcome") -> Iterator[tuple[str, str]]:
    """Tell how many networks were trained for how long, and which weights were kept."""
    fitted, training = outcome.forecaster, outcome.spec.training
    trained = f"{len(fitted.history_['loss'])} epochs"
    if outcome.refit and fitted.first_ is None:
        yield "trained", f"{trained} on training and validation rows, without early stopping"
    else:
        mean = fitted.averaged_[0]
        kept = f"the mean of the weights after the last {mean} was kept"
        if not mean:
            kept = f"the weights of epoch {fitted.best_epoch_} were kept"
        yield "trained", f"{trained} of {training.epochs} allowed; {kept}"
    epochs = _listed(fitted.best_epochs_)
    if training.seeds > 1:
        yield (
            "networks",
            f"{training.seeds}, of the seeds from {training.seed} on, kept at epochs {epochs}; the "
            "forecast is the mean of theirs. Learning curve and gates are those of the first",
        )
    if fitted.first_ is not None:
        yield (
            "once more",
            f"{epochs} epochs on training and validation rows from fresh weights, which forecast "
            "here. Learning curve and gates are those of the training before, whose forecasts of "
            "the validation span calibrate the intervals",
        )


def _training(outcome: "Outcome") -> Iterator[tuple[str, str]]:
    """Tell every setting, defaults included."""
    spec, training = outcome.spec, outcome.spec.training
    yield "model", _settings(spec.model.get_params(), leave=("name",))
    yield "training", _settings(training.get_params(), leave=("seed", "threads", "tail"))
    yield "scaling", spec.scaling
    yield "seed", str(training.seed)
    yield "threads", str(outcome.forecaster.threads_)
    yield "baselines", _settings(spec.regressors)


def spans(outcome: "Outcome") -> list[tuple[str, ...]]:
    """Return name, ends and size of each span."""
    count = {"test": f"{outcome.windows:,} windows scored"}
    return [
        (
            span.name,
            stamp(span.first),
            stamp(span.last),
            f"{span.stamps:,}",
            f"{span.rows:,}",
            count.get(span.name, ""),
        )
        for span in outcome.extent.spans
    ]


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


def learning(outcome: "Outcome") -> str:
    """Draw training and stopping loss against the epoch, the kept one marked."""
    history = outcome.forecaster.history_
    epochs = np.arange(1, len(history["loss"]) + 1)
    marks: list[Mark] = [Line("training loss", epochs, history["loss"], OTHERS[0], dots=True)]
    looks, note = {"training loss": OTHERS[0]}, "Standardised values."
    if stopping := history.get("val_loss"):
        marks += [Rule(outcome.forecaster.best_epoch_, upright=True)]
        marks += [Line("validation loss", epochs, stopping, "model", dots=True)]
        looks["validation loss"] = "model"
        note += " The dashed line marks the epoch whose weights were kept."
    drawn = chart("Loss by epoch", marks, x=Axis("epoch", season=1), note=note)
    return render("pictures", looks=samples(looks), drawn={"": [drawn]})
