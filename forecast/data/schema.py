"""What the columns of a raw frame mean, and what is asked of its targets."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from forecast.data import calendar
from forecast.data.calendar import Place
from forecast.data.scaling import bounds as limits
from forecast.data.scaling import transform
from forecast.errors import InputError, nearest, shown
from forecast.vocabulary import CALENDAR, DUPLICATES, MISSING

MOST_HOLD = 1_000_000


@dataclass(frozen=True)
class Schema:
    """How a raw frame is read: what its columns are, and what they may contain.

    It is plain data, so a served model can carry it as JSON and read new rows the same way.

    Attributes:
        time: Column of time stamps.
        targets: Columns to predict.
        features: Columns the model sees; empty means the targets alone.
        series: Columns that name a series; empty means the frame is one series.
        frequency: Distance of two rows, a pandas alias such as "h"; None infers it.
        time_format: Format of the time column, as strptime has it; None means ISO 8601.
        circular: Column to period: replaced by its sine and cosine (wind direction: 360).
        valid: Column to (lowest, highest); what lies outside counts as missing.
        missing: "drop" leaves holes; "hold" repeats a feature's last value, never looking ahead;
            "mask" does so without limit and adds a column for each feature, 1 where it is missing.
        hold: Most rows that one value is repeated.
        duplicates: Of rows of one series with one time stamp, "first" or "last" keeps that one in
            the order of the file; "refuse" raises an error.
        calendar: Any of "hour" (of day), "weekday", "year" (day of year), each as sine and cosine;
            "hour_onehot", "weekday_onehot", a column each; "weekend"; "holiday".
        zone: Time zone whose clocks `calendar` reads, such as "Europe/Paris", where time stamps
            state a zone; others are taken as they are.
        holidays: Whose public holidays "holiday" means, a country or a part of one: "AU-VIC".
        known_future: Columns whose values are known ahead of the horizon (holidays, prices, a
            weather forecast), and names of `calendar`; features, whether named there or not.
        static: Columns of one number a series (elevation, area), likewise; it fills all its rows.
        units: Column to unit, for tables and pictures.
        events: Target to threshold: predicted is how likely it exceeds it, and not its value.
        classes: Column to its labels (text), or the one target to the edges that divide its values
            (numbers): predicted is how likely each class is. A feature of labels becomes one column
            for each.
        transform: Target to the transform that stands before standardisation, of what is predicted
            and of the same column among the inputs: "log", "log1p", "sqrt", "boxcox" (its power is
            estimated) or "boxcox:0.3"; one name is for all targets. Forecasts and scores stay in
            the units of the data.
        bounds: Target to (lowest, highest) value that a forecast may have, None where there is no
            end: forecasts, quantiles and intervals are clipped, those of baselines too.
        zoned: Whether time stamps must state a zone, as a bundle knows of its training; None takes
            both kinds.
    """

    time: str
    targets: tuple[str, ...]
    features: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    frequency: str | None = None
    time_format: str | None = None
    circular: Mapping[str, float] = field(default_factory=dict)
    valid: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    missing: str = "hold"
    hold: int = 12
    duplicates: str = "refuse"
    calendar: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    known_future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    events: Mapping[str, float] = field(default_factory=dict)
    classes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    zoned: bool | None = None
    zone: str | None = None
    holidays: str | None = None
    transform: Mapping[str, str] = field(default_factory=dict)
    bounds: Mapping[str, limits.Pair] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be meant, before any file is opened."""
        if not self.targets:
            raise InputError(
                "data.targets must name at least one column, got none: set data.targets=[…]"
            )
        if self.missing not in MISSING:
            raise InputError(
                f"data.missing must be one of {', '.join(MISSING)}, got {self.missing!r}: "
                f"{nearest(self.missing, MISSING)}"
            )
        if self.duplicates not in DUPLICATES:
            raise InputError(
                f"data.duplicates must be one of {', '.join(DUPLICATES)}, got {self.duplicates!r}: "
                f"{nearest(self.duplicates, DUPLICATES)}"
            )
        if not 0 <= self.hold <= MOST_HOLD:
            raise InputError(
                f"data.hold must be from 0 to {MOST_HOLD:,} rows, got {self.hold}: write 0 to hold "
                "nothing, or data.missing=mask to hold without limit"
            )
        if unknown := [name for name in self.calendar if name not in CALENDAR]:
            raise InputError(
                f"data.calendar must hold names among {', '.join(CALENDAR)}, got {unknown[0]!r}: "
                f"{nearest(unknown[0], CALENDAR)}"
            )
        calendar.check(Place(self.zone, self.holidays), self.calendar)
        for column, bounds in self.valid.items():
            if len(bounds) != 2 or not all(map(_number, bounds)) or not bounds[0] < bounds[1]:
                raise InputError(
                    f"data.valid.{column} must be [low, high], low first, got {list(bounds)}: "
                    "try [-40, 120]"
                )
        for column in self.circular:
            if column in self.targets:
                raise InputError(
                    f"data.circular must not hold a target, got {column!r}: predict another column"
                )
            period = self.circular[column]
            if not _number(period) or not 0 < period < float("inf"):
                raise InputError(
                    f"data.circular.{column} must be a period above 0, got {period!r}: try 360"
                )
        names = [*self.targets, *self.series, self.time]
        if twice := [name for name in names if names.count(name) > 1]:
            raise InputError(
                "data.time, data.series and data.targets must name different columns, got "
                f"{twice[0]!r} twice: name each once"
            )
        for argument in ("features", "calendar", "known_future", "static"):
            named = getattr(self, argument)
            if twice := [name for name in named if named.count(name) > 1]:
                raise InputError(
                    f"data.{argument} must name different columns, got {twice[0]!r} twice: "
                    "name each once"
                )
        for argument, why in (("known_future", "its future is"), ("static", "its values are")):
            if wrong := [name for name in getattr(self, argument) if name in self.targets]:
                raise InputError(
                    f"data.{argument} must not hold a target, got {wrong[0]!r}, and {why} what is "
                    f"predicted: take it out of data.{argument} or of data.targets"
                )
        if both := [name for name in self.static if name in self.known_future]:
            raise InputError(
                f"data.known_future must not hold a static column, got {both[0]!r}: "
                "leave it in data.static, what never changes is known ahead"
            )
        _check_task(self)
        asked = transform.by_target(self.transform, self.targets)
        object.__setattr__(self, "transform", asked)
        transform.check(asked, self.targets, self.task)
        limits.check(self.bounds, self.targets, self.task)

    @property
    def task(self) -> str:
        """What is predicted: "regression" for values, "event" or "classes" for probabilities."""
        if self.events:
            return "event"
        return "classes" if self.targets[0] in self.classes else "regression"

    def labelled(self, column: str) -> bool:
        """Tell whether a column holds labels, and no numbers."""
        return any(isinstance(part, str) for part in self.classes.get(column, ()))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Raw columns the model sees, targets among them first, in the targets' order."""
        features = self.features or self.targets
        known = [name for name in self.targets if name in features]
        return tuple(dict.fromkeys((*known, *features, *self.known_columns, *self.static)))

    @property
    def known_columns(self) -> tuple[str, ...]:
        """Raw columns that are known ahead; what the calendar names is made, not read."""
        return tuple(name for name in self.known_future if name not in self.calendar)

    def role(self, name: str) -> str:
        """Say what a column is for: "target", "static", "known ahead" or "feature"."""
        if name in self.targets:
            return "target"
        if name in self.static:
            return "static"
        return "known ahead" if name in self.known_columns else "feature"

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as plain data for JSON; newer fields where they are set."""
        found = asdict(self)
        return {name: own for name, own in found.items() if name not in LATER or own}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Schema":
        """Read the schema back from plain data.

        >>> schema = Schema("time", ("load",), valid={"load": (0, 9)})
        >>> Schema.from_dict(schema.to_dict()) == schema
        True
        """
        values = dict(plain)
        for name in ("targets", "features", "series", "calendar", "known_future", "static"):
            values[name] = tuple(values.get(name) or ())
        values["valid"] = {k: (float(a), float(b)) for k, (a, b) in values["valid"].items()}
        values["bounds"] = {k: (low, high) for k, (low, high) in values.get("bounds", {}).items()}
        values["classes"] = {k: tuple(parts) for k, parts in values.get("classes", {}).items()}
        return cls(**values)


LATER = ("zone", "holidays", "transform", "bounds")
"""Fields that schemas did not always have; without them older versions read what is written."""


def _number(value: Any) -> bool:
    """Tell whether a value that YAML has read is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_task(schema: Schema) -> None:
    """Refuse events and classes that are none, or beside targets of another kind."""
    targets, asked = set(schema.targets), {*schema.events, *schema.classes}
    if schema.events and set(schema.events) != targets:
        raise InputError(
            f"data.events must give a threshold for each target and for nothing else, got "
            f"{sorted(schema.events)} for {sorted(targets)}: try {{temp: 90}}"
        )
    for name, threshold in schema.events.items():
        if not _number(threshold) or not isfinite(threshold):
            raise InputError(
                f"data.events.{name} must be a number in the target's unit, got {threshold!r}: "
                "try 90"
            )
    if targets & set(schema.classes) and (len(targets) > 1 or schema.events):
        raise InputError(
            f"data.classes must be of the only target, without data.events, got targets "
            f"{list(schema.targets)}: predict it in a run of its own"
        )
    if both := [name for name in asked if name in schema.circular]:
        raise InputError(
            f"data.circular must not hold a column of data.events or data.classes, got {both[0]!r}:"
            " name it in one of them"
        )
    for column, parts in schema.classes.items():
        text = [isinstance(part, str) for part in parts]
        if all(text) and len(parts) > 1 and len(set(parts)) == len(parts):
            continue
        numbers = all(_number(part) and isfinite(part) for part in parts)
        rising = numbers and list(parts) == sorted(set(parts))
        if not parts or not rising or column not in targets:
            raise InputError(
                f"data.classes.{column} must be two or more different labels, or rising edges that "
                f"divide the values of a target, got {list(parts)}: try [clear, rain] or "
                "[32, 50] (labels that are numbers in quotes)"
            )


