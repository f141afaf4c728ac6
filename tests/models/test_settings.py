"""Settings of a contributed architecture: types come from annotations, ranges from declarations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.errors import InputError
from forecast.models.settings import Repairs, checked, count, share


@dataclass(frozen=True, kw_only=True)
class Contributed(Repairs):
    """As somebody who has never seen `checked` would write it."""

    temperature: float = 2.0
    shift: int = 0
    offset: float | None = None
    names: tuple[str, ...] = ()
    pair: tuple[float, float] = (0.0, 1.0)
    kind: Literal[1, "a"] = "a"
    own: Any = None
    units: Sequence[int] = count((8,))
    heads: int = count(4, most=16)
    dropout: float = share(0.1)


FREE = {
    "temperature": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9),
    "shift": st.integers(),
    "offset": st.none() | st.floats(allow_nan=False, allow_infinity=False),
    "names": st.lists(st.text()),
    "pair": st.tuples(st.floats(-9, 9), st.integers(-9, 9)),
    "kind": st.sampled_from([1, "a"]),
    "own": st.binary(),
    "units": st.lists(st.integers(1, 9)),
    "heads": st.integers(1, 16),
    "dropout": st.floats(0, 1, exclude_max=True),
}


@pytest.mark.parametrize("name", FREE)
def test_a_value_of_the_type_and_within_the_range_is_taken(name):
    @given(FREE[name])
    def build(value):
        found = getattr(checked(Contributed, "mine", {name: value}), name)
        assert found == (tuple(value) if isinstance(value, list) else value)

    build()


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("temperature", "hot", "a number, got 'hot': try 2.0"),
        ("temperature", True, "a number, got True: try 2.0"),
        ("temperature", float("nan"), "a number, got nan: try 2.0"),
        ("shift", 1.5, "a whole number, got 1.5: try 0"),
        ("offset", "x", "a number or null, got 'x': try null"),
        ("names", "ab", "a list of names, such as ['name'], got 'ab': try ['name']"),
        ("names", [1], "a list of names, such as ['name'], got [1]: try ['name']"),
        ("pair", [1.0], "a list of 2 values, got [1.0]: try [0.0, 1.0]"),
        ("kind", "b", "one of 1, a, got 'b'"),
        ("units", [0], "a list of whole numbers of 1 or more, such as [32], got [0]"),
        ("heads", 17, "a whole number from 1 to 16, got 17: try 4"),
        ("heads", 0, "a whole number from 1 to 16, got 0: try 4"),
        ("dropout", 1.0, "a share from 0 to below 1, got 1.0: try 0.1"),
    ],
)
def test_another_is_refused_with_the_rule_and_a_value_that_is_taken(name, value, rule):
    with pytest.raises(InputError) as caught:
        checked(Contributed, "mine", {name: value})
    assert str(caught.value).startswith(f"model.{name} must be {rule}")


@pytest.mark.parametrize("name", FREE)
def test_every_default_is_taken(name):
    value = getattr(Contributed(), name)
    assert getattr(checked(Contributed, "mine", {name: value}), name) == value
