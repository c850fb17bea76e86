"""Which waiting groups a step takes, and which rank trains each of them."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple


class Place(NamedTuple):
    """Where a group waits: a rank, and the position in that rank's queue."""

    rank: int
    position: int


def deal(held: Sequence[Sequence[tuple[int, int]]], prompts_per_update: int, count: int) -> list[list[Place]]:
    """Choose the oldest groups of all ranks, and deal those of each update evenly to the ranks.

    Groups are ordered by the version that sampled them and by the order of the data, so that each update trains the
    same groups as on a single rank. A group moves to another rank only where its own has more than its share of an
    update; the receiving ranks are filled in order. Depends on nothing but its arguments: every rank computes the same.

    Args:
        held: for each rank, (policy version, data index) of its waiting groups.
        prompts_per_update: groups of one update, over all ranks; a multiple of their number.
        count: groups of the step, over all ranks; a multiple of their number. Where ``prompts_per_update`` does not
            divide it, the last update is smaller.

    Returns:
        For each rank, where the groups wait that it trains: ``prompts_per_update / ranks`` for each update in turn.

    Raises:
        ValueError: fewer groups wait than the step takes.
    """
    waiting = sorted(
        (key, Place(rank, position)) for rank, queue in enumerate(held) for position, key in enumerate(queue)
    )
    if len(waiting) < count:
        raise ValueError(f"take: {count} groups were requested of {len(waiting)}; check their number first")
    shares: list[list[Place]] = [[] for _ in held]
    for start in range(0, count, prompts_per_update):
        places = [place for _, place in waiting[start : min(start + prompts_per_update, count)]]
        for share, part in zip(shares, _even(places, len(held)), strict=True):
            share += part
    return shares


def _even(places: Sequence[Place], ranks: int) -> list[list[Place]]:
    """The groups of one update, equally many for each rank, in their order."""
    size = len(places) // ranks
    kept = [[place for place in places if place.rank == rank][:size] for rank in range(ranks)]
    stays = set(itertools.chain.from_iterable(kept))
    spare = (place for place in places if place not in stays)
    order = {place: number for number, place in enumerate(places)}
    return [sorted([*own, *itertools.islice(spare, size - len(own))], key=order.__getitem__) for own in kept]
