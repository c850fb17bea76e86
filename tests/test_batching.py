import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.batching import Batching


def sizes(**changes: int) -> Batching:
    given = {
        "prompts_per_step": 512, "completions_per_prompt": 5, "prompts_per_update": 128, "prompts_per_rollout": 128,
        "tokens_per_microbatch": 16896, "ranks": 8,
    }  # fmt: skip
    return Batching(**{**given, **changes})


def test_the_paper_makes_four_updates_a_step() -> None:
    """512 / 128 = 4; 512 x 5 = 2,560 completions."""
    assert sizes().updates_per_step == 4
    assert ("completions per step", "512 x 5 = 2560") in sizes().rows()


def test_a_step_that_may_close_with_fewer_says_so() -> None:
    rows = dict(sizes(close_after=3).rows())
    assert rows["prompts per step"] == "512 (64 on each of 8), or as many as have signal after 3 rollouts"


def test_a_group_of_one_is_refused_with_key_value_and_remedy() -> None:
    with pytest.raises(
        ValueError, match=r"completions_per_prompt: 1; .* at least 2 .*Set .*completions_per_prompt to 2"
    ):
        sizes(completions_per_prompt=1)


def test_a_step_that_is_no_whole_number_of_updates_is_refused_with_the_arithmetic() -> None:
    with pytest.raises(ValueError, match=r"prompts_per_step: 512 is not a multiple of prompts_per_update: 100 .*5\.12"):
        sizes(prompts_per_update=100)


def test_prompts_that_ranks_cannot_share_are_refused_with_the_arithmetic() -> None:
    with pytest.raises(ValueError, match=r"128 prompts cannot be shared evenly by 3 ranks .*multiple of 3"):
        sizes(prompts_per_step=384, ranks=3)


@pytest.mark.parametrize(
    "name", ["prompts_per_step", "prompts_per_update", "prompts_per_rollout", "tokens_per_microbatch"]
)
def test_a_size_below_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}: 0 must be at least 1"):
        sizes(**{name: 0})


@given(update=st.integers(1, 20), updates=st.integers(1, 20), ranks=st.integers(1, 8))
def test_updates_times_prompts_is_the_step(update: int, updates: int, ranks: int) -> None:
    made = sizes(
        prompts_per_update=update * ranks,
        prompts_per_step=update * updates * ranks,
        prompts_per_rollout=ranks,
        ranks=ranks,
    )
    assert made.updates_per_step * made.prompts_per_update == made.prompts_per_step
