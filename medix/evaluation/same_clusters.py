"""Whether two systems have the same items in each cluster."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OtherClusters:
    """Two items that one system has in one cluster and the other in two.

    Attributes:
        items: names of the two.
        is_apart_in_second: whether it is the second system in which they are in two.
    """

    items: tuple[str, str]
    is_apart_in_second: bool

    def told(self, names: tuple[str, str], unit: str) -> str:
        """In words, with the names of the two systems and of what clusters are, such as ``case``."""
        one, two = names if self.is_apart_in_second else names[::-1]
        return (
            f"items {self.items[0]} and {self.items[1]} are of one {unit} in {one} and of two in {two}, so that no "
            f"interval holds for both; give two on the same data, with the same {unit}s"
        )


def other_clusters(items: Iterable[tuple[str, Hashable, Hashable]]) -> OtherClusters | None:
    """The first two items that are in one cluster of one system and in two of the other; None if there are none.

    Clusters may have other names in the two, as cases of builds with different salts do.

    Args:
        items: of each item its name, and its cluster in the first and in the second system.
    """
    of_first: dict[Hashable, tuple[str, Hashable]] = {}
    of_second: dict[Hashable, tuple[str, Hashable]] = {}
    for name, one, other in items:
        for known, own, paired, is_apart_in_second in ((of_first, one, other, True), (of_second, other, one, False)):
            earlier, found = known.setdefault(own, (name, paired))
            if found != paired:
                return OtherClusters((earlier, name), is_apart_in_second)
    return None
