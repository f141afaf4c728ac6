"""The fields of a bundle's JSON, their check, and the hashes of its files."""

import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

from forecast import process
from forecast.errors import InputError, nearest

FORMAT = 4
"""Version of the files of a network; a reader refuses those it does not know."""

OLDER = (2, 3)
"""Formats of networks that are read too."""

OTHERS = 5
"""Version of the files of anything else, which say what kind it is."""

ADDED: Mapping[str, Any] = {
    **{"zoned": None, "zone": None, "holidays": None},
    **{"transform": {}, "resample": {}, "others": [], "bounds": {}},
}
"""What a schema did not say before somebody asked for it, and what it meant then."""

WEIGHTS, FACTS, TREES = "model.keras", "bundle.json", "trees.arrow"
SERIES, INTERVALS = "series.arrow", "intervals.arrow"
"""Files with a row for every series: its name and scale; the half-widths of its intervals."""

SEAL = "sha256"
"""Last field of the file: the hash of all bytes before it. Of other files: that of their bytes."""

OWN = ("format", "weights", SEAL)
"""Fields that `write` makes itself."""

_FIELD, _END = f'"{SEAL}": '.encode(), "\n}"
_LARGEST = {int: 2**31, float: 1e300}
"""Whole numbers beyond are refused, since JSON knows no limit and arithmetic does."""

_NUMBERS = {str: float}
_TEXTS = [str]
_MATRIX = [[float]]

_SCALER = {
    "input_mean": _MATRIX,
    "input_std": _MATRIX,
    "output_mean": _MATRIX,
    "output_std": _MATRIX,
}
_AROUND = {"level": float, "method": str, "between": (None, [float])}
_INTERVALS = (None, {**_AROUND, SEAL: str})
_ABOUT = {"intervals": _INTERVALS, "versions": {str: str}, "facts": {str: object}, SEAL: str}

_SCHEMA: Mapping[str, Any] = {
    "time": str,
    "targets": _TEXTS,
    "features": _TEXTS,
    "series": _TEXTS,
    "frequency": (str, None),
    "time_format": (str, None),
    "circular": _NUMBERS,
    "valid": {str: [float]},
    "missing": str,
    "hold": int,
    "duplicates": str,
    "calendar": _TEXTS,
    "units": {str: str},
    "known_future": _TEXTS,
    "static": _TEXTS,
    "events": _NUMBERS,
    "classes": {str: [(str, float)]},
    "zoned": (bool, None),
    "zone": (str, None),
    "holidays": (str, None),
    "transform": {str: str},
    "resample": {str: str},
    "others": _TEXTS,
    "bounds": {str: [(float, None)]},
}

_READ = {
    "schema": _SCHEMA,
    "window": {"timesteps": int, "horizon": int, "stride": int, "lead": int},
    "series": {"count": int, SEAL: str},
}

FORM: Mapping[str, Any] = {
    "format": int,
    **_READ,
    "quantiles": [float],
    "intervals": _INTERVALS,
    "versions": {str: str},
    "facts": {str: object},
    "weights": {SEAL: str},
    SEAL: str,
}
"""A form is a type, [form] of each part, {str: form} of each value, {name: form} of these and no
other names, or (form, …), one of which fits."""

OLD_FORM: Mapping[str, Any] = {
    **FORM,
    "scaler": (_SCALER, {**_SCALER, "input_limit": [[(None, float)]]}),
    "series": _TEXTS,
    "intervals": (None, {**_AROUND, "reach": [[[(None, float)]]]}),
}
"""Of older formats, whose arrays stood in the JSON."""

_GROWN = {"baseline": float, "seasonal": bool, "features": int, "usable": [int]}
_OTHER = {"format": int, "kind": str}

MIXTURE = "mixture"

FORMS: Mapping[str, Mapping[str, Any]] = {
    "rule": {**_OTHER, **_READ, "rule": {"name": str, "season": int}, **_ABOUT},
    "trees": {
        **_OTHER,
        **_READ,
        "trees": {"seasons": [int], "years": bool, "targets": [_GROWN], SEAL: str},
        **_ABOUT,
    },
    MIXTURE: {**_OTHER, "members": [{"weight": float, SEAL: str}], **_ABOUT},
}
"""Of what is no network, by its kind."""

