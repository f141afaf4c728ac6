"""What may be set of an architecture: a dataclass each, and every one has the repairs."""

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

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

    @property
    def positions(self) -> tuple[int, ...]:
        """Position of every target among the features, (targets,)."""
        return self.target_positions or tuple(range(self.targets))

    @property
    def outputs(self) -> int:
        """Output columns: the quantiles of a target stand together, (targets·levels)."""
        return self.targets * max(1, len(self.levels))


@dataclass(frozen=True, kw_only=True)
class Repairs:
    """What helps any architecture with drifting data; `forecast.models.repairs` does it.

    Attributes:
        normalization: What is taken out of every window and put back on the forecast: "last" each
            target's value at the origin, "instance" its mean and deviation in the window, "none"
            nothing.
        linear_path: Whether a linear map of the whole window is added to the forecast.
        channels: "joint": the network sees all features and predicts all targets; "shared": one
            network predicts each target from its own past and the features that are no target.
        patch: Rows that the network reads as one step.
        known_units: Units of the layer that reads, for each step ahead, what is known of it.
        series_embedding: Learned values that stand, at every step, for the series; None means none.
    """

    normalization: Literal["last", "instance", "none"] = "last"
    linear_path: bool = True
    channels: Literal["joint", "shared"] = "joint"
    patch: int = 1
    known_units: int = 16
    series_embedding: int | None = None


def checked(kind: type[Repairs], architecture: str, given: Mapping[str, Any]) -> Any:
    """Make the settings of an architecture of what a user has written.

    >>> checked(Repairs, "lstm", {"patch": 4}).patch
    4
    """
    hints = get_type_hints(kind)
    for name, value in given.items():
        if name not in hints:
            raise InputError(
                f"model.{name} must be a setting of {architecture}, got {name}={value}: "
                f"{nearest(name, hints)}"
            )
        rule = _broken_rule(hints[name], value)
        if rule:
            closed = get_args(hints[name]) if get_origin(hints[name]) is Literal else ()
            such = f"write such as {_shown(getattr(kind, name))}"
            raise InputError(
                f"model.{name} must be {rule}, got {value!r}: "
                f"{nearest(value, closed) if closed else such}"
            )
    return kind(**{name: _frozen(value) for name, value in given.items()})


def _shown(value: Any) -> Any:
    """Write a default as the command line takes it."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return list(value) or [32] if isinstance(value, tuple) else value


def defaults(kind: type[Repairs]) -> dict[str, Any]:
    """Return the settings of a dataclass with their default values, the repairs first."""
    return {field.name: field.default for field in fields(kind)}


def _frozen(value: Any) -> Any:
    """Turn lists, as YAML has them, into tuples."""
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else value


def _broken_rule(hint: Any, value: Any) -> str | None:
    """Tell in words what a value of this annotation must be, where it is not; counts start at 1."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        rules = [_broken_rule(part, value) for part in inner]
        return None if None in rules else " or ".join(rule for rule in rules if rule)
    if hint is type(None):
        return None if value is None else "null"
    if origin is Literal:
        return None if value in inner else f"one of {', '.join(inner)}"
    if origin is Sequence:
        fits = isinstance(value, (list, tuple)) and all(map(_whole, value))
        return None if fits else "a list of whole numbers of 1 or more, such as [32]"
    rule, fits = {
        bool: ("true or false", isinstance(value, bool)),
        int: ("a whole number of 1 or more", _whole(value)),
        float: ("a share from 0 to below 1", isinstance(value, (int, float)) and 0 <= value < 1),
        str: ("a name", isinstance(value, str)),
    }[hint]
    return None if fits else rule


def _whole(number: Any) -> bool:
    """Tell whether a value is a whole number of 1 or more."""
    counts = isinstance(number, (int, np.integer)) and not isinstance(number, bool)
    return counts and bool(number >= 1)