class Asked(NamedTuple):
    """Output columns, as a table holds them.

    Attributes:
        outputs: (rows, outputs), NaN where the target is missing. Of an event 1 where it happens;
            of classes 1 in the column of the class, 0 in the others.
        names: Of the output columns.
        about: The target that each is about.
    """

    outputs: np.ndarray
    names: tuple[str, ...]
    about: tuple[str, ...]


def targets_asked(values: Mapping[str, np.ndarray], schema: Schema) -> Asked:
    """Turn targets into what is predicted of them.

    Shapes: `values` (rows,).

    >>> schema = Schema("time", ("load",), classes={"load": (5.0, 9.0)})
    >>> found = targets_asked({"load": np.array([4.0, 5.0, np.nan])}, schema)
    >>> found.names, found.outputs[:2].tolist()
    (('load < 5', '5 ≤ load < 9', 'load ≥ 9'), [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    """
    targets = schema.targets
    if schema.task == "event":
        columns = [values[name] > schema.events[name] for name in targets]
    elif schema.task == "classes":
        (name,) = targets
        code = values[name] if schema.labelled(name) else _binned(values[name], schema)
        columns = [code == number for number in range(len(class_names(schema)))]
    else:
        return Asked(np.column_stack([values[name] for name in targets]), targets, targets)
    outputs, about = target_names(schema)
    missing = np.column_stack([np.isnan(values[name]) for name in about])
    happened = np.where(missing, np.nan, np.column_stack(columns).astype(float))
    return Asked(happened, outputs, about)


