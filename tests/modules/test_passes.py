"""Which groups share a forward pass, and in which order tables come."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from medix.modules.passes import tables
from medix.types import RolloutGroup
from tests.support.policies import BigramPolicy, group

GROUPS = [group(BigramPolicy(), lengths, seed=seed) for seed, lengths in enumerate([(3, 1), (2, 2, 4), (1,)])]


def part(one: RolloutGroup, start: int, stop: int) -> RolloutGroup:
    return RolloutGroup(one.prompt, one.completions[start:stop], one.policy_version)


class Asked:
    """Notes what it is asked for; a table holds the number of its place."""

    def __init__(self) -> None:
        self.together: list[int] = []
        self.parts: list[int] = []

    def logprobs(self, groups: Sequence[RolloutGroup], temperature: float) -> Tensor:
        assert temperature == 0.5
        self.together.append(len(groups))
        return torch.full((1, 1), sum(len(one.completions) for one in groups))

    def logprobs_in_chunks(self, parts: Sequence[RolloutGroup], temperature: float) -> Iterator[Tensor]:
        assert temperature == 0.5
        self.parts.append(len(parts))
        for one in parts:
            yield torch.full((1, 1), len(one.completions))


def test_parts_of_a_group_stand_behind_one_prompt_and_all_else_alone() -> None:
    first, second, third = GROUPS
    batches = [[first, third], [part(second, 0, 2)], [part(second, 2, 3)], [third], [first]]
    asked = Asked()
    found = tables(batches, asked.logprobs, asked.logprobs_in_chunks, 0.5)
    assert [int(table) for table in found] == [3, 2, 1, 1, 2]
    assert (asked.together, asked.parts) == ([2, 1, 1], [2])


def test_a_table_is_made_when_it_is_asked_for() -> None:
    """The backward pass of one comes before the forward pass of the next."""
    asked = Asked()
    found = tables([[one] for one in GROUPS], asked.logprobs, asked.logprobs_in_chunks, 0.5)
    next(found)
    assert asked.together == [1]


def test_no_batches_make_no_pass() -> None:
    assert list(tables([], Asked().logprobs, Asked().logprobs_in_chunks, 0.5)) == []
