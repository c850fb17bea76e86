"""Which groups share a forward pass, and in which order their log-probabilities come."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from medix.modules.microbatch import Chunk, gathering_once, microbatch_logprobs, plan, token_count
from medix.types import RolloutGroup
from tests.support.policies import BigramPolicy, group

GROUPS = [group(BigramPolicy(), lengths, seed=seed) for seed, lengths in enumerate([(3, 1), (2, 2, 4), (1,)])]


def part(one: RolloutGroup, start: int, stop: int) -> RolloutGroup:
    return RolloutGroup(one.prompt, one.completions[start:stop], one.policy_version)


class Asked:
    """Notes what it is asked for; each result holds the number of completions."""

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


def test_a_plan_fills_micro_batches_in_order_and_splits_what_does_not_fit() -> None:
    """Prompts of 3, completions of 3 and 1, of 2, 2 and 4, and of 1: with the prompt once the groups cost 7, 11 and 4.

    A limit of 9 splits the second group into 3 + 2 + 2 and 3 + 4; nothing joins a chunk, so the third stands alone.
    """
    first, second, third = GROUPS
    assert [token_count([one], True) for one in GROUPS] == [7, 11, 4]
    assert [token_count([one], False) for one in GROUPS] == [10, 17, 4]
    assert plan([first, second, third], 9, True) == [
        [Chunk(0, 0, 2)],
        [Chunk(1, 0, 2)],
        [Chunk(1, 2, 3)],
        [Chunk(2, 0, 1)],
    ]
    assert plan([first, third, second], 11, True) == [[Chunk(0, 0, 2), Chunk(1, 0, 1)], [Chunk(2, 0, 3)]]


def test_parts_of_a_group_stand_behind_one_prompt_and_all_else_alone() -> None:
    first, second, third = GROUPS
    batches = [[first, third], [part(second, 0, 2)], [part(second, 2, 3)], [third], [first]]
    asked = Asked()
    found = microbatch_logprobs(batches, asked.logprobs, asked.logprobs_in_chunks, 0.5)
    assert [int(rows) for rows in found] == [3, 2, 1, 1, 2]
    assert (asked.together, asked.parts) == ([2, 1, 1], [2])


def test_log_probabilities_are_computed_when_they_are_asked_for() -> None:
    """The backward pass of one comes before the forward pass of the next."""
    asked = Asked()
    found = microbatch_logprobs([[one] for one in GROUPS], asked.logprobs, asked.logprobs_in_chunks, 0.5)
    next(found)
    assert asked.together == [1]


def test_no_batches_make_no_pass() -> None:
    assert list(microbatch_logprobs([], Asked().logprobs, Asked().logprobs_in_chunks, 0.5)) == []


def test_where_groups_pass_one_after_the_other_each_gathers_weights_for_itself() -> None:
    """Ranks must gather weights equally often, and so many micro-batches have another number of groups each."""
    assert gathering_once([["a", "b"], ["c"]], shares_prompts=True) == [["a", "b"], ["c"]]
    assert gathering_once([["a", "b"], ["c"]], shares_prompts=False) == [["a"], ["b"], ["c"]]
