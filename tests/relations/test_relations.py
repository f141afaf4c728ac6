"""Every relation on random panels, and beside a planted fault that it must find.

`make test-relations` asks twenty panels; `--panels` takes fewer, as a sample.
"""

import pytest

from .faults import FAULTS
from .panels import random_case
from .pipeline import run
from .relations import RELATIONS

pytestmark = pytest.mark.relations


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_relation_holds(relation, panel):
    RELATIONS[relation](random_case(panel), run)


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_relation_finds_its_fault(relation, monkeypatch):
    FAULTS[relation](monkeypatch)
    with pytest.raises(AssertionError):
        for panel in range(4):  # a slip need not show on every panel
            RELATIONS[relation](random_case(panel), run)