NETWORK = "network"
"""The kind of bundles that say none."""


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python, of this package and of some others."""
    own = {"python": python_version(), "forecast": version(process.DISTRIBUTION)}
    return own | {name: version(name) for name in packages}


def write(folder: Path, fields: Mapping[str, Any], found: int = FORMAT) -> Path:
    """Write the facts of a bundle beside its other files, sealed by their hash.

    The hash of a network is added; of other kinds the fields hold those of all files.
    """
    if "kind" in fields:
        told = {"format": OTHERS, **fields}
    else:
        told = {"format": found, **fields, "weights": {SEAL: _digest(folder / WEIGHTS)}}
    text = json.dumps(told, indent=1, default=str)
    file = folder / FACTS
    file.write_bytes(_sealed(f"{text.removesuffix(_END)},\n ".encode()))
    return file


def read(folder: Path) -> dict[str, Any]:
    """Read the facts of a bundle, and make sure that no byte of them and its weights was changed.

    `bytes_of` does so for its arrays, and `mixture.read` for members.
    """
    try:
        raw = (folder / FACTS).read_bytes()
        fields = json.loads(raw.decode("utf-8"))
        found = fields["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"bundle must be a folder with {FACTS} and the files that it names, got "
            f"{str(folder)!r} ({type(error).__name__}): download the run's model/ again"
        ) from error
    if type(found) is not int or found not in (*OLDER, FORMAT, OTHERS):
        raise InputError(
            f"bundle format must be {FORMAT} or {OTHERS}, got {_short(found)}: use the version of "
            "forecast that wrote it, or train again"
        )
    if raw != _sealed(raw.rpartition(_FIELD)[0]):
        raise _changed(folder / FACTS)
    if isinstance(fields.get("schema"), dict):
        fields["schema"] = {**ADDED, **fields["schema"]}
    kind = fields.get("kind") if found == OTHERS else NETWORK
    if found == OTHERS and kind not in [*FORMS]:
        raise InputError(
            f"bundle kind must be one of {', '.join(FORMS)}, got {_short(kind)}: use the version "
            "of forecast that wrote it, or download the run's model/ again"
        )
    form = FORMS[kind] if found == OTHERS else OLD_FORM if found in OLDER else FORM
    if fault := misfit(fields, form):
        raise InputError(
            f"bundle must hold the fields of format {found} in {FACTS}, got {fault}: "
            "download the run's model/ again"
        )
    if kind == NETWORK:
        try:
            same = _digest(folder / WEIGHTS) == fields["weights"][SEAL]
        except OSError as error:
            raise _lacking(folder, WEIGHTS, error) from error
        if not same:
            raise _changed(folder / WEIGHTS)
    return dict(fields)


def kind_of(folder: Path) -> str:
    """Tell the kind of a bundle, "network" for one that says none or cannot be read."""
    try:
        fields = json.loads((folder / FACTS).read_text("utf-8"))
        return str(fields.get("kind", NETWORK))
    except (OSError, ValueError, AttributeError, RecursionError):
        return NETWORK


def bytes_of(folder: Path, name: str, told: Mapping[str, Any]) -> bytes:
    """Read a file of arrays, and make sure that no byte of it was changed."""
    try:
        raw = (folder / name).read_bytes()
    except OSError as error:
        raise _lacking(folder, name, error) from error
    if hashlib.sha256(raw).hexdigest() != told[SEAL]:
        raise _changed(folder / name)
    return raw


def _sealed(head: bytes) -> bytes:
    """Close a file with the hash of its content."""
    return head + _FIELD + f'"{hashlib.sha256(head).hexdigest()}"{_END}'.encode()


def misfit(value: Any, form: Any, name: str = "") -> str | None:
    """Say where plain data is not of a form.

    >>> misfit({"a": [1, "x"]}, {"a": [float]})
    "'x' as a[1]"
    """
    if isinstance(form, tuple):
        found = [misfit(value, one, name) for one in form]
        return None if None in found else found[0]
    if isinstance(form, list) and isinstance(value, list):
        parts = (misfit(part, form[0], f"{name}[{at}]") for at, part in enumerate(value))
        return next((fault for fault in parts if fault), None)
    if isinstance(form, Mapping) and isinstance(value, dict):
        if str not in form and set(form) != set(value):
            wrong = sorted(set(form) ^ set(value))[0]
            if wrong in form:
                return f"no {_path(name, wrong)}"
            return f"{_path(name, wrong)}, which is not a field ({nearest(wrong, form)})"
        parts = (
            misfit(part, form.get(str, form.get(key)), _path(name, key))
            for key, part in value.items()
        )
        return next((fault for fault in parts if fault), None)
    return None if _is(value, form) else f"{_short(value)} as {name or 'the whole'}"


def _is(value: Any, form: Any) -> bool:
    """Tell whether one value is of a type; a whole number is a number, true and false are none."""
    if form is None or form is object:
        return form is object or value is None
    if form is float and type(value) is float:
        return True
    if form is int or form is float:
        return type(value) is int and abs(value) < _LARGEST[form]
    if form is bool:
        return isinstance(value, bool)
    if form is str and isinstance(value, str):
        return value == value.encode("utf-8", "ignore").decode()  # no half of a surrogate pair
    return False


def _path(name: str, key: str) -> str:
    """Write the path of a field."""
    return f"{name}.{key}" if name else key


def _short(value: Any) -> str:
    """Write a value on a part of a line."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _digest(file: Path) -> str:
    """Hash a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _lacking(folder: Path, name: str, error: OSError) -> InputError:
    """Say that a file of a bundle cannot be read."""
    return InputError(
        f"bundle must hold {name} beside {FACTS}, got {str(folder)!r} "
        f"({type(error).__name__}): download the run's model/ again"
    )


def _changed(file: Path) -> InputError:
    """Say that a file is not the one that was written."""
    return InputError(
        f"bundle must be as it was written, got {str(file)!r} with a sha256 that differs from "
        f"that in {FACTS}: download the run's model/ again"
    )
