"""What a refusal proposes, as overrides: its cure, taken literally."""

import re
import shlex
from collections.abc import Iterator

from forecast.errors import quoted

GROUPS = r"(?:data|window|training|model|evaluation|split|gates)"
OVERRIDE = re.compile(
    rf"(?<![\w.])('{GROUPS}[.=][^']*'|\"{GROUPS}[.=][^\"]*\"|{GROUPS}(?:\.\w+)*="
    r"(?:'[^']*'|\"[^\"]*\"|\[[^]]*\]|\{[^}]*\}|[^\s,;)]+))"
)
"""An override that stands in a sentence as one would type it."""

VALUE = r"(\[[^]]*\]|\"[^\"]*\"|%\S+(?: %\S+)*|[^\s,]+)"
TRY = re.compile(rf"^(?:try|write) {VALUE}(?:,| or|$)")
"""A value for the key with which the sentence begins."""

MEANT = re.compile(r"did you mean ([^?]+)\?")
KNOWN = re.compile(r"^known: ([^,]+)")


def key(override: str) -> str:
    """Return the key of an override, without the signs that add or force it."""
    return override.split("=", 1)[0].lstrip("+~")


def proposal(said: str) -> str:
    """Return what stands behind the last colon that follows what was received."""
    _, got, rest = said.partition(", got ")
    return (rest if got else said).partition(": ")[2]


def cures(said: str, overrides: list[str]) -> Iterator[list[str]]:
    """Yield the overrides of the next command for each thing that a refusal proposes."""
    told = proposal(said)
    for found in OVERRIDE.findall(told):
        override = shlex.split(found.rstrip("."))[0] if found[-1] in "'\"" else found.rstrip(".")
        yield _with(overrides, override)
    asked = said.split()[0]
    if (value := TRY.match(told)) and value[1] != "pairs" and "." in asked:
        yield _with(overrides, f"{asked}={value[1].strip(chr(34))}")
    for better in (*MEANT.findall(told), *KNOWN.findall(told)):
        yield from _instead(said, overrides, better.strip('"'))


def _with(overrides: list[str], added: str) -> list[str]:
    """Give a key its new value, in place of what it or an entry of it had."""
    own = key(added)
    return [*(one for one in overrides if not f"{key(one)}.".startswith(f"{own}.")), added]


def _instead(said: str, overrides: list[str], better: str) -> Iterator[list[str]]:
    """Write what was meant where what was received stands, in the newest override that has it."""
    found = re.search(r", got (?:'([^']*)'|([^:\s]+))", said)
    if found is None:
        return
    worse = (found[1] or found[2]).removesuffix(":")
    own = [place for place, override in enumerate(overrides) if said.startswith(key(override))]
    for place in own or reversed(range(len(overrides))):
        if worse in overrides[place]:
            changed = list(overrides)
            if worse == overrides[place].lstrip("+"):  # the key itself is another one
                changed[place] = f"{better}={worse.split('=', 1)[1]}"
            else:
                changed[place] = overrides[place].replace(worse, quoted(better))
            yield changed
            return
