"""Who does work that falls into parts: this process, or workers beside it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Found = TypeVar("Found")

Work = Callable[[Shared, Item], Found]
"""What is done with an item, given what all items share."""


class Pool(Protocol):
    """Who does the work."""

    @property
    def apart(self) -> bool:
        """Whether other processes do it, to which everything travels."""
        ...

    def each(
        self, work: Work[Shared, Item, Found], shared: Shared, items: Iterable[Item]
    ) -> Iterator[tuple[Item, Found]]:
        """Yield each item with what was found, in the order of the items."""
        ...


class Here:
    """This process does the work, one item after the other."""

    apart = False

    def each(
        self, work: Work[Shared, Item, Found], shared: Shared, items: Iterable[Item]
    ) -> Iterator[tuple[Item, Found]]:
        """Yield each item with what was found, in the order of the items."""
        for item in items:
            yield item, work(shared, item)


HERE = Here()
