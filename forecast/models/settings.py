"""What a model maps, and its settings: one dataclass per architecture, with the repairs."""

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from forecast.errors import InputError, nearest


@dataclass(frozen=True)
class Sizes:
    """What a model maps: (samples, timesteps, features) to (samples, horizon, outputs).

    Outputs are the targets, or the quantiles of each.

    Attributes:
        timesteps: Look-back, rows.
        features: Input columns.
        horizon: Rows predicted.
        targets: Output columns.
        target_positions: Position of each target among the features, -1 for one that is no input;
            empty means the first columns.
        indicators: How many of the last features say, by 1, that a feature is missing.
        ahead: How many features, directly before those, are values of later rows (see
            `forecast.data.features`).
        series: How many series there are, where the model asked for the number of a row's series:
            it is then the very last feature. 0 means that there is no such column.
        levels: Quantiles predicted of each target, rising; empty means one value.
        task: "regression", "event" (each output a probability) or "classes" (they sum to 1).
        lead: Rows skipped between the newest row of the window and the first predicted row.
        season: Rows of the natural season of the table's frequency, 1 for none.
        known: Position of each feature whose later values are known.
        cycle: Rows of a cycle, where the model asked for a row's place in it: that is then the
            last feature but for the number of the series. 0 means that there is no such column.
    """

    timesteps: int
    features: int
    horizon: int
    targets: int = 1
    target_positions: tuple[int, ...] = ()
    indicators: int = 0
    ahead: int = 0
    series: int = 0
    levels: tuple[float, ...] = ()
    task: str = "regression"
    lead: int = 0
    season: int = 1
    known: tuple[int, ...] = ()
    cycle: int = 0

    @property
    def positions(self) -> tuple[int, ...]:
        """Position of every target among the features, (targets,)."""
        return self.target_positions or tuple(range(self.targets))

    @property
    def outputs(self) -> int:
        """Output columns: the quantiles of a target are adjacent, (targets·levels)."""
        return self.targets * max(1, len(self.levels))


def count(default: Any, most: int | None = None) -> Any:
    """Declare a setting of whole numbers of 1 or more, one or a list of them.

    Args:
        default: Its default; None if it may be left out.
        most: Largest value; None means any.
    """
    return field(default=default, metadata={"least": 1, "most": most})


def share(default: float) -> Any:
    """Declare a setting that is a share from 0 to below 1, such as a dropout.

    Args:
        default: Its default.
    """
    return field(default=default, metadata={"least": 0, "below": 1})


@dataclass(frozen=True, kw_only=True)
class Repairs:
    """What helps any architecture with drifting data; `forecast.models.repairs` does it.

    Attributes:
        normalization: What is taken out of every window and put back on the forecast: "last" each
            target's value at the origin, "instance" its mean and deviation in the window, "none"
            nothing; "seasonal" begins from the window's last season, repeated, and takes the
            window's mean and mean absolute deviation as level and scale.
        season: Rows of that season, and of the one that `decoder` reads; None means that of the
            data frequency.
        linear_path: Whether a linear map of the whole window is added to the forecast.
        channels: "joint": the network sees all features and predicts all targets; "shared": one
            network predicts each target from its own past and the features that are no target.
        patch: Rows that the network reads as one step.
        decoder: What corrects each step ahead. "forecast": where columns are known ahead, a layer
            that reads the step's forecast and what is known of it; "state": a layer that also reads
            numbers that the network makes for it, and the values a season before the step.
        known_units: Units of that layer, and how many such numbers a step has.
        series_embedding: Learned values that represent the series at every step; None means none.
        cycle: Rows of a cycle, of which each target learns a value for every row; it is taken out
            of the window and put back on the forecast. None means none.
    """

    normalization: Literal["last", "instance", "seasonal", "none"] = "last"
    season: int | None = count(None)
    linear_path: bool = True
    channels: Literal["joint", "shared"] = "joint"
    patch: int = count(1)
    decoder: Literal["forecast", "state"] = "forecast"
    known_units: int = count(16)
    series_embedding: int | None = count(None)
    cycle: int | None = count(None)


