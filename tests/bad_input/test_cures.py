"""What a refusal proposes leads on: applied literally, the next command goes further."""

import pytest

from .cures import cures
from .door import SMALL
from .test_check import CONFIG, DATA, GOOD, refused

FEWEST = 80
"""Refusals whose cure is an override, a value or a name; others tell what to do with the file."""


def rule(said: str) -> str:
    """Return what a sentence demands, without what it received."""
    return said.partition(", got ")[0]


@pytest.mark.slow
def test_every_cure_leads_on(door):
    applied, vain = 0, []
    cases = [(file, data, overrides) for file, data, _, *overrides in DATA.values()]
    cases += [("a.csv", GOOD, overrides) for _, overrides, _ in CONFIG]
    for file, data, overrides in cases:
        door.put(file, data)
        given = [*SMALL, f"data.path={file}", *overrides]
        said = refused(given)
        assert said is not None
        for better in cures(said, given):
            applied += 1
            again = refused(better)
            if again is not None and rule(again) == rule(said):
                vain.append((said, better[len(SMALL) :], again))
    assert not vain, "\n\n".join(map(str, vain))
    assert applied >= FEWEST
