"""Selecting completions of a group together with what belongs to them."""

import torch

from medix.modules.training_group import TrainingGroup
from tests.support.policies import BigramPolicy, group

ROWS = tuple(torch.full((length,), float(length)) for length in (3, 1, 2))
WHOLE = TrainingGroup(group(BigramPolicy(), [3, 1, 2]), (0.5, -0.25, 0.75), ROWS, tuple(-row for row in ROWS))


def lengths(made: TrainingGroup) -> list[list[int]]:
    assert made.reference is not None
    columns = ([one.token_ids for one in made.rollout.completions], made.old, made.reference)
    return [[len(row) for row in column] for column in columns]


def test_rows_keeps_completions_and_everything_that_belongs_to_them() -> None:
    assert lengths(WHOLE.rows(1, 3)) == [[1, 2]] * 3
    assert WHOLE.rows(1, 3).advantages == (-0.25, 0.75)


def test_only_asks_for_each_completion_with_its_advantage() -> None:
    kept = WHOLE.only(lambda completion, advantage: advantage > 0 and len(completion.token_ids) > 2)
    assert lengths(kept) == [[3]] * 3
    assert kept.advantages == (0.5,)


def test_a_group_without_reference_stays_without() -> None:
    assert TrainingGroup(WHOLE.rollout, WHOLE.advantages, WHOLE.old).rows(0, 1).reference is None
