"""The largest forward pass that a step can make."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medix.callbacks.longest_groups import filled, longest
from medix.modules.microbatch import token_count
from medix.modules.training_group import TrainingGroup
from medix.modules.update import Update
from medix.types import Completion, FinishReason, Prompt, RolloutGroup, Sample


def group(prompt: int, completions: int, length: int) -> TrainingGroup:
    """A group whose tokens have no meaning."""
    written = Completion("", (1,) * length, (0.0,) * length, FinishReason.STOP)
    rows = (torch.zeros(length),) * completions
    rollout = RolloutGroup(Prompt(Sample("a", "?", "b", None), (1,) * prompt), (written,) * completions, 0)
    return TrainingGroup(rollout, (0.0,) * completions, rows)


@pytest.mark.parametrize(
    ("limit", "most", "shares", "rows"),
    [
        (1000, 3, True, [2, 2, 2]),  # there is room for more groups than an update has
        (32, 9, True, [2, 2]),
        (44, 9, True, [2, 2]),
        (45, 9, True, [2, 2, 1]),
        (15, 9, True, [2]),  # one that does not fit goes in parts
        (26, 9, False, [2]),
        (39, 9, False, [2, 1]),
    ],
)
def test_a_pass_is_filled_with_whole_groups_and_a_part(limit: int, most: int, shares: bool, rows: list[int]) -> None:
    """A prompt of 10 tokens with two completions of 3: 16 where it passes once, else 26; a part of it takes 13."""
    made = filled(Update(most, tokens_per_microbatch=limit), group(10, 2, 3), most, shares)
    assert [len(one.rollout.completions) for one in made] == rows


SIZES = st.tuples(st.integers(1, 30), st.integers(1, 5), st.integers(1, 9))


@given(st.lists(SIZES, min_size=1, max_size=8), st.integers(1, 400), st.booleans())
def test_no_pass_of_a_step_is_larger(sizes: list[tuple[int, int, int]], limit: int, shares: bool) -> None:
    """Except for the rest of the limit, into which neither another prompt nor another completion fits."""
    P, G, T = (max(size[column] for size in sizes) for column in range(3))
    update = Update(len(sizes), tokens_per_microbatch=limit)
    passes = update.microbatches([group(*size) for size in sizes], shares)
    dry = update.microbatches(filled(update, group(P, G, T), len(sizes), shares), shares)
    most, found = (max(token_count([part.rollout for part in one], shares) for one in each) for each in (passes, dry))
    assert most < found + P + T
    if len(sizes) * token_count([group(P, G, T).rollout], shares) <= limit:
        assert most <= found
        assert len(dry) == 1


def test_samples_that_cannot_be_rendered_are_left_to_the_loader() -> None:
    made = [Prompt(Sample("a", "?", "b", None), (1,) * length) for length in (3, 7, 5)]
    assert longest([made[0], ValueError("too long"), made[1], made[2]], 4) is made[1]
    assert longest([ValueError("too long")], 4) is None
