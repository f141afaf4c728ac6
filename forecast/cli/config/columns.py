"""Overrides that name columns of a user's file, whatever these are called.

Hydra's grammar has no word for a column such as `temp (C)`, `PM2.5` or `湿度`, and takes one called
`1e3` for a number. So overrides of the settings below are read here, before Hydra reads them:

- A list, `data.targets=[PM2.5, temp (C), "a,b"]`: a comma parts names, but none within brackets.
- A mapping, `data.valid={PM2.5: [0,500]}`: as in YAML, a colon with a blank behind it ends a name.
- One entry, `data.valid.PM2.5=[0,500]`: all behind the second dot is the name.

Quotes may stand around any name, and a backslash before any sign.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import wraps
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    Override,
    OverrideType,
    Quote,
    QuotedString,
    ValueType,
)
from hydra.errors import HydraException

from forecast.errors import InputError, plain, quoted
from forecast.vocabulary import TRANSFORMS
from forecast.workflows.settings import Config

LISTS = tuple(
    f"data.{name}" for name in ("series", "targets", "features", "known_future", "static")
)
"""Settings that are lists of columns."""

BY_COLUMN = (
    *("data.circular", "data.valid", "data.units", "data.events", "data.classes"),
    *("data.transform", "data.bounds"),
)
"""Settings whose keys are columns."""

KNOWN_TRANSFORMS = ("none", *TRANSFORMS)
"""What a value of `data.transform` begins with."""

OF_LISTS = ("data.valid", "data.classes", "data.bounds")
"""Those of them whose values are lists."""

TEXTS = "data.units"
"""The one whose values are any text."""

_TYPES = {"": OverrideType.CHANGE, "+": OverrideType.ADD, "++": OverrideType.FORCE_ADD}
_OPEN, _CLOSE = "[{(", "]})"
_FUNCTION = re.compile(r"(choice|range|interval|glob|shuffle|sort|tag|int|float|str|bool)\(.*\)\s*")
_SAFE = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
_ESCAPED = re.compile(r"\\([\\()\[\]{}:=, \t])")
_MEANT = re.compile(
    rf"\$\{{(?:[\w.]+:|(?:{'|'.join(own.name for own in fields(Config))})[.}}])", re.ASCII
)
"""What an interpolation begins with that can be meant: a resolver, or a key of the config."""


class Parted(NamedTuple):
    """An override: its key without `+`, `++` and `~`, "=" where it has one, and its value."""

    key: str
    equals: str
    value: str


def parted(text: str) -> Parted:
    """Part an override at the equals sign that ends its key.

    >>> parted("data.valid.x=1=[0,5]").key, parted("++data.units.x=m").key
    ('data.valid.x=1', 'data.units.x')
    """
    bare = text.lstrip("+~")
    home = next((name for name in BY_COLUMN if bare.startswith(f"{name}.")), None)
    if home is None:
        return Parted(*bare.partition("="))
    start = len(home) + 1
    if (end := _closed(bare, start)) is not None and bare[end + 1 : end + 2] == "=":
        return Parted(bare[: end + 1], "=", bare[end + 2 :])
    for cut in (place for place in range(start, len(bare)) if bare[place] == "="):
        value = bare[cut + 1 :].strip()
        if "=" not in value or _is_whole(value):
            return Parted(bare[:cut], "=", bare[cut + 1 :])
    return Parted(bare, "", "")


def below(key: str) -> tuple[str, str] | None:
    """Return the setting and the column that a key names, None where it names none.

    >>> below('data.valid."PM2.5"'), below("data.valid"), below("window.horizon")
    (('data.valid', 'PM2.5'), None, None)
    """
    home = next((name for name in BY_COLUMN if key.startswith(f"{name}.")), None)
    if home is None:
        return None
    name = key[len(home) + 1 :]
    return home, _plainly(unquoted(name) if _closed(name, 0) == len(name) - 1 else name)


def install() -> None:
    """Let Hydra's parser ask here first, wherever Hydra parses overrides."""
    parse = OverridesParser.parse_rule
    if hasattr(parse, "__wrapped__"):
        return

    @wraps(parse)
    def parse_rule(self: OverridesParser, s: str, rule_name: str) -> Any:
        found = None
        if rule_name == "override":
            found = read(s, lambda value: parse(self, value, "element"))
        return parse(self, s, rule_name) if found is None else found

    OverridesParser.parse_rule = parse_rule  # type: ignore[method-assign]


