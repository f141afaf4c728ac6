"""Signs that the terminal's encoding has not, written in those that it has."""

import codecs
import sys
import unicodedata
from typing import Any

PLAIN = {
    **{"→": "->", "←": "<-", "–": "-", "—": "-", "−": "-", "≤": "<=", "≥": ">=", "≠": "!="},
    **{"·": "|", "…": "...", "×": "x", "±": "+-", "≈": "~", "µ": "u", "μ": "u", "�": "?"},
    **{"‘": "'", "’": "'", "“": '"', "”": '"', "•": "*", "●": "*", "✓": "ok", "✗": "x"},
}
"""Sign to its plain form; what has none becomes letters without their accents, or `?`."""

NAME = "forecast.plain"


def plain(sign: str) -> str:
    """Write a sign in ASCII.

    >>> [plain(sign) for sign in "→┃━╭█⠋é²湿"]
    ['->', '|', '-', '+', '#', '*', 'e', '2', '?']
    """
    if sign in PLAIN:
        return PLAIN[sign]
    if "\u2500" <= sign <= "\u257f":  # lines of boxes
        words = unicodedata.name(sign).split()
        if {"AND", "ARC", "DIAGONAL"} & {*words}:
            return "+"
        return "-" if {"HORIZONTAL", "LEFT", "RIGHT"} & {*words} else "|"
    if "\u2580" <= sign <= "\u259f":  # blocks of bars
        return "#"
    if "\u2800" <= sign <= "\u28ff":  # dots of spinners
        return "*"
    kept = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return kept or "?"


def _handle(error: UnicodeError) -> tuple[str, int]:
    """Replace what cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(plain, error.object[error.start : error.end])), error.end


def install() -> None:
    """Let both streams of this process write every text; in UTF-8 nothing changes."""
    codecs.register_error(NAME, _handle)
    for stream in (sys.stdout, sys.stderr):
        _set(stream, errors=NAME)


def exactly() -> None:
    """Let standard output carry data: in UTF-8, as files have it."""
    _set(sys.stdout, encoding="utf-8", errors="strict")


def _set(stream: Any, **settings: str) -> None:
    """Set up a stream that can be, as one of a test cannot."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(**settings)