def target_names(schema: Schema) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the output columns, and the target that each is about.

    >>> target_names(Schema("time", ("load",), events={"load": 90}))
    (('load > 90',), ('load',))
    """
    if schema.task == "event":
        found = tuple(f"{name} > {schema.events[name]:g}" for name in schema.targets)
        return found, schema.targets
    if schema.task == "classes":
        found = class_names(schema)
        return found, schema.targets * len(found)
    return schema.targets, schema.targets


def class_names(schema: Schema) -> tuple[str, ...]:
    """Name the classes of the target, in their order."""
    (name,) = schema.targets
    parts = schema.classes[name]
    if schema.labelled(name):
        return tuple(f"{name} = {label}" for label in parts)
    inner = [f"{low:g} ≤ {name} < {high:g}" for low, high in zip(parts, parts[1:], strict=False)]
    return (f"{name} < {parts[0]:g}", *inner, f"{name} ≥ {parts[-1]:g}")


def label_positions(column: pd.Series, labels: tuple[Any, ...], before: int = 0) -> pd.Series:
    """Turn labels into their positions; errors count the rows `before` the column.

    Returns (rows,).
    """
    numeric = pd.api.types.is_numeric_dtype(column)
    text = column.map(lambda value: f"{value:g}" if numeric else str(value).strip())
    empty = column.isna() | (text == "")
    found = pd.Series(pd.Index(labels).get_indexer(pd.Index(text)), column.index, float)
    bad = ((found < 0) & ~empty).to_numpy(bool)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"data.classes.{column.name} must list every label of the column, got "
            f"{shown(column.iloc[row])} in row {before + row + 1}: "
            f"{nearest(text.iloc[row], labels)}"
        )
    return found.mask(empty)


def missing_classes(outputs: np.ndarray, names: tuple[str, ...], task: str) -> list[str]:
    """Say what some rows never show of an event or of classes.

    Shapes: `outputs` (rows, outputs).

    >>> missing_classes(np.array([[0.0, 1.0], [0.0, 1.0]]), ("a", "b"), "event")
    ["'a'", "anything but 'b'"]
    """
    if task == "regression":
        return []
    found = []
    for name, column in zip(names, outputs.T, strict=True):
        known = column[np.isfinite(column)]
        if not (known == 1).any():
            found.append(repr(name))
        elif task == "event" and (known == 1).all():
            found.append(f"anything but {name!r}")
    return found


def _binned(values: np.ndarray, schema: Schema) -> np.ndarray:
    """Number the class of each value; an edge belongs to the class above it."""
    (name,) = schema.targets
    return np.digitize(values, schema.classes[name])