def read(text: str, element: Callable[[str], Any]) -> Override | None:
    """Read an override that names columns; None leaves it to Hydra.

    Args:
        text: As typed.
        element: Reads a value that names no columns in Hydra's grammar.
    """
    key, equals, value = parted(text)
    value = value.strip()
    sign = text[: len(text) - len(text.lstrip("+~"))]
    column = below(key)
    if not equals or not value or sign not in _TYPES or _FUNCTION.fullmatch(value):
        return None
    if key in LISTS:
        found, kind = _one_or_several(value, "[]", _names), _TYPES[sign]
    elif key in BY_COLUMN:
        found = _one_or_several(value, "{}", lambda inner: _pairs(inner, key, element))
        kind = OverrideType.FORCE_ADD
    elif column is not None:
        key, name = column
        parts = list(elements(value))
        if len(parts) > 1 and _SAFE.fullmatch(name):
            return None  # which Hydra can read, and knows whether it may be several
        home = key
        values: list[Any] = [{name: _value(part, home, element)} for part in parts]
        found = values[0] if len(values) == 1 else ChoiceSweep(list=values, simple_form=True)
        kind = OverrideType.FORCE_ADD
    else:
        return None
    if found is None:
        return None
    several = isinstance(found, ChoiceSweep)
    which = ValueType.SIMPLE_CHOICE_SWEEP if several else ValueType.ELEMENT
    return Override(kind, key, which, found, input_line=text)


def text(name: str) -> str:
    r"""Write a text that may name a column in Hydra's grammar, as what it is.

    >>> print(text("t (UTC)"), text("a'b"), text("${x}"))
    't (UTC)' 'a\'b' '\${x}'
    """
    return QuotedString(_uninterpolated(name), Quote.single).with_quotes()


def argument(key: str, names: list[str]) -> str:
    r"""Write the override of a list of columns as it is typed in a shell.

    >>> argument("data.targets", ["load", "a,b"])
    '\'data.targets=[load,"a,b"]\''
    """
    return shlex.quote(f"{key}=[{','.join(map(quoted, names))}]")


def _one_or_several(value: str, ends: str, read_inner: Callable[[str], Any]) -> Any:
    """Read a value in brackets, or several of them behind each other; None where it is neither."""
    parts = list(elements(value))
    if len(parts) > 1 and all(part[:1] + part[-1:] == ends for part in parts):
        values = [read_inner(part[1:-1]) for part in parts]
        return None if None in values else ChoiceSweep(list=values, simple_form=True)
    return read_inner(value[1:-1]) if len(value) > 1 and value[0] + value[-1] == ends else None


def _names(inner: str) -> list[QuotedString] | None:
    """Read the names between the brackets of a list; None where one is empty."""
    parts = list(elements(inner)) if inner.strip() else []
    if not all(parts):
        return None
    return [QuotedString(_uninterpolated(unquoted(part)), Quote.single) for part in parts]


def _pairs(inner: str, key: str, element: Callable[[str], Any]) -> dict[str, Any] | None:
    """Read the pairs between the braces of a mapping; None where one is none."""
    found, begun = {}, ""
    for piece in _pieces(inner) if inner.strip() else ():
        part = begun + piece
        cut = _colon(part, key)
        if cut is None:  # which ends at a comma within a name
            begun = f"{part},"
            continue
        begun = ""
        found[_plainly(unquoted(part[:cut]))] = _value(_stripped(part[cut + 1 :]), key, element)
    return None if begun else found


