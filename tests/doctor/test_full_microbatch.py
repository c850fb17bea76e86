"""The largest micro-batches, by hand."""

from types import SimpleNamespace
from typing import Any, cast

from medix.doctor.full_microbatch import FullMicroBatch
from medix.doctor.rank import Rank


def rank(limit: int, groups: int = 8, kind: str = "single", shares: bool = True) -> Rank:
    """Prompts of 100 tokens, four completions each of at most 50."""
    sampling = SimpleNamespace(completions_per_prompt=4)
    module: Any = SimpleNamespace(
        update=SimpleNamespace(tokens_per_microbatch=limit), engine=SimpleNamespace(sampling=sampling)
    )
    return cast(Rank, SimpleNamespace(
        module=module, prompt_tokens=100, completion_tokens=50, groups_per_update=groups,
        policy=SimpleNamespace(shares_prompts=shares), plan=SimpleNamespace(kind=kind),
    ))  # fmt: skip


def test_a_group_that_fits_is_one_pass() -> None:
    """Each completion is joined to its prompt: 4 x 100 + 200 tokens; its tokens attend to at most 150."""
    (found,) = FullMicroBatch.all_of(rank(300, groups=1))
    assert found == FullMicroBatch(1, 100, 200, 300, joined=600, masked=200 * 150)
    assert found.tokens == 300


def test_prompts_of_full_length_fill_a_micro_batch_as_far_as_there_are_groups() -> None:
    """Of 470 tokens, four prompts leave 70 to completions; of 1,600 tokens that are allowed, two groups have 600."""
    (four,) = FullMicroBatch.all_of(rank(470))
    assert (four.prompts, four.prompt_tokens, four.completion_tokens) == (4, 400, 70)
    (two,) = FullMicroBatch.all_of(rank(1600, groups=2))
    assert (two.prompts, two.tokens) == (2, 600)


def test_a_group_that_does_not_fit_passes_in_chunks_and_its_prompt_comes_last() -> None:
    """A limit of 220 leaves 120 tokens to two completions of 50 and more."""
    whole, chunk, prompt = FullMicroBatch.all_of(rank(220))
    assert whole == FullMicroBatch(2, 200, 20, 220, joined=820, masked=20 * 120)
    assert chunk == FullMicroBatch(1, 100, 120, 120, joined=3 * 100 + 120, masked=120 * 150, lent=100)
    assert prompt == FullMicroBatch(1, 100, 0, 100, joined=0, masked=0, lent=100, twice=True)


def test_sharded_ranks_pass_a_prompt_with_every_chunk() -> None:
    assert len(FullMicroBatch.all_of(rank(220, kind="sharded"))) == 1


def test_a_limit_below_the_longest_row_is_that_row() -> None:
    assert FullMicroBatch.all_of(rank(10))[0].tokens == 150


def test_prompts_that_are_not_shared_need_nothing_for_pairs() -> None:
    (found,) = FullMicroBatch.all_of(rank(220, shares=False))
    assert (found.tokens, found.joined, found.masked, found.lent) == (220, 0, 0, 0)
