"""Rows of the old and the reference policy, however groups share forward passes."""

from pathlib import Path
from typing import Any

import pytest
import torch

from medix.modules import no_grad_logprobs
from medix.modules.no_grad_logprobs import NoGradLogprobs
from medix.policy.base import Policy
from medix.policy.fully_sharded import FullySharded
from medix.policy.vision_language import VisionLanguagePolicy
from medix.types import RolloutGroup
from tests.support.policies import BigramPolicy, group
from tests.support.tiny import loaded, mixed_prompts, written


def passes(policy: Policy, spare: RolloutGroup, limit: int = 10_000) -> NoGradLogprobs:
    return NoGradLogprobs(policy, limit, 1.0, spare, torch.device("cpu"))


@pytest.mark.parametrize("limit", [1, 60, 10_000])
def test_old_and_reference_rows_do_not_depend_on_how_groups_pass(tiny_policy: Path, limit: int) -> None:
    """In parts, whole, several at a time: each row is what the group alone gives, for groups of unequal lengths."""
    policy = loaded(tiny_policy)
    first, second = mixed_prompts(policy)[:2]
    groups = [written(policy, first, [3, 1]), written(policy, second, [2, 5, 4])]
    made = passes(policy, groups[0], limit)
    for rows_of, logprobs in ((made.old, policy.logprobs), (made.reference, policy.reference_logprobs)):
        found = rows_of(groups)
        assert [[len(row) for row in rows] for rows in found] == [[3, 1], [2, 5, 4]]
        for one, rows in zip(groups, found, strict=True):
            alone = logprobs([one], 1.0)
            for row, expected in zip(rows, alone, strict=True):
                assert not row.requires_grad
                torch.testing.assert_close(row, expected[: len(row)].detach(), rtol=0, atol=1e-5)


def test_parts_of_a_group_pass_their_prompt_once_without_gradient(
    tiny_policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = loaded(tiny_policy)
    one = written(policy, mixed_prompts(policy)[0], [3, 2, 2])
    made = passes(policy, one, limit=1)
    made.old([one])  # the policy compares shared and plain pass once
    asked: list[int] = []
    inner = VisionLanguagePolicy.logprobs_in_chunks

    def counted(self: VisionLanguagePolicy, parts: Any, temperature: float = 1.0) -> Any:
        asked.append(len(parts))
        return inner(self, parts, temperature)

    monkeypatch.setattr(VisionLanguagePolicy, "logprobs_in_chunks", counted)
    made.old([one])
    assert asked == [3]


def test_where_weights_are_sharded_a_rank_makes_as_many_passes_as_the_one_with_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two groups here, five passes on another rank: three passes of the spare group, whose rows are left out."""
    monkeypatch.setattr(no_grad_logprobs, "all_reduce", lambda values, operation, device: [5.0])
    policy = BigramPolicy()
    groups = [group(policy, lengths, seed=seed) for seed, lengths in enumerate([(3, 1), (2, 2)])]
    expected = passes(policy, groups[0]).old(groups)
    policy.passes = 0
    policy.sharding = FullySharded()
    found = passes(policy, groups[0]).old(groups)
    assert policy.passes == 5
    for rows, same in zip(found, expected, strict=True):
        assert all(torch.equal(row, other) for row, other in zip(rows, same, strict=True))


def test_no_groups_make_no_pass() -> None:
    policy = BigramPolicy()
    spare = group(policy, [2])
    policy.passes = 0
    assert passes(policy, spare).old([]) == []
    assert policy.passes == 0
