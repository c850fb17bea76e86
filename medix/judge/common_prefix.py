"""Shared prefixes of prompts, so that each is computed once."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class CommonPrefix:
    """Prompts with a shared prefix.

    Attributes:
        members: indices of the prompts.
        length: tokens of the prefix; 0 for a prompt that shares none.
    """

    members: tuple[int, ...]
    length: int


@dataclass(frozen=True, slots=True)
class _Branch:
    """A range of the sorted prompts, its best division into shared prefixes, and the tokens which that saves."""

    members: tuple[int, ...]
    found: tuple[CommonPrefix, ...]
    saved: int


def common_prefixes(texts: Sequence[Sequence[int]], own: int = 1) -> list[CommonPrefix]:
    """Divide prompts into groups with a shared prefix, so that the fewest tokens are computed.

    Sorted prompts are the leaves of a prefix tree. The prefix of an inner node is either shared by all its leaves or
    by those of each branch on its own, whichever saves more.

    Args:
        texts: token ids, none of them empty.
        own: tokens at the end of each prompt that are never part of a prefix, since their logits are needed.

    Returns:
        Groups that hold every index once, in the order of the sorted prompts.
    """
    if not texts:
        return []
    order = sorted(range(len(texts)), key=lambda place: tuple(texts[place]))
    leaves = [_Branch((place,), (CommonPrefix((place,), 0),), 0) for place in order]
    common = [_common(texts[one], texts[other], own) for one, other in pairwise(order)]
    open_nodes: list[tuple[int, list[_Branch]]] = []
    for leaf, length in zip(leaves, [*common, -1], strict=True):
        branch = leaf
        while open_nodes and open_nodes[-1][0] > length:
            depth, branches = open_nodes.pop()
            branch = _joined([*branches, branch], depth)
        if length < 0:
            return list(branch.found)
        if open_nodes and open_nodes[-1][0] == length:
            open_nodes[-1][1].append(branch)
        else:
            open_nodes.append((length, [branch]))
    return []


def _joined(branches: Sequence[_Branch], length: int) -> _Branch:
    members = tuple(place for branch in branches for place in branch.members)
    together, apart = (len(members) - 1) * length, sum(branch.saved for branch in branches)
    if together > apart:
        return _Branch(members, (CommonPrefix(members, length),), together)
    return _Branch(members, tuple(part for branch in branches for part in branch.found), apart)


def _common(one: Sequence[int], other: Sequence[int], own: int) -> int:
    """Length of the common prefix of two prompts, without the last ``own`` tokens of the shorter."""
    most = max(min(len(one), len(other)) - own, 0)
    return next((place for place in range(most) if one[place] != other[place]), most)
