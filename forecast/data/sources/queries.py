"""What is asked of a database: a table by its name, or a query that only reads."""

import re
from collections.abc import Iterable

from forecast.errors import InputError, nearest, plain

_ASIDE = re.compile(
    r"'(?:[^']|'')*'"  # text
    r'|"(?:[^"]|"")*"'  # a name
    r"|--[^\n]*|/\*.*?\*/",  # comments
    re.S,
)


def checked(place: str, query: str | None, table: str | None) -> str | None:
    """Return the query to run, None where a table is named; refuse both, none, and other words."""
    if (query is None) == (table is None):
        got = "none of them" if query is None else "both"
        raise InputError(
            f"data.query or data.table must say what to read of {place}, got {got}: write "
            "data.table=NAME, or data.query='select …'"
        )
    if query is None:
        return None
    query = query.strip().rstrip(";").rstrip()
    bare = _ASIDE.sub(lambda found: "''" if found[0][0] in "'\"" else " ", query)
    word = (re.findall(r"[A-Za-z]+", bare) or [""])[0].lower()
    if word not in ("select", "with") or ";" in bare:
        got = "several statements" if ";" in bare else plain(query[:60])
        raise InputError(
            f"data.query must be one SELECT, got {got!r}: write what to read, and nothing else"
        )
    return query


def refuse_table(place: str, table: str, known: Iterable[str]) -> InputError:
    """Say that a table is not there, and which ones are."""
    names = list(known)
    cure = nearest(table, names) if names else "it has no table that may be read"
    return InputError(f"data.table must be a table of {place}, got {plain(table)!r}: {cure}")


def refuse_query(place: str, what: str, reason: str) -> InputError:
    """Say why a database does not answer a query."""
    return InputError(
        f"data.{what} must be what {place} can read, got a refusal ({reason}): correct it, or ask "
        "for the right to read"
    )