def checked(kind: type[Repairs], architecture: str, given: Mapping[str, Any]) -> Any:
    """Make the settings of an architecture of what a user has written.

    A value must fit the annotation of its field, and the range that `count` or `share` declares.

    >>> checked(Repairs, "lstm", {"patch": 4}).patch
    4
    """
    hints, ranges = get_type_hints(kind), {own.name: own.metadata for own in fields(kind)}
    for name, value in given.items():
        if name not in hints:
            raise InputError(
                f"model.{name} must be a setting of {architecture}, got {name}={value}: "
                f"{nearest(name, hints)}"
            )
        rule = _broken_rule(hints[name], value, ranges[name])
        if rule:
            closed = get_args(hints[name]) if get_origin(hints[name]) is Literal else ()
            such = f"try {_example(hints[name], getattr(kind, name))}"
            raise InputError(
                f"model.{name} must be {rule}, got {value!r}: "
                f"{nearest(value, map(str, closed)) if closed else such}"
            )
    return kind(**{name: _frozen(value) for name, value in given.items()})


def _example(hint: Any, default: Any) -> Any:
    """Return a valid value as the command line takes it: the default, or a list of one."""
    if default is None or isinstance(default, bool):
        return "null" if default is None else str(default).lower()
    if isinstance(default, tuple):
        parts = [part for part in get_args(hint) if part is not Ellipsis]
        return list(default) or [_FIRST.get(parts[0] if parts else int, 32)]
    return default


_FIRST: Mapping[Any, Any] = {int: 32, float: 0.5, str: "name", bool: "true"}
"""Type to a value that a list of it may hold."""


def defaults(kind: type[Repairs]) -> dict[str, Any]:
    """Return the settings of a dataclass with their default values, the repairs first."""
    return {field.name: field.default for field in fields(kind)}


def _frozen(value: Any) -> Any:
    """Turn lists, as YAML has them, into tuples."""
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else value


def _broken_rule(hint: Any, value: Any, ranges: Mapping[str, Any]) -> str | None:
    """Return what a value must be in words; None if it fits its annotation and its range."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        rules = [_broken_rule(part, value, ranges) for part in inner]
        return None if None in rules else " or ".join(rule for rule in rules if rule)
    if hint is type(None):
        return None if value is None else "null"
    if origin is Literal:
        return None if value in inner else f"one of {', '.join(map(str, inner))}"
    if origin is not None and issubclass(origin, Sequence):
        return _broken_list(inner, value, ranges)
    if hint is bool:
        return None if isinstance(value, bool) else "true or false"
    if hint is str:
        return None if isinstance(value, str) else "a name"
    if hint not in (int, float):
        return None  # an annotation of the user's own: the model itself checks it
    number = isinstance(value, Integral if hint is int else Real) and not isinstance(value, bool)
    finite = number and (hint is int or math.isfinite(float(value)))
    if finite and _inside(value, ranges):
        return None
    return _SHARE if ranges.get("below") == 1 else _number(hint, ranges)


def _broken_list(inner: tuple[Any, ...], value: Any, ranges: Mapping[str, Any]) -> str | None:
    """Return what a list must be, `inner` the annotation of its parts."""
    parts = [part for part in inner if part is not Ellipsis] or [Any]
    if not isinstance(value, (list, tuple)):
        rule = "list"
    elif len(parts) == 1:
        rule = next((r for v in value if (r := _broken_rule(parts[0], v, ranges))), "")
    elif len(parts) != len(value):
        return f"a list of {len(parts)} values"
    else:
        pairs = zip(parts, value, strict=True)
        rule = next((r for part, v in pairs if (r := _broken_rule(part, v, ranges))), "")
    if not rule:
        return None
    kind = {int: _number(int, ranges, "whole numbers"), float: _number(float, ranges, "numbers")}
    return f"a list of {kind.get(parts[0], 'names')}, such as {[_FIRST.get(parts[0], 32)]}"


_SHARE = "a share from 0 to below 1"


def _inside(value: Any, ranges: Mapping[str, Any]) -> bool:
    """Return whether a number is in the range of its setting."""
    least, most, below = (ranges.get(name) for name in ("least", "most", "below"))
    return bool(
        (least is None or value >= least)
        and (most is None or value <= most)
        and (below is None or value < below)
    )


def _number(hint: Any, ranges: Mapping[str, Any], noun: str = "") -> str:
    """Write which numbers a setting takes."""
    noun = noun or ("a whole number" if hint is int else "a number")
    least, most = ranges.get("least"), ranges.get("most")
    if least is None:
        return noun
    return f"{noun} of {least} or more" if most is None else f"{noun} from {least} to {most}"