def _colon(pair: str, key: str) -> int | None:
    """Find the colon between a name and its value; None where there is none."""
    pair = pair.rstrip()
    start = len(pair) - len(pair.lstrip())
    end = _closed(pair, start)
    if end is not None and (behind := pair[end + 1 :].lstrip()).startswith(":"):
        return len(pair) - len(behind)
    every = [place for place in _outside(pair) if pair[place] == ":"]
    if key in OF_LISTS:
        lists = [place for place in every if _is_whole(pair[place + 1 :].strip(), "[")]
        every = lists[-1:] or every
    if key == "data.transform":  # boxcox:0.3 has a colon of its own
        names = [p for p in every if pair[p + 1 :].strip().partition(":")[0] in KNOWN_TRANSFORMS]
        every = names[-1:] or every
    ending = [place for place in every if pair[place + 1 : place + 2].isspace()] or every
    if len(ending) > 1:
        name, value = pair[: ending[-1]], pair[ending[-1] + 1 :].strip()
        typed = shlex.quote(f"{key}={{{quoted(unquoted(name), always=True)}: {value}}}")
        raise InputError(
            f"{key} must have one colon between a column and its value, got {plain(pair)!r}: for "
            f"column {plain(unquoted(name))!r} write {typed}"
        )
    return ending[0] if ending else None


def _value(text: str, key: str, element: Callable[[str], Any]) -> Any:
    """Read the value of a column; what Hydra cannot read is text."""
    if key == TEXTS:
        return unquoted(text)
    try:
        return element(text)
    except HydraException:
        if _is_whole(text, "["):
            return [_value(part, key, element) for part in elements(text[1:-1])]
        return unquoted(text)


def unquoted(part: str) -> str:
    """Take quotes or backslashes off a name."""
    part = _stripped(part)
    if part and _closed(part, 0) == len(part) - 1:
        quote = re.escape(part[0])
        return re.sub(rf"(\\+)({quote}|$)", lambda m: "\\" * (len(m[1]) // 2) + m[2], part[1:-1])
    return _ESCAPED.sub(r"\1", part)


def _uninterpolated(name: str) -> str:
    """Keep OmegaConf from looking up what is no reference to anything: `${x}` is a column."""

    def escaped(found: re.Match[str]) -> str:
        return found[0] if _MEANT.match(name, found.start()) else rf"\{found[0]}"

    return re.sub(r"(?<!\\)\$\{", escaped, name)


def _plainly(name: str) -> str:
    r"""Take the backslash from `\${`, which a key does not need."""
    return name.replace(r"\${", "${")


def _stripped(text: str) -> str:
    """Take blanks off both ends, but for one behind a backslash."""
    left = text.lstrip()
    kept = left.rstrip()
    if len(kept) < len(left) and (len(kept) - len(kept.rstrip("\\"))) % 2:
        kept = left[: len(kept) + 1]
    return kept


def elements(text: str) -> Iterator[str]:
    """Part a text at the commas outside of brackets and quotes; no blanks stay around a part."""
    yield from map(_stripped, _pieces(text))


def _pieces(text: str) -> Iterator[str]:
    """Part a text at the commas outside of brackets and quotes."""
    start = 0
    for place in [*(p for p in _outside(text) if text[p] == ","), len(text)]:
        yield text[start:place]
        start = place + 1


def _outside(text: str) -> list[int]:
    """List the places outside of quotes and of brackets that have their other."""
    free: list[int] = []
    waiting: list[tuple[str, int]] = []  # what closes a bracket, and the places found before it
    place, before = 0, ""
    while place < len(text):
        sign = text[place]
        if sign == "\\":
            place, before = place + 2, sign
            continue
        if (not before or before in "[{,:=") and (end := _closed(text, place)) is not None:
            behind = text[end + 1 :].lstrip()
            if not behind or behind[0] in ",:]}":
                place, before = end + 1, sign
                continue
        free.append(place)
        if sign in _OPEN:
            waiting.append((_CLOSE[_OPEN.index(sign)], len(free)))
        elif any(close == sign for close, _ in waiting):
            while (last := waiting.pop())[0] != sign:
                pass
            del free[last[1] :]
        place, before = place + 1, before if sign.isspace() else sign
    return free


def _is_whole(value: str, ends: str = "[{") -> bool:
    """Tell whether a value is in quotes, or in brackets, from its first sign to its last."""
    if value and _closed(value, 0) == len(value) - 1:
        return ends != "["
    return value[:1] != "" and value[0] in ends and _outside(value) == [0] and len(value) > 1


def _closed(text: str, start: int) -> int | None:
    """Find the quote that closes one; None where there is none."""
    quote = text[start : start + 1]
    if not quote or quote not in "'\"":
        return None
    place = start + 1
    while place < len(text):
        if text[place] == quote:
            return place
        place += 2 if text[place] == "\\" else 1
    return None
