"""What the columns of a raw frame mean, and what is asked of its targets."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from forecast.data import clock
from forecast.data.scaling import bounds as limits
from forecast.data.scaling import transform
from forecast.data.stamps import calendar
from forecast.data.stamps.calendar import Place
from forecast.data.stamps.resample import Resample
from forecast.errors import InputError, nearest
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
        series: Columns that name a series; empty means one.
        frequency: Distance of two rows, a pandas alias such as "h"; None infers it.
        time_format: Format of the time column, as strptime has it; None means ISO 8601.
        circular: Column to period: replaced by its sine and cosine (wind direction: 360).
        valid: Column to (lowest, highest); what lies outside counts as missing.
        missing: "drop" leaves holes; "hold" repeats a feature's last value, never looking ahead;
            "mask" does so without limit and adds a column for each feature, 1 where it is missing.
        hold: Most rows that one value is repeated.
        duplicates: Of rows of one series with one time stamp, "first" or "last" keeps that one in
            the order of the file; "refuse" raises an error.
        calendar: Any of "hour" (of day), "weekday", "week" (ISO, of the year), "month", "quarter",
            "year" (day of year), each as sine and cosine; "hour_onehot", "weekday_onehot", a
            column each; "weekend"; "holiday".
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
        resample: How rows are put together on a regular clock: "rule", the distance of two ticks,
            and "how", see `stamps.resample`; empty takes rows as they are.
        others: Columns of `classes` in which a label that is not listed counts as "other", which
            has a column of its own.
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
    resample: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()
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
                f"nothing, or {MOST_HOLD} to hold without end"
            )
        if unknown := [name for name in self.calendar if name not in CALENDAR]:
            raise InputError(
                f"data.calendar must hold names among {', '.join(CALENDAR)}, got {unknown[0]!r}: "
                f"{nearest(unknown[0], CALENDAR)}"
            )
        calendar.check(Place(self.zone, self.holidays), self.calendar)
        _check_clock(self)
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

    def labels(self, column: str) -> tuple[str, ...]:
        """Return the labels of a column, each of which has a position."""
        return (*self.classes[column], *((OTHER,) if column in self.others else ()))

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
        for name in (*("targets", "features", "series"), *LISTS):
            values[name] = tuple(values.get(name) or ())
        values["valid"] = {k: (float(a), float(b)) for k, (a, b) in values["valid"].items()}
        values["bounds"] = {k: (low, high) for k, (low, high) in values.get("bounds", {}).items()}
        values["classes"] = {k: tuple(parts) for k, parts in values.get("classes", {}).items()}
        return cls(**values)


LISTS = ("calendar", "known_future", "static", "others")
"""Fields that are lists of names, and may be left out."""

OTHER = "other"
"""Stands for every label that is not listed."""

LATER = ("zone", "holidays", "transform", "resample", "others", "bounds")
"""Fields that schemas did not always have; without them older versions read what is written."""


def _check_clock(schema: Schema) -> None:
    """Refuse rows that are to be put together in no way, and a future that no clock tells."""
    if schema.resample:
        if strange := [name for name in schema.resample if name not in ("rule", "how")]:
            raise InputError(
                f"data.resample must have a rule and a way, got {strange[0]!r}: write "
                "'data.resample={rule: h, how: mean}'"
            )
        if "rule" not in schema.resample:
            raise InputError(
                "data.resample must have a rule, the distance of two ticks, got none: write "
                "'data.resample={rule: h, how: mean}'"
            )
        Resample(**schema.resample).check()
        if schema.frequency not in (None, schema.resample["rule"]):
            raise InputError(
                f"data.frequency must be that of data.resample, {schema.resample['rule']}, or left "
                f"out, got {schema.frequency}: leave it out"
            )
    if schema.frequency == clock.ROWS:
        if made := [name for name in schema.known_future if name in schema.calendar]:
            raise InputError(
                f"data.known_future must name columns of the file where data.frequency=rows, got "
                f"{made[0]!r}: what time the next rows have is not known, leave it out"
            )


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
        least = 1 if column in schema.others else 2
        if all(text) and len(parts) >= least and len(set(parts)) == len(parts):
            continue
        numbers = all(_number(part) and isfinite(part) for part in parts)
        rising = numbers and list(parts) == sorted(set(parts))
        if not parts or not rising or column not in targets:
            raise InputError(
                f"data.classes.{column} must be two or more different labels, or rising edges that "
                f"divide the values of a target, got {list(parts)}: try [clear, rain] or "
                "[32, 50] (labels that are numbers in quotes)"
            )
